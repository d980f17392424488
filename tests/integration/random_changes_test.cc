// Random schema changes, rows and transactions from several sessions, with stops and kills in
// between: each table is equal afterwards, or has left the replica with a reason.
//
// CHAMELEON_SEED and CHAMELEON_ROUNDS choose another or a longer run; the seed is printed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "tests/integration/random_statements.h"
#include "tests/support/both_servers.h"
#include "tests/support/replica.h"

namespace chameleon::test {
namespace {

constexpr int kStatementsPerRound = 150;
constexpr int kSessions = 2;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

class RandomChangesTest : public BothServers {
 protected:
  void SetUp() override {
    BothServers::SetUp();
    if (IsSkipped()) return;
    postgres_.Start();
    replica_ = std::make_unique<Replica>(&postgres_);
    source_ = StartSource(GetParam(), {});
    auto connection = source_->Connect();
    connection.Exec("CREATE DATABASE d CHARACTER SET utf8mb4");
    connection.Exec("CREATE TABLE d.w_marker (id INT PRIMARY KEY, n BIGINT NOT NULL)");
    connection.Exec("INSERT INTO d.w_marker VALUES (1, 0)");
  }

  // One session's share of a round.
  void Play(RandomStatements* statements, std::vector<std::string>* log) {
    auto session = source_->Connect("d");
    session.Exec("SET SESSION innodb_lock_wait_timeout = 2, lock_wait_timeout = 5");
    for (int i = 0; i < kStatementsPerRound; ++i) {
      const auto all = statements->Next();
      for (const auto& sql : all) {
        const unsigned error = session.TryExec(sql);
        log->push_back(fmt::format("{} {}", error, sql));
        if (error == 0) statements->Worked(sql);
      }
      // An XA transaction that a deadlock has ended keeps its session.
      if (all.front().starts_with("XA START ")) {
        const std::string xid = all.front().substr(9);
        session.TryExec("XA END " + xid);
        session.TryExec("XA ROLLBACK " + xid);
      }
    }
  }

  // Tables whose rows a statement made unknown are copied again by themselves.
  static void AwaitCopies(Pg* target) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (
        target->One("SELECT count(*) FROM sch_chameleon.t_replica_tables WHERE NOT b_dropped AND "
                    "NOT b_replica_enabled AND t_reason LIKE 'it must be copied again%'") != "0") {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "tables are not copied again";
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
  }

  // What is wrong with the tables that are followed; `left` counts the others, by reason.
  std::string Wrong(std::map<std::string, std::string>* left) {
    replica_->WaitCaughtUp("s", std::chrono::minutes(3));
    Pg target(replica_->target());
    AwaitCopies(&target);
    replica_->WaitCaughtUp("s", std::chrono::minutes(3));
    left->clear();
    EqualityOptions options;
    for (const auto& row : target.Query(
             "SELECT t_source_table, t_reason FROM sch_chameleon.t_replica_tables WHERE NOT "
             "b_dropped AND NOT (b_replicated AND b_replica_enabled)")) {
      options.skip_tables.insert(*row[0]);
      (*left)[*row[0]] = *row[1];
    }
    return CompareSchemas(source_->Address(), "d", replica_->target(), "d", options).differences;
  }

  PostgresServer postgres_;
  std::unique_ptr<SourceServer> source_;
  std::unique_ptr<Replica> replica_;  // ends before the servers
};

TEST_P(RandomChangesTest, EqualOrLeftByName) {
  const uint64_t seed = FromEnvironment("CHAMELEON_SEED", 12);
  const uint64_t rounds = FromEnvironment("CHAMELEON_ROUNDS", 3);
  fmt::print("CHAMELEON_SEED={} CHAMELEON_ROUNDS={}\n", seed, rounds);
  std::mt19937_64 random(seed);
  std::vector<RandomStatements> sessions;
  for (int i = 0; i < kSessions; ++i) {
    sessions.emplace_back(random(), source_->is_mariadb(),
                          std::string(1, static_cast<char>('a' + i)));
  }
  std::vector<std::vector<std::string>> logs(kSessions);
  const auto round = [&] {
    std::vector<std::thread> threads;
    for (int i = 0; i < kSessions; ++i) {
      threads.emplace_back([&, i] { Play(&sessions[i], &logs[i]); });
    }
    for (auto& thread : threads) thread.join();
  };
  round();
  replica_->AddSource({.name = "s", .server = source_.get(), .schema_mappings = {{"d", "d"}}});
  replica_->Setup();
  replica_->Init("s");
  replica_->Start("s");
  std::map<std::string, std::string> left;
  for (uint64_t i = 0; i < rounds; ++i) {
    const bool stopped = random() % 3 == 0;
    if (stopped) replica_->Stop("s");
    round();
    if (stopped) replica_->Start("s");
    if (random() % 3 == 0) {
      const char* victim = random() % 2 == 0 ? "chameleon-worker" : "chameleon-coordinator";
      for (const pid_t pid : replica_->Pids(victim)) kill(pid, SIGKILL);
      replica_->Ctl({"show_status"});  // starts a coordinator again
    }
    const std::string wrong = Wrong(&left);
    if (wrong.empty()) continue;
    for (int s = 0; s < kSessions; ++s) {
      fmt::print("---- session {}\n", s);
      for (const auto& line : logs[s]) fmt::print("{}\n", line);
    }
    FAIL() << "round " << i << ": " << wrong << replica_->Logs(150);
  }
  for (const auto& [table, reason] : left) {
    fmt::print("left: {}: {}\n", table, reason);
    for (const auto& log : logs) {
      for (const auto& line : log) {
        if (line.find(" `" + table + "`") != std::string::npos &&
            line.find("TABLE") != std::string::npos) {
          fmt::print("    {}\n", line);
        }
      }
    }
  }
}

ON_ALL_SERVERS(RandomChangesTest);

}  // namespace
}  // namespace chameleon::test
