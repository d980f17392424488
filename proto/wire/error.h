// Errors as users see them: a lower-case text, then "HINT: " and a sentence, plus a stable reason.
//
// The reason travels as a status payload (and as grpc-status-details over RPC), so that programs
// never parse texts. See docs/operations.md for the list of reasons.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "chameleon/v1/types.pb.h"

namespace chameleon {

// `text` without a final stop; `hint` a whole sentence or empty.
absl::Status Error(absl::StatusCode code, std::string_view reason, std::string_view object,
                   std::string_view text, std::string_view hint);

// The detail attached by Error(), or an empty one.
v1::ErrorDetail DetailOf(const absl::Status& status);

// The same status with "context: " before its message; payloads are kept.
absl::Status WithContext(const absl::Status& status, std::string_view context);

// The message. (Debian's Abseil has a string_view of its own, which fmt and std do not know: build
// texts with fmt::format and pass std::string to absl::Status.)
std::string Text(const absl::Status& status);

}  // namespace chameleon
