#include "proto/process/version.h"

namespace chameleon {
const char* const kVersion = CHAMELEON_VERSION;
}  // namespace chameleon
