#include "tests/integration/mysqltest_text.h"

#include <gtest/gtest.h>

namespace chameleon::test {
namespace {

std::string Prepared(const std::string& text) {
  MysqltestRules rules{.hook = "sh hook", .std_data = "/s", .key_for = [](const std::string& s) {
                         return s.starts_with("CREATE TABLE") ? "ALTER" : "";
                       }};
  return PrepareForMysqltest(text, rules, /*first=*/false);
}

TEST(MysqltestText, HookStandsAboveTheDropAndItsCommands) {
  EXPECT_EQ(
      Prepared("INSERT INTO t VALUES (1);\n--disable_warnings\n# why\ndrop table t;\n"),
      "INSERT INTO t VALUES (1);\n--exec sh hook\n--disable_warnings\n# why\ndrop table t;\n");
  EXPECT_EQ(Prepared("SELECT 1,\nDROP TABLE;\n"), "SELECT 1,\nDROP TABLE;\n");
  EXPECT_EQ(Prepared("eval drop database $d;\n"), "--exec sh hook\neval drop database $d;\n");
  EXPECT_EQ(Prepared("drop tablespace s;\n"), "drop tablespace s;\n");
}

TEST(MysqltestText, NothingEndsTheTestOrReachesOutside) {
  EXPECT_EQ(Prepared("--error 1,2\nerror ER_X;\n--exec rm x\n--die no\nSHUTDOWN;\nSELECT 1;\n"),
            "SELECT 1;\n");
  EXPECT_EQ(Prepared("--exec rm x\nlet $a= 1;\nRESET\n"), "let $a= 1;\nRESET\n");
  EXPECT_EQ(Prepared("exec a\n b;\nSELECT 1;\n"), "SELECT 1;\n");
  EXPECT_EQ(Prepared("--perl\ndrop table t;\nEOF\nSELECT 1;\n"), "SELECT 1;\n");
  EXPECT_EQ(Prepared("SET sql_log_bin = 0;\n"), "SET sql_log_bin=1;\n");
  EXPECT_EQ(Prepared("set binlog_format='STATEMENT';\n"), "set binlog_format=ROW;\n");
}

TEST(MysqltestText, TextsAndBodiesStayAsTheyAre) {
  const std::string text =
      "--write_file $T/a.sql\ndrop table t;\nEOF\ndelimiter |;\nCREATE PROCEDURE p()\nBEGIN\n"
      "  DROP TABLE t;\nEND|\ndelimiter ;|\n";
  EXPECT_EQ(Prepared(text), text);
  EXPECT_EQ(Prepared(text + "DROP TABLE t;\n"), text + "--exec sh hook\nDROP TABLE t;\n");
}

TEST(MysqltestText, KeyFollowsItsTable) {
  EXPECT_EQ(Prepared("CREATE TABLE t (\n a INT);\nSELECT 1;\n"),
            "CREATE TABLE t (\n a INT);\nALTER;\nSELECT 1;\n");
  EXPECT_EQ(Prepared("eval CREATE TABLE t (a INT) ENGINE=$e;\n"),
            "eval CREATE TABLE t (a INT) ENGINE=$e;\nALTER;\n");
}

TEST(MysqltestText, DataFilesAreFound) {
  EXPECT_EQ(Prepared("load data infile '../../std_data/w.dat' into table t;\n"),
            "load data infile '/s/w.dat' into table t;\n");
}

}  // namespace
}  // namespace chameleon::test
