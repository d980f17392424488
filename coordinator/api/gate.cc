#include "coordinator/api/gate.h"

#include <fmt/format.h>
#include <grpcpp/security/auth_context.h>
#include <spdlog/spdlog.h>

#include "proto/wire/error.h"
#include "proto/wire/status.h"
#include "proto/wire/token.h"

namespace chameleon::coordinator::api {
namespace {

constexpr std::chrono::hours kLogAgain{1};

std::string Bearer(const grpc::ServerContext& context) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("authorization");
  if (found == metadata.end()) return "";
  const std::string_view value(found->second.data(), found->second.size());
  constexpr std::string_view kScheme = "Bearer ";
  return value.substr(0, kScheme.size()) == kScheme ? std::string(value.substr(kScheme.size()))
                                                    : "";
}

bool IsTls(const grpc::ServerContext& context) {
  const auto types = context.auth_context()->FindPropertyValues("transport_security_type");
  return types.size() == 1 && types[0] == "tls";
}

absl::Status Refused(absl::StatusCode code, std::string_view reason, std::string_view text,
                     std::string_view hint) {
  return Error(code, reason, "", text, hint);
}

std::string Decoded(std::string text) {
  for (size_t at; (at = text.find("%5B")) != std::string::npos;) text.replace(at, 3, "[");
  for (size_t at; (at = text.find("%5D")) != std::string::npos;) text.replace(at, 3, "]");
  return text;
}

}  // namespace

std::string PeerHost(const std::string& peer) {
  const size_t begin = peer.find(':');
  const size_t end = peer.rfind(':');
  if (begin == std::string::npos || end <= begin) return peer;
  return Decoded(peer.substr(begin + 1, end - begin - 1));
}

absl::Status Gate::Check(const grpc::ServerContext& context, Role role) const {
  if (context.peer().rfind("unix:", 0) == 0) return absl::OkStatus();
  const bool client = role == Role::kClient;
  const Tokens::Pair tokens = tokens_ == nullptr ? Tokens::Pair{} : tokens_->Now();
  const std::string& expected = client ? tokens.client : tokens.join;
  const std::string& other = client ? tokens.join : tokens.client;
  if (client && expected.empty() && !IsTls(context)) return absl::OkStatus();
  if (expected.empty()) {
    return Refused(absl::StatusCode::kPermissionDenied, "ROLE_NOT_SERVED",
                   fmt::format("this coordinator takes no {} over the network",
                               client ? "clients" : "workers"),
                   fmt::format("Start it with --{}-token-file, or set listen.{}_token_file.",
                               client ? "client" : "join", client ? "client" : "join"));
  }
  const std::string given = Bearer(context);
  if (given.empty()) {
    return Refused(absl::StatusCode::kUnauthenticated, "TOKEN_REQUIRED",
                   fmt::format("a {} token is required", client ? "client" : "join"),
                   "Name its file with --token-file or CHAMELEON_TOKEN_FILE.");
  }
  if (SameToken(given, expected)) return absl::OkStatus();
  if (SameToken(given, other)) {
    return Refused(absl::StatusCode::kPermissionDenied, "TOKEN_OF_OTHER_ROLE",
                   client ? "a worker's join token does not admit a client"
                          : "a client's token does not admit a worker",
                   fmt::format("Use the token in the coordinator's {}_token_file.",
                               client ? "client" : "join"));
  }
  return Refused(
      absl::StatusCode::kUnauthenticated, "TOKEN_WRONG",
      fmt::format("the {} token is wrong", client ? "client" : "join"),
      fmt::format("Use the token in the coordinator's {}_token_file.", client ? "client" : "join"));
}

absl::Status Gate::Refuse(const std::string& peer, const absl::Status& status) {
  const std::string host = PeerHost(peer);
  std::string text = Text(status);
  text = text.substr(0, text.find('\n'));
  const auto now = std::chrono::steady_clock::now();
  std::lock_guard lock(mutex_);
  if (refusals_.size() >= kRememberedMax) refusals_.clear();
  const auto [it, fresh] = refusals_.try_emplace({host, text}, Refusal{now, 0});
  if (!fresh && now - it->second.logged < kLogAgain) {
    ++it->second.since;
    return status;
  }
  if (fresh) {
    spdlog::warn("refused: {} peer={}", text, host);
  } else {
    spdlog::warn("refused, {} times more: {} peer={}", it->second.since + 1, text, host);
  }
  it->second = {now, 0};
  return status;
}

grpc::Status Gate::Client(const grpc::ServerContext& context) {
  const absl::Status status = Check(context, Role::kClient);
  return status.ok() ? grpc::Status::OK : ToGrpc(Refuse(context.peer(), status));
}

grpc::Status Gate::Worker(const grpc::ServerContext& context) {
  const absl::Status status = Check(context, Role::kWorker);
  return status.ok() ? grpc::Status::OK : ToGrpc(Refuse(context.peer(), status));
}

}  // namespace chameleon::coordinator::api
