// Transactions in every form that the servers log, live: incomplete row images, prepared XA
// transactions, foreign key actions that are not logged, savepoints, tables that lose their rows.
// After each the source equals the target and no table has left the replica, or one has, loudly.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "tests/support/both_servers.h"
#include "tests/support/replica.h"

namespace chameleon::test {
namespace {

using ::testing::HasSubstr;

class TransactionFormsTest : public BothServers {
 protected:
  void SetUp() override {
    BothServers::SetUp();
    if (IsSkipped()) return;
    postgres_.Start();
    replica_ = std::make_unique<Replica>(&postgres_);
  }

  // A source with these tables, copied and followed.
  void Begin(const std::vector<std::string>& tables, std::vector<std::string> arguments = {},
             std::map<std::string, std::string> settings = {}) {
    source_ = StartSource(GetParam(), {.args = std::move(arguments)});
    source_->Connect().Exec("CREATE DATABASE d");
    Run({"CREATE TABLE w_marker (id INT PRIMARY KEY, n BIGINT NOT NULL)",
         "INSERT INTO w_marker VALUES (1, 0)"});
    Run(tables);
    replica_->AddSource({.name = "s",
                         .server = source_.get(),
                         .schema_mappings = {{"d", "d"}},
                         .settings = std::move(settings)});
    replica_->Setup();
    replica_->Init("s");
    replica_->Start("s");
    replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  }

  // In one session.
  void Run(const std::vector<std::string>& statements) {
    auto connection = source_->Connect("d");
    for (const auto& statement : statements) connection.Exec(statement);
  }

  // WideChanges() of WideTables() under each image, in a session of its own.
  void PlayRowImages(const std::vector<std::string>& images);

  std::string One(const std::string& sql) { return Pg(replica_->target()).One(sql); }
  std::string Left() {
    return One(
        "SELECT coalesce(string_agg(t_source_table || ': ' || t_reason, '; ' ORDER BY 1), '') FROM "
        "sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled");
  }
  void ExpectEqual() {
    EXPECT_EQ(replica_->Differences("s"), "");
    EXPECT_EQ(Left(), "");
    EXPECT_EQ(One("SELECT coalesce(string_agg(t_error_message, '; '), '') FROM "
                  "sch_chameleon.t_error_log"),
              "");
  }
  // The source stops with this text.
  void ExpectStop(const std::string& text) {
    std::string error;
    for (int i = 0; i < 150 && error.find(text) == std::string::npos; ++i) {
      std::this_thread::sleep_for(Millis(200));
      error = One("SELECT t_last_error FROM sch_chameleon.t_sources");
    }
    EXPECT_THAT(error, HasSubstr(text));
  }
  void KillWorker() {
    for (pid_t pid : replica_->Pids("chameleon-worker")) kill(pid, SIGKILL);
  }

  PostgresServer postgres_;
  std::unique_ptr<SourceServer> source_;
  std::unique_ptr<Replica> replica_;  // ends before the servers
};

const std::vector<std::string>& WideTables() {
  static const std::vector<std::string> kTables = {
      "CREATE TABLE a (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, u INT UNIQUE,"
      " name VARCHAR(20) NOT NULL DEFAULT 'n''ö%s', n INT DEFAULT 7, dec_n DECIMAL(10,3) DEFAULT "
      "1.5,"
      " f FLOAT DEFAULT 1.1, big BLOB, t TEXT, e ENUM('x','y') DEFAULT 'y', s SET('p','q') DEFAULT "
      "'p,q', d DATE DEFAULT '2024-02-29', dt DATETIME(3) DEFAULT '2024-01-01 01:02:03.5',"
      " b BIT(10) DEFAULT b'101', c CHAR(5) DEFAULT 'c', nn INT,"
      " at TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
      "CREATE TABLE k (a INT NOT NULL, b VARCHAR(10) NOT NULL, v INT, w BLOB, PRIMARY KEY (a, b))",
      "INSERT INTO a (id, u, big, t, nn) VALUES (1, 1, 'big one', 'text', 1), (2, 2, NULL, NULL, "
      "2)",
      "INSERT INTO k VALUES (1, 'one', 1, 'w1'), (2, 'two', 2, 'w2')"};
  return kTables;
}

// What a session does under each form of row image.
std::vector<std::string> WideChanges(int base) {
  const auto id = [&](int i) { return std::to_string(base + i); };
  return {
      "INSERT INTO a (id) VALUES (" + id(1) + ")",
      "INSERT INTO a (id, u, n) VALUES (" + id(2) + "," + id(2) + ", NULL), (" + id(3) + "," +
          id(3) + ", 5)",
      "UPDATE a SET n = 8 WHERE id = " + id(1),
      "BEGIN",
      "UPDATE a SET n = 9, t = 'long text' WHERE id = " + id(2),
      "UPDATE a SET big = 'blob' WHERE id = " + id(2),
      "UPDATE a SET nn = NULL, n = NULL WHERE id = " + id(2),
      "INSERT INTO a (id, name) VALUES (" + id(4) + ", 'tx')",
      "UPDATE a SET d = '2025-05-05' WHERE id = " + id(4),
      "DELETE FROM a WHERE id = " + id(3),
      "INSERT INTO a (id, e) VALUES (" + id(3) + ", 'x')",
      "COMMIT",
      // The key changes, alone, in a chain and with another change of the row in one transaction.
      "UPDATE a SET id = id + 50 WHERE id = " + id(1),
      "BEGIN",
      "UPDATE a SET name = 'before' WHERE id = " + id(2),
      "UPDATE a SET id = id + 50 WHERE id = " + id(2),
      "UPDATE a SET name = concat(name, ' after') WHERE id = " + id(52),
      "UPDATE a SET id = id + 10 WHERE id = " + id(52),
      "INSERT INTO a (id, name) VALUES (" + id(2) + ", 'again')",
      "COMMIT",
      "INSERT INTO k VALUES (" + id(1) + ", 'a', 1, 'blob'), (" + id(2) + ", 'b', 2, NULL)",
      "UPDATE k SET b = concat(b, 'x') WHERE a >= " + id(0),
      "UPDATE k SET v = v + 1, w = NULL WHERE a = " + id(1),
      "DELETE FROM k WHERE a = " + id(2),
      // Unique values that rows exchange.
      "BEGIN",
      "UPDATE a SET u = NULL WHERE id = " + id(62),
      "UPDATE a SET u = " + id(2) + " WHERE id = " + id(3),
      "UPDATE a SET u = " + id(3) + " WHERE id = " + id(62),
      "COMMIT",
      "DELETE FROM a WHERE id = " + id(4),
  };
}

void TransactionFormsTest::PlayRowImages(const std::vector<std::string>& images) {
  int base = 1000;
  for (const std::string& image : images) {
    auto statements = WideChanges(base += 1000);
    statements.insert(statements.begin(), "SET SESSION binlog_row_image = " + image);
    Run(statements);
  }
}

TEST_P(TransactionFormsTest, IncompleteRowImages) {
  Begin(WideTables());
  PlayRowImages({"MINIMAL", "NOBLOB", "FULL", "MINIMAL"});
  ExpectEqual();
  // Two sessions, one row.
  auto full = source_->Connect("d"), minimal = source_->Connect("d");
  minimal.Exec("SET SESSION binlog_row_image = MINIMAL");
  for (int i = 0; i < 50; ++i) {
    full.Exec(fmt::format("UPDATE a SET n = {0}, t = 'full {0}' WHERE id = 1", i));
    minimal.Exec(fmt::format("UPDATE a SET name = 'min {}' WHERE id = 1", i));
  }
  ExpectEqual();
}

// MariaDB logs a REPLACE as an update that does not say which columns took their defaults.
TEST_P(TransactionFormsTest, IncompleteRowsOfReplace) {
  Begin(
      {"CREATE TABLE r (id INT PRIMARY KEY, e VARCHAR(20) UNIQUE, a INT, b INT DEFAULT 5, c TEXT)",
       "INSERT INTO r VALUES (1, 'x', 1, 1, 'c'), (2, 'y', 2, 2, 'c'), (3, 'z', 3, 3, 'c')"});
  for (const char* image : {"MINIMAL", "NOBLOB"}) {
    Run({fmt::format("SET SESSION binlog_row_image = {}", image),
         "REPLACE INTO r (id, e, a) VALUES (1, 'x', 10)",
         "/* as clients do */ REPLACE INTO r (id, e) VALUES (4, 'z')",
         "INSERT INTO r (id, e) VALUES (2, 'y') ON DUPLICATE KEY UPDATE a = 20",
         "INSERT INTO r VALUES (3, 'n', 3, 3, 'new')", "UPDATE r SET id = id, a = 30 WHERE id = 2",
         "UPDATE r SET b = 7, c = 'again' WHERE id = 1", "DELETE FROM r WHERE id = 3",
         "UPDATE r SET id = 3, b = 8, c = 'moved' WHERE id = 4"});
    ExpectEqual();
  }
  if (IsMysql()) return;
  // Without the statement nobody can say: the table leaves by name.
  Run({"CREATE DATABASE other", "CREATE TABLE other.x (a INT)", "INSERT INTO other.x VALUES (1)",
       "SET SESSION binlog_annotate_row_events = OFF, SESSION binlog_row_image = MINIMAL",
       "REPLACE INTO r (id, e) VALUES (9, 'y')"});
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  EXPECT_THAT(Left(), HasSubstr("the statement is not in the log"));
}

TEST_P(TransactionFormsTest, IncompleteRowsOfGeneratedColumns) {
  Begin(
      {"CREATE TABLE g (id INT PRIMARY KEY, a INT, b INT, v INT AS (a + 1) VIRTUAL,"
       " s INT AS (a * 2) STORED)",
       "INSERT INTO g (id, a, b) VALUES (1, 1, 1), (2, 2, 2)"});
  Run({"SET SESSION binlog_row_image = MINIMAL", "UPDATE g SET a = 10 WHERE id = 1",
       "UPDATE g SET b = 10 WHERE id = 2", "INSERT INTO g (id, a) VALUES (3, 3)"});
  // Equal, or stopped by name: never a stale value.
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  if (Left().empty()) {
    ExpectEqual();
  } else {
    EXPECT_THAT(Left(), HasSubstr("is not in the log (a generated column)"));
  }
}

TEST_P(TransactionFormsTest, PartialJsonUpdates) {
  if (!IsMysql()) GTEST_SKIP() << "MariaDB has no partial JSON updates";
  Begin({"CREATE TABLE j (id INT PRIMARY KEY, doc JSON, other JSON, n INT)",
         "INSERT INTO j VALUES (1, JSON_OBJECT('a', 1, 'list', JSON_ARRAY(1, 2, 3), 'o', "
         "JSON_OBJECT('k', 'v', 'quoted \"key', 1.50), 'text', REPEAT('x', 500)), '[1]', 1)",
         "INSERT INTO j SELECT 2, doc, NULL, 2 FROM j"});
  const std::vector<std::string> changes = {
      "UPDATE j SET doc = JSON_SET(doc, '$.a', 42)",
      "UPDATE j SET doc = JSON_SET(doc, '$.b', 'new', '$.longer_key', JSON_OBJECT('x', 1))",
      "UPDATE j SET doc = JSON_REMOVE(doc, '$.list[0]'), n = n + 1",
      "UPDATE j SET doc = JSON_SET(doc, '$.list[1]', '[2]')",
      "UPDATE j SET doc = JSON_ARRAY_INSERT(doc, '$.list[1]', 'in'), other = '{\"z\": [1]}'",
      "UPDATE j SET doc = JSON_SET(doc, '$.o.\"quoted \\\\\"key\"', CAST('2024-01-01' AS DATE))",
      "UPDATE j SET doc = JSON_SET(doc, '$.list[5]', 9), other = JSON_SET(other, '$.z[0]', NULL)",
      "UPDATE j SET doc = JSON_REPLACE(doc, '$.text', REPEAT('y', 400))"};
  auto statements = changes;
  statements.insert(statements.begin(), "SET SESSION binlog_row_value_options = PARTIAL_JSON");
  Run(statements);
  ExpectEqual();
  Run({"SET SESSION binlog_row_value_options = PARTIAL_JSON, binlog_row_image = MINIMAL",
       "UPDATE j SET doc = JSON_SET(doc, '$.a', 43)"});
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  EXPECT_THAT(Left(), HasSubstr("j: table d.j: the new value of column doc is not in the log (a "
                                "partial JSON update, whose document the row image leaves out)"));
}

TEST_P(TransactionFormsTest, PreparedTransactions) {
  Begin({"CREATE TABLE x (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO x VALUES (1, 'one')",
         "CREATE TABLE y (id INT PRIMARY KEY, v INT)"},
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
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  EXPECT_EQ(One("SELECT string_agg(id::text, ',' ORDER BY id) FROM d.x"), "1,10,40");
  EXPECT_EQ(One("SELECT count(*) FROM d.y"), "0");
  EXPECT_EQ(One("SELECT count(*) FROM sch_chameleon.t_xa_prepared"), "3");
  // They outlive the worker, the replica and the source's log.
  KillWorker();
  Run({"INSERT INTO x VALUES (41, 'after kill')"});
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  replica_->Stop("s");
  Run({"FLUSH BINARY LOGS", "XA ROLLBACK 'rolled'"});
  replica_->Start("s");
  Run({"XA COMMIT 'large'", "XA COMMIT 'committed','b',7"});
  ExpectEqual();
  EXPECT_EQ(One("SELECT count(*) FROM d.y"), "900");
  EXPECT_EQ(One("SELECT count(*) FROM sch_chameleon.t_xa_prepared"), "0");
  EXPECT_EQ(One("SELECT count(*) FROM sch_chameleon.t_xa_lines"), "0");
  // One that nobody knows.
  xa("'lost'", {"INSERT INTO x VALUES (50, 'l')"}, "");
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  replica_->Stop("s");
  Pg(replica_->target()).Exec("DELETE FROM sch_chameleon.t_xa_prepared");
  replica_->Start("s");
  Run({"XA COMMIT 'lost'"});
  ExpectStop("XA transaction X'6c6f7374',X'',1 ends, but its rows are not known");
}

// What the engine does to the children: logged by MySQL 9.7, completed here for MariaDB.
TEST_P(TransactionFormsTest, ForeignKeyActions) {
  Begin({"CREATE TABLE p (id INT PRIMARY KEY, v INT)",
         "CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id)"
         " ON DELETE CASCADE ON UPDATE CASCADE)",
         "CREATE TABLE n (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id)"
         " ON DELETE SET NULL ON UPDATE SET NULL)",
         "CREATE TABLE g (id INT PRIMARY KEY, c INT, FOREIGN KEY (c) REFERENCES c (id)"
         " ON DELETE CASCADE)",
         "CREATE TABLE tree (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES tree (id)"
         " ON DELETE CASCADE)",
         "CREATE TABLE r (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id))",
         // Shares its parent's key: a chain of moves takes over keys.
         "CREATE TABLE one (p INT PRIMARY KEY, v VARCHAR(10), FOREIGN KEY (p) REFERENCES p (id)"
         " ON DELETE CASCADE ON UPDATE CASCADE)",
         "INSERT INTO p VALUES (1,1),(2,2),(3,3),(4,4),(5,5),(6,6),(7,7)",
         "INSERT INTO c VALUES (11,1),(12,1),(21,2),(31,3),(41,4),(51,5),(61,6)",
         "INSERT INTO n VALUES (11,1),(21,2),(31,3),(41,4),(51,5)",
         "INSERT INTO g VALUES (111,11),(121,12),(311,31),(411,41)",
         "INSERT INTO tree VALUES (1,NULL),(2,1),(3,2),(4,3),(5,NULL),(6,5)",
         "INSERT INTO r VALUES (7,7)",
         "INSERT INTO one VALUES (1,'a'),(2,'b'),(3,'c'),(4,'d'),(6,'f')"});
  Run({"DELETE FROM p WHERE id = 1", "UPDATE p SET id = 20 WHERE id = 2",
       "REPLACE INTO p VALUES (3, 33)", "DELETE FROM tree WHERE id IN (1, 5)",
       "UPDATE p SET v = v + 1", "BEGIN", "INSERT INTO c VALUES (42, 4)",
       "UPDATE p SET id = 40 WHERE id = 4", "INSERT INTO c VALUES (43, 40)",
       "DELETE FROM p WHERE id = 40", "INSERT INTO p VALUES (4, 0)", "INSERT INTO c VALUES (44, 4)",
       "COMMIT"});
  ExpectEqual();
  // Switched off, nothing happens to the children.
  Run({"SET SESSION foreign_key_checks = 0", "DELETE FROM p WHERE id = 5"});
  ExpectEqual();
  KillWorker();
  Run({"UPDATE p SET id = id + 100 WHERE id <> 7 ORDER BY id DESC", "DELETE FROM p WHERE id = 106",
       "INSERT INTO p VALUES (201,0),(202,0),(203,0),(204,0),(205,0)",
       "INSERT INTO one VALUES (205,'5'),(203,'3'),(204,'4'),(201,'1'),(202,'2')",
       "UPDATE p SET id = id + 1 WHERE id > 200 ORDER BY id DESC",
       "UPDATE p SET id = id - 1 WHERE id > 200 ORDER BY id"});
  ExpectEqual();
}

// REFERENCES without a database means the referencing table's, whatever the session's is, and
// column names in any case.
TEST_P(TransactionFormsTest, ForeignKeysWrittenElsewhere) {
  Begin({"CREATE TABLE p (Id INT PRIMARY KEY)"});
  Run({"CREATE DATABASE other", "CREATE TABLE other.p (id INT PRIMARY KEY)", "USE other",
       "CREATE TABLE d.c (id INT PRIMARY KEY, p INT, FOREIGN KEY (P) REFERENCES p (ID)"
       " ON DELETE CASCADE)",
       "USE d", "INSERT INTO p VALUES (1), (2)", "INSERT INTO c VALUES (1, 1), (2, 2)",
       "DELETE FROM p WHERE id = 1"});
  ExpectEqual();
  EXPECT_EQ(Pg(replica_->target()).One("SELECT count(*) FROM d.c"), "1");
}

// MariaDB leaves the children with the old name when the ALTER copies the table.
TEST_P(TransactionFormsTest, ForeignKeysOfAParentThatIsAlteredAndRenamed) {
  Begin({"CREATE TABLE p (id INT PRIMARY KEY, v INT)",
         "CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id)"
         " ON DELETE CASCADE)",
         "INSERT INTO p VALUES (1, 1), (2, 2)", "INSERT INTO c VALUES (1, 1), (2, 2)"});
  Run({"ALTER TABLE p MODIFY v BIGINT, RENAME TO q"});
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  for (int i = 0; i < 300 && !Left().empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  Run({"DELETE FROM q WHERE id = 1"});
  EXPECT_EQ(replica_->Differences("s"), "");
  EXPECT_EQ(Left(), "");
  EXPECT_EQ(Pg(replica_->target()).One("SELECT count(*) FROM d.c"), IsMysql() ? "1" : "2");
}

// Values that are equal there and not here: the children leave, and say why.
TEST_P(TransactionFormsTest, ForeignKeyActionsOnText) {
  Begin({"CREATE TABLE p (code VARCHAR(10) PRIMARY KEY)",
         "CREATE TABLE c (id INT PRIMARY KEY, p VARCHAR(10), FOREIGN KEY (p) REFERENCES p (code)"
         " ON DELETE CASCADE)",
         "INSERT INTO p VALUES ('a'), ('b')", "INSERT INTO c VALUES (1, 'A'), (2, 'b')"});
  Run({"DELETE FROM p WHERE code = 'a'"});
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  if (GetParam() == SourceKind::kMysql) return ExpectEqual();
  EXPECT_EQ(
      Left(),
      "c: the source changed rows through a foreign key on p without logging them, and values "
      "of this type may be equal there and not here; copy the table again with sync_tables");
}

TEST_P(TransactionFormsTest, SavepointsAndTablesThatCannotRollBack) {
  // With GTIDs MySQL refuses such transactions.
  std::vector<std::string> arguments;
  if (GetParam() == SourceKind::kMysql) {
    arguments = {"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"};
  }
  Begin({"CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM",
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
  Begin({"CREATE TABLE v (id INT PRIMARY KEY, n INT) WITH SYSTEM VERSIONING", "CREATE SEQUENCE sq",
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
  Begin({"CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)"});
  Run({"CREATE TEMPORARY TABLE t (id INT)", "ALTER TABLE t ADD c INT", "TRUNCATE t",
       "RENAME TABLE t TO tmp", "DROP TABLE tmp", "INSERT INTO t VALUES (2)"});
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  for (int i = 0; i < 300 && !Left().empty(); ++i) std::this_thread::sleep_for(Millis(100));
  Run({"INSERT INTO t VALUES (3)"});
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  EXPECT_EQ(One("SELECT string_agg(id::text, ' ' ORDER BY id) FROM d.t"), "1 2 3");
  EXPECT_EQ(Left(), "");
}

// Its engine keeps no rows, but its rows are in the log.
TEST_P(TransactionFormsTest, RowsOfABlackHole) {
  if (!IsMysql()) GTEST_SKIP() << "the engine is a plugin there";
  Begin({"CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE b (id INT) ENGINE=BLACKHOLE"});
  Run({"INSERT INTO b VALUES (1)", "INSERT INTO t VALUES (1)", "INSERT INTO b VALUES (2)"});
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  EXPECT_EQ(One("SELECT count(*) FROM d.t"), "1");
  EXPECT_EQ(Left(), "");
  EXPECT_EQ(One("SELECT string_agg(t_kind, ' ') FROM sch_chameleon.t_ledger"), "unknown_table:d.b");
  EXPECT_EQ(One("SELECT count(*) FROM sch_chameleon.t_error_log"), "0");
}

TEST_P(TransactionFormsTest, StatementFormatStops) {
  Begin({"CREATE TABLE t (id INT PRIMARY KEY)"});
  Run({"SET SESSION binlog_format = STATEMENT", "INSERT INTO t VALUES (1)"});
  ExpectStop("a INSERT in database \"d\" was logged as a statement, not as rows");
}

// Checksums, heartbeats: tools write their own tables so.
TEST_P(TransactionFormsTest, StatementFormatElsewhereStopsNothing) {
  Begin({"CREATE TABLE t (id INT PRIMARY KEY)"});
  Run({"INSERT INTO t VALUES (1)", "CREATE DATABASE tools",
       "CREATE TABLE tools.c (id INT PRIMARY KEY, n INT)", "SET SESSION binlog_format = STATEMENT",
       "REPLACE INTO tools.c SELECT id, count(*) FROM t GROUP BY id", "USE tools", "BEGIN",
       "SET @n = 4", "UPDATE c SET n = @n", "UPDATE tools.c SET n = RAND() WHERE id = 1", "COMMIT",
       "DELETE FROM c WHERE id = 1", "USE d", "SET SESSION binlog_format = ROW",
       "INSERT INTO t VALUES (2)"});
  ExpectEqual();
  EXPECT_EQ(Pg(replica_->target())
                .One("SELECT string_agg(format('%s %s', t_kind, i_count), ', ' ORDER BY t_kind) "
                     "FROM sch_chameleon.t_ledger WHERE t_kind LIKE '%tools%'"),
            "statement_ignored:delete of tools.c 1, statement_ignored:replace of tools.c 1, "
            "statement_ignored:update of tools.c 2");
  if (IsMysql()) {  // its log says what triggers change
    Run({"CREATE TRIGGER tools.g AFTER INSERT ON tools.c FOR EACH ROW INSERT INTO d.t VALUES (3)",
         "SET SESSION binlog_format = STATEMENT", "INSERT INTO tools.c VALUES (7, 7)"});
    ExpectStop("a INSERT in database \"d\" was logged as a statement, not as rows");
  }
}

// Rows of ours go along with rows of such a table.
TEST_P(TransactionFormsTest, StatementFormatOfAParentElsewhereStops) {
  Begin({"CREATE DATABASE tools", "CREATE TABLE tools.p (id INT PRIMARY KEY)",
         "CREATE TABLE c (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES tools.p (id)"
         " ON DELETE CASCADE)",
         "INSERT INTO tools.p VALUES (1), (2)", "INSERT INTO c VALUES (1), (2)"});
  Run({"SET SESSION binlog_format = STATEMENT", "DELETE FROM tools.p WHERE id = 1"});
  ExpectStop("a DELETE in database \"d\" was logged as a statement, not as rows");
}

// Rows that the source could not log.
TEST_P(TransactionFormsTest, IncidentStops) {
  Begin({"CREATE TABLE m (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(250)) ENGINE=MyISAM",
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
  Begin({"CREATE TABLE t (id INT PRIMARY KEY, v INT)"},
        {"--gtid-mode=ON", "--enforce-gtid-consistency=ON"}, {{"gtid_enable", "true"}});
  Run({"INSERT INTO t VALUES (1, 1)", "SET SESSION gtid_next = 'AUTOMATIC:mytag'",
       "INSERT INTO t VALUES (2, 2)", "ALTER TABLE t ADD COLUMN w INT DEFAULT 7",
       "UPDATE t SET v = v + 1", "SET SESSION gtid_next = 'AUTOMATIC:other'",
       "INSERT INTO t VALUES (3, 3, 3)", "SET SESSION gtid_next = 'AUTOMATIC'",
       "DELETE FROM t WHERE id = 1"});
  ExpectEqual();
  EXPECT_THAT(One("SELECT t_gtid_set FROM sch_chameleon.t_sources"), HasSubstr(":mytag:1-3"));
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

// What MariaDB 11.8 logs in its own way.
class NewerMariadbFormsTest : public TransactionFormsTest {};

TEST_P(NewerMariadbFormsTest, RowImages) {
  Begin(WideTables());
  PlayRowImages({"FULL_NODUP", "MINIMAL", "FULL_NODUP", "NOBLOB", "FULL"});
  ExpectEqual();
}

// Events are packed, checksums come and go, positions inside of a transaction are zero, and a
// transaction that is larger than the threshold becomes a log file of its own, whose GTID event is
// padded up to where the rows begin.
TEST_P(NewerMariadbFormsTest, CompressedEventsChecksumsAndLargeCommits) {
  auto tables = WideTables();
  tables.push_back("CREATE TABLE large (id INT AUTO_INCREMENT PRIMARY KEY, b LONGBLOB)");
  Begin(tables, {"--log-bin-compress=ON", "--log-bin-compress-min-len=10", "--binlog-checksum=NONE",
                 "--binlog-large-commit-threshold=10485760"});
  const std::string large = "INSERT INTO large (b) VALUES (RANDOM_BYTES(1024))";
  std::vector<std::string> transaction = {"BEGIN", large};
  for (int i = 0; i < 14; ++i) {
    transaction.push_back("INSERT INTO large (b) SELECT RANDOM_BYTES(1024) FROM large");
  }
  transaction.push_back("COMMIT");
  PlayRowImages({"FULL", "FULL_NODUP"});
  Run(transaction);
  Run({large, "SET GLOBAL binlog_checksum = CRC32", large, "UPDATE a SET n = n + 1"});
  ExpectEqual();
  Run({"SET GLOBAL log_bin_compress = OFF, binlog_checksum = NONE", large});
  Run({"SET SESSION binlog_alter_two_phase = ON", "ALTER TABLE a ADD COLUMN two INT DEFAULT 2",
       "UPDATE a SET two = 3 WHERE id = 2", "DELETE FROM large WHERE id % 2 = 0"});
  KillWorker();
  ExpectEqual();
}

ON_MARIADB11(NewerMariadbFormsTest);

}  // namespace
}  // namespace chameleon::test
