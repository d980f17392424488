// What foreign keys do to rows without a word in the log, live: completed here, or the children
// leave by name.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/live_fixture.h"

namespace chameleon::test {
namespace {

using ::testing::HasSubstr;

class ForeignKeyTest : public LiveFixture {};

// What the engine does to the children: logged by MySQL 9.7, completed here for MariaDB.
TEST_P(ForeignKeyTest, Actions) {
  FollowTables(
      {"CREATE TABLE p (id INT PRIMARY KEY, v INT)",
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

// MariaDB does not tell what a table that is to be copied again did to its children meanwhile.
TEST_P(ForeignKeyTest, ChildrenOfATableThatIsCopiedAgain) {
  FollowTables({"CREATE TABLE p (id INT PRIMARY KEY, a INT)",
                "CREATE TABLE c (id INT PRIMARY KEY, p INT, UNIQUE (p), FOREIGN KEY (p) REFERENCES "
                "p (id) ON DELETE CASCADE)",
                "CREATE TABLE g (id INT PRIMARY KEY, c INT, FOREIGN KEY (c) REFERENCES c (p) "
                "ON DELETE SET NULL)",
                "INSERT INTO p VALUES (1, 1), (2, 2)", "INSERT INTO c VALUES (10, 1), (20, 2)",
                "INSERT INTO g VALUES (100, 1), (200, 2)"});
  replica_->Stop("s");
  Run({"ALTER TABLE p ADD COLUMN n INT NOT NULL DEFAULT (1 + 1)", "DELETE FROM p WHERE id = 1",
       "INSERT INTO p (id, a) VALUES (3, 3)", "INSERT INTO c VALUES (30, 3)"});
  replica_->Start("s");
  WaitForCopies();
  EXPECT_EQ(Left(), "");
  EXPECT_EQ(replica_->Differences("s"), "");
}

// REFERENCES without a database means the referencing table's, whatever the session's is, and
// column names in any case.
TEST_P(ForeignKeyTest, WrittenElsewhere) {
  FollowTables({"CREATE TABLE p (Id INT PRIMARY KEY)"});
  Run({"CREATE DATABASE other", "CREATE TABLE other.p (id INT PRIMARY KEY)", "USE other",
       "CREATE TABLE d.c (id INT PRIMARY KEY, p INT, FOREIGN KEY (P) REFERENCES p (ID)"
       " ON DELETE CASCADE)",
       "USE d", "INSERT INTO p VALUES (1), (2)", "INSERT INTO c VALUES (1, 1), (2, 2)",
       "DELETE FROM p WHERE id = 1"});
  ExpectEqual();
  EXPECT_EQ(Target("SELECT count(*) FROM d.c"), "1");
}

// MariaDB leaves the children with the old name when the ALTER copies the table.
TEST_P(ForeignKeyTest, OfAParentThatIsAlteredAndRenamed) {
  FollowTables({"CREATE TABLE p (id INT PRIMARY KEY, v INT)",
                "CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id)"
                " ON DELETE CASCADE)",
                "INSERT INTO p VALUES (1, 1), (2, 2)", "INSERT INTO c VALUES (1, 1), (2, 2)"});
  Run({"ALTER TABLE p MODIFY v BIGINT, RENAME TO q"});
  WaitForCopies();
  Run({"DELETE FROM q WHERE id = 1"});
  EXPECT_EQ(replica_->Differences("s"), "");
  EXPECT_EQ(Left(), "");
  EXPECT_EQ(Target("SELECT count(*) FROM d.c"), IsMysql() ? "1" : "2");
}

// Values that are equal there and not here: the children leave, and say why.
TEST_P(ForeignKeyTest, ActionsOnText) {
  FollowTables(
      {"CREATE TABLE p (code VARCHAR(10) PRIMARY KEY)",
       "CREATE TABLE c (id INT PRIMARY KEY, p VARCHAR(10), FOREIGN KEY (p) REFERENCES p (code)"
       " ON DELETE CASCADE)",
       "INSERT INTO p VALUES ('a'), ('b')", "INSERT INTO c VALUES (1, 'A'), (2, 'b')"});
  Run({"DELETE FROM p WHERE code = 'a'"});
  CatchUp();
  if (GetParam() == SourceKind::kMysql) return ExpectEqual();
  EXPECT_EQ(
      Left(),
      "c: the source changed rows through a foreign key on p without logging them, and values "
      "of this type may be equal there and not here; copy the table again with sync_tables");
}
// MyISAM takes foreign keys and forgets them: which engine a table got is not in the log.
TEST_P(ForeignKeyTest, OfATableWithoutAnEngineClause) {
  FollowTables({"CREATE TABLE p (id INT PRIMARY KEY)", "INSERT INTO p VALUES (1), (2)"});
  const std::string child =
      " (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE)";
  Run({"CREATE TABLE a" + child, "SET default_storage_engine = MyISAM", "CREATE TABLE b" + child,
       "INSERT INTO a VALUES (1, 1)", "INSERT INTO b VALUES (1, 1)"});
  WaitForCopies();
  Run({"DELETE FROM p WHERE id = 1"});
  EXPECT_EQ(replica_->Differences("s"), "");
  EXPECT_EQ(Target("SELECT (SELECT count(*) FROM d.a) + 10 * (SELECT count(*) FROM d.b)"), "10");
}

// Rows of ours go along with rows of such a table.
TEST_P(ForeignKeyTest, StatementFormatOfAParentElsewhereStops) {
  FollowTables({"CREATE DATABASE tools", "CREATE TABLE tools.p (id INT PRIMARY KEY)",
                "CREATE TABLE c (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES tools.p (id)"
                " ON DELETE CASCADE)",
                "INSERT INTO tools.p VALUES (1), (2)", "INSERT INTO c VALUES (1), (2)"});
  Run({"SET SESSION binlog_format = STATEMENT", "DELETE FROM tools.p WHERE id = 1"});
  ExpectStop("a DELETE in database \"d\" was logged as a statement, not as rows");
}

ON_ALL_SERVERS(ForeignKeyTest)

}  // namespace
}  // namespace chameleon::test
