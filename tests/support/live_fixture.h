// A target, a source of the kind that the case runs on, and a replica between them: what most tests
// of the running product begin with.
#pragma once

#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/both_servers.h"
#include "tests/support/replica.h"

namespace chameleon::test {

class LiveFixture : public BothServers {
 protected:
  void SetUp() override {
    BothServers::SetUp();
    if (IsSkipped()) return;
    postgres_.Start();
    replica_ = std::make_unique<Replica>(&postgres_);
  }

  // The source with a database d and, in it, the marker that WaitCaughtUp needs.
  void StartSource(SourceOptions options = {}) {
    source_ = test::StartSource(GetParam(), std::move(options));
    source_->LoadText(
        "CREATE DATABASE d; USE d; CREATE TABLE w_marker (id INT PRIMARY KEY, n BIGINT NOT NULL);"
        "INSERT INTO w_marker VALUES (1, 0);");
  }

  // Configures it under the name `source`.
  void AddSource(const std::string& source, std::map<std::string, std::string> settings = {},
                 std::map<std::string, std::string> mappings = {{"d", "d"}}) {
    replica_->AddSource({.name = source,
                         .server = source_.get(),
                         .schema_mappings = std::move(mappings),
                         .settings = std::move(settings)});
    replica_->Setup();
  }

  // Configures it as `s`, copies it and follows it.
  void Follow(std::map<std::string, std::string> settings = {},
              std::map<std::string, std::string> mappings = {{"d", "d"}}) {
    AddSource("s", std::move(settings), std::move(mappings));
    replica_->Init("s");
    replica_->Start("s");
  }

  // A source with these tables in d, copied and followed.
  void FollowTables(const std::vector<std::string>& tables, std::vector<std::string> arguments = {},
                    std::map<std::string, std::string> settings = {}) {
    StartSource({.args = std::move(arguments)});
    Run(tables);
    Follow(std::move(settings));
    CatchUp();
  }
  void KillWorker() {
    for (pid_t pid : replica_->Pids("chameleon-worker")) kill(pid, SIGKILL);
  }

  // In one session in d.
  void Run(const std::vector<std::string>& statements) {
    auto connection = source_->Connect("d");
    for (const auto& statement : statements) connection.Exec(statement);
  }
  // A script in d.
  void Source(const std::string& sql) { source_->LoadText(sql, "d"); }

  std::string Target(const std::string& sql) { return Pg(replica_->target()).One(sql); }
  void TargetExec(const std::string& sql) { Pg(replica_->target()).Exec(sql); }

  // "t: its reason; u: …"
  std::string Left() {
    return Target(
        "SELECT coalesce(string_agg(t_source_table || ': ' || t_reason, '; ' ORDER BY"
        " t_source_table), '') FROM sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled");
  }
  std::string ErrorLog() {
    return Target(
        "SELECT coalesce(string_agg(t_error_message, '; '), '') FROM sch_chameleon.t_error_log");
  }

  // False: not within the time.
  static bool WaitFor(const std::function<bool()>& done, int seconds = 60) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(Millis(50));
    }
    return true;
  }
  void CatchUp(const std::string& source = "s", int seconds = 90) {
    replica_->WaitCaughtUp(source, std::chrono::seconds(seconds));
  }
  // Until the tables that are copied again by themselves are back.
  void WaitForCopies() {
    CatchUp();
    WaitFor([&] { return Left().empty(); });
  }
  // The source `s` stops with this text.
  void ExpectStop(const std::string& text) {
    std::string error;
    WaitFor(
        [&] {
          error = Target("SELECT t_last_error FROM sch_chameleon.t_sources");
          return error.find(text) != std::string::npos;
        },
        30);
    EXPECT_THAT(error, ::testing::HasSubstr(text));
  }
  // Everything, without a word in the error log.
  void ExpectEqual() {
    EXPECT_EQ(replica_->Differences("s"), "");
    EXPECT_EQ(Left(), "");
    EXPECT_EQ(ErrorLog(), "");
  }

  PostgresServer postgres_;
  std::unique_ptr<SourceServer> source_;
  std::unique_ptr<Replica> replica_;  // ends before the servers
};

// The same with one session on the source that the whole case uses.
class LiveSessionFixture : public LiveFixture {
 protected:
  void SetUp() override {
    LiveFixture::SetUp();
    if (IsSkipped()) return;
    StartSource();
    db_ = std::make_unique<Mysql>(source_->Address());
    Exec("USE d");
  }
  void Exec(const std::string& sql) { db_->Exec(sql); }

  std::unique_ptr<Mysql> db_;
};

}  // namespace chameleon::test
