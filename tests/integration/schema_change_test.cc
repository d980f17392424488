// Schema changes from the command line against real servers: whatever the source's tables become,
// the target's become the same, with the rows between the changes and across stops.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "tests/support/live_fixture.h"

namespace chameleon::test {
namespace {

using ::testing::HasSubstr;

class SchemaChangeTest : public LiveFixture {
 protected:
  void SetUp() override {
    LiveFixture::SetUp();
    if (IsSkipped()) return;
    StartSource();
    source_->Connect().Exec("CREATE DATABASE e");
  }

  void Begin(std::map<std::string, std::string> settings = {}) {
    Follow(std::move(settings), {{"d", "d"}, {"e", "e2"}});
  }

  void Run(const std::vector<std::string>& statements) {
    auto connection = source_->Connect("d");
    for (const auto& statement : statements) {
      // Rows may leave out what has no default; definitions mean what they say.
      const bool row = statement.starts_with("INSERT");
      connection.Exec(row ? "SET sql_mode = ''" : "SET sql_mode = 'STRICT_TRANS_TABLES'");
      connection.Exec(statement);
    }
  }

  std::string One(const std::string& sql) { return Target(sql); }

  // After Changes().
  void ExpectEqual() {
    EXPECT_EQ(replica_->Differences("s", std::chrono::seconds(90)), "");
    ExpectNoTableLeft("keyless: no primary key and no unique key without nullable columns");
  }

  void ExpectEqualAndNoneLeft(const std::string& but = "") {
    EXPECT_EQ(replica_->Differences("s", std::chrono::seconds(90)), "");
    ExpectNoTableLeft(but);
  }

  void ExpectNoTableLeft(const std::string& but = "") {
    EXPECT_EQ(Left(), but);
    EXPECT_EQ(One("SELECT coalesce(string_agg(t_error_message || ' ' || t_detail, '; '), '') FROM "
                  "sch_chameleon.t_error_log"),
              "");
    if (HasFailure()) {
      ADD_FAILURE() << One(
          "SELECT string_agg(format('%s %s %s', i_id_batch, enm_binlog_event, t_query), E'\n' "
          "ORDER "
          "BY i_id_batch, ctid) FROM sch_chameleon.t_log_replica WHERE t_query IS NOT NULL");
    }
  }
};

const std::vector<std::string>& ShopTables() {
  static const std::vector<std::string> kStatements = {
      "CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NOT NULL, n INT,"
      " kind ENUM('x','y') DEFAULT 'x', price DECIMAL(8,2), made DATE, KEY k_name (name))",
      "INSERT INTO a (name, n, kind, price, made) VALUES ('one', 1, 'x', 1.005, '2024-02-29'),"
      " ('two', 2, 'y', 2.5, NULL), ('three', NULL, NULL, NULL, '1999-12-31')",
      "CREATE TABLE b LIKE a", "INSERT INTO b (name, n) VALUES ('b', 7)"};
  return kStatements;
}

// Changes with rows between them; each is one that PostgreSQL makes exactly.
const std::vector<std::string>& Changes() {
  static const std::vector<std::string> kStatements = {
      "ALTER TABLE a ADD COLUMN added VARCHAR(10) NOT NULL DEFAULT 'd%s'",
      "INSERT INTO a (name, added) VALUES ('four', 'x')",
      "ALTER TABLE a MODIFY n BIGINT UNSIGNED, ADD COLUMN first_one INT NOT NULL FIRST",
      "UPDATE a SET n = 18446744073709551615 WHERE name = 'four'",
      "ALTER TABLE a MODIFY kind ENUM('x','y','z','it''s') DEFAULT 'x'",
      "INSERT INTO a (name, kind) VALUES ('five', 'z'), ('six', 'it''s')",
      "ALTER TABLE a CHANGE name title VARCHAR(40) NOT NULL COMMENT 'was name'",
      "INSERT INTO a (title) VALUES ('seven')",
      "ALTER TABLE a MODIFY kind ENUM('z','y','x','it''s','new') DEFAULT 'new'",
      "INSERT INTO a (title) VALUES ('eight')",
      "ALTER TABLE a DROP COLUMN first_one, ADD INDEX k_n (n, title), DROP INDEX k_name",
      "ALTER TABLE a MODIFY price DECIMAL(10,1), MODIFY made DATETIME(3)",
      "UPDATE a SET made = '2024-01-01 10:11:12.345' WHERE title = 'one'",
      "ALTER TABLE a CHANGE n added VARCHAR(30), CHANGE added n VARCHAR(50)",
      "DELETE FROM a WHERE title = 'two'",
      "ALTER TABLE a ADD COLUMN kind2 ENUM('p','q') NOT NULL, ADD COLUMN bits BIT(5) NOT NULL,"
      " ADD COLUMN bin BINARY(4) NOT NULL, ADD COLUMN j TEXT, ADD COLUMN t TIME(2) NOT NULL",
      "UPDATE a SET kind2 = 'q', bits = b'101', bin = 'ab', j = '{}' WHERE title = 'one'",
      "CREATE TABLE c (x INT, y VARCHAR(300) CHARACTER SET latin1, z TEXT, KEY kz (z(10)),"
      " PRIMARY KEY (x, y))",
      "INSERT INTO c VALUES (1, 'é', 'text'), (2, '', NULL)",
      "RENAME TABLE a TO tmp, b TO a, tmp TO b",
      "INSERT INTO a (name, n) VALUES ('into a, once b', 9)",
      "INSERT INTO b (title) VALUES ('into b, once a')",
      "ALTER TABLE b RENAME TO e.moved",
      "INSERT INTO e.moved (title, kind) VALUES ('moved', 'new')",
      "DROP TABLE c",
      "CREATE TABLE c (k VARCHAR(10) PRIMARY KEY, v ENUM('1','2'))",
      "INSERT INTO c VALUES ('k', '2')",
      "TRUNCATE TABLE a",
      "INSERT INTO a (name) VALUES ('after truncate')",
      "ALTER TABLE c DROP PRIMARY KEY, ADD COLUMN id INT NOT NULL DEFAULT 5, ADD PRIMARY KEY (id, "
      "k)",
      "UPDATE c SET v = '1'",
      "ALTER TABLE e.moved CONVERT TO CHARACTER SET utf8mb4",
      "CREATE TABLE sel (PRIMARY KEY (one)) AS SELECT 1 AS one, 'x' AS two",
      "INSERT INTO sel VALUES (2, 'y')",
      "CREATE TABLE keyless (n INT)",
      "DROP TABLE IF EXISTS nothing_of_ours",
      "ALTER TABLE c RENAME COLUMN v TO w",
      "ALTER TABLE c MODIFY w VARCHAR(3)",
      "INSERT INTO c (k, w) VALUES ('l', 'abc')"};
  return kStatements;
}

TEST_P(SchemaChangeTest, WhileRunning) {
  Run(ShopTables());
  Begin();
  for (const auto& statement : Changes()) {
    Run({statement});
    if (statement.starts_with("ALTER") || statement.starts_with("RENAME")) {
      replica_->WaitCaughtUp("s", std::chrono::seconds(60));
    }
  }
  ExpectEqual();
}

TEST_P(SchemaChangeTest, AsABacklogReadLater) {
  Run(ShopTables());
  Begin();
  replica_->Stop("s");
  Run(Changes());
  replica_->Start("s");
  ExpectEqual();
}

// Stopped after each change, in turn before and after it is replayed.
TEST_P(SchemaChangeTest, WithKillsBetween) {
  Run(ShopTables());
  Begin();
  int n = 0;
  for (const auto& statement : Changes()) {
    Run({statement});
    if (++n % 4 == 0) {
      for (pid_t pid : replica_->Pids("chameleon-worker")) kill(pid, SIGKILL);
    } else if (n % 9 == 5) {
      for (pid_t pid : replica_->Pids("chameleon-coordinator")) kill(pid, SIGKILL);
      std::this_thread::sleep_for(Millis(200));
      replica_->Ctl({"show_status"});
    }
  }
  ExpectEqual();
}

// What PostgreSQL cannot make exactly is read again; nothing else is disturbed.
TEST_P(SchemaChangeTest, AChangeThatIsNotExactIsCopiedAgain) {
  Run(ShopTables());
  Begin();
  Run({"ALTER TABLE a MODIFY n TIME", "INSERT INTO a (name) VALUES ('after')",
       "CREATE TABLE coded (id INT PRIMARY KEY)", "INSERT INTO coded VALUES (1)",
       "ALTER TABLE coded ADD COLUMN t VARCHAR(6) CHARACTER SET ujis NOT NULL DEFAULT 0xA4A2",
       "ALTER TABLE b MODIFY n TIME, RENAME TO c", "INSERT INTO c (name) VALUES ('after')"});
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  for (int i = 0; i < 600 && One("SELECT count(*) FROM sch_chameleon.t_replica_tables WHERE NOT "
                                 "b_replica_enabled") != "0";
       ++i) {
    std::this_thread::sleep_for(Millis(100));
  }
  EXPECT_EQ(One("SELECT coalesce(string_agg(t_source_table, ','), '') FROM "
                "sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled"),
            "");
  Run({"INSERT INTO a (name) VALUES ('later')", "INSERT INTO c (name) VALUES ('later')"});
  EXPECT_EQ(replica_->Differences("s", std::chrono::seconds(60)), "");
  EXPECT_THAT(One("SELECT string_agg(t_error_message, E'\n') FROM sch_chameleon.t_error_log"),
              HasSubstr("column n: its type changes from int"));
  EXPECT_THAT(replica_->MustCtl({"show_status", "--source", "s"}), HasSubstr("running"));
}

// Without strict mode the source bends rows to a new definition, and its log does not say so.
TEST_P(SchemaChangeTest, RowsThatTheSourceBendsAreCopiedAgain) {
  Run({"CREATE TABLE n (id INT PRIMARY KEY, a INT, b VARCHAR(10))",
       "INSERT INTO n VALUES (1, NULL, 'long text'), (2, 70000, 'b')", "CREATE TABLE k LIKE n",
       "INSERT INTO k SELECT * FROM n"});
  Begin();
  auto connection = source_->Connect("d");
  connection.Exec("SET sql_mode = ''");
  connection.Exec("ALTER TABLE n MODIFY a INT NOT NULL");
  connection.Exec("INSERT INTO n VALUES (3, 3, 'c')");
  connection.Exec("ALTER TABLE k MODIFY a SMALLINT, MODIFY b VARCHAR(4)");
  connection.Exec("INSERT INTO k VALUES (3, 3, 'c')");
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  for (int i = 0; i < 600 && One("SELECT count(*) FROM sch_chameleon.t_replica_tables WHERE NOT "
                                 "b_replica_enabled") != "0";
       ++i) {
    std::this_thread::sleep_for(Millis(100));
  }
  connection.Exec("INSERT INTO n VALUES (4, 4, 'd')");
  EXPECT_EQ(replica_->Differences("s", std::chrono::seconds(60)), "");
  EXPECT_EQ(One("SELECT count(*) FROM sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled"),
            "0");
  EXPECT_EQ(One("SELECT count(*) FROM sch_chameleon.t_error_log"), "2");
}

// A statement that failed half way: what it left is read from the source.
TEST_P(SchemaChangeTest, AStatementThatFailedHalfWay) {
  if (IsMysql()) return;  // its statements are atomic
  Run({"CREATE TABLE p (id INT PRIMARY KEY)", "CREATE TABLE c (id INT PRIMARY KEY)",
       "INSERT INTO c VALUES (1)"});
  Begin();
  EXPECT_NE(source_->Connect("d").TryExec(
                "CREATE OR REPLACE TABLE c (id INT, id2 INT AS (id) VIRTUAL, CHECK (id2), FOREIGN "
                "KEY (id) REFERENCES p (id) ON UPDATE CASCADE)"),
            0U);
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  for (int i = 0; i < 600 && One("SELECT count(*) FROM sch_chameleon.t_replica_tables WHERE NOT "
                                 "b_replica_enabled") != "0";
       ++i) {
    std::this_thread::sleep_for(Millis(100));
  }
  EXPECT_EQ(replica_->Differences("s", std::chrono::seconds(60)), "");
  EXPECT_EQ(One("SELECT to_regclass('d.c') IS NULL"), "t");
  Run({"CREATE TABLE c (id INT PRIMARY KEY)", "INSERT INTO c VALUES (2)"});
  EXPECT_EQ(replica_->Differences("s", std::chrono::seconds(60)), "");
  EXPECT_EQ(One("SELECT count(*) FROM sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled"),
            "0");
}

// Names are the source's, whatever character set a session writes them in.
TEST_P(SchemaChangeTest, NamesInTheSessionsCharacterSet) {
  Begin();
  auto connection = source_->Connect("d");
  connection.Exec("SET NAMES latin1");
  connection.Exec("CREATE TABLE caf\xe9 (\xe9 INT PRIMARY KEY, e ENUM('\xe0', 'b'))");
  connection.Exec("INSERT INTO caf\xe9 VALUES (1, '\xe0')");
  if (IsMysql()) {
    connection.Exec("CREATE TABLE th\xe9 (PRIMARY KEY (\xe9)) SELECT * FROM caf\xe9");
    connection.Exec("INSERT INTO th\xe9 VALUES (2, '\xe0')");
    connection.Exec("SET sql_generate_invisible_primary_key = ON");
    connection.Exec("CREATE TABLE gr\xe8s (\xe9 INT, e ENUM('\xe0', 'b'))");
    connection.Exec("INSERT INTO gr\xe8s VALUES (2, '\xe0')");
  }
  ExpectEqualAndNoneLeft();
}

// MariaDB keeps UNIQUE keys that are too long for an index as hashes, in columns of their own.
TEST_P(SchemaChangeTest, LongUniqueKeys) {
  if (IsMysql()) {
    EXPECT_NE(source_->Connect("d").TryExec("CREATE TABLE l (id INT PRIMARY KEY, t TEXT UNIQUE)"),
              0U);
    return;
  }
  Run({"CREATE TABLE before_init (id INT PRIMARY KEY, t TEXT UNIQUE)",
       "INSERT INTO before_init VALUES (1, 'a')"});
  Begin();
  Run({"UPDATE before_init SET t = 'b'",
       "CREATE TABLE l (id INT PRIMARY KEY, t TEXT, b BLOB UNIQUE, v VARCHAR(4000), n BIGINT, "
       "UNIQUE u (t), UNIQUE w (v))",
       "INSERT INTO l VALUES (1, 'x', 'y', 'z', 7), (2, NULL, NULL, NULL, 8)",
       "UPDATE l SET t = 'changed' WHERE id = 1", "DELETE FROM l WHERE id = 2",
       "ALTER TABLE l DROP INDEX u, ADD COLUMN m BIGINT",
       "INSERT INTO l VALUES (3, 'x', 'y3', 'z3', 9, 10)"});
  auto connection = source_->Connect("d");
  connection.Exec("SET binlog_row_image = MINIMAL");
  connection.Exec("UPDATE l SET b = 'minimal' WHERE id = 3");
  ExpectEqualAndNoneLeft();
}

// A table that has had no row is made as it shall be, whatever is done to it.
TEST_P(SchemaChangeTest, EmptyTablesAreNeverCopied) {
  Begin();
  Run({"CREATE TABLE fresh (id INT PRIMARY KEY, n INT, k ENUM('a','b'))",
       "ALTER TABLE fresh MODIFY n TIME, ADD made DATETIME NOT NULL DEFAULT now()",
       "ALTER TABLE fresh ADD g INT GENERATED ALWAYS AS (id + 1) STORED, MODIFY k ENUM('b')",
       "INSERT INTO fresh (id, n, k) VALUES (1, '10:11:12', 'b')",
       "ALTER TABLE fresh RENAME TO fresh2"});
  ExpectEqualAndNoneLeft();
}

// One name, two columns: which one goes is told by the statement, not by their places.
TEST_P(SchemaChangeTest, AColumnTakesTheNameOfOneThatIsDropped) {
  Run({"CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9), b VARCHAR(9))"});
  Begin();
  Run({"INSERT INTO t VALUES (1, 'a', 'b')", "ALTER TABLE t CHANGE a b VARCHAR(9), DROP b"});
  Run({"INSERT INTO t VALUES (2, 'a')"});
  ExpectEqualAndNoneLeft();
  EXPECT_EQ(One("SELECT string_agg(b, ',' ORDER BY id) FROM d.t"), "a,a");
}

// What is changed through a MERGE table is logged as its own: the tables are named, and nothing
// else stops.
TEST_P(SchemaChangeTest, TablesWhoseRowsAreLoggedOtherwise) {
  Run({"CREATE TABLE p0 (id INT PRIMARY KEY) ENGINE=MyISAM",
       "CREATE TABLE m0 (id INT PRIMARY KEY) ENGINE=MERGE UNION=(p0) INSERT_METHOD=LAST",
       "INSERT INTO m0 VALUES (1)", "CREATE TABLE t (id INT PRIMARY KEY)"});
  Begin();
  Run({"INSERT INTO m0 VALUES (2)", "CREATE TABLE p1 (id INT PRIMARY KEY) ENGINE=MyISAM",
       "INSERT INTO p1 VALUES (1)",
       "CREATE TABLE m1 (id INT PRIMARY KEY) ENGINE=MERGE UNION=(p1) INSERT_METHOD=LAST",
       "INSERT INTO m1 VALUES (3)", "INSERT INTO t VALUES (1)"});
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  EXPECT_EQ(One("SELECT count(*) FROM d.t"), "1");
  const auto part = [](const std::string& merge) {
    return "its rows are changed through the MERGE table d." + merge +
           ", too, and are logged as that table's";
  };
  EXPECT_EQ(One("SELECT string_agg(t_source_table || ': ' || t_reason, '; ' ORDER BY "
                "t_source_table) FROM sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled"),
            "m0: engine MERGE: its rows are those of its parts; m1: engine MERGE: its rows are "
            "those of its parts; p0: " +
                part("m0") + "; p1: " + part("m1"));
}

// The table is gone; the log says so in a transaction that is rolled back.
TEST_P(SchemaChangeTest, AReplacementThatFails) {
  if (IsMysql()) GTEST_SKIP() << "MariaDB's";
  Run({"CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)",
       "CREATE TABLE other (id INT PRIMARY KEY)"});
  Begin();
  EXPECT_NE(source_->Connect("d").TryExec("CREATE OR REPLACE TABLE t (id INT PRIMARY KEY) SELECT "
                                          "1 AS id UNION ALL SELECT 1"),
            0u);
  Run({"INSERT INTO other VALUES (1)"});
  ExpectEqualAndNoneLeft();
}

// MariaDB logs the rows of tables that are versioned by transaction as statements: they are named,
// and nothing else stops.
TEST_P(SchemaChangeTest, TablesThatAreVersionedByTransaction) {
  if (IsMysql()) GTEST_SKIP() << "MariaDB's";
  const std::string made =
      "(id INT PRIMARY KEY, s BIGINT UNSIGNED GENERATED ALWAYS AS ROW START, e BIGINT UNSIGNED "
      "GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING";
  Run({"CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE v0 " + made,
       "INSERT INTO v0 (id) VALUES (1)"});
  Begin();
  Run({"CREATE TABLE v1 " + made, "INSERT INTO v1 (id) VALUES (1)", "UPDATE v0 SET id = 2",
       "INSERT INTO t VALUES (1)"});
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  EXPECT_EQ(One("SELECT count(*) FROM d.t"), "1");
  const std::string why = ": versions by transaction: MariaDB logs its changes as statements";
  EXPECT_EQ(One("SELECT string_agg(t_source_table || ': ' || t_reason, '; ' ORDER BY "
                "t_source_table) FROM sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled"),
            "v0" + why + "; v1" + why);
}

// A database that the source has dropped is no reason to stop: not for the next start, nor for the
// copy of another database's table. It may come back.
TEST_P(SchemaChangeTest, ADroppedDatabaseStopsNothing) {
  Run({"CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE e.t (id INT PRIMARY KEY)",
       "INSERT INTO e.t VALUES (1)"});
  Begin();
  Run({"DROP DATABASE e", "INSERT INTO t VALUES (1)"});
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  replica_->Stop("s");
  replica_->Start("s");
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  EXPECT_THAT(replica_->Logs(), HasSubstr("database e is not there or may not be seen: nothing of "
                                          "it is read"));
  replica_->MustCtl({"sync_tables", "--source", "s", "--tables", "d.t"});
  EXPECT_THAT(replica_->Ctl({"refresh_schema", "--source", "s", "--schema", "e"}).err,
              HasSubstr("database e does not exist"));
  Run({"CREATE DATABASE e", "CREATE TABLE e.t (id INT PRIMARY KEY, n INT)",
       "INSERT INTO e.t VALUES (2, 3)", "INSERT INTO t VALUES (2)"});
  EXPECT_EQ(replica_->Differences("s", std::chrono::seconds(60)), "");
  EXPECT_EQ(
      One("SELECT count(*) FROM sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled AND "
          "NOT b_dropped"),
      "0");
}

// A table without a key is created and dropped like any other; whoever takes its name is followed,
// and so is the table itself when it gets a key.
TEST_P(SchemaChangeTest, TablesThatAreNotFollowedEndAndGetKeys) {
  Run({"CREATE TABLE before_init (n INT)", "CREATE TABLE gets_key (n INT)",
       "INSERT INTO gets_key VALUES (1), (2)", "CREATE TABLE e.of_schema (n INT)"});
  Begin();
  Run({"DROP TABLE before_init", "CREATE TABLE before_init (n INT PRIMARY KEY)",
       "INSERT INTO before_init VALUES (1)", "CREATE TABLE made (n INT)", "DROP TABLE made",
       "CREATE TABLE made (n INT, k ENUM('a', 'b'))", "DROP TABLE made",
       "CREATE TABLE made (n INT PRIMARY KEY, k ENUM('c'))", "INSERT INTO made VALUES (7, 'c')",
       "CREATE TABLE gone (k ENUM('a', 'b'))", "DROP TABLE gone"});
  ExpectEqualAndNoneLeft(
      "gets_key: no primary key and no unique key without nullable columns; "
      "of_schema: no primary key and no unique key without nullable columns");
  Run({"CREATE TABLE imported (n INT, t VARCHAR(10))", "ALTER TABLE imported ADD PRIMARY KEY (n)",
       "INSERT INTO imported VALUES (1, 'a')", "CREATE TABLE serial (n INT)",
       "ALTER TABLE serial ADD COLUMN t TIME",
       "ALTER TABLE serial ADD COLUMN id SERIAL, ADD COLUMN m INT AS (n + 1) STORED",
       "INSERT INTO serial (n, t) VALUES (5, '10:11:12')"});
  ExpectEqualAndNoneLeft(
      "gets_key: no primary key and no unique key without nullable columns; "
      "of_schema: no primary key and no unique key without nullable columns");
  Run({"CREATE TABLE made_before_stop (n INT)", "CREATE TABLE moved (n INT)",
       "RENAME TABLE moved TO moved2", "DROP TABLE moved2"});
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  replica_->Stop("s");
  replica_->Start("s");
  Run({"DROP TABLE made_before_stop", "DROP DATABASE e", "CREATE DATABASE e",
       "CREATE TABLE e.of_schema (n INT PRIMARY KEY, t TEXT)",
       "INSERT INTO e.of_schema VALUES (3, 'x')", "ALTER TABLE gets_key ADD PRIMARY KEY (n)",
       "INSERT INTO gets_key VALUES (3)"});
  if (!IsMysql()) {
    Run({"CREATE TABLE replaced (n INT)", "CREATE OR REPLACE TABLE replaced (n INT PRIMARY KEY)",
         "INSERT INTO replaced VALUES (1)"});
  }
  for (int i = 0; i < 600 && One("SELECT count(*) FROM sch_chameleon.t_replica_tables WHERE NOT "
                                 "b_replica_enabled") != "0";
       ++i) {
    std::this_thread::sleep_for(Millis(100));
  }
  Run({"UPDATE gets_key SET n = 9 WHERE n = 3"});
  EXPECT_EQ(replica_->Differences("s", std::chrono::seconds(90)), "");
  EXPECT_EQ(One("SELECT coalesce(string_agg(t_source_table, ','), '') FROM "
                "sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled"),
            "");
  // Its database came back with the character set that it had.
  EXPECT_EQ(One("SELECT count(*) FROM sch_chameleon.t_error_log WHERE t_error_message LIKE "
                "'%character set%'"),
            "0");
  EXPECT_EQ(One("SELECT count(*) FROM pg_type WHERE typtype = 'e' AND typnamespace = "
                "'d'::regnamespace"),
            "1");
}

// A copy that is ahead of the stream has the statements in between behind it.
TEST_P(SchemaChangeTest, CopiedAheadOfItsCreation) {
  Run(ShopTables());
  Begin();
  replica_->Stop("s");
  Run({"DROP TABLE a", "CREATE TABLE a (id INT PRIMARY KEY, k ENUM('a', 'b'))",
       "INSERT INTO a VALUES (1, 'b')", "CREATE TABLE c LIKE a", "INSERT INTO c VALUES (2, 'a')",
       "DROP TABLE c", "CREATE TABLE c LIKE a", "INSERT INTO c VALUES (3, 'a')"});
  replica_->MustCtl({"sync_tables", "--source", "s", "--tables", "d.a,d.c"});
  replica_->Start("s");
  Run({"INSERT INTO a VALUES (4, 'a')", "INSERT INTO c VALUES (4, 'b')"});
  ExpectEqualAndNoneLeft();
}

// A view of a user stands in the way: the table leaves, and the error names the view.
TEST_P(SchemaChangeTest, AViewInTheWayIsNamed) {
  Run(ShopTables());
  Begin();
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  Pg(replica_->target()).Exec("CREATE VIEW public.of_users AS SELECT n FROM d.a");
  Run({"ALTER TABLE a MODIFY n BIGINT"});
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  for (int i = 0; i < 50 && One("SELECT count(*) FROM sch_chameleon.t_error_log") == "0"; ++i) {
    std::this_thread::sleep_for(Millis(100));
  }
  EXPECT_THAT(One("SELECT t_detail FROM sch_chameleon.t_error_log"), HasSubstr("of_users"));
}

ON_ALL_SERVERS(SchemaChangeTest)

}  // namespace
}  // namespace chameleon::test
