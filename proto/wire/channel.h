// How chamctl and workers reach a coordinator: the local socket, TLS, or plain text on loopback.
//
// Keep-alives find a half-open TCP connection within kKeepAliveS + kKeepAliveWaitS seconds: all
// calls on the channel then fail with UNAVAILABLE, whatever they were waiting for.
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace chameleon {

constexpr int kMessageBytesMax = 64 << 20;
constexpr int kKeepAliveS = 5;
constexpr int kKeepAliveWaitS = 5;

struct Endpoint {
  std::string address;                    // "unix:/path" or "host:port"
  std::string tls_ca, tls_cert, tls_key;  // PEM files; without tls_ca the system's authorities
  std::string token;                      // bearer; sent over TLS and on loopback only

  // Everything but the local socket, and loopback without any of the files.
  bool UsesTls() const;
};

// FAILED_PRECONDITION: a file cannot be read. Connects when first used.
absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(const Endpoint& endpoint);

// What a failed call says to people: UNAVAILABLE over TLS is looked at again with a handshake of
// its own, so that a wrong certificate is called so. Other statuses come back as they are.
absl::Status Explained(const Endpoint& endpoint, const absl::Status& status);

// gRPC writes a line to standard error for each connection that fails, and again for each try. From
// now on each text reaches `sink` once an hour instead.
void TameGrpcLog(void (*sink)(const std::string& text));

// The whole file. FAILED_PRECONDITION names `what`.
absl::StatusOr<std::string> ReadPem(const std::string& path, const std::string& what);

}  // namespace chameleon
