#include "coordinator/api/listener.h"

#include <fmt/format.h>
#include <grpcpp/security/server_credentials.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "proto/wire/channel.h"
#include "proto/wire/error.h"
#include "proto/wire/token.h"

namespace chameleon::coordinator::api {
namespace {

constexpr unsigned kReadAgainS = 5;

absl::Status Refused(std::string_view reason, const std::string& object, std::string text,
                     std::string hint) {
  return Error(absl::StatusCode::kFailedPrecondition, reason, object, text, hint);
}

// gRPC finds out with the first client, who would have to tell us.
bool BelongTogether(const std::string& cert, const std::string& key) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()),
                                                                  SSL_CTX_free);
  const bool good =
      context != nullptr && SSL_CTX_use_certificate_chain_file(context.get(), cert.c_str()) == 1 &&
      SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) == 1 &&
      SSL_CTX_check_private_key(context.get()) == 1;
  ERR_clear_error();
  return good;
}

// gRPC reads the files again and again, so that a renewed certificate needs no restart.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> Tls(const ListenOptions& options) {
  for (const auto& [file, what] :
       {std::pair(&options.tls_key, "the TLS key"),
        std::pair(&options.tls_cert, "the TLS certificate"),
        std::pair(&options.tls_client_ca, "the TLS authority of clients")}) {
    if (file->empty()) continue;
    if (auto pem = ReadPem(*file, what); !pem.ok()) return pem.status();
  }
  if (!BelongTogether(options.tls_cert, options.tls_key)) {
    return Refused("TLS_FILE", options.tls_cert,
                   fmt::format("{} and {} are not a certificate and its key", options.tls_cert,
                               options.tls_key),
                   "Both are PEM files, and the key has no passphrase.");
  }
  grpc::experimental::TlsServerCredentialsOptions tls(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          options.tls_key, options.tls_cert, options.tls_client_ca, kReadAgainS));
  tls.watch_identity_key_cert_pairs();
  if (!options.tls_client_ca.empty()) {
    tls.watch_root_certs();
    tls.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(tls);
}

}  // namespace

absl::StatusOr<Listener> OpenListener(const ListenOptions& options) {
  Listener listener;
  listener.address = options.address;
  if (options.address.empty()) return listener;
  auto tokens = Tokens::Open(options.client_token_file, options.join_token_file);
  if (!tokens.ok()) return tokens.status();
  listener.tokens = *std::move(tokens);
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
  if (options.client_token_file.empty() && options.join_token_file.empty()) {
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
