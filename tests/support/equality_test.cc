// The oracle must see every planted difference, and must not see any where there is none.
#include "tests/support/equality.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/canonical.h"
#include "tests/support/servers.h"

namespace chameleon::test {
namespace {

using ::testing::HasSubstr;

TEST(Canonical, Json) {
  struct Case {
    const char* text;
    const char* expected;
  };
  for (const Case& c : std::vector<Case>{
           {R"({"b": 1,   "a":2, "b":3})", R"({"a":2,"b":3})"},
           {"[1.50, 1.5, 15e-1, 100, 1E+2, -0.0]", "[15e-1,15e-1,15e-1,1e2,1e2,0]"},
           {"1e20", "1e20"},
           {"100000000000000000000", "1e20"},
           {"18446744073709551615", "18446744073709551615"},
           {R"("gr\u00fcn \ud83e\udd8e \/ \" \\ \n")", "\"grün 🦎 / \\\" \\\\ \n\""},
           {" [ ] ", "[]"},
           {"{}", "{}"},
           {R"({"a": {"c": null, "b": [true, false]}})", R"({"a":{"b":[true,false],"c":null}})"},
           {"[1,]", "not JSON"},
           {"{\"a\" 1}", "not JSON"},
           {"", "not JSON"},
           {"1 2", "not JSON"},
       }) {
    bool ok = false;
    std::string json = CanonicalJson(c.text, &ok);
    EXPECT_EQ(ok ? json : "not JSON", c.expected) << c.text;
  }
}

TEST(Canonical, MysqlValues) {
  struct Case {
    Canon canon;
    std::string text;
    std::string expected;
  };
  for (const Case& c : std::vector<Case>{
           {Canon::kDate, "2024-02-29", "2024-02-29"},
           {Canon::kDate, "0000-00-00", "NULL"},
           {Canon::kDate, "2024-00-10", "NULL"},
           {Canon::kDateTime, "2024-02-29 10:00:00", "2024-02-29 10:00:00.000000"},
           {Canon::kDateTime, "2024-02-29 10:00:00.12", "2024-02-29 10:00:00.120000"},
           {Canon::kDateTime, "2024-02-29 10:00:00.123456", "2024-02-29 10:00:00.123456"},
           {Canon::kDateTime, "2024-02-00 10:00:00", "NULL"},
           {Canon::kTime, "-838:59:59.5", "-3020399500000"},
           {Canon::kTime, "00:00:01", "1000000"},
           {Canon::kDouble, "1e22", "1e+22"},
           {Canon::kDouble, "10000000000000000000000", "1e+22"},
           {Canon::kDouble, "-0", "-0"},
           {Canon::kFloat, "1234567.875", "1234567.9"},
           {Canon::kBytes, std::string("\0\xff", 2), "\\x00ff"},
           {Canon::kText, std::string("a\0b", 3), "ab"},
           {Canon::kWkb, "SRIDwkb", "\\x776b62"},
       }) {
    std::string out;
    if (!AppendCanonical(c.canon, c.text, &out)) out = "NULL";
    EXPECT_EQ(out, c.expected) << c.text;
  }
}

class EqualityTest : public ::testing::TestWithParam<SourceKind> {
 protected:
  void SetUp() override {
    if (GetParam() == SourceKind::kMysql && !MysqlServer::Wanted()) {
      GTEST_SKIP() << "CHAMELEON_WITHOUT_MYSQL=1";
    }
    source_ = StartSource(GetParam());
    postgres_.Start();
    mysql_ = std::make_unique<Mysql>(source_->Address());
    pg_ = std::make_unique<Pg>(postgres_.Address());
    mysql_->Exec(
        "CREATE DATABASE s; USE s; CREATE TABLE types (id BIGINT UNSIGNED PRIMARY KEY,"
        " z INT(6) ZEROFILL, d DECIMAL(12,3), f FLOAT, g DOUBLE, b BIT(10), y YEAR, da DATE,"
        " dt DATETIME(3), ts TIMESTAMP(6) NULL, ti TIME(2), c CHAR(5), v VARCHAR(40), t TEXT,"
        " bi BINARY(3), bl BLOB, e ENUM('x','y,''z'), s SET('p','q'), j JSON, o TINYINT(1));"
        "INSERT INTO types VALUES"
        " (18446744073709551615, 42, -1.500, 16777217, 0.1, b'11', 2024, '2024-02-29',"
        "  '2024-01-01 10:00:00.12', '2024-10-27 00:30:00.000001', '-12:34:56.7', 'ab',"
        "  'żó\\tł\\\\N', 'line\\nline', x'00ff', x'0a5c09', 'y,''z', 'p,q',"
        "  '{\"b\": 1.0, \"a\": [true, null]}', 1),"
        " (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,"
        "  NULL, NULL, NULL, NULL, NULL);"
        "CREATE TABLE nokey (a INT, b VARCHAR(3));"
        "INSERT INTO nokey VALUES (1,'x'), (1,'x'), (NULL,'')");
    pg_->Exec(
        "CREATE SCHEMA s; SET search_path = s; CREATE TABLE types (id numeric(20), z int,"
        " d numeric(12,3), f real, g float8, b bit(10), y smallint, da date, dt timestamp(3),"
        " ts timestamptz(6), ti interval, c varchar(5), v varchar(40), t text, bi bytea, bl bytea,"
        " e text, s text, j jsonb, o boolean);"
        "INSERT INTO types VALUES (18446744073709551615, 42, -1.5, 16777216, 0.1, B'0000000011',"
        " 2024, '2024-02-29', '2024-01-01 10:00:00.12', '2024-10-27 00:30:00.000001+00',"
        " '-12:34:56.7', 'ab', E'żó\\tł\\\\N', E'line\\nline', '\\x00ff00', '\\x0a5c09',"
        " 'y,''z', 'p,q', '{\"a\": [true, null], \"b\": 1}', true);INSERT INTO types VALUES (2);"
        "CREATE TABLE nokey (a int, b text); INSERT INTO nokey VALUES (1,'x'), (1,'x'), (NULL,'')");
  }

  std::string Differences() {
    Equality equality = CompareSchemas(source_->Address(), "s", postgres_.Address(), "s");
    EXPECT_EQ(equality.equal, equality.differences.empty());
    return equality.differences;
  }

  std::unique_ptr<SourceServer> source_;
  PostgresServer postgres_;
  std::unique_ptr<Mysql> mysql_;
  std::unique_ptr<Pg> pg_;
};

TEST_P(EqualityTest, EqualRowsAreEqual) {
  Equality equality = CompareSchemas(source_->Address(), "s", postgres_.Address(), "s");
  EXPECT_EQ(equality.differences, "");
  EXPECT_TRUE(equality.equal);
  EXPECT_EQ(equality.tables, 2);
  EXPECT_EQ(equality.rows, 5u);
}

TEST_P(EqualityTest, EachChangedColumnIsFoundAndNamed) {
  for (const char* change :
       {"z = 43", "d = -1.501", "f = 16777218", "g = 0.10000000000000002", "b = B'0000000111'",
        "y = 2023", "da = '2024-02-28'", "dt = '2024-01-01 10:00:00.121'",
        "ts = '2024-10-27 00:30:00.000002+00'", "ti = '-12:34:56.71'", "c = 'ab '", "v = 'żó'",
        "t = NULL", "bi = '\\x00ff'", "bl = '\\x'", "e = 'x'", "s = 'p'", "j = '{}'",
        "o = false"}) {
    pg_->Exec("BEGIN; CREATE TABLE keep AS SELECT * FROM types; COMMIT");
    pg_->Exec(fmt::format("UPDATE types SET {} WHERE id > 2", change));
    pg_->Exec(
        "CREATE SCHEMA IF NOT EXISTS aside; DROP TABLE IF EXISTS aside.keep;"
        "ALTER TABLE s.keep SET SCHEMA aside");
    std::string column = std::string(change).substr(0, std::string(change).find(' '));
    EXPECT_THAT(Differences(),
                HasSubstr(fmt::format("id=18446744073709551615: column {}: source", column)));
    pg_->Exec("DELETE FROM types; INSERT INTO types SELECT * FROM aside.keep");
    EXPECT_EQ(Differences(), "");
  }
}

TEST_P(EqualityTest, MissingExtraAndDoubledRowsAreFound) {
  pg_->Exec("DELETE FROM types WHERE id = 2");
  EXPECT_EQ(Differences(),
            "table types: 1 rows only in the source, 0 rows only in PostgreSQL\n"
            "  id=2: missing in PostgreSQL\n");
  pg_->Exec("INSERT INTO types (id) VALUES (2), (3)");
  EXPECT_EQ(Differences(),
            "table types: 0 rows only in the source, 1 rows only in PostgreSQL\n"
            "  id=3: only in PostgreSQL\n");
  pg_->Exec("DELETE FROM types WHERE id = 3; INSERT INTO nokey VALUES (1, 'x')");
  EXPECT_EQ(Differences(),
            "table nokey: 0 rows only in the source, 1 rows only in PostgreSQL\n"
            "  a=1 b=x: only in PostgreSQL\n");
}

TEST_P(EqualityTest, NullIsNotEmpty) {
  pg_->Exec("UPDATE nokey SET b = NULL WHERE b = ''");
  EXPECT_THAT(Differences(), HasSubstr("a=NULL b=: missing in PostgreSQL"));
}

TEST_P(EqualityTest, TablesAndColumnsThatAreNotOnBothSidesAreFound) {
  mysql_->Exec("CREATE TABLE s.more (i INT PRIMARY KEY); ALTER TABLE s.nokey ADD COLUMN k INT");
  pg_->Exec("CREATE TABLE s.extra (i int); ALTER TABLE s.types ADD COLUMN w int");
  EXPECT_EQ(Differences(),
            "table more: missing in PostgreSQL\n"
            "table nokey: column k is missing in PostgreSQL\n"
            "table types: column w is only in PostgreSQL\n"
            "table extra: only in PostgreSQL\n");
}

INSTANTIATE_TEST_SUITE_P(Both, EqualityTest,
                         ::testing::Values(SourceKind::kMariadb, SourceKind::kMysql),
                         [](const auto& info) { return Name(info.param); });

}  // namespace
}  // namespace chameleon::test
