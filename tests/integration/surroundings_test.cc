// What surrounds the replicated tables must not matter: what else happens on the source, how roles
// and databases of the target are set up, how things are named.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/both_servers.h"
#include "tests/support/replica.h"

namespace chameleon::test {
namespace {

class SurroundingsTest : public BothServers {
 protected:
  void SetUp() override {
    BothServers::SetUp();
    if (IsSkipped()) return;
    postgres_.Start();
    replica_ = std::make_unique<Replica>(&postgres_);
  }

  // A source with these tables, copied and followed.
  void Begin(const std::vector<std::string>& tables) {
    source_ = StartSource(GetParam(), {});
    source_->Connect().Exec("CREATE DATABASE d CHARACTER SET utf8mb4");
    Run({"CREATE TABLE w_marker (id INT PRIMARY KEY, n BIGINT NOT NULL)",
         "INSERT INTO w_marker VALUES (1, 0)"});
    Run(tables);
    replica_->AddSource({.name = "s", .server = source_.get(), .schema_mappings = {{"d", "d"}}});
    replica_->Setup();
    replica_->Init("s");
    replica_->Start("s");
    replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  }

  void Run(const std::vector<std::string>& statements) {
    auto connection = source_->Connect("d");
    for (const auto& statement : statements) connection.Exec(statement);
  }

  std::string One(const std::string& sql) { return Pg(replica_->target()).One(sql); }
  void ExpectEqual() {
    EXPECT_EQ(replica_->Differences("s"), "");
    EXPECT_EQ(One("SELECT coalesce(string_agg(t_source_table || ': ' || t_reason, '; '), '') FROM "
                  "sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled"),
              "");
    EXPECT_EQ(One("SELECT coalesce(string_agg(t_error_message, '; '), '') FROM "
                  "sch_chameleon.t_error_log"),
              "");
  }

  // Once the tables that are copied by themselves have been.
  void ExpectEqualInTheEnd() {
    replica_->WaitCaughtUp("s", std::chrono::seconds(60));
    const std::string left =
        "SELECT coalesce(string_agg(t_source_table || ': ' || t_reason, '; '), '') FROM "
        "sch_chameleon.t_replica_tables WHERE NOT b_dropped AND NOT b_replica_enabled";
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!One(left).empty() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    EXPECT_EQ(replica_->Differences("s"), "");
    EXPECT_EQ(One(left), "");
  }

  PostgresServer postgres_;
  std::unique_ptr<SourceServer> source_;
  std::unique_ptr<Replica> replica_;  // ends before the servers
};

TEST_P(SurroundingsTest, StatementsThatConcernNobodyAreCounted) {
  Begin({"CREATE TABLE t (id INT PRIMARY KEY, v INT)"});
  std::vector<std::string> statements = {"CREATE DATABASE other"};
  for (int i = 0; i < 20; ++i) {
    statements.push_back(fmt::format("CREATE USER u{} IDENTIFIED BY 'p'", i));
  }
  for (int i = 0; i < 20; ++i) statements.push_back(fmt::format("GRANT SELECT ON d.* TO u{}", i));
  for (int i = 0; i < 20; ++i) {
    statements.push_back(fmt::format("CREATE TABLE other.x{} (id INT PRIMARY KEY)", i));
    statements.push_back(fmt::format("INSERT INTO other.x{} VALUES (1)", i));
    statements.push_back("ANALYZE TABLE t");
  }
  statements.push_back("INSERT INTO t VALUES (1, 1)");
  Run(statements);
  ExpectEqual();
  EXPECT_EQ(One("SELECT i_count FROM sch_chameleon.t_ledger WHERE t_kind = "
                "'statement_ignored:grant'"),
            "20");
}

// Names and values that quoting gets wrong first.
const std::vector<std::string>& OddTables() {
  static const std::vector<std::string> kTables = {
      R"(CREATE TABLE `od"d%s\'t` (`i"d` INT NOT NULL, `k%1$s\` VARCHAR(20) NOT NULL,
         `sel'ect` TEXT, `%` ENUM('it''s','b\\s','"q"','%s','$1') DEFAULT 'b\\s',
         `at` TIMESTAMP(3) NULL, t TIME(6), dt DATETIME(6), f FLOAT, x DOUBLE, b BLOB, j JSON,
         PRIMARY KEY (`i"d`, `k%1$s\`), UNIQUE KEY `u"%s` (`k%1$s\`)))",
      R"(INSERT INTO `od"d%s\'t` VALUES
         (1, 'a\\N', 'tab\tnl\nback\\slash''"$$%s{}', 1, '2024-01-02 03:04:05.678', '-838:00:00.5',
          '2024-03-04 05:06:07.891', 0.1, 1e-7, x'00ff5c27', '{"a\\"b": [1, "\\u00e9"]}'),
         (2, '\\.', '\\.', 2, NULL, '00:00:01', '0001-02-03 00:00:00', -0.5, 1e22, '', 'null'),
         (3, '', NULL, 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL))",
      "CREATE TABLE Upper_case (id INT PRIMARY KEY, v INT)",
      "CREATE TABLE upper_CASE (id INT PRIMARY KEY, v INT)",
      "INSERT INTO Upper_case VALUES (1, 1)",
      "INSERT INTO upper_CASE VALUES (1, 2)"};
  return kTables;
}

TEST_P(SurroundingsTest, DefaultsOfTheTargetsRoleAndDatabase) {
  Pg admin(replica_->target());
  for (const char* setting : {"default_transaction_isolation = 'serializable'",
                              "datestyle = 'SQL, DMY'",
                              "intervalstyle = 'sql_standard'",
                              "timezone = 'Asia/Tokyo'",
                              "bytea_output = 'escape'",
                              "standard_conforming_strings = off",
                              "backslash_quote = off",
                              "escape_string_warning = on",
                              "search_path = 'nowhere'",
                              "client_encoding = 'LATIN1'",
                              "extra_float_digits = -5",
                              "statement_timeout = '1s'",
                              "lock_timeout = '100ms'",
                              "quote_all_identifiers = on",
                              "idle_in_transaction_session_timeout = '300ms'",
                              "idle_session_timeout = '5s'",
                              "array_nulls = off",
                              "transform_null_equals = on",
                              "row_security = off",
                              "client_min_messages = 'debug1'",
                              "plan_cache_mode = 'force_generic_plan'",
                              "enable_indexscan = off",
                              "default_transaction_deferrable = on",
                              "xmloption = 'document'",
                              "check_function_bodies = off",
                              "lc_messages = 'C'"}) {
    admin.Exec(fmt::format("ALTER DATABASE db_replica SET {}", setting));
    admin.Exec(fmt::format("ALTER ROLE postgres SET {}", setting));
  }
  Begin(OddTables());
  const std::string odd = R"(`od"d%s\'t`)";
  Run({R"(UPDATE )" + odd + R"( SET `sel'ect` = concat(`sel'ect`, '\\x41 ''%1$s "'), f = f * 3)",
       R"(UPDATE )" + odd + R"( SET `k%1$s\` = '%s"''\\' WHERE `i"d` = 1)",
       R"(INSERT INTO )" + odd + R"( (`i"d`, `k%1$s\`, `%`, j, t, b) VALUES (4, '4', 3,
          '{"k": "\\\\N \\t", "n": 1.50}', '838:59:59', x'5c4e'))",
       "BEGIN", R"(UPDATE )" + odd + R"( SET `k%1$s\` = 'x' WHERE `i"d` = 2)",
       R"(UPDATE )" + odd + R"( SET `k%1$s\` = '\\.' WHERE `i"d` = 3)",
       R"(UPDATE )" + odd + R"( SET `k%1$s\` = '' WHERE `i"d` = 2)", "COMMIT",
       R"(ALTER TABLE )" + odd + R"( ADD `n"%w\` VARCHAR(20) NOT NULL DEFAULT 'd''%s\\"' COMMENT
          'it''s %s "x" \\ $$', ADD INDEX `ix"%` (`n"%w\`))",
       R"(INSERT INTO )" + odd + R"( (`i"d`, `k%1$s\`) VALUES (5, '5'))",
       R"(ALTER TABLE )" + odd + R"( CHANGE `n"%w\` `o%%1$I` VARCHAR(30) NULL)",
       R"(UPDATE )" + odd + R"( SET `o%%1$I` = NULL WHERE `i"d` = 5)",
       R"(RENAME TABLE )" + odd + R"( TO `new"%s\`)", R"(DELETE FROM `new"%s\` WHERE `i"d` = 1)",
       "UPDATE Upper_case SET v = 10", "UPDATE upper_CASE SET v = 20"});
  // The comparing sessions shall have none of this; the product's keep it.
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  admin.Exec("ALTER DATABASE db_replica RESET ALL");
  admin.Exec("ALTER ROLE postgres RESET ALL");
  ExpectEqual();
}

// A stream that lags reads CREATE TABLE with the defaults of then, also after a restart in between.
TEST_P(SurroundingsTest, DatabaseDefaultsAsOfTheStatement) {
  Begin({"CREATE TABLE t (id INT PRIMARY KEY)", "ALTER DATABASE d CHARACTER SET latin2"});
  replica_->Stop("s");
  Run({"SET NAMES utf8mb4", "CREATE TABLE w (id INT PRIMARY KEY, a TEXT)",
       "INSERT INTO w VALUES (1, 'h\xc3\xa9')", "ALTER DATABASE d CHARACTER SET utf8mb4",
       "CREATE TABLE x (id INT PRIMARY KEY, a TEXT)", "INSERT INTO x VALUES (1, 'h\xc3\xa9')"});
  replica_->Start("s");
  ExpectEqualInTheEnd();
  replica_->Stop("s");
  Run({"SET NAMES utf8mb4", "CREATE TABLE y (id INT PRIMARY KEY, a TEXT)",
       "INSERT INTO y VALUES (1, 'h\xc3\xa9')", "ALTER DATABASE d CHARACTER SET latin1"});
  replica_->Start("s");
  ExpectEqualInTheEnd();
}

// MariaDB gives a new table the default that its session has read with USE, and does not log it.
TEST_P(SurroundingsTest, DefaultsThatASessionHasKept) {
  source_ = StartSource(GetParam(), {});
  source_->Connect().Exec("CREATE DATABASE d CHARACTER SET utf8mb4");
  auto session = source_->Connect("d");
  Run({"CREATE TABLE w_marker (id INT PRIMARY KEY, n BIGINT NOT NULL)",
       "INSERT INTO w_marker VALUES (1, 0)", "ALTER DATABASE d CHARACTER SET latin1"});
  replica_->AddSource({.name = "s", .server = source_.get(), .schema_mappings = {{"d", "d"}}});
  replica_->Setup();
  replica_->Init("s");
  replica_->Start("s");
  const auto create = [&](const std::string& table) {
    session.Exec(fmt::format("CREATE TABLE {} (id INT PRIMARY KEY, a TEXT)", table));
    session.Exec(fmt::format("INSERT INTO {} VALUES (1, 'h\xc3\xa9')", table));
  };
  create("before_the_copy");
  ExpectEqualInTheEnd();
  Run({"ALTER DATABASE d CHARACTER SET latin2"});
  create("after_it");
  session.Exec("RENAME TABLE after_it TO renamed");
  ExpectEqualInTheEnd();
}

ON_BOTH_SERVERS(SurroundingsTest);

}  // namespace
}  // namespace chameleon::test
