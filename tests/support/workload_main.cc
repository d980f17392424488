// workload --source SOCKET|PORT --schema NAME [--seconds N] [--seed N] [--own]: changes rows of the
// schema's tables from four connections. --own makes and uses tables of its own, too.
#include <fmt/format.h>

#include <cstdlib>

#include "tests/support/workload.h"

namespace chameleon::test {
namespace {

int Main(int argc, char** argv) {
  MysqlAddress address;
  std::string schema;
  int seconds = 5;
  WorkloadOptions options{.own_tables = false, .bulk_rows = 0};
  for (int i = 1; i < argc; ++i) {
    std::string arg = argv[i];
    if (arg == "--own") {
      options.own_tables = true;
      options.bulk_rows = 200000;
      continue;
    }
    std::string value = i + 1 < argc ? argv[++i] : "";
    if (arg == "--source" && !value.empty() && value[0] == '/') {
      address.socket = value;
    } else if (arg == "--source") {
      address.port = std::atoi(value.c_str());
    } else if (arg == "--schema") {
      schema = value;
    } else if (arg == "--seconds") {
      seconds = std::atoi(value.c_str());
    } else if (arg == "--seed") {
      options.seed = std::strtoull(value.c_str(), nullptr, 10);
    } else {
      fmt::print(stderr,
                 "usage: workload --source SOCKET|PORT --schema NAME [--seconds N] [--seed N] "
                 "[--own]\n");
      return 2;
    }
  }
  Workload workload(address, schema, options);
  if (options.own_tables) workload.Prepare();
  workload.RunFor(std::chrono::seconds(seconds));
  fmt::print("{} transactions in {} s\n", workload.transactions(), seconds);
  return 0;
}

}  // namespace
}  // namespace chameleon::test

int main(int argc, char** argv) {
  try {
    return chameleon::test::Main(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "workload: {}\n", error.what());
    return 1;
  }
}
