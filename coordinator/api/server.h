// The gRPC server: both services, health and reflection, on the local socket and on one address
// more. Keep-alives end the calls of a peer that was cut off.
#pragma once

#include <grpcpp/server.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "chameleon/v1/control.pb.h"
#include "coordinator/api/listener.h"
#include "coordinator/coordinator.h"

namespace chameleon::coordinator::api {

class Server {
 public:
  // `local`: "unix:/path", mode 0600 by the process's umask.
  static absl::StatusOr<std::unique_ptr<Server>> Start(Coordinator* coordinator,
                                                       const std::string& local,
                                                       const Listener& listener,
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
