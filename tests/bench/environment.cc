#include "tests/bench/environment.h"

#include <chrono>
#include <stdexcept>
#include <thread>

namespace chameleon::bench {

Environment::Environment(const Options& options) : options(options) {
  Say("starting the servers");
  server = test::StartSource(options.source, {{"--innodb-buffer-pool-size=1G"}});
  postgres = std::make_unique<test::PostgresServer>(test::PostgresOptions{
      {"shared_buffers=1GB", "max_wal_size=8GB", "checkpoint_timeout=30min"}});
  postgres->Start();
  server->Connect().Exec(fmt::format("CREATE DATABASE {}", kSchema));
}

void Environment::SetUp(const std::map<std::string, std::string>& settings) {
  postgres->CreateDatabase("db_replica");
  replica = std::make_unique<test::Replica>(postgres.get());
  replica->AddSource({"bench", server.get(), {{kSchema, kSchema}}, settings});
  replica->Setup();
}

void Environment::WaitFor(const std::string& sql, const std::string& value, double timeout_s) {
  test::Pg pg(replica->target());
  const double end = NowS() + timeout_s;
  while (pg.One(sql) != value) {
    if (NowS() > end) {
      throw std::runtime_error(fmt::format("{} is {} and not {} after {} s\n{}", sql, pg.One(sql),
                                           value, timeout_s, replica->Logs()));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

void Environment::Verify(Result* result) {
  Say("comparing all rows");
  const auto equality =
      test::CompareSchemas(server->Address(kSchema), kSchema, replica->target(), kSchema);
  result->equal = equality.equal;
  result->differences = equality.differences;
}

void Environment::Say(const std::string& text) const {
  if (options.verbose) fmt::print(stderr, "{}\n", text);
}

UsageMeter MeterAll() {
  return UsageMeter(
      {"chameleon-coordinator", "chameleon-worker", "postgres", "mariadbd", "mysqld"});
}

void Fill(test::Mysql* source, const std::string& table, const std::string& expression,
          int64_t rows) {
  source->Exec("SET SESSION sql_log_bin = 0");
  // Numbers are made by doubling, in a database of their own that is not replicated.
  source->Exec("CREATE DATABASE IF NOT EXISTS bench_numbers");
  source->Exec("CREATE TABLE IF NOT EXISTS bench_numbers.made (n bigint PRIMARY KEY)");
  source->Exec("INSERT IGNORE INTO bench_numbers.made VALUES (1)");
  while (true) {
    const int64_t count = std::stoll(source->One("SELECT max(n) FROM bench_numbers.made"));
    if (count >= rows) break;
    source->Exec(
        fmt::format("INSERT INTO bench_numbers.made SELECT n + {} FROM bench_numbers.made", count));
  }
  source->Exec(
      fmt::format("INSERT INTO {} SELECT {} FROM bench_numbers.made WHERE n <= {} ORDER BY n",
                  table, expression, rows));
  source->Exec("SET SESSION sql_log_bin = 1");
}

}  // namespace chameleon::bench
