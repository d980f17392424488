// Who may call: the local socket is open to its owner alone, everything else needs a bearer token
// for what it calls. Clients and workers have different ones.
//
// A refusal is logged once per peer and cause in an hour, however often it is tried. Thread-safe.
#pragma once

#include <grpcpp/server_context.h>

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "coordinator/api/tokens.h"

namespace chameleon::coordinator::api {

class Gate {
 public:
  // No tokens: nobody is admitted over the network, but for clients in plain text on loopback.
  explicit Gate(std::shared_ptr<Tokens> tokens) : tokens_(std::move(tokens)) {}

  // For each method of ControlService and of WorkerService, before anything else. UNAUTHENTICATED:
  // no token or a wrong one; PERMISSION_DENIED: the other role's.
  grpc::Status Client(const grpc::ServerContext& context);
  grpc::Status Worker(const grpc::ServerContext& context);

  // Logs it, once, and gives it back.
  absl::Status Refuse(const std::string& peer, const absl::Status& status);

 private:
  static constexpr size_t kRememberedMax = 1000;
  enum class Role { kClient, kWorker };
  absl::Status Check(const grpc::ServerContext& context, Role role) const;

  const std::shared_ptr<Tokens> tokens_;  // may be null
  std::mutex mutex_;
  struct Refusal {
    std::chrono::steady_clock::time_point logged;
    uint64_t since = 0;  // then
  };
  std::map<std::pair<std::string, std::string>, Refusal> refusals_;  // by peer and text
};

// "10.0.0.7" of "ipv4:10.0.0.7:4711": a peer without its port.
std::string PeerHost(const std::string& peer);

}  // namespace chameleon::coordinator::api
