// What becomes of values that PostgreSQL cannot hold, and of types that the user chose: the ledger,
// type_override, documents that are none.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/live_fixture.h"

namespace chameleon::test {
namespace {

using ::testing::HasSubstr;

class ValuesTest : public LiveFixture {
 protected:
  void StartWith(const std::string& tables) {
    StartSource();
    Source(tables);
    AddSource("s");
  }
  void Source(const std::string& sql) { LiveFixture::Source("SET SESSION sql_mode = ''; " + sql); }
  std::string Ledger() {
    return Target(
        "SELECT coalesce(string_agg(concat_ws(' ', t_source_table, t_kind, i_count,"
        " t_example_key), E'\n' ORDER BY t_source_table, t_kind), '')"
        " FROM sch_chameleon.t_ledger JOIN sch_chameleon.t_replica_tables USING (i_id_table)");
  }
  std::string PositionOf(const std::string& table, const std::string& kind) {
    return Target(
        fmt::format("SELECT t_example_binlog_name || ':' || i_example_binlog_position FROM"
                    " sch_chameleon.t_ledger JOIN sch_chameleon.t_replica_tables USING (i_id_table)"
                    " WHERE t_source_table = '{}' AND t_kind = '{}'",
                    table, kind));
  }
  std::string Received() {
    return Target("SELECT t_binlog_name || ':' || i_binlog_position FROM sch_chameleon.t_sources");
  }

  // Replaces the configuration's type_override.
  void Override(const std::string& entries) {
    const auto file = replica_->home() / "configuration" / "test.yml";
    std::string text = ReadFile(file);
    const size_t begin = text.find("type_override:"), end = text.find("pg_conn:");
    WriteFile(file, text.substr(0, begin) + "type_override:\n" + entries + text.substr(end));
  }
  static std::string Entry(const std::string& type, const std::string& to,
                           const std::string& tables) {
    return fmt::format("  \"{}\":\n    override_to: \"{}\"\n    override_tables:\n      - \"{}\"\n",
                       type, to, tables);
  }
  std::string TypeOf(const std::string& column) {
    const size_t dot = column.find('.');
    return Target(
        fmt::format("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE"
                    " attrelid = 'd.{}'::regclass AND attname = '{}'",
                    column.substr(0, dot), column.substr(dot + 1)));
  }
};

TEST_P(ValuesTest, LedgerCountsEachAlteredValueWithItsFirstExample) {
  StartWith(
      "CREATE TABLE l (id INT, k VARCHAR(5), d DATE, t VARCHAR(9), e ENUM('x'),"
      " PRIMARY KEY (id, k));"
      "INSERT INTO l VALUES (1, 'a', '0000-00-00', 'ok', 'x'),"
      " (2, 'b', '2024-00-01', CONCAT('n', CHAR(0)), 0), (3, 'c', '2024-01-01', 'ok', 'x');"
      "CREATE TABLE m (id INT PRIMARY KEY, d DATETIME, t TINYINT(1))");
  replica_->Init("s");
  EXPECT_EQ(Ledger(),
            "l enum_invalid_to_null 1 column e, id=2, k=b\n"
            "l nul_removed 1 column t, id=2, k=b\n"
            "l zero_date_to_null 2 column d, id=1, k=a");
  const std::string snapshot = Received();
  EXPECT_EQ(PositionOf("l", "nul_removed"), snapshot);
  replica_->Start("s");
  Source(
      "INSERT INTO l VALUES (4, 'd', '0000-00-00', 'ok', 'x');"
      "INSERT INTO m VALUES (1, '2024-01-01', 1), (2, '0000-00-00', 7);"
      "UPDATE l SET d = NULL, e = 'x', t = '' WHERE id = 2");
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  const std::string after =
      "l enum_invalid_to_null 1 column e, id=2, k=b\n"
      "l nul_removed 1 column t, id=2, k=b\n"
      "l zero_date_to_null 3 column d, id=1, k=a\n"
      "m number_to_true 1 column t, id=2\n"
      "m zero_date_to_null 1 column d, id=2";
  EXPECT_EQ(Ledger(), after);
  EXPECT_EQ(PositionOf("l", "zero_date_to_null"), snapshot) << "of the first";
  EXPECT_NE(PositionOf("m", "zero_date_to_null"), snapshot);
  EXPECT_NE(PositionOf("m", "zero_date_to_null"), "");
  const std::string status = replica_->MustCtl({"show_status", "--source", "s"});
  EXPECT_THAT(status, HasSubstr("zero_date_to_null"));
  EXPECT_THAT(status, HasSubstr("column d, id=1, k=a at " + snapshot));
  // A worker that starts again counts nothing twice.
  replica_->Stop("s");
  replica_->Start("s");
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  EXPECT_EQ(Ledger(), after);
  // A new copy has what is there now.
  replica_->Stop("s");
  replica_->MustCtl({"sync_tables", "--tables", "d.l"});
  EXPECT_EQ(Ledger(),
            "l zero_date_to_null 2 column d, id=1, k=a\n"
            "m number_to_true 1 column t, id=2\n"
            "m zero_date_to_null 1 column d, id=2");
}

TEST_P(ValuesTest, OverridesInSnapshotStreamAndSchemaChanges) {
  StartWith(
      "CREATE TABLE a (id INT PRIMARY KEY, n DECIMAL(10,2), v VARCHAR(36), j LONGTEXT,"
      " t DATETIME(3), x DECIMAL(10,3));"
      "CREATE TABLE b (id INT PRIMARY KEY, v VARCHAR(36), n DECIMAL(10,2));"
      "INSERT INTO a VALUES (1, 1.5, '123e4567-e89b-12d3-a456-426614174000', '{\"a\": [1]}',"
      " '2024-01-01 10:00:00.5', 1);"
      "INSERT INTO b VALUES (1, 'no uuid', 2.5)");
  Override(Entry("decimal(10,2)", "numeric(20,4)", "*") + Entry("varchar(36)", "uuid", "d.a") +
           Entry("longtext", "jsonb", "*") +
           Entry("datetime(3)", "timestamp(6) with time zone", "*"));
  replica_->Init("s");
  EXPECT_EQ(TypeOf("a.n"), "numeric(20,4)");
  EXPECT_EQ(TypeOf("a.x"), "numeric(10,3)") << "other dimensions, another type";
  EXPECT_EQ(TypeOf("b.n"), "numeric(20,4)");
  EXPECT_EQ(TypeOf("a.v"), "uuid");
  EXPECT_EQ(TypeOf("b.v"), "character varying(36)");
  EXPECT_EQ(TypeOf("a.t"), "timestamp(6) with time zone");
  replica_->Start("s");
  Source(
      "INSERT INTO a VALUES (2, 1.5, '123e4567-e89b-12d3-a456-426614174000', '{\"a\": [1]}',"
      " '2024-01-01 10:00:00.5', 1);"
      "ALTER TABLE a ADD COLUMN n2 DECIMAL(10,2), ADD COLUMN j2 LONGTEXT, ADD v2 VARCHAR(36);"
      "ALTER TABLE b MODIFY v VARCHAR(40);"
      "CREATE TABLE c (id INT PRIMARY KEY, n DECIMAL(10,2));"
      "UPDATE a SET n2 = n, j2 = j, v2 = v WHERE id = 2; INSERT INTO c VALUES (1, 3.5)");
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  EXPECT_EQ(Left(), "");
  EXPECT_EQ(Target("SELECT concat_ws(' ', n, v, j, t, n2, v2, j2->'a'->0) FROM d.a WHERE id = 2"),
            "1.5000 123e4567-e89b-12d3-a456-426614174000 {\"a\": [1]} 2024-01-01 10:00:00.5+00 "
            "1.5000 123e4567-e89b-12d3-a456-426614174000 1");
  EXPECT_EQ(Target("SELECT count(DISTINCT (n, v, j, t)) FROM d.a"), "1") << "snapshot and stream";
  EXPECT_EQ(TypeOf("a.n2") + " " + TypeOf("a.v2") + " " + TypeOf("a.j2") + " " + TypeOf("c.n"),
            "numeric(20,4) uuid jsonb numeric(20,4)");
}

// Refused before the first row, and nothing is touched.
TEST_P(ValuesTest, ImpossibleOverridesAreRefusedWhenTheTableIsPlanned) {
  StartWith("CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(36), n DECIMAL(10,2))");
  const auto refusal = [&](const std::string& entries) {
    Override(entries);
    RunResult init = replica_->Ctl({"init_replica", "--source", "s"});
    EXPECT_NE(init.exit_code, 0);
    return init.err;
  };
  EXPECT_THAT(refusal(Entry("varchar(36)", "varchar(10)", "*")),
              HasSubstr("table d.a: column v: varchar(10) cannot hold the values of varchar(36)"));
  EXPECT_THAT(refusal(Entry("decimal(10,2)", "numeric(10,4)", "d.a")),
              HasSubstr("numeric(10,4) cannot hold the values of decimal(10,2)"));
  EXPECT_THAT(refusal(Entry("varchar(36)", "no_such_type", "*")), HasSubstr("no_such_type"));
  EXPECT_EQ(Target("SELECT count(*) FROM pg_namespace WHERE nspname IN ('d', '_d_tmp')"), "0");
  Override(Entry("varchar(36)", "text", "*"));
  replica_->Init("s");
  replica_->Start("s");
  // One that comes later acts on the columns that come later.
  replica_->Stop("s");
  Override(Entry("varchar(36)", "text", "*") + Entry("varchar(20)", "varchar(10)", "*"));
  replica_->Start("s");
  Source(
      "ALTER TABLE a ADD COLUMN w VARCHAR(20); CREATE TABLE other (id INT PRIMARY KEY);"
      "INSERT INTO other VALUES (1)");
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  EXPECT_THAT(Left(), HasSubstr("varchar(10) cannot hold the values of varchar(20)"));
  EXPECT_EQ(Target("SELECT count(*) FROM d.other"), "1");
}

// The server's check of a document can be switched off; an override believes the type.
TEST_P(ValuesTest, TextsThatAreNoDocumentsAreNamed) {
  StartWith(
      "CREATE TABLE a (id INT PRIMARY KEY, j LONGTEXT); CREATE TABLE b (id INT PRIMARY KEY);"
      "INSERT INTO a VALUES (1, '{\"a\": 1}')");
  Override(Entry("longtext", "jsonb", "*"));
  replica_->Init("s");
  EXPECT_EQ(Target("SELECT string_agg(j::text, ' ' ORDER BY id) FROM d.a"), "{\"a\": 1}");
  replica_->Start("s");
  Source(
      "INSERT INTO a VALUES (3, '{no document'); INSERT INTO b VALUES (1);"
      "INSERT INTO a VALUES (4, '[]')");
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  EXPECT_EQ(Target("SELECT count(*) FROM d.b"), "1") << "others go on";
  EXPECT_EQ(Target("SELECT enm_status FROM sch_chameleon.t_sources"), "running");
  EXPECT_THAT(Left(), HasSubstr("a: "));
  EXPECT_THAT(replica_->MustCtl({"show_errors"}), HasSubstr("invalid input syntax for type json"));
  EXPECT_EQ(Target("SELECT count(*) FROM sch_chameleon.t_discarded_rows WHERE t_row_data LIKE"
                   " '%no document%'"),
            "1");
  replica_->Stop("s");
  RunResult sync = replica_->Ctl({"sync_tables", "--tables", "d.a"});
  EXPECT_NE(sync.exit_code, 0);
  EXPECT_THAT(sync.err, HasSubstr("d.a"));
  EXPECT_THAT(sync.err, HasSubstr("invalid input syntax for type json"));
}

// Keys that the source's collation takes for one and bytes do not: each change finds its row.
TEST_P(ValuesTest, UniqueIndexesOverValuesThatBecomeEqual) {
  StartWith(
      "CREATE TABLE u (id INT PRIMARY KEY, f TINYINT(1), UNIQUE KEY k (f));"
      "INSERT INTO u VALUES (1, 2), (2, 3)");
  EXPECT_THAT(replica_->MustCtl({"init_replica", "--source", "s"}),
              HasSubstr("built without being unique"));
  EXPECT_EQ(Target("SELECT count(*) FROM d.u WHERE f"), "2");
  EXPECT_EQ(
      Target("SELECT bool_or(indisunique) FROM pg_index WHERE indrelid = 'd.u'::regclass AND NOT "
             "indisprimary"),
      "f");
}

TEST_P(ValuesTest, LabelsThatAreNoText) {
  StartWith(
      "CREATE TABLE l (id INT PRIMARY KEY, e ENUM(x'92', 'a', x'9341') CHARACTER SET binary);"
      "INSERT INTO l VALUES (1, 1), (2, 2)");
  const RunResult init = replica_->Ctl({"init_replica", "--source", "s"});
  if (!IsMysql()) {
    EXPECT_NE(init.exit_code, 0);
    EXPECT_THAT(init.err, HasSubstr("table l column e: the server shows bytes of its labels as ?"));
    return;
  }
  EXPECT_EQ(init.exit_code, 0) << init.err;
  replica_->Start("s");
  Source("INSERT INTO l VALUES (3, 3)");
  replica_->WaitCaughtUp("s", std::chrono::seconds(60));
  EXPECT_EQ(Target("SELECT string_agg(e::text, ' ' ORDER BY id) FROM d.l"), "\\x92 a \\x9341");
}

TEST_P(ValuesTest, KeysOfCaseInsensitiveAndPaddedCollations) {
  std::string tables, changes;
  const std::vector<std::string> types = {
      "VARCHAR(9) COLLATE utf8mb4_general_ci", "VARCHAR(9) COLLATE utf8mb4_unicode_ci",
      "CHAR(9) CHARACTER SET latin1", "VARCHAR(9) COLLATE utf8mb4_bin",
      "VARCHAR(700) COLLATE utf8mb4_general_ci"};
  for (size_t i = 0; i < types.size(); ++i) {
    const std::string t = fmt::format("k{}", i);
    tables += fmt::format(
        "CREATE TABLE {0} (k {1} PRIMARY KEY, u VARCHAR(9) COLLATE utf8mb4_general_ci UNIQUE,"
        " n INT); INSERT INTO {0} VALUES ('a', 'x', 1), ('b ', 'y ', 2), ('é', 'É', 3),"
        " ('ss', NULL, 4), ('', '', 5);",
        t, types[i]);
    changes += fmt::format(
        "UPDATE {0} SET k = 'A' WHERE k = 'a'; UPDATE {0} SET u = 'X' WHERE u = 'x';"
        "UPDATE {0} SET k = 'b' WHERE k = 'b '; UPDATE {0} SET k = 'E' WHERE n = 3;"
        "UPDATE {0} SET u = 'y' WHERE n = 2; UPDATE {0} SET k = ' ' WHERE n = 5;"
        "BEGIN; DELETE FROM {0} WHERE n = 4; INSERT INTO {0} VALUES ('SS', NULL, 6);"
        "UPDATE {0} SET k = 'Ss' WHERE n = 6; REPLACE INTO {0} VALUES ('A ', 'x ', 7); COMMIT;"
        "INSERT INTO {0} VALUES ('A', 'z', 8) ON DUPLICATE KEY UPDATE n = 9, k = 'a  ';"
        "BEGIN; UPDATE {0} SET k = 'tmp' WHERE n = 2; UPDATE {0} SET k = 'B' WHERE n = 3;"
        "UPDATE {0} SET k = 'e' WHERE n = 2; COMMIT; UPDATE {0} SET n = n + 10;",
        t);
  }
  StartWith(tables);
  replica_->Init("s");
  replica_->Start("s");
  Source(changes);
  EXPECT_EQ(replica_->Differences("s", std::chrono::seconds(60)), "");
  EXPECT_EQ(Left(), "");
  Source("DELETE FROM k0 WHERE k = 'A'; DELETE FROM k1; INSERT INTO k2 VALUES ('ZZ ', 'q', 1)");
  EXPECT_EQ(replica_->Differences("s", std::chrono::seconds(60)), "");
  EXPECT_EQ(Left(), "");
}

ON_ALL_SERVERS(ValuesTest)

}  // namespace
}  // namespace chameleon::test
