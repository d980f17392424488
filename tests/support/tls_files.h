// Certificates and tokens for tests, made by openssl in a directory of their own.
#pragma once

#include <string>
#include <vector>

#include "tests/support/process.h"

namespace chameleon::test {

class TlsFiles {
 public:
  TlsFiles();

  // An authority; "ca" exists already, "other" signs what nobody here trusts. Returns its PEM file.
  std::string Authority(const std::string& name);
  // NAME.pem and NAME.key, signed by the authority, for 127.0.0.1, localhost and `addresses`.
  // `days` may be negative: expired.
  void Certificate(const std::string& name, const std::vector<std::string>& addresses = {},
                   int days = 2, const std::string& authority = "ca");
  std::string Pem(const std::string& name) const { return Path(name + ".pem"); }
  std::string Key(const std::string& name) const { return Path(name + ".key"); }

  // A file with a fresh token, or with `token`; mode 0600.
  std::string Token(const std::string& name, std::string token = "");

 private:
  std::string Path(const std::string& name) const { return (dir_.path() / name).string(); }
  void Openssl(std::vector<std::string> arguments) const;

  TempDir dir_{"cham-tls"};
};

}  // namespace chameleon::test
