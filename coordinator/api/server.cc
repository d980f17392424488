#include "coordinator/api/server.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <chrono>

#include "coordinator/api/control_service.h"
#include "coordinator/api/worker_service.h"
#include "proto/wire/error.h"
#include "proto/wire/status.h"

namespace chameleon::coordinator::api {

class Server::Services {
 public:
  Services(Coordinator* coordinator, std::function<void()> on_shutdown)
      : control(coordinator, std::move(on_shutdown)), worker(coordinator) {}
  ControlService control;
  WorkerService worker;
};

Server::Server() = default;
Server::~Server() { Stop(); }

absl::StatusOr<std::unique_ptr<Server>> Server::Start(Coordinator* coordinator,
                                                      const std::vector<std::string>& addresses,
                                                      std::function<void()> on_shutdown) {
  grpc::EnableDefaultHealthCheckService(true);
  static const bool reflection = [] {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  (void)reflection;
  auto server = std::unique_ptr<Server>(new Server());
  server->services_ = std::make_unique<Services>(coordinator, std::move(on_shutdown));
  grpc::ServerBuilder builder;
  for (const std::string& address : addresses) {
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  }
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  builder.SetMaxSendMessageSize(kMessageBytesMax);
  // A second process must never share the port silently.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterService(&server->services_->control);
  builder.RegisterService(&server->services_->worker);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) {
    return Error(absl::StatusCode::kFailedPrecondition, "CANNOT_LISTEN", addresses.front(),
                 fmt::format("cannot listen on {}", fmt::join(addresses, ", ")),
                 "Is the address in use, or the directory not writable?");
  }
  return server;
}

void Server::Stop() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  server_->Wait();
  server_.reset();
}

absl::StatusOr<v1::GetVersionResponse> Probe(const std::string& address, double timeout_s) {
  grpc::ChannelArguments arguments;
  // Not the process's shared subchannel: its reconnect backoff would outlast a quick restart.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  auto channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  auto stub = v1::ControlService::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(static_cast<int64_t>(timeout_s * 1000)));
  v1::GetVersionResponse response;
  const grpc::Status status = stub->GetVersion(&context, {}, &response);
  if (!status.ok()) return FromGrpc(status);
  return response;
}

}  // namespace chameleon::coordinator::api
