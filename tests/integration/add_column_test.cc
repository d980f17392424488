// Columns that are added to tables with rows: what the source puts into those rows, which is in no
// log. Every type of the type matrix with each of its values as DEFAULT and as NOT NULL without
// one, and defaults in all the spellings that the servers read; all in place. What only the source
// knows is copied again. Either way the rows are the source's, and so is PostgreSQL's own DEFAULT.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <thread>

#include "tests/integration/type_cases.h"
#include "tests/support/live_fixture.h"

namespace chameleon::test {
namespace {

struct Spelling {
  const char* type;
  std::vector<std::string> defaults;
};

// Defaults as people write them; a server that refuses one leaves it out.
const std::vector<Spelling>& Spellings() {
  static const std::vector<Spelling> kSpellings = {
      {"INT",
       {"'5'", "1.5", "'1.5'", "2.5", "-1.5", "1e2", "-0", "+7", "TRUE", "0x10", "b'101'", "'007'",
        "' 7'"}},
      {"INT(5) ZEROFILL", {"7", "'00007'"}},
      {"DECIMAL(5,2)",
       {"'1.005'", "1.005", "-1.005", "1e2", ".5", "'-.5'", "999.99", "'1e1'", "0x10", "-0.001"}},
      {"DECIMAL(5,2) ZEROFILL", {"7.5"}},
      {"FLOAT", {"1.1", "'1.1'", "16777217", "1e-45", "1e10"}},
      {"FLOAT(7,2)", {"1", "99999", "1e2"}},
      {"DOUBLE", {".1", "1e22", "123456789012345678"}},
      {"DOUBLE(10,3)", {"1", "-7"}},
      {"BIT(8)", {"b'101'", "5", "x'05'", "'5'", "TRUE", "0"}},
      {"YEAR", {"99", "'99'", "1", "'1'", "0", "'0'", "'0000'", "2024", "69", "'70'", "'00'"}},
      {"DATE",
       {"'20240102'", "20240102", "'24-1-2'", "'2024/1/2'", "'2024.01.02'", "DATE'2024-01-02'",
        "'2024-01-02 10:00:00'", "'70-1-1'", "240102", "0", "'2024-01-02 23:59:59.9'"}},
      {"DATETIME",
       {"'2024-01-02'", "'2024-01-02 03:04'", "'2024-01-02 03:04:05.6'", "'2024-01-02 03:04:05.4'",
        "20240102030405", "TIMESTAMP'2024-01-02 03:04:05'", "'2024-01-02T03:04:05'",
        "'240102030405'", "'2024-1-2 3:4:5'", "'2024-12-31 23:59:59.9'", "0", "20240102",
        "TIMESTAMP'2024-01-02 03:04:05.9'", "DATE'2024-01-02'"}},
      {"DATETIME(3)",
       {"'2024-01-02 03:04:05.6789'", "'2024-01-02 03:04:05.1'", "20240102030405.5",
        "'2024-12-31 23:59:59.9999'"}},
      {"TIME",
       {"'10:11'", "'101112'", "101112", "'1 10:11:12'", "'1 10'", "'1 10:11'", "'100'", "'-1:2:3'",
        "'838:59:59'", "'839:00:00'", "'10:11:12.6'", "TIME'10:11:12'", "'10'", "5",
        "'-34 10:00:00'", "-101112", "'59:59.6'"}},
      {"TIME(2)", {"'10:11:12.346'", "'-00:00:00.005'", "'23:59:59.999'", "101112.5"}},
      {"CHAR(5)",
       {"'a  '", "12", "1.50", "-5", "TRUE", "x'41'", "b'1000001'", "N'x'", "_latin1'x'"}},
      {"VARCHAR(20)",
       {"'a  '", "12", "1.50", "-5", "x'4142'", "'a\\nb'", "\"dq\"", "'%s'", "''", "b'1000001'",
        "0x41", "'it''s'", "'a' 'b'", "+5", "FALSE", "DATE'2024-01-02'", "18446744073709551615"}},
      {"VARCHAR(20) CHARACTER SET latin1", {"'é'", "x'61'", "_latin1'a'", "5"}},
      {"VARCHAR(20) CHARACTER SET utf16", {"'é'", "5"}},
      {"BINARY(5)", {"'ab'", "x'00ff'", "5", "'é'", "b'1'", "'ab  '"}},
      {"VARBINARY(5)", {"'ab'", "''", "x'00'", "12.5", "'ab '"}},
      {"ENUM('a','b','C','2','1','é')",
       {"'b'", "'É'", "'2'", "'B'", "'c'", "'b '", "\"a\"", "'C'"}},
      {"ENUM('a','B') CHARACTER SET latin1 COLLATE latin1_bin", {"'a'", "'B'", "'b'"}},
      {"ENUM('a','b','é') CHARACTER SET binary", {"'a'", "'é'", "'B'"}},
      {"SET('a','b','c')", {"'b,a'", "'A'", "'a,a'", "''", "'c,a '"}},
      {"SET('a','b','é') CHARACTER SET binary", {"'a'", "'é,a'", "''"}},
      {"TEXT", {"'abc'", "12", "1.50", "'a  '"}},
      {"TEXT CHARACTER SET cp1251", {"'ж'"}},
      {"BLOB", {"'abc'", "x'00ff'", "12", "''"}},
      {"UUID", {"'123E4567-E89B-12D3-A456-426614174000'", "'123e4567e89b12d3a456426614174000'"}},
      {"INET6", {"'::ffff:1.2.3.4'", "'2001:DB8:0:0::1'"}},
      {"INET4", {"'1.2.3.4'"}},
      {"BOOL", {"TRUE", "FALSE", "'1'"}},
      {"JSON", {"'{}'", "'[1,  2]'"}},
  };
  return kSpellings;
}

// The source makes their values: each becomes a table that is copied again.
const std::vector<std::string>& Copied() {
  static const std::vector<std::string> kColumns = {
      "c INT NOT NULL AUTO_INCREMENT UNIQUE", "c SERIAL",
      "c INT NOT NULL AUTO_INCREMENT FIRST, ADD UNIQUE KEY k (c)",
      "c DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)",
      "c DATETIME DEFAULT NOW() ON UPDATE NOW()",
      "c TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
      "c TIMESTAMP NOT NULL DEFAULT '2024-01-02 03:04:05'",
      "c TIMESTAMP(3) NULL DEFAULT '2024-10-27 02:30:00.5'", "c INT DEFAULT (1 + 1)",
      "c VARCHAR(40) DEFAULT (CONCAT('a', 'b'))", "c CHAR(36) DEFAULT (UUID())",
      "c DATE DEFAULT (CURRENT_DATE)", "c TEXT DEFAULT (REPEAT('x', 3))",
      "c INT GENERATED ALWAYS AS (id * 2) STORED", "c INT GENERATED ALWAYS AS (id * 2) VIRTUAL",
      "c POINT NOT NULL", "c GEOMETRY NOT NULL", "c VECTOR(3) NOT NULL",
      "c DOUBLE DEFAULT (RAND())",
      // Bytes that mean text in one character set or another.
      "c VARCHAR(9) CHARACTER SET latin1 DEFAULT x'e9'",
      "c VARCHAR(9) CHARACTER SET latin1 DEFAULT x'c3a9'", "c VARCHAR(9) DEFAULT _latin1 x'e9'",
      "c VARCHAR(9) DEFAULT _latin1'é'", "c VARCHAR(9) CHARACTER SET utf16 DEFAULT x'00e9'",
      "c VARCHAR(9) CHARACTER SET utf16 DEFAULT x'0041'",
      "c ENUM('a','é') CHARACTER SET latin1 DEFAULT x'e9'",
      // Numbers and times that the server writes in its own way.
      "c VARCHAR(9) DEFAULT 1e3", "c VARCHAR(9) DEFAULT 007", "c VARCHAR(9) DEFAULT .5",
      "c VARCHAR(9) DEFAULT -0", "c ENUM('a','b','1') DEFAULT 1", "c SET('a','b') DEFAULT 2",
      "c TIME DEFAULT '2024-01-02 10:11:12'", "c FLOAT(7,2) DEFAULT 1.005",
      "c DOUBLE(20,2) DEFAULT -0.01", "c DATETIME DEFAULT '2024-12-31 23:59:59.9'",
      "c TIME(2) DEFAULT '-00:00:00.005'", "c DATE DEFAULT '2024-01-02 23:59:59.9'",
      "c DATETIME DEFAULT '2024-01-02 03:04:05+05:30'",
      "c DATETIME DEFAULT TIMESTAMP'2024-01-02 03:04:05-03:00'", "c DATETIME DEFAULT '2/2/2'",
      "c DATE DEFAULT '24-123-4'", "c FLOAT DEFAULT -0e0", "c DOUBLE DEFAULT -0.0",
      "c DOUBLE DEFAULT '-0'", "c INET6 DEFAULT '1.2.3.4'"};
  return kColumns;
}

class AddColumnTest : public LiveSessionFixture {
 protected:
  void SetUp() override {
    LiveSessionFixture::SetUp();
    if (IsSkipped()) return;
    // The rows of a column without default depend on no mode; a session's zone makes moments.
    Exec("SET SESSION sql_mode = '', time_zone = '+02:00'");
    Exec("CREATE DATABASE probe");
  }

  bool Accepts(const std::string& column) {
    if (db_->TryExec("CREATE TEMPORARY TABLE probe.t (id INT PRIMARY KEY, " + column + ")") != 0) {
      return false;
    }
    Exec("DROP TEMPORARY TABLE probe.t");
    return true;
  }

  static bool IsLiteral(const std::string& value) {
    return value.find_first_of("(/") == std::string::npos && value.find("e0+") == std::string::npos;
  }

  static bool IsInPlace(const std::string& type, const std::string& value) {
    if (type.starts_with("TIMESTAMP")) return value.find("0000-00-00") != std::string::npos;
    const bool number = value.find_first_not_of("0123456789") == std::string::npos;
    if (type.starts_with("ENUM") || type.starts_with("SET")) return !number;
    const bool real = type.starts_with("FLOAT") || type.starts_with("DOUBLE") || type == "REAL";
    if (real && value == "-0e0") return false;
    const bool rounded = real && type.find(',') != std::string::npos;
    // More digits than the column keeps.
    const size_t open = type.find('('), dot = value.rfind('.');
    const size_t kept = open == std::string::npos ? 0 : std::strtoul(&type[open + 1], nullptr, 10);
    const bool time = type.starts_with("TIME") || value.find(':') != std::string::npos;
    const bool moment = type.starts_with("TIME") || type.starts_with("DATE");
    if (moment && time && dot != std::string::npos) {
      const std::string digits = value.substr(dot + 1, value.find('\'', dot) - dot - 1);
      if (digits.find_first_not_of('0', kept) != std::string::npos) return false;
    }
    return IsLiteral(value) && !(rounded && value.find('.') != std::string::npos);
  }

  // One table per type.
  void Plan(const std::string& type, const std::vector<std::string>& defaults) {
    std::vector<std::string> columns;
    const auto add = [&](const std::string& rest) {
      const std::string column = fmt::format("c{} {}{}", columns.size(), type, rest);
      if (columns.size() < kColumnsMax && Accepts(column)) columns.push_back(column);
    };
    const bool spatial = type.find("GEOM") != type.npos || type.find("POINT") != type.npos ||
                         type.find("LINE") != type.npos || type.find("POLYGON") != type.npos;
    const bool nullable = type.ends_with("NULL");
    // MariaDB's JSON has a check that refuses its own implicit default.
    const bool checked = type == "JSON" && !IsMysql();
    add("");
    if (!spatial && !checked && !nullable && !type.starts_with("VECTOR")) add(" NOT NULL");
    for (const std::string& value : defaults) {
      if (!IsInPlace(type, value)) continue;
      add(" DEFAULT " + value);
      if (columns.size() < 4) add(" NOT NULL DEFAULT " + value);
    }
    // A row has a maximum size.
    if (Accepts(fmt::format("v VARCHAR(3), {}", fmt::join(columns, ", ")))) {
      tables_[fmt::format("t{:03}", tables_.size())] = columns;
    } else {
      for (const auto& c : columns) tables_[fmt::format("t{:03}", tables_.size())] = {c};
    }
  }

  void CreateAll(const std::string& table) {
    Exec("CREATE TABLE " + table + " (id INT PRIMARY KEY, v VARCHAR(3))");
    Exec("INSERT INTO " + table + " VALUES (1, 'one'), (2, NULL)");
  }

  void Begin() {
    replica_->AddSource({.name = "s", .server = source_.get(), .schema_mappings = {{"d", "d"}}});
    replica_->Setup();
    replica_->Init("s");
    replica_->Start("s");
  }

  std::map<std::string, std::string> Left() {
    std::map<std::string, std::string> left;
    for (auto& row : Pg(replica_->target())
                         .Query("SELECT t_source_table, t_reason FROM"
                                " sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled")) {
      left[row[0].value()] = row[1].value();
    }
    return left;
  }

  void ExpectEqual(const std::string& when) {
    const std::string differences =
        CompareSchemas(source_->Address(), "d", replica_->target(), "d", {.reported_max = 3})
            .differences;
    EXPECT_EQ(differences, "") << when;
    for (const auto& [table, columns] : tables_) {
      if (differences.find("table " + table + ":") == std::string::npos) continue;
      ADD_FAILURE() << when << " " << table << "\n  "
                    << fmt::format("{}", fmt::join(columns, "\n  "));
    }
  }

  // A row that PostgreSQL fills itself, where it has a default; elsewhere as in row 3.
  void InsertByPostgres(Pg* target, const std::string& table) {
    const std::string columns = target->One(fmt::format(
        "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute WHERE attrelid ="
        " 'd.{}'::regclass AND attnum > 0 AND NOT attisdropped AND NOT atthasdef AND attname <>"
        " 'id'",
        table));
    target->Exec(fmt::format("INSERT INTO d.{0} (id, {1}) SELECT 4, {1} FROM d.{0} WHERE id = 3",
                             table, columns));
  }

  static constexpr size_t kColumnsMax = 40;
  static constexpr unsigned kUnsafe = 1674, kNullInNotNull = 1138;

  std::map<std::string, std::vector<std::string>> tables_;
};

TEST_P(AddColumnTest, RowsThatAreThereGetWhatTheSourceGivesThem) {
  for (const TypeCase& c : TypeCases()) {
    if (Has(c.on, GetParam())) Plan(c.type, c.values);
  }
  for (const Spelling& spelling : Spellings()) Plan(spelling.type, spelling.defaults);
  EXPECT_GT(tables_.size(), 170u);
  for (const auto& [table, _] : tables_) CreateAll(table);
  Begin();
  for (const auto& [table, columns] : tables_) {
    std::vector<std::string> actions;
    for (const auto& column : columns) actions.push_back("ADD COLUMN " + column);
    Exec(fmt::format("ALTER TABLE {} {}", table, fmt::join(actions, ", ")));
    Exec(fmt::format("INSERT INTO {} (id, v) VALUES (3, 'x')", table));
  }
  replica_->WaitCaughtUp("s", std::chrono::seconds(90));
  for (const auto& [table, why] : Left()) ADD_FAILURE() << table << ": " << why;
  ExpectEqual("added");
  EXPECT_EQ(Pg(replica_->target())
                .One("SELECT coalesce(string_agg(t_error_message, E'\n'), '')"
                     " FROM sch_chameleon.t_error_log"),
            "")
      << "none was copied again";
  // The defaults themselves.
  replica_->Stop("s");
  Pg target(replica_->target());
  for (const auto& [table, _] : tables_) {
    Exec(fmt::format("INSERT INTO {} (id, v) VALUES (4, 'x')", table));
    InsertByPostgres(&target, table);
  }
  ExpectEqual("inserted by PostgreSQL");
}

TEST_P(AddColumnTest, WhatOnlyTheSourceKnowsIsCopiedAgain) {
  for (const std::string& column : Copied()) {
    if (!Accepts(column.substr(0, column.find(" FIRST")))) continue;
    tables_[fmt::format("t{:03}", tables_.size())] = {column};
  }
  EXPECT_GT(tables_.size(), 14u);
  for (const auto& [table, _] : tables_) CreateAll(table);
  Begin();
  std::vector<std::string> altered;
  for (const auto& [table, columns] : tables_) {
    // MySQL refuses some on tables with rows.
    const auto error = db_->TryExec(fmt::format("ALTER TABLE {} ADD COLUMN {}", table, columns[0]));
    EXPECT_TRUE(error == 0 || error == kUnsafe || error == kNullInNotNull) << error << columns[0];
    if (error == 0) altered.push_back(table);
  }
  EXPECT_GE(altered.size(), 30u);
  replica_->WaitCaughtUp("s", std::chrono::seconds(90));
  for (int i = 0; i < 600 && !Left().empty(); ++i) std::this_thread::sleep_for(Millis(100));
  for (const auto& [table, why] : Left()) ADD_FAILURE() << table << ": " << why;
  for (const auto& [table, _] : tables_) {
    EXPECT_EQ(db_->TryExec(fmt::format("INSERT INTO {} (id, v) VALUES (3, 'x')", table)), 0u);
    Exec(fmt::format("UPDATE {} SET v = 'y' WHERE id = 1", table));
  }
  replica_->WaitCaughtUp("s", std::chrono::seconds(90));
  ExpectEqual("added");
  for (const auto& table : altered) {
    EXPECT_NE(Pg(replica_->target())
                  .One("SELECT count(*) FROM sch_chameleon.t_error_log WHERE v_table_name = " +
                       PgLiteral(table)),
              "0")
        << tables_[table][0] << " was not copied again";
  }
}

ON_ALL_SERVERS(AddColumnTest)

}  // namespace
}  // namespace chameleon::test
