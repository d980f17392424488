#include "proto/wire/channel.h"

#include <errno.h>
#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_interceptor.h>
#include <string.h>

#include <chrono>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>

#include "proto/wire/error.h"
#include "proto/wire/tls_probe.h"
#include "proto/wire/token.h"

namespace chameleon {
namespace {

using grpc::experimental::ClientInterceptorFactoryInterface;
using grpc::experimental::ClientRpcInfo;
using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;

constexpr int kMetadataBytesMax = 256 << 10;

class BearerInterceptor final : public Interceptor {
 public:
  explicit BearerInterceptor(const std::string& header) : header_(header) {}
  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      methods->GetSendInitialMetadata()->emplace("authorization", header_);
    }
    methods->Proceed();
  }

 private:
  const std::string& header_;  // the factory's, which lives as long as the channel
};

class BearerFactory final : public ClientInterceptorFactoryInterface {
 public:
  explicit BearerFactory(const std::string& token) : header_("Bearer " + token) {}
  Interceptor* CreateClientInterceptor(ClientRpcInfo*) override {
    return new BearerInterceptor(header_);
  }

 private:
  const std::string header_;
};

// "Handshake failed with fatal error SSL_ERROR_SSL: error:0A000086:SSL routines::why."
std::string Shortened(std::string text) {
  constexpr std::string_view kMark = "SSL routines::";
  const size_t at = text.find(kMark);
  if (at != std::string::npos) text = "a TLS handshake failed: " + text.substr(at + kMark.size());
  while (!text.empty() && text.back() == '.') text.pop_back();
  return text;
}

struct GrpcLog {
  static constexpr size_t kRememberedMax = 100;
  std::mutex mutex;
  std::map<std::string, std::chrono::steady_clock::time_point> logged;
  void (*sink)(const std::string&) = nullptr;
};
GrpcLog& TheGrpcLog() {
  static auto* log = new GrpcLog();
  return *log;
}

void OnGrpcLog(gpr_log_func_args* line) {
  if (line->severity != GPR_LOG_SEVERITY_ERROR) return;
  GrpcLog& log = TheGrpcLog();
  const std::string text = Shortened(line->message);
  const auto now = std::chrono::steady_clock::now();
  {
    std::lock_guard lock(log.mutex);
    if (log.logged.size() >= GrpcLog::kRememberedMax) log.logged.clear();
    const auto [it, fresh] = log.logged.try_emplace(text, now);
    if (!fresh && now - it->second < std::chrono::hours(1)) return;
    it->second = now;
  }
  log.sink(text);
}

bool IsUnix(const std::string& address) { return address.rfind("unix:", 0) == 0; }

}  // namespace

bool Endpoint::UsesTls() const {
  if (IsUnix(address)) return false;
  return !IsLoopback(address) || !tls_ca.empty() || !tls_cert.empty();
}

void TameGrpcLog(void (*sink)(const std::string& text)) {
  TheGrpcLog().sink = sink;
  gpr_set_log_function(OnGrpcLog);
}

absl::StatusOr<std::string> ReadPem(const std::string& path, const std::string& what) {
  std::ifstream file(path);
  std::stringstream text;
  if (file) text << file.rdbuf();
  if (!file) {
    return Error(absl::StatusCode::kFailedPrecondition, "TLS_FILE", path,
                 fmt::format("cannot read {} {}: {}", what, path, strerror(errno)),
                 "Name a PEM file that this user may read.");
  }
  return text.str();
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(const Endpoint& endpoint) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetMaxSendMessageSize(kMessageBytesMax);
  // A status may name each mistake in a configuration file.
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  auto credentials = grpc::InsecureChannelCredentials();
  if (endpoint.UsesTls()) {
    grpc::SslCredentialsOptions options;
    for (const auto& [path, what, text] :
         {std::tuple(&endpoint.tls_ca, "the TLS authority", &options.pem_root_certs),
          std::tuple(&endpoint.tls_cert, "the TLS certificate", &options.pem_cert_chain),
          std::tuple(&endpoint.tls_key, "the TLS key", &options.pem_private_key)}) {
      if (path->empty()) continue;
      auto pem = ReadPem(*path, what);
      if (!pem.ok()) return pem.status();
      *text = *std::move(pem);
    }
    if (options.pem_cert_chain.empty() != options.pem_private_key.empty()) {
      return Error(absl::StatusCode::kFailedPrecondition, "TLS_FILE", endpoint.address,
                   "a TLS certificate and its key belong together",
                   "Give both --tls-cert and --tls-key, or neither.");
    }
    credentials = grpc::SslCredentials(options);
  }
  if (!IsUnix(endpoint.address)) {
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepAliveS * 1000);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepAliveWaitS * 1000);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    // Channels do not share what the last one has found out about the address.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    // One that was cut off shall be back soon after its network is.
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  }
  std::vector<std::unique_ptr<ClientInterceptorFactoryInterface>> interceptors;
  if (!endpoint.token.empty() && !IsUnix(endpoint.address)) {
    interceptors.push_back(std::make_unique<BearerFactory>(endpoint.token));
  }
  return grpc::experimental::CreateCustomChannelWithInterceptors(
      endpoint.address, credentials, arguments, std::move(interceptors));
}

absl::Status Explained(const Endpoint& endpoint, const absl::Status& status) {
  if (!absl::IsUnavailable(status) || !DetailOf(status).reason().empty()) return status;
  if (IsUnix(endpoint.address)) return status;
  if (endpoint.UsesTls()) {
    const absl::Status probed =
        ProbeTls(endpoint.address, endpoint.tls_ca, endpoint.tls_cert, endpoint.tls_key);
    return probed.ok() ? status : probed;
  }
  return Error(absl::StatusCode::kUnavailable, "COORDINATOR_AWAY", endpoint.address,
               fmt::format("no coordinator answers in plain text at {}", endpoint.address),
               "If it listens with TLS, give --tls-ca.");
}

}  // namespace chameleon
