#include "tests/support/network_hosts.h"

#include <fmt/format.h>
#include <unistd.h>

#include <sstream>

namespace chameleon::test {
namespace {

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

void Ip(const std::string& arguments) { MustRun({.argv = Words("ip " + arguments)}); }

}  // namespace

NetworkHosts::NetworkHosts(int count)
    : prefix_(fmt::format("cm{}", getpid())),
      subnet_(fmt::format("10.{}.{}", 200 + getpid() % 50, getpid() / 50 % 250)),
      count_(count) {
  try {
    Ip(fmt::format("link add {}br type bridge", prefix_));
    Ip(fmt::format("addr add {}/24 dev {}br", gateway(), prefix_));
    Ip(fmt::format("link set {}br up", prefix_));
    for (int host = 0; host < count_; ++host) {
      const std::string name = Name(host);
      Ip(fmt::format("netns add {}", name));
      Ip(fmt::format("link add {0} type veth peer name eth0 netns {0}", name));
      Ip(fmt::format("link set {} master {}br", name, prefix_));
      Ip(fmt::format("link set {} up", name));
      Ip(fmt::format("-n {} addr add {}/24 dev eth0", name, address(host)));
      Ip(fmt::format("-n {} link set eth0 up", name));
      Ip(fmt::format("-n {} link set lo up", name));
    }
  } catch (...) {
    Clear();
    throw;
  }
}

NetworkHosts::~NetworkHosts() { Clear(); }

void NetworkHosts::Clear() {
  for (int host = 0; host < count_; ++host) {
    RunProgram({.argv = Words(fmt::format("ip link del {}", Name(host)))});
    RunProgram({.argv = Words(fmt::format("ip netns del {}", Name(host)))});
  }
  RunProgram({.argv = Words(fmt::format("ip link del {}br", prefix_))});
}

Spawn NetworkHosts::On(int host, Spawn spawn) const {
  const std::vector<std::string> enter = {"ip", "netns", "exec", Name(host)};
  spawn.argv.insert(spawn.argv.begin(), enter.begin(), enter.end());
  return spawn;
}

void NetworkHosts::Cut(int host) { Ip(fmt::format("link set {} down", Name(host))); }
void NetworkHosts::Plug(int host) { Ip(fmt::format("link set {} up", Name(host))); }

}  // namespace chameleon::test
