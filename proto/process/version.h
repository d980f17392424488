#pragma once

namespace chameleon {
// The product's version, from CMake's project().
extern const char* const kVersion;
}  // namespace chameleon
