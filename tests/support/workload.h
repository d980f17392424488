// Seeded load on a source: what applications do to a database, and what is hard to replicate.
//
// Own tables (all named w_…), made by Prepare(): bank transfers whose sum never changes, multi-row
// inserts, updates and deletes, key changes, values of a unique column swapped inside one
// transaction, rollbacks, savepoints, INSERT … ON DUPLICATE KEY UPDATE, REPLACE, and one
// transaction of bulk_rows rows. Besides, rows of every other table with a primary key are updated,
// copied, re-keyed and deleted (foreign keys unchecked in these sessions).
//
// The same seed gives the same choices per connection; how the connections interleave is up to the
// server.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/mysql_client.h"
#include "tests/support/pg_client.h"
#include "tests/support/process.h"

namespace chameleon::test {

// $CHAMELEON_SEED, or a new one; printed once per process, so that a failure can be repeated.
uint64_t Seed();
// $CHAMELEON_TEST_SECONDS, or `seconds`: how long the long tests load the source.
int TestSeconds(int seconds);

struct WorkloadOptions {
  uint64_t seed = 1;
  int connections = 4;
  bool own_tables = true;  // false: only tables that are there already
  bool other_tables = true;
  int bulk_rows = 200000;  // 0: no such transaction
  Millis pause{1};         // after each transaction of a connection
};

class Workload {
 public:
  static constexpr int kAccounts = 200;
  static constexpr long kBalance = 1000;  // of each account at the start

  Workload(MysqlAddress address, std::string schema, WorkloadOptions options);
  ~Workload();

  void Prepare();
  void Start();
  // Ends after the running transactions; std::runtime_error if a connection met an error that it
  // does not expect.
  void Stop();
  void RunFor(Millis duration);
  uint64_t transactions() const { return transactions_; }
  std::string SumQuery(const std::string& pg_schema) const;  // over the accounts, for PostgreSQL
  static std::string ExpectedSum() { return std::to_string(kAccounts * kBalance); }

 private:
  struct OtherTable;
  class Connection;
  void Run(int number);
  void Bulk();
  void Guard(const std::function<void()>& body);

  MysqlAddress address_;
  WorkloadOptions options_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> transactions_{0};
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::string error_;  // the first; guarded by mutex_
};

// Reads one value from PostgreSQL every few milliseconds and holds it against the only one that is
// right. Connection errors and a table that is not there yet are waited out.
class InvariantReader {
 public:
  InvariantReader(PgAddress address, std::string query, std::string expected);
  ~InvariantReader();
  // Number of reads that gave a value; *violation is the first wrong one, or "".
  uint64_t Stop(std::string* violation);

 private:
  void Run();

  PgAddress address_;
  std::string query_, expected_;
  std::atomic<bool> stop_{false};
  uint64_t reads_ = 0;     // the thread's until Stop
  std::string violation_;  // the thread's until Stop
  std::thread thread_;
};

}  // namespace chameleon::test
