// The manual's other commands, each on a source that lives: what they do to the data is held
// against the source, and what they say is held against the text that a user reads.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "tests/support/live_fixture.h"

namespace chameleon::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CommandsTest : public LiveFixture {
 protected:
  // One schema d with a marker for WaitCaughtUp and a few tables.
  void StartSmall(std::map<std::string, std::string> settings = {}, SourceOptions options = {}) {
    source_ = test::StartSource(GetParam(), std::move(options));
    source_->LoadText(
        "CREATE DATABASE d; USE d;"
        "CREATE TABLE w_marker (id INT PRIMARY KEY, n BIGINT); INSERT INTO w_marker VALUES (1, 0);"
        "CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20), e ENUM('x','y'),"
        " UNIQUE KEY u (v));"
        "INSERT INTO a (v, e) VALUES ('one', 'x'), ('two', 'y'), ('three', NULL);"
        "CREATE TABLE b (id INT PRIMARY KEY, a_id INT, KEY k (a_id), CONSTRAINT fk_b FOREIGN KEY"
        " (a_id) REFERENCES a (id) ON DELETE CASCADE ON UPDATE RESTRICT);"
        "INSERT INTO b VALUES (1, 1), (2, 2), (3, NULL);"
        "CREATE TABLE c (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v INT);"
        "INSERT INTO c (v) VALUES (10), (20);");
    replica_->AddSource({.name = "d",
                         .server = source_.get(),
                         .schema_mappings = {{"d", "d"}},
                         .settings = std::move(settings)});
    replica_->Setup();
  }

  std::string State() {
    return Target("SELECT enm_status FROM sch_chameleon.t_sources WHERE t_source = 'd'");
  }
  std::string Disabled() {
    return Target(
        "SELECT coalesce(string_agg(v_table_name, ',' ORDER BY v_table_name), '')"
        " FROM sch_chameleon.t_replica_tables WHERE b_replicated AND NOT b_replica_enabled");
  }
  std::string ReplicaDifferences() { return replica_->Differences("d"); }

  void MustBe(const std::string& what, const std::function<bool()>& done, int seconds = 60) {
    if (WaitFor(done, seconds)) return;
    FAIL() << what << "\n"
           << replica_->MustCtl({"show_status", "--source", "d"}) << replica_->Logs();
  }

  // A row that replay finds missing: the table leaves the replica.
  void Break(const std::string& table) {
    TargetExec(fmt::format("DELETE FROM d.{} WHERE id = 1", table));
    Source(fmt::format("UPDATE {} SET id = 101 WHERE id = 1", table));
    MustBe(table + " is disabled", [&] { return Disabled().find(table) != std::string::npos; });
  }
};

// ---- sync_tables, refresh_schema
// ------------------------------------------------------------------

TEST_P(CommandsTest, SyncTablesRepairsDisabledTablesOfARunningSource) {
  StartSmall();
  replica_->Init("d");
  replica_->Start("d");
  Break("c");
  Source("INSERT INTO c (v) VALUES (30); INSERT INTO a (v) VALUES ('four')");
  EXPECT_THAT(replica_->MustCtl({"sync_tables", "--source", "d", "--tables", "disabled"}),
              HasSubstr("source \"d\" synchronised: 1 tables, 3 rows"));
  EXPECT_EQ(State(), "running");
  EXPECT_EQ(Disabled(), "");
  Source("INSERT INTO c (v) VALUES (40); DELETE FROM c WHERE v = 20");
  EXPECT_EQ(ReplicaDifferences(), "");
  EXPECT_EQ(Target("SELECT count(*) FROM sch_chameleon.t_replica_tables WHERE t_reason <> ''"),
            "0");
  EXPECT_EQ(replica_->MustCtl({"sync_tables", "--source", "d", "--tables", "disabled"}),
            "source \"d\" has no disabled table\n");
}

// Everything at once: writes go on while tables are copied again, again and again.
TEST_P(CommandsTest, SyncAndRefreshUnderLoad) {
  source_ = test::StartSource(GetParam());
  source_->Connect().Exec("CREATE DATABASE d");
  replica_->AddSource({.name = "d", .server = source_.get(), .schema_mappings = {{"d", "d"}}});
  Workload workload(source_->Address(), "d", {.seed = Seed(), .bulk_rows = 2000});
  workload.Prepare();
  replica_->Setup();
  replica_->Init("d");
  replica_->Start("d");
  workload.Start();
  const auto tables = source_->Connect("d").Query(
      "SELECT table_name FROM information_schema.tables WHERE table_schema = 'd' ORDER BY 1");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(TestSeconds(20));
  for (size_t i = 0; std::chrono::steady_clock::now() < end; ++i) {
    if (i % 4 == 3) {
      replica_->MustCtl({"refresh_schema", "--source", "d", "--schema", "d"});
    } else {
      replica_->MustCtl({"sync_tables", "--source", "d", "--tables",
                         fmt::format("d.{},d.{}", *tables[i % tables.size()][0],
                                     *tables[(i + 1) % tables.size()][0])});
    }
    EXPECT_EQ(State(), "running");
  }
  workload.Stop();
  EXPECT_EQ(ReplicaDifferences(), "");
  EXPECT_EQ(Disabled(), "");
}

// The stream stands before the tables' new position: their rows and DDL until there are not for it.
TEST_P(CommandsTest, EventsBetweenTheStreamAndTheCopyAreIgnoredForTheseTablesOnly) {
  StartSmall();
  replica_->Init("d");
  replica_->Start("d");
  replica_->WaitCaughtUp("d", std::chrono::seconds(60));
  replica_->Stop("d");
  Source(
      "INSERT INTO c (v) VALUES (30); ALTER TABLE c ADD COLUMN w INT DEFAULT 7;"
      "UPDATE c SET w = 8 WHERE v = 10; INSERT INTO a (v) VALUES ('five');"
      "UPDATE a SET v = 'uno' WHERE id = 1; FLUSH BINARY LOGS; DELETE FROM c WHERE v = 20");
  replica_->MustCtl({"sync_tables", "--source", "d", "--tables", "d.c"});
  EXPECT_EQ(State(), "synced");
  EXPECT_EQ(Target("SELECT string_agg(v || ':' || w, ',' ORDER BY id) FROM d.c"), "10:8,30:7");
  Source("INSERT INTO c (v) VALUES (50); UPDATE c SET w = 9 WHERE v = 30");
  replica_->Start("d");
  EXPECT_EQ(ReplicaDifferences(), "");
  EXPECT_EQ(Disabled(), "");
}

// What foreign keys do to children is in no log: a parent that is copied again takes them along,
// and a child that was copied does not get it a second time.
TEST_P(CommandsTest, ChildrenAreCopiedWithTheirParent) {
  StartSmall();
  replica_->Init("d");
  Source(
      "DELETE FROM a WHERE id = 1; INSERT INTO a VALUES (50, 'fifty', 'x');"
      "INSERT INTO b VALUES (50, 50)");
  EXPECT_THAT(replica_->MustCtl({"sync_tables", "--tables", "d.a"}), HasSubstr(": 2 tables, "));
  Source("INSERT INTO b VALUES (60, 50); DELETE FROM a WHERE id = 2");
  EXPECT_THAT(replica_->MustCtl({"sync_tables", "--tables", "d.b"}), HasSubstr(": 1 tables, "));
  Source("DELETE FROM a WHERE id = 50");
  replica_->Start("d");
  EXPECT_EQ(ReplicaDifferences(), "");
  EXPECT_EQ(Disabled(), "");
}

// Whether rows that were prepared before are in a copy cannot be told: nothing is guessed.
TEST_P(CommandsTest, PreparedRowsAreNeitherLostNorBroughtTwice) {
  StartSmall();
  replica_->Init("d");
  replica_->Start("d");
  Mysql xa = source_->Connect("d");
  const auto prepare = [&](const std::string& xid) {
    for (const std::string& sql :
         std::vector<std::string>{"XA START '" + xid + "'", "INSERT INTO c (v) VALUES (70)",
                                  "INSERT INTO a (v) VALUES ('" + xid + "')",
                                  "XA END '" + xid + "'", "XA PREPARE '" + xid + "'"}) {
      xa.Exec(sql);
    }
  };
  prepare("x");
  replica_->WaitCaughtUp("d", std::chrono::seconds(60));
  // Seen where it may be seen; else by what the replica has put aside.
  RunResult sync = replica_->Ctl({"sync_tables", "--tables", "d.c"});
  EXPECT_EQ(sync.exit_code, 3);
  EXPECT_THAT(sync.err, HasSubstr("XA"));
  EXPECT_EQ(State(), "running");
  xa.Exec("XA COMMIT 'x'");
  replica_->WaitCaughtUp("d", std::chrono::seconds(60));
  replica_->MustCtl({"sync_tables", "--tables", "d.c"});
  EXPECT_EQ(ReplicaDifferences(), "");
  // Prepared behind the stream's place, before the copy.
  replica_->Stop("d");
  prepare("y");
  sync = replica_->Ctl({"sync_tables", "--tables", "d.c"});
  EXPECT_EQ(sync.exit_code, source_->is_mariadb() ? 3 : 0) << sync.err;
  xa.Exec("XA COMMIT 'y'");
  replica_->Start("d");
  if (!source_->is_mariadb()) {
    MustBe("c leaves", [&] { return Disabled() == "c"; });
    EXPECT_THAT(Target("SELECT t_reason FROM sch_chameleon.t_replica_tables WHERE"
                       " v_table_name = 'c'"),
                HasSubstr("its rows were prepared as XA transaction"));
    replica_->WaitCaughtUp("d", std::chrono::seconds(60));
    replica_->MustCtl({"sync_tables", "--tables", "disabled"});
  }
  EXPECT_EQ(ReplicaDifferences(), "");
  EXPECT_EQ(Disabled(), "");
}

TEST_P(CommandsTest, SyncFollowsByGtid) {
  SourceOptions options;
  if (GetParam() == SourceKind::kMysql) {
    options.args = {"--gtid-mode=ON", "--enforce-gtid-consistency=ON"};
  }
  StartSmall({{"gtid_enable", "true"}}, options);
  replica_->Init("d");
  Source(
      "INSERT INTO c (v) VALUES (30); DELETE FROM c WHERE v = 10; UPDATE a SET v = 'uno' WHERE"
      " id = 1");
  replica_->MustCtl({"sync_tables", "--source", "d", "--tables", "d.c"});
  Source("INSERT INTO c (v) VALUES (40)");
  replica_->Start("d");
  EXPECT_EQ(ReplicaDifferences(), "");
  EXPECT_EQ(Disabled(), "");
}

TEST_P(CommandsTest, SyncTakesInATableThatWasNotCopied) {
  StartSmall({{"limit_tables", "[d.w_marker, d.a]"}});
  replica_->Init("d");
  replica_->Start("d");
  EXPECT_EQ(Target("SELECT to_regclass('d.b') IS NULL"), "t");
  RunResult refused = replica_->Ctl({"sync_tables", "--source", "d", "--tables", "d.b"});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_EQ(State(), "running");
  replica_->SetSetting("d", "limit_tables", "[d.w_marker, d.a, d.b, d.c]");
  replica_->MustCtl({"sync_tables", "--source", "d", "--tables", "d.b, d.c"});
  Source("INSERT INTO c (v) VALUES (30); UPDATE b SET a_id = 3 WHERE id = 3");
  EXPECT_EQ(ReplicaDifferences(), "");
}

TEST_P(CommandsTest, WrongNamesAreAnsweredWithWhatExists) {
  StartSmall();
  replica_->Init("d");
  replica_->Start("d");
  const auto error = [&](std::vector<std::string> arguments) {
    RunResult result = replica_->Ctl(std::move(arguments));
    return fmt::format("{} {}", result.exit_code, result.err);
  };
  EXPECT_EQ(error({"sync_tables", "--source", "d", "--tables", "x.a"}),
            "3 error: source \"d\" replicates no schema \"x\"\nHINT: Its schemas are: d.\n");
  EXPECT_EQ(error({"sync_tables", "--source", "d", "--tables", "a"}),
            "1 error: \"a\" is not a table name\nHINT: Write schema.table with the source's schema,"
            " several separated by commas, or the word disabled.\n");
  EXPECT_EQ(error({"sync_tables", "--source", "d"}),
            "1 error: no table was named\nHINT: Add --tables schema.table[,schema.table …] or"
            " --tables disabled.\n");
  EXPECT_THAT(error({"sync_tables", "--source", "d", "--tables", "d.a,d.nope"}),
              HasSubstr("the source has no table d.nope, or limit_tables and skip_tables leave it "
                        "out\nHINT: The replica has of d: a, b, c, w_marker.\n"));
  EXPECT_EQ(error({"refresh_schema", "--source", "d", "--schema", "x"}),
            "3 error: source \"d\" replicates no schema \"x\"\nHINT: Its schemas are: d.\n");
  // Nothing of that has stopped it.
  EXPECT_EQ(State(), "running");
  EXPECT_EQ(ReplicaDifferences(), "");
}

// on_error_replay: exit. The table that stopped the source can be repaired alone.
TEST_P(CommandsTest, SyncRepairsTheTableThatStoppedTheSource) {
  StartSmall({{"on_error_replay", "exit"}});
  replica_->Init("d");
  replica_->Start("d");
  TargetExec("DELETE FROM d.c WHERE id = 1");
  Source("UPDATE c SET v = 11 WHERE id = 1; INSERT INTO a (v) VALUES ('six')");
  MustBe("the source stops", [&] { return State() == "error"; });
  RunResult refused = replica_->Ctl({"sync_tables", "--source", "d", "--tables", "d.c"});
  EXPECT_THAT(refused.err, HasSubstr("enable_replica"));
  replica_->MustCtl({"enable_replica", "--source", "d"});
  replica_->MustCtl({"sync_tables", "--source", "d", "--tables", "d.c"});
  replica_->Start("d");
  EXPECT_EQ(ReplicaDifferences(), "");
  EXPECT_EQ(Disabled(), "");
}

// kill -9 of the coordinator while tables are being exchanged: the source goes on by itself.
TEST_P(CommandsTest, ACoordinatorKilledDuringASyncLeavesARunningSource) {
  StartSmall();
  replica_->Init("d");
  replica_->Start("d");
  // The swap waits for this reader.
  Pg reader(replica_->target());
  reader.Exec("BEGIN");
  reader.Query("SELECT * FROM d.c");
  replica_->MustCtl({"sync_tables", "--source", "d", "--tables", "d.c", "--no-wait"});
  MustBe("it is syncing", [&] { return State() == "syncing"; });
  std::this_thread::sleep_for(Millis(500));
  for (pid_t pid : replica_->Pids("chameleon-coordinator")) kill(pid, SIGKILL);
  reader.Exec("ROLLBACK");
  replica_->MustCtl({"show_status"});
  MustBe("it runs again", [&] { return State() == "running"; });
  Source("INSERT INTO c (v) VALUES (60)");
  EXPECT_EQ(ReplicaDifferences(), "");
  EXPECT_EQ(Target("SELECT count(*) FROM pg_namespace WHERE nspname = '_d_tmp'"), "0");
}

// A statement whose rows are not in the log: the table is copied again, nobody has to ask.
TEST_P(CommandsTest, ATableWhoseRowsAreUnknownIsCopiedAgainByItself) {
  StartSmall();
  replica_->Init("d");
  replica_->Start("d");
  Source(
      "ALTER TABLE b DROP PRIMARY KEY, ADD COLUMN n INT NOT NULL AUTO_INCREMENT PRIMARY KEY;"
      "INSERT INTO b (id, a_id) VALUES (9, 2); CREATE TABLE made (PRIMARY KEY (id)) AS SELECT id,"
      " v FROM a; INSERT INTO made VALUES (77, 'x')");
  MustBe("both are copied", [&] {
    return Disabled() == "" && Target("SELECT to_regclass('d.made') IS NOT NULL") == "t" &&
           Target(
               "SELECT count(*) FROM pg_attribute WHERE attrelid = 'd.b'::regclass AND attname ="
               " 'n'") == "1";
  });
  MustBe("it runs", [&] { return State() == "running"; });
  Source("UPDATE made SET v = 'y' WHERE id = 77; DELETE FROM b WHERE n = 1");
  EXPECT_EQ(ReplicaDifferences(), "");
}

// ---- copy_schema, maintenance
// ---------------------------------------------------------------------

TEST_P(CommandsTest, CopySchemaMakesEmptyTables) {
  StartSmall();
  EXPECT_THAT(replica_->MustCtl({"copy_schema", "--source", "d"}),
              HasSubstr("source \"d\" created without rows: 4 tables, 0 rows"));
  EXPECT_EQ(State(), "ready");
  EXPECT_EQ(Target("SELECT count(*) FROM d.a"), "0");
  EXPECT_EQ(Target("SELECT count(*) FROM pg_indexes WHERE schemaname = 'd' AND tablename = 'a'"),
            "2");
  EXPECT_EQ(replica_->Ctl({"start_replica", "--source", "d"}).exit_code, 3);
  replica_->Init("d");
  replica_->Start("d");
  EXPECT_EQ(ReplicaDifferences(), "");
}

TEST_P(CommandsTest, MaintenanceOfARunningSource) {
  StartSmall();
  replica_->Init("d");
  replica_->Start("d");
  Source("INSERT INTO c (v) SELECT 1 FROM information_schema.collations");
  replica_->WaitCaughtUp("d", std::chrono::seconds(60));
  EXPECT_NE(Target("SELECT pg_relation_size('sch_chameleon.t_log_replica_1_1')"), "0");
  for (const char* full : {"", "--full"}) {
    std::vector<std::string> arguments = {"run_maintenance", "--source", "d"};
    if (*full != 0) arguments.push_back(full);
    EXPECT_THAT(replica_->MustCtl(arguments), HasSubstr("maintenance of source \"d\""));
    EXPECT_EQ(State(), "running");
    EXPECT_EQ(Target("SELECT b_paused OR ts_last_maintenance IS NULL FROM sch_chameleon.t_sources"),
              "f");
    Source("UPDATE c SET v = v + 1");
    EXPECT_EQ(ReplicaDifferences(), "");
  }
}

TEST_P(CommandsTest, AutoMaintenanceRunsByTheInterval) {
  StartSmall({{"auto_maintenance", "'3 seconds'"}});
  replica_->Init("d");
  replica_->Start("d");
  const auto last = [&] {
    return Target("SELECT coalesce(ts_last_maintenance::text, '') FROM sch_chameleon.t_sources");
  };
  MustBe("first maintenance", [&] { return last() != ""; });
  const std::string first = last();
  MustBe("second maintenance", [&] { return last() != first; });
  MustBe("it runs", [&] { return State() == "running"; });
  EXPECT_EQ(ReplicaDifferences(), "");
  // The interval is counted from the catalogue: a new coordinator does not begin anew.
  TargetExec("UPDATE sch_chameleon.t_sources SET ts_last_maintenance = now() + interval '1 hour'");
  for (pid_t pid : replica_->Pids("chameleon-coordinator")) kill(pid, SIGTERM);
  MustBe("it ends", [&] { return replica_->Pids("chameleon-coordinator").empty(); });
  const std::string set = last();
  replica_->MustCtl({"show_status"});
  std::this_thread::sleep_for(std::chrono::seconds(8));
  EXPECT_EQ(last(), set);
}

// ---- update_schema_mappings
// -----------------------------------------------------------------------

TEST_P(CommandsTest, SchemaMappingsAreRenamedWhenNothingWaits) {
  StartSmall();
  replica_->Init("d");
  replica_->Start("d");
  replica_->WaitCaughtUp("d", std::chrono::seconds(60));
  RunResult running = replica_->Ctl({"update_schema_mappings", "--source", "d"});
  EXPECT_EQ(running.exit_code, 3);
  EXPECT_THAT(running.err, HasSubstr("source \"d\" is running"));
  replica_->Stop("d");
  EXPECT_EQ(replica_->MustCtl({"update_schema_mappings", "--source", "d"}),
            "the schema mappings of source \"d\" are as stored\n");
  replica_->SetMappings("d", {{"d", "e"}});
  TargetExec("CREATE SCHEMA e");
  RunResult conflict = replica_->Ctl({"update_schema_mappings", "--source", "d"});
  EXPECT_EQ(conflict.exit_code, 3);
  EXPECT_THAT(conflict.err, HasSubstr("schema e exists already"));
  TargetExec("DROP SCHEMA e");
  EXPECT_EQ(replica_->MustCtl({"update_schema_mappings", "--source", "d"}),
            "schema mappings of source \"d\" updated: d: d is now e\n");
  EXPECT_EQ(Target("SELECT to_regnamespace('d') IS NULL"), "t");
  Source(
      "UPDATE a SET e = 'y' WHERE id = 1; INSERT INTO c (v) VALUES (77); DELETE FROM b WHERE"
      " id = 3");
  replica_->Start("d");
  EXPECT_EQ(ReplicaDifferences(), "");
  EXPECT_EQ(Disabled(), "");
}

// ---- detach_replica
// -------------------------------------------------------------------------------

TEST_P(CommandsTest, DetachMakesSequencesAndForeignKeysAndCanBeRepeated) {
  StartSmall();
  replica_->Init("d");
  replica_->Start("d");
  replica_->WaitCaughtUp("d", std::chrono::seconds(60));
  Source("INSERT INTO a (v) VALUES ('last')");
  replica_->WaitCaughtUp("d", std::chrono::seconds(60));
  TargetExec("INSERT INTO d.b VALUES (99, 4711)");  // an orphan
  RunResult first = replica_->Ctl({"detach_replica", "--source", "d"});
  EXPECT_EQ(first.exit_code, 3);
  EXPECT_THAT(first.err, HasSubstr("d.b: "));
  EXPECT_THAT(first.err, HasSubstr("fk_b"));
  EXPECT_EQ(State(), "stopped");
  TargetExec("DELETE FROM d.b WHERE id = 99");
  const std::string done =
      "source \"d\" detached: 2 sequences, 1 foreign keys; it is not followed "
      "any more\n";
  EXPECT_THAT(replica_->MustCtl({"detach_replica", "--source", "d"}), HasSubstr(done));
  EXPECT_EQ(State(), "ready");
  EXPECT_EQ(Target("INSERT INTO d.a (v) VALUES ('new') RETURNING id"), "5");
  EXPECT_EQ(Target("INSERT INTO d.c (v) VALUES (1) RETURNING id"), "3");
  EXPECT_EQ(Target("SELECT confdeltype::text || confupdtype::text || convalidated::text FROM"
                   " pg_constraint WHERE conname = 'fk_b'"),
            "crtrue");
  TargetExec("DELETE FROM d.a WHERE id = 1");
  EXPECT_EQ(Target("SELECT count(*) FROM d.b WHERE a_id = 1"), "0");
  // Again: nothing is harmed.
  EXPECT_THAT(replica_->MustCtl({"detach_replica", "--source", "d"}), HasSubstr(done));
  EXPECT_EQ(Target("INSERT INTO d.a (v) VALUES ('newer') RETURNING id"), "6");
  EXPECT_EQ(replica_->Ctl({"start_replica", "--source", "d"}).exit_code, 3);
  RunResult init = replica_->Ctl({"init_replica", "--source", "d"});
  EXPECT_EQ(init.exit_code, 3);
  EXPECT_THAT(init.err, HasSubstr("was detached"));
}

// ---- stop_all_replicas, enable_replica, --debug
// -----------------------------------------------------

// A crash leaves a state that says something is going on: enable_replica makes it startable.
TEST_P(CommandsTest, StopAllAndEnable) {
  StartSmall();
  replica_->Init("d");
  replica_->Start("d");
  EXPECT_EQ(replica_->Ctl({"enable_replica", "--source", "d"}).exit_code, 3) << "it is running";
  EXPECT_THAT(replica_->MustCtl({"stop_all_replicas"}), HasSubstr("d"));
  EXPECT_EQ(State(), "stopped");
  EXPECT_TRUE(replica_->Pids("chameleon-worker").empty());
  replica_->MustCtl({"stop_all_replicas"});
  for (pid_t pid : replica_->Pids("chameleon-coordinator")) kill(pid, SIGKILL);
  MustBe("it ends", [&] { return replica_->Pids("chameleon-coordinator").empty(); });
  TargetExec(
      "UPDATE sch_chameleon.t_sources SET enm_status = 'error', b_paused = true, b_maintenance ="
      " true");
  EXPECT_EQ(replica_->Ctl({"start_replica", "--source", "d"}).exit_code, 3);
  replica_->MustCtl({"enable_replica", "--source", "d"});
  EXPECT_EQ(State(), "stopped");
  EXPECT_EQ(Target("SELECT b_paused OR b_maintenance FROM sch_chameleon.t_sources"), "f");
  replica_->Start("d");
  Source("INSERT INTO c (v) VALUES (5)");
  EXPECT_EQ(ReplicaDifferences(), "");
}

TEST_P(CommandsTest, DebugEndsWithCtrlC) {
  StartSmall();
  replica_->Init("d");
  const std::string log = replica_->home() / "debug";
  ChildProcess debug(
      {.argv = {ProgramPath("chamctl"), "start_replica", "--source", "d", "--debug", "--config",
                "test"},
       .env = {"CHAMELEON_HOME=" + replica_->home().string(), "CHAMELEON_ALLOW_ROOT=1"},
       .log = log});
  MustBe("it runs", [&] { return State() == "running"; });
  Source("INSERT INTO c (v) VALUES (6)");
  EXPECT_EQ(ReplicaDifferences(), "");
  EXPECT_TRUE(debug.Running());
  debug.Signal(SIGINT);
  EXPECT_EQ(debug.Wait(std::chrono::seconds(30)), 0) << ReadFile(log);
  EXPECT_EQ(State(), "stopped");
  EXPECT_THAT(ReadFile(log), HasSubstr("src=d"));
}

// ---- the rest
// -------------------------------------------------------------------------------------

TEST_P(CommandsTest, UpgradeSaysThatThereIsNothingToDo) {
  StartSmall();
  EXPECT_THAT(replica_->MustCtl({"upgrade_replica_schema"}),
              HasSubstr("the replica schema has the newest version already"));
  TargetExec("UPDATE sch_chameleon.t_catalogue SET t_version = '99.1'");
  RunResult newer = replica_->Ctl({"upgrade_replica_schema"});
  EXPECT_EQ(newer.exit_code, 3);
  EXPECT_THAT(newer.err, HasSubstr("has version 99.1"));
}

// In a pipe nothing is asked, with and without --yes.
TEST_P(CommandsTest, DestructiveCommandsAskOnlyOnATerminal) {
  StartSmall();
  replica_->MustCtl({"drop_source", "--source", "d", "--yes"});
  replica_->MustCtl({"drop_replica_schema"});
  EXPECT_EQ(Target("SELECT to_regnamespace('sch_chameleon') IS NULL"), "t");
}

ON_BOTH_SERVERS(CommandsTest)

}  // namespace
}  // namespace chameleon::test
