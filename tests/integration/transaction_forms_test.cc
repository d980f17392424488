// Transactions in every form that the servers log, live: prepared XA transactions, savepoints,
// statements in place of rows, tables that lose their rows. After each the source equals the target
// and no table has left the replica, or one has, loudly.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/live_fixture.h"

namespace chameleon::test {
namespace {

using ::testing::HasSubstr;

class TransactionFormsTest : public LiveFixture {};

TEST_P(TransactionFormsTest, PreparedTransactions) {
  FollowTables({"CREATE TABLE x (id INT PRIMARY KEY, v VARCHAR(20))",
                "INSERT INTO x VALUES (1, 'one')", "CREATE TABLE y (id INT PRIMARY KEY, v INT)"},
               {}, {{"replica_batch_size", "100"}});
  const auto xa = [&](const std::string& xid, const std::vector<std::string>& statements,
                      const std::string& end) {
    auto session = source_->Connect("d");
    session.Exec("XA START " + xid);
    for (const auto& statement : statements) session.Exec(statement);
    session.Exec("XA END " + xid);
    if (end == "ONE PHASE") {
      session.Exec("XA COMMIT " + xid + " ONE PHASE");
      return;
    }
    session.Exec("XA PREPARE " + xid);
  };
  std::string many = "INSERT INTO y VALUES (1, 1)";
  for (int i = 2; i <= 950; ++i) many += fmt::format(", ({0}, {0})", i);
  xa("'one'", {"INSERT INTO x VALUES (10, 'one phase')"}, "ONE PHASE");
  xa("'committed','b',7", {"INSERT INTO x VALUES (20, 'c')", "UPDATE x SET v = 'c1' WHERE id = 20"},
     "");
  xa("'rolled'", {"INSERT INTO x VALUES (30, 'r')"}, "");
  xa("'large'", {many, "UPDATE y SET v = v + 1", "DELETE FROM y WHERE id > 900"}, "");
  // Others go on; nothing of the prepared ones is to be seen.
  Run({"INSERT INTO x VALUES (40, 'meanwhile')"});
  CatchUp();
  EXPECT_EQ(Target("SELECT string_agg(id::text, ',' ORDER BY id) FROM d.x"), "1,10,40");
  EXPECT_EQ(Target("SELECT count(*) FROM d.y"), "0");
  EXPECT_EQ(Target("SELECT count(*) FROM sch_chameleon.t_xa_prepared"), "3");
  // They outlive the worker, the replica and the source's log.
  KillWorker();
  Run({"INSERT INTO x VALUES (41, 'after kill')"});
  CatchUp();
  replica_->Stop("s");
  Run({"FLUSH BINARY LOGS", "XA ROLLBACK 'rolled'"});
  replica_->Start("s");
  Run({"XA COMMIT 'large'", "XA COMMIT 'committed','b',7"});
  ExpectEqual();
  EXPECT_EQ(Target("SELECT count(*) FROM d.y"), "900");
  EXPECT_EQ(Target("SELECT count(*) FROM sch_chameleon.t_xa_prepared"), "0");
  EXPECT_EQ(Target("SELECT count(*) FROM sch_chameleon.t_xa_lines"), "0");
  // One that nobody knows.
  xa("'lost'", {"INSERT INTO x VALUES (50, 'l')"}, "");
  CatchUp();
  replica_->Stop("s");
  Pg(replica_->target()).Exec("DELETE FROM sch_chameleon.t_xa_prepared");
  replica_->Start("s");
  Run({"XA COMMIT 'lost'"});
  ExpectStop("XA transaction X'6c6f7374',X'',1 ends, but its rows are not known");
}

TEST_P(TransactionFormsTest, SavepointsAndTablesThatCannotRollBack) {
  // With GTIDs MySQL refuses such transactions.
  std::vector<std::string> arguments;
  if (GetParam() == SourceKind::kMysql) {
    arguments = {"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"};
  }
  FollowTables(
      {"CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM",
       "CREATE TABLE mem (id INT PRIMARY KEY) ENGINE=MEMORY", "INSERT INTO mem VALUES (1), (2)",
       "INSERT INTO t VALUES (1)"},
      arguments);
  Run({"BEGIN", "INSERT INTO t VALUES (2)", "SAVEPOINT S1", "INSERT INTO t VALUES (3)",
       "INSERT INTO m VALUES (3)", "SAVEPOINT s2", "INSERT INTO t VALUES (4)", "ROLLBACK TO s2",
       "INSERT INTO t VALUES (5)", "ROLLBACK TO s1", "INSERT INTO t VALUES (6)", "COMMIT"});
  Run({"BEGIN", "INSERT INTO t VALUES (7)", "INSERT INTO m VALUES (7)", "ROLLBACK"});
  ExpectEqual();
  // A server that starts again has lost what was in memory, and says so at the next access.
  source_->Restart();
  EXPECT_EQ(source_->Connect("d").One("SELECT count(*) FROM mem"), "0");
  Run({"INSERT INTO mem VALUES (9)"});
  ExpectEqual();
}

TEST_P(TransactionFormsTest, MariadbForms) {
  if (GetParam() == SourceKind::kMysql) GTEST_SKIP() << "MySQL has none of these";
  FollowTables({"CREATE TABLE v (id INT PRIMARY KEY, n INT) WITH SYSTEM VERSIONING",
                "CREATE SEQUENCE sq",
                "CREATE TABLE q (id INT PRIMARY KEY, n INT DEFAULT (nextval(sq)))",
                "CREATE TABLE al (id INT PRIMARY KEY, n INT) ENGINE=Aria",
                "INSERT INTO v VALUES (1, 1), (2, 2)"});
  Run({"INSERT INTO v VALUES (3, 3)", "UPDATE v SET n = 20 WHERE id = 2",
       "DELETE FROM v WHERE id = 1", "INSERT INTO v VALUES (1, 100)", "UPDATE v SET n = n + 1",
       "UPDATE v SET id = 33 WHERE id = 3", "DELETE HISTORY FROM v",
       "INSERT INTO q (id) VALUES (1), (2)", "SELECT setval(sq, 100)",
       "INSERT INTO q (id) VALUES (3)", "INSERT INTO al VALUES (1, 1)"});
  ExpectEqual();
  Run({"SET SESSION binlog_alter_two_phase = ON", "ALTER TABLE q ADD COLUMN two INT DEFAULT 2",
       "INSERT INTO q (id) VALUES (4)"});
  ExpectEqual();
}

// It is logged like the RENAME of the table that has the same name, which is still there.
TEST_P(TransactionFormsTest, RenameOfATemporaryNamesake) {
  if (IsMysql()) GTEST_SKIP() << "MySQL renames the other";
  FollowTables({"CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)"});
  Run({"CREATE TEMPORARY TABLE t (id INT)", "ALTER TABLE t ADD c INT", "TRUNCATE t",
       "RENAME TABLE t TO tmp", "DROP TABLE tmp", "INSERT INTO t VALUES (2)"});
  CatchUp();
  WaitForCopies();
  Run({"INSERT INTO t VALUES (3)"});
  CatchUp();
  EXPECT_EQ(Target("SELECT string_agg(id::text, ' ' ORDER BY id) FROM d.t"), "1 2 3");
  EXPECT_EQ(Left(), "");
}

// It is logged, and does nothing: the name is taken.
TEST_P(TransactionFormsTest, CreateIfNotExistsOverAView) {
  FollowTables({"CREATE TABLE t (id INT PRIMARY KEY)", "CREATE VIEW v AS SELECT 1 AS one"});
  Run({"CREATE TABLE IF NOT EXISTS v (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)"});
  ExpectEqual();
}

// Its engine keeps no rows, but its rows are in the log.
TEST_P(TransactionFormsTest, RowsOfABlackHole) {
  if (!IsMysql()) GTEST_SKIP() << "the engine is a plugin there";
  FollowTables({"CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE b (id INT) ENGINE=BLACKHOLE"});
  Run({"INSERT INTO b VALUES (1)", "INSERT INTO t VALUES (1)", "INSERT INTO b VALUES (2)"});
  CatchUp();
  EXPECT_EQ(Target("SELECT count(*) FROM d.t"), "1");
  EXPECT_EQ(Left(), "");
  EXPECT_EQ(Target("SELECT string_agg(t_kind, ' ') FROM sch_chameleon.t_ledger"),
            "unknown_table:d.b");
  EXPECT_EQ(Target("SELECT count(*) FROM sch_chameleon.t_error_log"), "0");
}

TEST_P(TransactionFormsTest, StatementFormatStops) {
  FollowTables({"CREATE TABLE t (id INT PRIMARY KEY)"});
  Run({"SET SESSION binlog_format = STATEMENT", "INSERT INTO t VALUES (1)"});
  ExpectStop("a INSERT in database \"d\" was logged as a statement, not as rows");
}

// Checksums, heartbeats: tools write their own tables so.
TEST_P(TransactionFormsTest, StatementFormatElsewhereStopsNothing) {
  FollowTables({"CREATE TABLE t (id INT PRIMARY KEY)"});
  Run({"INSERT INTO t VALUES (1)", "CREATE DATABASE tools",
       "CREATE TABLE tools.c (id INT PRIMARY KEY, n INT)", "SET SESSION binlog_format = STATEMENT",
       "REPLACE INTO tools.c SELECT id, count(*) FROM t GROUP BY id", "USE tools", "BEGIN",
       "SET @n = 4", "UPDATE c SET n = @n", "UPDATE tools.c SET n = RAND() WHERE id = 1", "COMMIT",
       "DELETE FROM c WHERE id = 1", "USE d", "SET SESSION binlog_format = ROW",
       "INSERT INTO t VALUES (2)"});
  ExpectEqual();
  EXPECT_EQ(Target("SELECT string_agg(format('%s %s', t_kind, i_count), ', ' ORDER BY t_kind) "
                        "FROM sch_chameleon.t_ledger WHERE t_kind LIKE '%tools%'"),
            "statement_ignored:delete of tools.c 1, statement_ignored:replace of tools.c 1, "
            "statement_ignored:update of tools.c 2");
  if (IsMysql()) {  // its log says what triggers change
    Run({"CREATE TRIGGER tools.g AFTER INSERT ON tools.c FOR EACH ROW INSERT INTO d.t VALUES (3)",
         "SET SESSION binlog_format = STATEMENT", "INSERT INTO tools.c VALUES (7, 7)"});
    ExpectStop("a INSERT in database \"d\" was logged as a statement, not as rows");
  }
}

// Rows that the source could not log.
TEST_P(TransactionFormsTest, IncidentStops) {
  FollowTables({"CREATE TABLE m (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(250)) ENGINE=MyISAM",
                "INSERT INTO m (t) VALUES (REPEAT('x', 250))", "INSERT INTO m (t) SELECT t FROM m",
                "INSERT INTO m (t) SELECT t FROM m", "INSERT INTO m (t) SELECT t FROM m"},
               {"--max-binlog-stmt-cache-size=4096", "--binlog-stmt-cache-size=4096"});
  EXPECT_ANY_THROW({
    for (int i = 0; i < 6; ++i) Run({"INSERT INTO m (t) SELECT t FROM m"});
  });
  ExpectStop("the source reports an incident: ");
}

// A tag makes a GTID of another event, and another kind of set.
TEST_P(TransactionFormsTest, TaggedGtids) {
  if (!IsMysql()) GTEST_SKIP() << "MariaDB's GTIDs have no tags";
  FollowTables({"CREATE TABLE t (id INT PRIMARY KEY, v INT)"},
               {"--gtid-mode=ON", "--enforce-gtid-consistency=ON"}, {{"gtid_enable", "true"}});
  Run({"INSERT INTO t VALUES (1, 1)", "SET SESSION gtid_next = 'AUTOMATIC:mytag'",
       "INSERT INTO t VALUES (2, 2)", "ALTER TABLE t ADD COLUMN w INT DEFAULT 7",
       "UPDATE t SET v = v + 1", "SET SESSION gtid_next = 'AUTOMATIC:other'",
       "INSERT INTO t VALUES (3, 3, 3)", "SET SESSION gtid_next = 'AUTOMATIC'",
       "DELETE FROM t WHERE id = 1"});
  ExpectEqual();
  EXPECT_THAT(Target("SELECT t_gtid_set FROM sch_chameleon.t_sources"), HasSubstr(":mytag:1-3"));
  // The set is handed back to the server, which continues behind it.
  replica_->Stop("s");
  Run({"FLUSH BINARY LOGS", "SET SESSION gtid_next = 'AUTOMATIC:mytag'",
       "INSERT INTO t VALUES (4, 4, 4)"});
  replica_->Start("s");
  ExpectEqual();
  KillWorker();
  Run({"SET SESSION gtid_next = 'AUTOMATIC:mytag'", "INSERT INTO t VALUES (5, 5, 5)"});
  ExpectEqual();
}

ON_ALL_SERVERS(TransactionFormsTest)

}  // namespace
}  // namespace chameleon::test
