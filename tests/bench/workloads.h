// The four workloads. Each prepares its source, measures the product and its own limit in the same
// run, and verifies equality at the end.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "tests/bench/usage.h"
#include "tests/support/servers.h"

namespace chameleon::bench {

struct Result {
  std::string workload, source;
  uint64_t rows = 0;
  double seconds = 0;
  double limit_rows_per_s = 0;           // 0: not a throughput workload
  std::map<std::string, double> lag_ms;  // "p50", "p90", "p99", "max"; steady only
  double limit_lag_ms = 0;               // one PostgreSQL commit
  std::map<std::string, Usage> usage;
  bool equal = false;
  std::string differences;
};

struct Options {
  test::SourceKind source = test::SourceKind::kMariadb;
  double scale = 1;
  bool verbose = true;  // what is being done, on standard error
};

Result InitialCopy(const Options& options);
Result Drain(const Options& options);
Result HotRows(const Options& options);
Result Steady(const Options& options);

}  // namespace chameleon::bench
