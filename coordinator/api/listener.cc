#include "coordinator/api/listener.h"

#include <fmt/format.h>
#include <grpcpp/security/server_credentials.h>

#include "proto/wire/channel.h"
#include "proto/wire/error.h"
#include "proto/wire/token.h"

namespace chameleon::coordinator::api {
namespace {

absl::Status Refused(std::string_view reason, const std::string& object, std::string text,
                     std::string hint) {
  return Error(absl::StatusCode::kFailedPrecondition, reason, object, text, hint);
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> Tls(const ListenOptions& options) {
  auto key = ReadPem(options.tls_key, "the TLS key");
  if (!key.ok()) return key.status();
  auto cert = ReadPem(options.tls_cert, "the TLS certificate");
  if (!cert.ok()) return cert.status();
  grpc::SslServerCredentialsOptions ssl(
      options.tls_client_ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                    : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  ssl.pem_key_cert_pairs.push_back({*key, *cert});
  if (!options.tls_client_ca.empty()) {
    auto authority = ReadPem(options.tls_client_ca, "the TLS authority of clients");
    if (!authority.ok()) return authority.status();
    ssl.pem_root_certs = *authority;
  }
  return grpc::SslServerCredentials(ssl);
}

}  // namespace

absl::StatusOr<Listener> OpenListener(const ListenOptions& options) {
  Listener listener;
  listener.address = options.address;
  if (options.address.empty()) return listener;
  for (const auto& [file, token] : {std::pair(&options.client_token_file, &listener.client_token),
                                    std::pair(&options.join_token_file, &listener.join_token)}) {
    if (file->empty()) continue;
    auto read = ReadTokenFile(*file);
    if (!read.ok()) return read.status();
    *token = *std::move(read);
  }
  if (SameToken(listener.client_token, listener.join_token)) {
    return Refused("TOKENS_EQUAL", options.join_token_file,
                   "clients and workers have the same token",
                   "Make another one with: openssl rand -hex 32");
  }
  const bool tls = !options.tls_cert.empty() || !options.tls_key.empty();
  if (!tls) {
    const bool local = options.address.rfind("unix:", 0) == 0;
    if (!local && !(options.plaintext_loopback && IsLoopback(options.address))) {
      return Refused("TLS_REQUIRED", options.address,
                     fmt::format("will not listen on {} without TLS", options.address),
                     "Give --tls-cert and --tls-key. Only 127.0.0.1 is allowed in plain text, with "
                     "--plaintext-loopback.");
    }
    listener.credentials = grpc::InsecureServerCredentials();
    return listener;
  }
  if (options.tls_cert.empty() || options.tls_key.empty()) {
    return Refused("TLS_FILE", options.address, "a TLS certificate and its key belong together",
                   "Give both --tls-cert and --tls-key.");
  }
  if (listener.client_token.empty() && listener.join_token.empty()) {
    return Refused("TOKEN_REQUIRED", options.address,
                   fmt::format("will not listen on {} without a token", options.address),
                   "Give --client-token-file for clients, --join-token-file for workers, or both.");
  }
  auto credentials = Tls(options);
  if (!credentials.ok()) return credentials.status();
  listener.credentials = *std::move(credentials);
  return listener;
}

}  // namespace chameleon::coordinator::api
