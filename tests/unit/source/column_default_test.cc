// COLUMN_DEFAULT as both servers print it [taken from MySQL 9.7 and MariaDB 10.11].
#include "worker/source/column_default.h"

#include <gtest/gtest.h>

namespace chameleon::worker::source {
namespace {

std::string Show(v1::BaseType type, const std::optional<std::string>& value, const char* extra,
                 bool sql_text) {
  v1::ColumnDef c;
  c.set_base_type(type);
  SetColumnDefault(value, extra, sql_text, &c);
  if (!c.has_default()) return "none";
  return (c.default_is_expression() ? "expression " : "literal ") + c.default_value();
}

TEST(ColumnDefault, Mysql) {
  auto show = [](v1::BaseType type, std::optional<std::string> value, const char* extra = "") {
    return Show(type, value, extra, false);
  };
  EXPECT_EQ(show(v1::VARCHAR, "x'y"), "literal x'y");
  EXPECT_EQ(show(v1::VARCHAR, "NULL"), "literal NULL");
  EXPECT_EQ(show(v1::VARCHAR, std::nullopt), "none");
  EXPECT_EQ(show(v1::VARCHAR, "current_timestamp()"), "literal current_timestamp()");
  EXPECT_EQ(
      show(v1::TIMESTAMP, "CURRENT_TIMESTAMP", "DEFAULT_GENERATED on update CURRENT_TIMESTAMP"),
      "expression CURRENT_TIMESTAMP");
  EXPECT_EQ(show(v1::DATETIME, "CURRENT_TIMESTAMP"), "expression CURRENT_TIMESTAMP");  // 5.7
  EXPECT_EQ(show(v1::INT, "(1 + 1)", "DEFAULT_GENERATED"), "expression (1 + 1)");
  EXPECT_EQ(show(v1::BIT, "b'101'"), "literal b'101'");
  EXPECT_EQ(show(v1::BINARY, "0x61"), "literal 0x61");
  // Of labels that are bytes: no character set is named.
  EXPECT_EQ(show(v1::ENUM, "0xC3A9"), "literal é");
  EXPECT_EQ(show(v1::SET, "0x612C62"), "literal a,b");
  EXPECT_EQ(show(v1::ENUM, "0x6"), "literal 0x6");
}

TEST(ColumnDefault, Mariadb) {
  auto show = [](v1::BaseType type, std::optional<std::string> value) {
    return Show(type, value, "", true);
  };
  EXPECT_EQ(show(v1::VARCHAR, "'x''y'"), "literal x'y");
  EXPECT_EQ(show(v1::VARCHAR, "'a\\\\b\\nc'"), "literal a\\b\nc");
  EXPECT_EQ(show(v1::VARCHAR, "NULL"), "none");
  EXPECT_EQ(show(v1::VARCHAR, "'NULL'"), "literal NULL");
  EXPECT_EQ(show(v1::VARCHAR, "''"), "literal ");
  EXPECT_EQ(show(v1::INT, "5"), "literal 5");
  EXPECT_EQ(show(v1::DECIMAL, "-1.50"), "literal -1.50");
  EXPECT_EQ(show(v1::TIMESTAMP, "current_timestamp()"), "expression current_timestamp()");
  EXPECT_EQ(show(v1::INT, "(1 + 1)"), "expression (1 + 1)");
  EXPECT_EQ(show(v1::BIT, "b'101'"), "literal b'101'");
  EXPECT_EQ(show(v1::VARBINARY, "'ab'"), "literal 0x6162");
  EXPECT_EQ(show(v1::VARBINARY, "'a\\0?'"), "expression 'a\\0?'");  // was 0x6100ff
}

TEST(ColumnDefault, GeneratedColumnsHaveNone) {
  v1::ColumnDef c;
  c.set_generated(v1::GENERATED_VIRTUAL);
  SetColumnDefault("NULL", "VIRTUAL GENERATED", false, &c);
  EXPECT_FALSE(c.has_default());
}

}  // namespace
}  // namespace chameleon::worker::source
