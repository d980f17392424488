#include "proto/process/version.h"

namespace chameleon {
const char* const kVersion = CHAMELEON_VERSION;
const char* const kVersionDate = "2026-11-20";
}  // namespace chameleon
