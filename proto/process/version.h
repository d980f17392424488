#pragma once

namespace chameleon {
// The product's version, from CMake's project().
extern const char* const kVersion;
// When its documentation was last brought up to date: "2026-11-20".
extern const char* const kVersionDate;
}  // namespace chameleon
