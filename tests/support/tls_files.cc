#include "tests/support/tls_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <random>

namespace chameleon::test {

TlsFiles::TlsFiles() { Authority("ca"); }

void TlsFiles::Openssl(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), "openssl");
  MustRun({.argv = std::move(arguments)});
}

std::string TlsFiles::Authority(const std::string& name) {
  Openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
           "-keyout", Key(name), "-out", Pem(name), "-subj", "/CN=test " + name, "-days", "2"});
  return Pem(name);
}

void TlsFiles::Certificate(const std::string& name, const std::vector<std::string>& addresses,
                           int days, const std::string& authority) {
  std::string names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
  for (const auto& address : addresses) names += ",IP:" + address;
  WriteFile(Path(name + ".ext"), names + "\n");
  Openssl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
           Key(name), "-out", Path(name + ".csr"), "-subj", "/CN=" + name});
  Openssl({"x509", "-req", "-in", Path(name + ".csr"), "-CA", Pem(authority), "-CAkey",
           Key(authority), "-CAcreateserial", "-out", Pem(name), "-days", std::to_string(days),
           "-extfile", Path(name + ".ext")});
}

std::string TlsFiles::Token(const std::string& name, std::string token) {
  std::random_device random;
  while (token.size() < 32) token += fmt::format("{:08x}", random());
  WriteFile(Path(name), token + "\n");
  chmod(Path(name).c_str(), 0600);
  return Path(name);
}

}  // namespace chameleon::test
