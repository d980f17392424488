// The gRPC server: both services, health and reflection, on one or more addresses.
#pragma once

#include <grpcpp/server.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/control.pb.h"
#include "coordinator/coordinator.h"

namespace chameleon::coordinator::api {

constexpr int kMessageBytesMax = 64 << 20;

class Server {
 public:
  // Addresses: "unix:/path" (mode 0600 by the process's umask) or "127.0.0.1:port", plain text.
  static absl::StatusOr<std::unique_ptr<Server>> Start(Coordinator* coordinator,
                                                       const std::vector<std::string>& addresses,
                                                       std::function<void()> on_shutdown);
  ~Server();
  // Ends all calls within a second.
  void Stop();

 private:
  class Services;
  Server();
  std::unique_ptr<Services> services_;
  std::unique_ptr<grpc::Server> server_;
};

// Who answers at `address`? UNAVAILABLE: nobody.
absl::StatusOr<v1::GetVersionResponse> Probe(const std::string& address, double timeout_s);

}  // namespace chameleon::coordinator::api
