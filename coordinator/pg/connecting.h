// What both kinds of session share: how to connect, and which error means what. Inside this room.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "coordinator/config/config.h"

namespace chameleon::coordinator::pg {

// A libpq connection string with everything that is set.
std::string ConnectionText(const TargetConnection& target, std::string_view application_name);

// Why a connection could not be made, from libpq's text: FAILED_PRECONDITION when waiting does not
// mend it, else UNAVAILABLE.
absl::Status ConnectError(const TargetConnection& target, const std::string& text);

// The error of a statement. `state`: SQLSTATE, empty when the connection is lost.
absl::Status StatementError(std::string_view state, const std::string& text);

// What facts 7.1 and 7.6 ask for, to be executed first.
extern const std::string_view kSessionSetup;

std::string Trimmed(const char* text);

}  // namespace chameleon::coordinator::pg
