#include "coordinator/api/server.h"

#include <fmt/format.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "coordinator/api/control_service.h"
#include "coordinator/api/gate.h"
#include "coordinator/api/worker_service.h"
#include "proto/wire/channel.h"
#include "proto/wire/error.h"
#include "proto/wire/status.h"

namespace chameleon::coordinator::api {
namespace {
constexpr int kServerKeepAliveMs = 10'000;
}

class Server::Services {
 public:
  Services(Coordinator* coordinator, const Listener& listener, std::function<void()> on_shutdown)
      : gate(listener.tokens),
        control(coordinator, &gate, std::move(on_shutdown)),
        worker(coordinator, &gate) {}
  Gate gate;
  ControlService control;
  WorkerService worker;
};

Server::Server() = default;
Server::~Server() { Stop(); }

absl::StatusOr<std::unique_ptr<Server>> Server::Start(Coordinator* coordinator,
                                                      const std::string& local,
                                                      const Listener& listener,
                                                      std::function<void()> on_shutdown) {
  grpc::EnableDefaultHealthCheckService(true);
  TameGrpcLog([](const std::string& text) { spdlog::warn("{}", text); });
  static const bool reflection = [] {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  (void)reflection;
  auto server = std::unique_ptr<Server>(new Server());
  server->services_ = std::make_unique<Services>(coordinator, listener, std::move(on_shutdown));
  grpc::ServerBuilder builder;
  builder.AddListeningPort(local, grpc::InsecureServerCredentials());
  std::string addresses = local;
  if (!listener.address.empty()) {
    builder.AddListeningPort(listener.address, listener.credentials);
    addresses += ", " + listener.address;
  }
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  builder.SetMaxSendMessageSize(kMessageBytesMax);
  // Of the two ends of a half-open connection each finds out by itself; workers besides send signs
  // of life (worker_hosts.h, source_actor.cc), which ends their leases sooner.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kServerKeepAliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kServerKeepAliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  // A second process must never share the port silently.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterService(&server->services_->control);
  builder.RegisterService(&server->services_->worker);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) {
    return Error(absl::StatusCode::kFailedPrecondition, "CANNOT_LISTEN", addresses,
                 fmt::format("cannot listen on {}", addresses),
                 listener.address.empty()
                     ? "Is the address in use, or the directory not writable?"
                     : "Is the address in use, or the directory not writable? Do certificate and "
                       "key belong together?");
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
