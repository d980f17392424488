// Why a TLS connection to a coordinator cannot be made, in words. gRPC only says that the handshake
// failed; this makes one of its own and looks.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace chameleon {

// OK: nothing wrong was found. UNAVAILABLE, with reasons COORDINATOR_AWAY (nobody answers),
// TLS_NOT_SPOKEN, SERVER_CERTIFICATE (theirs was not accepted here) and CLIENT_CERTIFICATE (ours
// was not accepted there). Takes a few seconds at most.
absl::Status ProbeTls(const std::string& address, const std::string& ca_file,
                      const std::string& cert_file, const std::string& key_file);

}  // namespace chameleon
