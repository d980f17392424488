#include "proto/wire/tls_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "proto/wire/error.h"

namespace chameleon {
namespace {

constexpr int kConnectMs = 3000;
// A server that refuses our certificate says so right after the handshake; one that does not sends
// its HTTP/2 settings.
constexpr int kReadS = 2;

struct Closer {
  ~Closer() {
    if (fd >= 0) close(fd);
  }
  int fd = -1;
};

absl::Status Unavailable(std::string_view reason, const std::string& address, std::string text,
                         std::string hint) {
  return Error(absl::StatusCode::kUnavailable, reason, address, text, hint);
}

absl::Status Connect(const std::string& address, const std::string& host, const std::string& port,
                     int* fd) {
  const auto away = [&](std::string_view why) {
    return Unavailable("COORDINATOR_AWAY", address,
                       fmt::format("no coordinator answers at {}: {}", address, why),
                       "Is it running with --listen, and is the port open?");
  };
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return away(gai_strerror(error));
  }
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, freeaddrinfo);
  int error = 0;
  for (addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Closer closer{socket(one->ai_family, one->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (closer.fd < 0) continue;
    if (connect(closer.fd, one->ai_addr, one->ai_addrlen) != 0) {
      error = errno;
      if (error != EINPROGRESS) continue;
      pollfd wait{closer.fd, POLLOUT, 0};
      socklen_t size = sizeof error;
      if (poll(&wait, 1, kConnectMs) != 1) {
        error = ETIMEDOUT;
        continue;
      }
      getsockopt(closer.fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) continue;
    }
    *fd = std::exchange(closer.fd, -1);
    return absl::OkStatus();
  }
  return away(strerror(error));
}

// "certificate has expired", "tlsv1 alert unknown ca": OpenSSL's newest words.
std::string LastError() {
  unsigned long code = 0;
  std::string text = "the connection was closed";
  while ((code = ERR_get_error()) != 0) {
    if (const char* reason = ERR_reason_error_string(code)) text = reason;
  }
  return text;
}

// Ours was not accepted; what is wrong with it can partly be seen from here.
absl::Status Refused(const std::string& address, const std::string& cert_file) {
  std::string text = fmt::format("{} wants a certificate of its clients", address);
  if (!cert_file.empty()) {
    std::unique_ptr<FILE, int (*)(FILE*)> file(fopen(cert_file.c_str(), "re"), fclose);
    std::unique_ptr<X509, void (*)(X509*)> certificate(
        file ? PEM_read_X509(file.get(), nullptr, nullptr, nullptr) : nullptr, X509_free);
    const bool expired =
        certificate && X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0;
    text = fmt::format("{} does not accept the certificate {}{}", address, cert_file,
                       expired ? ": it has expired" : "");
  }
  return Unavailable("CLIENT_CERTIFICATE", address, text,
                     "Give --tls-cert and --tls-key with a certificate that the coordinator's "
                     "tls_client_ca has signed.");
}

absl::Status Handshake(const std::string& address, const std::string& cert_file, SSL* ssl) {
  if (SSL_connect(ssl) != 1) {
    if (const long verified = SSL_get_verify_result(ssl); verified != X509_V_OK) {
      return Unavailable("SERVER_CERTIFICATE", address,
                         fmt::format("the certificate of {} is not accepted: {}", address,
                                     X509_verify_cert_error_string(verified)),
                         "Check the coordinator's certificate, and that --tls-ca names the "
                         "authority that signed it.");
    }
    const std::string why = LastError();
    if (why.find("alert") == std::string::npos) {
      return Unavailable("TLS_NOT_SPOKEN", address,
                         fmt::format("{} does not speak TLS: {}", address, why),
                         "Is this the address that the coordinator listens on?");
    }
    return Refused(address, cert_file);
  }
  char byte = 0;
  const int got = SSL_read(ssl, &byte, 1);
  if (got > 0 || SSL_get_error(ssl, got) == SSL_ERROR_WANT_READ) return absl::OkStatus();
  // It has seen our side of the handshake, and hangs up: most often without a word.
  return Refused(address, cert_file);
}

}  // namespace

absl::Status ProbeTls(const std::string& address, const std::string& ca_file,
                      const std::string& cert_file, const std::string& key_file) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    return Unavailable("COORDINATOR_AWAY", address,
                       fmt::format("\"{}\" is not an address", address),
                       "Write HOST:PORT, or unix:/path.");
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  Closer closer;
  if (auto status = Connect(address, host, address.substr(colon + 1), &closer.fd); !status.ok()) {
    return status;
  }
  const int flags = fcntl(closer.fd, F_GETFL);
  fcntl(closer.fd, F_SETFL, flags & ~O_NONBLOCK);
  const timeval limit{kReadS, 0};
  setsockopt(closer.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(closer.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);

  ERR_clear_error();
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()),
                                                       SSL_CTX_free);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else {
    SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr);
  }
  if (!cert_file.empty()) {
    SSL_CTX_use_certificate_chain_file(context.get(), cert_file.c_str());
    SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(), SSL_FILETYPE_PEM);
  }
  static const unsigned char kProtocols[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.get(), kProtocols, sizeof kProtocols);
  std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(context.get()), SSL_free);
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host.c_str()) != 1) {
    SSL_set1_host(ssl.get(), host.c_str());
    SSL_set_tlsext_host_name(ssl.get(), host.c_str());
  }
  SSL_set_fd(ssl.get(), closer.fd);
  ERR_clear_error();
  return Handshake(address, cert_file, ssl.get());
}

}  // namespace chameleon
