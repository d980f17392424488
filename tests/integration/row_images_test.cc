// Incomplete row images, partial updates, compressed events: what the log leaves out, live.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/live_fixture.h"

namespace chameleon::test {
namespace {

using ::testing::HasSubstr;

class RowImagesTest : public LiveFixture {
 protected:
  // WideChanges() of WideTables() under each image, in a session of its own.
  void PlayRowImages(const std::vector<std::string>& images);
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

void RowImagesTest::PlayRowImages(const std::vector<std::string>& images) {
  int base = 1000;
  for (const std::string& image : images) {
    auto statements = WideChanges(base += 1000);
    statements.insert(statements.begin(), "SET SESSION binlog_row_image = " + image);
    Run(statements);
  }
}

TEST_P(RowImagesTest, IncompleteRowImages) {
  FollowTables(WideTables());
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
TEST_P(RowImagesTest, IncompleteRowsOfReplace) {
  FollowTables(
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
  CatchUp();
  EXPECT_THAT(Left(), HasSubstr("the statement is not in the log"));
}

TEST_P(RowImagesTest, IncompleteRowsOfGeneratedColumns) {
  FollowTables(
      {"CREATE TABLE g (id INT PRIMARY KEY, a INT, b INT, v INT AS (a + 1) VIRTUAL,"
       " s INT AS (a * 2) STORED)",
       "INSERT INTO g (id, a, b) VALUES (1, 1, 1), (2, 2, 2)"});
  Run({"SET SESSION binlog_row_image = MINIMAL", "UPDATE g SET a = 10 WHERE id = 1",
       "UPDATE g SET b = 10 WHERE id = 2", "INSERT INTO g (id, a) VALUES (3, 3)"});
  // Equal, or stopped by name: never a stale value.
  CatchUp();
  if (Left().empty()) {
    ExpectEqual();
  } else {
    EXPECT_THAT(Left(), HasSubstr("is not in the log (a generated column)"));
  }
}

TEST_P(RowImagesTest, PartialJsonUpdates) {
  if (!IsMysql()) GTEST_SKIP() << "MariaDB has no partial JSON updates";
  FollowTables({"CREATE TABLE j (id INT PRIMARY KEY, doc JSON, other JSON, n INT)",
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
  CatchUp();
  EXPECT_THAT(Left(), HasSubstr("j: table d.j: the new value of column doc is not in the log (a "
                                "partial JSON update, whose document the row image leaves out)"));
}

ON_ALL_SERVERS(RowImagesTest)

// What MariaDB 11.8 logs in its own way.
class NewerMariadbImagesTest : public RowImagesTest {};

TEST_P(NewerMariadbImagesTest, RowImages) {
  FollowTables(WideTables());
  PlayRowImages({"FULL_NODUP", "MINIMAL", "FULL_NODUP", "NOBLOB", "FULL"});
  ExpectEqual();
}

// Events are packed, checksums come and go, positions inside of a transaction are zero, and a
// transaction that is larger than the threshold becomes a log file of its own, whose GTID event is
// padded up to where the rows begin.
TEST_P(NewerMariadbImagesTest, CompressedEventsChecksumsAndLargeCommits) {
  auto tables = WideTables();
  tables.push_back("CREATE TABLE large (id INT AUTO_INCREMENT PRIMARY KEY, b LONGBLOB)");
  FollowTables(tables, {"--log-bin-compress=ON", "--log-bin-compress-min-len=10",
                        "--binlog-checksum=NONE", "--binlog-large-commit-threshold=10485760"});
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

ON_MARIADB11(NewerMariadbImagesTest);

}  // namespace
}  // namespace chameleon::test
