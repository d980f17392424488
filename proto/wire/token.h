// Bearer tokens: where they come from and how they are compared.
//
// A token is a line of 16 to 512 printable ASCII characters without blanks. It comes from a file
// that only its owner may read, or from the environment: never from the command line, which every
// user of the host can see. It is never logged.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace chameleon {

// FAILED_PRECONDITION: not there, readable by others, or not a token.
absl::StatusOr<std::string> ReadTokenFile(const std::string& path);

// From the file, if one is named; else from $CHAMELEON_TOKEN, which is removed from the
// environment; else empty.
absl::StatusOr<std::string> TokenFrom(const std::string& file);

// In a time that does not tell where they differ. An empty token equals nothing.
bool SameToken(std::string_view a, std::string_view b);

// "host:port" or "[::1]:port" on this machine's loopback interface.
bool IsLoopback(std::string_view address);

}  // namespace chameleon
