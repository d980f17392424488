// Network namespaces as hosts: each has one link to a switch, on which the test itself is the
// gateway. Needs root and iproute2.
#pragma once

#include <string>
#include <vector>

#include "tests/support/process.h"

namespace chameleon::test {

class NetworkHosts {
 public:
  explicit NetworkHosts(int count);  // std::runtime_error: not possible here
  ~NetworkHosts();

  // The test's own address on the switch: what the hosts see of it.
  std::string gateway() const { return subnet_ + ".1"; }
  std::string address(int host) const { return subnet_ + "." + std::to_string(2 + host); }
  // The command, run on the host.
  Spawn On(int host, Spawn spawn) const;
  // Pulls the host's cable and plugs it in again: no packet tells anybody about it.
  void Cut(int host);
  void Plug(int host);

 private:
  std::string Name(int host) const { return prefix_ + "h" + std::to_string(host); }
  void Clear();

  const std::string prefix_, subnet_;
  const int count_;
};

}  // namespace chameleon::test
