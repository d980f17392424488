// A source, a target and the product between them, for one benchmark.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

#include "tests/bench/limits.h"
#include "tests/bench/workloads.h"
#include "tests/support/replica.h"

namespace chameleon::bench {

inline constexpr char kSchema[] = "bench";

class Environment {
 public:
  explicit Environment(const Options& options);

  test::Mysql Source() { return server->Connect(kSchema); }
  // create_replica_schema and add_source; `settings` as in test::ReplicaSource.
  void SetUp(const std::map<std::string, std::string>& settings = {});
  // Waits until `sql` on the target gives `value`. std::runtime_error after `timeout_s`.
  void WaitFor(const std::string& sql, const std::string& value, double timeout_s);
  // Compares all tables; fills equal and differences.
  void Verify(Result* result);
  void Say(const std::string& text) const;

  const Options options;
  std::unique_ptr<test::SourceServer> server;
  std::unique_ptr<test::PostgresServer> postgres;
  std::unique_ptr<test::Replica> replica;
};

// The programs whose use is reported.
UsageMeter MeterAll();

// "INSERT INTO table SELECT expression FROM numbers 1 … rows" for both servers, without logging.
// `expression` uses `n`.
void Fill(test::Mysql* source, const std::string& table, const std::string& expression,
          int64_t rows);

}  // namespace chameleon::bench
