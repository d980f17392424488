// The address that other hosts may use: what it needs before it is opened.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "coordinator/api/tokens.h"
#include "coordinator/config/config.h"

namespace chameleon::coordinator::api {

struct Listener {
  std::string address;  // empty: none
  std::shared_ptr<grpc::ServerCredentials> credentials;
  std::shared_ptr<Tokens> tokens;  // null without an address
};

// Reads certificates and tokens. FAILED_PRECONDITION: TCP without TLS (but for loopback when it is
// asked for), TLS without a token, a file that cannot be used, one token for both roles.
absl::StatusOr<Listener> OpenListener(const ListenOptions& options);

}  // namespace chameleon::coordinator::api
