// Settings of the manual, each shown by what it does on a source that lives.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "tests/support/live_fixture.h"

namespace chameleon::test {
namespace {

using ::testing::HasSubstr;

class SettingsTest : public LiveFixture {
 protected:
  void StartSmall(std::map<std::string, std::string> settings) {
    source_ = test::StartSource(GetParam());
    source_->LoadText(
        "CREATE DATABASE d; USE d;"
        "CREATE TABLE w_marker (id INT PRIMARY KEY, n BIGINT); INSERT INTO w_marker VALUES (1, 0);"
        "CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20), e ENUM('x','y'),"
        " UNIQUE KEY u (v));"
        "INSERT INTO a (v, e) VALUES ('one', 'x'), ('two', 'y'), ('three', NULL);"
        "CREATE TABLE b (id INT PRIMARY KEY, a_id INT, KEY k (a_id), CONSTRAINT fk_b FOREIGN KEY"
        " (a_id) REFERENCES a (id) ON DELETE CASCADE);"
        "INSERT INTO b VALUES (1, 1), (2, 2), (3, NULL);");
    replica_->AddSource({.name = "d",
                         .server = source_.get(),
                         .schema_mappings = {{"d", "d"}},
                         .settings = std::move(settings)});
    replica_->Setup();
  }

  std::string State() { return Target("SELECT enm_status FROM sch_chameleon.t_sources"); }
  std::string Disabled() {
    return Target(
        "SELECT coalesce(string_agg(v_table_name || ': ' || t_reason, ','), '')"
        " FROM sch_chameleon.t_replica_tables WHERE b_replicated AND NOT b_replica_enabled");
  }
};

TEST_P(SettingsTest, GrantSelectToAndAMissingRole) {
  StartSmall({{"grant_select_to", "[usr_nobody, usr_readonly]"}});
  TargetExec("CREATE ROLE usr_readonly LOGIN");
  replica_->Init("d");
  const auto may = [&](const std::string& table) {
    return Target(
        fmt::format("SELECT has_table_privilege('usr_readonly', '{}', 'SELECT') AND"
                    " has_schema_privilege('usr_readonly', 'd', 'USAGE')",
                    table));
  };
  EXPECT_EQ(may("d.a"), "t");
  EXPECT_THAT(replica_->Logs(200), HasSubstr("role does not exist, select is not granted src=d "
                                             "role=usr_nobody"));
  replica_->MustCtl({"sync_tables", "--tables", "d.a"});
  EXPECT_EQ(may("d.a"), "t") << "a table that was copied again";
  EXPECT_EQ(Target("SELECT has_table_privilege('usr_readonly', 'd.a', 'INSERT')"), "f");
}

TEST_P(SettingsTest, FillfactorTheLastMatchWins) {
  StartSmall({{"fillfactor",
               "{\"30\": {tables: [d.a]}, \"50\": {tables: [\"*\"]},"
               " \"40\": {tables: [d.b]}}"}});
  replica_->Init("d");
  EXPECT_EQ(Target("SELECT string_agg(relname || ' ' || reloptions::text, ' ' ORDER BY relname)"
                   " FROM pg_class WHERE relnamespace = 'd'::regnamespace AND relkind = 'r'"),
            "a {fillfactor=50} b {fillfactor=40} w_marker {fillfactor=50}");
}

TEST_P(SettingsTest, LockTimeoutEndsTheSwap) {
  StartSmall({{"lock_timeout", "\"3s\""}});
  replica_->Init("d");
  Pg reader(replica_->target());
  reader.Exec("BEGIN");
  reader.Query("SELECT * FROM d.a");
  RunResult sync = replica_->Ctl({"sync_tables", "--tables", "d.a"});
  EXPECT_EQ(sync.exit_code, 3);
  EXPECT_THAT(sync.err, HasSubstr("were in use for 3 s"));
  EXPECT_EQ(State(), "initialised") << "as it was before";
  reader.Exec("ROLLBACK");
  replica_->MustCtl({"sync_tables", "--tables", "d.a"});
  EXPECT_EQ(State(), "synced");
}

// Skipped events leave rows that differ from the source: later events of them are no drift.
TEST_P(SettingsTest, SkipEvents) {
  StartSmall({{"skip_events", "{insert: [d.a], delete: [d.b], update: }"}});
  replica_->Init("d");
  replica_->Start("d");
  Source(
      "INSERT INTO a (v) VALUES ('skipped'); UPDATE a SET v = 'uno' WHERE v = 'one';"
      "UPDATE a SET v = 'of a skipped row' WHERE v = 'skipped';"
      "DELETE FROM a WHERE v = 'of a skipped row'; DELETE FROM a WHERE v = 'three'");
  Source("DELETE FROM b WHERE id = 1; UPDATE b SET a_id = NULL WHERE id = 2");
  replica_->WaitCaughtUp("d", std::chrono::seconds(60));
  Source("INSERT INTO b VALUES (1, 2); DELETE FROM b WHERE id = 1; INSERT INTO b VALUES (1, NULL)");
  replica_->WaitCaughtUp("d", std::chrono::seconds(60));
  EXPECT_EQ(Target("SELECT string_agg(v, ',' ORDER BY v) FROM d.a"), "two,uno");
  EXPECT_EQ(Target("SELECT string_agg(id || ':' || coalesce(a_id::text, '-'), ',' ORDER BY id)"
                   " FROM d.b"),
            "1:-,2:-,3:-");
  EXPECT_EQ(Disabled(), "");
  EXPECT_EQ(State(), "running");
}

// The tables stay: their privileges, views and own indexes; rows are exchanged.
TEST_P(SettingsTest, KeepExistingSchema) {
  StartSmall({{"keep_existing_schema", "Yes"}});
  replica_->Init("d");
  TargetExec(
      "CREATE VIEW public.v AS SELECT * FROM d.a; CREATE INDEX own ON d.a (e);"
      "ALTER TABLE d.b ADD CONSTRAINT fk_b FOREIGN KEY (a_id) REFERENCES d.a (id);"
      "DELETE FROM d.b WHERE id = 1; UPDATE d.a SET v = 'changed' WHERE id = 2;"
      "ALTER TABLE d.b ALTER a_id TYPE bigint; CREATE TABLE d.other (i int)");
  const std::string oid = Target("SELECT 'd.a'::regclass::oid");
  const std::string indexes =
      "SELECT string_agg(indexdef, ' ' ORDER BY indexname) FROM pg_indexes WHERE schemaname = 'd'";
  const std::string before = Target(indexes);
  Source("INSERT INTO a (v, e) VALUES ('four', 'y'); DELETE FROM b WHERE id = 2");
  for (const char* command : {"init_replica", "refresh_schema", "sync_tables"}) {
    std::vector<std::string> arguments = {command, "--source", "d"};
    if (std::string(command) == "sync_tables") {
      arguments.insert(arguments.end(), {"--tables", "d.b,d.a"});
    }
    replica_->MustCtl(arguments);
    EXPECT_EQ(Target("SELECT 'd.a'::regclass::oid"), oid) << command;
    EXPECT_EQ(Target(indexes), before) << command;
    EXPECT_EQ(Target("SELECT count(*) FROM public.v"), "4") << command;
    EXPECT_EQ(Target("SELECT count(*) FROM d.b"), "2") << command;
    EXPECT_EQ(Target("SELECT convalidated FROM pg_constraint WHERE conname = 'fk_b'"), "t");
    EXPECT_EQ(Target("SELECT to_regclass('d.other') IS NOT NULL"), "t");
  }
  TargetExec("ALTER TABLE d.b DROP CONSTRAINT fk_b");
  replica_->Start("d");
  Source("UPDATE a SET e = 'x' WHERE v = 'four'; INSERT INTO b VALUES (7, 1)");
  TargetExec("DROP TABLE d.other");
  EXPECT_EQ(replica_->Differences("d"), "");
}

TEST_P(SettingsTest, BatchRetention) {
  StartSmall({{"batch_retention", "'1 second'"}});
  replica_->Init("d");
  replica_->Start("d");
  Source("UPDATE a SET v = 'uno' WHERE id = 1");
  replica_->WaitCaughtUp("d", std::chrono::seconds(60));
  EXPECT_NE(Target("SELECT count(*) FROM sch_chameleon.t_replica_batch"), "0");
  replica_->Stop("d");
  std::this_thread::sleep_for(std::chrono::seconds(2));
  replica_->Start("d");
  EXPECT_TRUE(WaitFor([&] {
    return Target(
               "SELECT count(*) FROM sch_chameleon.t_replica_batch WHERE b_replayed AND"
               " ts_replayed < now() - interval '2 seconds'") == "0";
  }));
}

TEST_P(SettingsTest, OnErrorReplayContinueAndExit) {
  StartSmall({{"on_error_replay", "continue"}});
  replica_->Init("d");
  replica_->Start("d");
  TargetExec("DELETE FROM d.b WHERE id = 1");
  Source("UPDATE b SET a_id = 3 WHERE id = 1");
  EXPECT_TRUE(WaitFor([&] { return Disabled() != ""; }));
  EXPECT_EQ(State(), "running");
  replica_->Stop("d");
  replica_->SetSetting("d", "on_error_replay", "exit");
  replica_->MustCtl({"sync_tables", "--tables", "disabled"});
  replica_->Start("d");
  TargetExec("DELETE FROM d.b WHERE id = 2");
  Source("UPDATE b SET a_id = 3 WHERE id = 2");
  EXPECT_TRUE(WaitFor([&] { return State() == "error"; }));
  EXPECT_EQ(Disabled(), "");
  EXPECT_THAT(replica_->MustCtl({"show_errors"}), HasSubstr("the target is not equal"));
}

TEST_P(SettingsTest, OnErrorReadContinueWaitsForTheSource) {
  StartSmall({{"on_error_read", "continue"}});
  replica_->Init("d");
  replica_->Start("d");
  source_->Stop();
  EXPECT_TRUE(WaitFor([&] {
    return replica_->MustCtl({"show_status", "--source", "d"}).find("waiting") != std::string::npos;
  }));
  EXPECT_EQ(State(), "running");
  source_->Start();
  EXPECT_EQ(replica_->Differences("d"), "");
  // A source that is away at the start: exit says so at once.
  replica_->Stop("d");
  replica_->SetSetting("d", "on_error_read", "exit");
  source_->Stop();
  RunResult start = replica_->Ctl({"start_replica", "--source", "d"});
  EXPECT_NE(start.exit_code, 0);
  EXPECT_EQ(State(), "error");
}

ON_BOTH_SERVERS(SettingsTest)

}  // namespace
}  // namespace chameleon::test
