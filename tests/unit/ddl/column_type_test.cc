#include "worker/ddl/column_type.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "proto/wire/error.h"

namespace chameleon::worker::ddl {
namespace {

std::string Dump(std::string_view text) {
  v1::ColumnDef def;
  absl::Status status = ParseColumnType(text, &def);
  if (!status.ok()) return Text(status);
  EXPECT_EQ(def.column_type(), text);
  std::string out = fmt::format("{}", BaseTypeName(def.base_type()));
  if (def.length() != 0) out += fmt::format(" length={}", def.length());
  if (def.scale() != 0) out += fmt::format(" scale={}", def.scale());
  if (def.fsp() != 0) out += fmt::format(" fsp={}", def.fsp());
  if (def.is_unsigned()) out += " unsigned";
  if (def.zerofill()) out += " zerofill";
  if (def.old_temporal()) out += " old";
  if (def.compressed()) out += " compressed";
  for (const std::string& label : def.labels()) out += fmt::format(" [{}]", label);
  return out;
}

TEST(ColumnTypeTest, ServerSpellings) {
  const struct {
    std::string_view type, expected;
  } cases[] = {
      {"tinyint", "tinyint"},
      {"tinyint(1)", "tinyint length=1"},
      {"int(11)", "int"},
      {"int(10) unsigned zerofill", "int unsigned zerofill"},
      {"bigint unsigned", "bigint unsigned"},
      {"decimal(10,2)", "decimal length=10 scale=2"},
      {"decimal(65,30) unsigned", "decimal length=65 scale=30 unsigned"},
      {"float", "float"},
      {"float(7,3)", "float length=7 scale=3"},
      {"double unsigned", "double unsigned"},
      {"bit(64)", "bit length=64"},
      {"year(4)", "year"},
      {"year", "year"},
      {"date", "date"},
      {"time(3) /* mariadb-5.3 */", "time fsp=3 old"},
      {"datetime /* mariadb-5.3 */", "datetime old"},
      {"timestamp /* 5.5 binary format */", "timestamp old"},
      {"timestamp(6)", "timestamp fsp=6"},
      {"char(0)", "char"},
      {"varchar(20)", "varchar length=20"},
      {"varchar(20) /*M!100301 COMPRESSED*/", "varchar length=20 compressed"},
      {"blob /*M!100301 COMPRESSED*/", "blob compressed"},
      {"mediumtext", "mediumtext"},
      {"varbinary(16)", "varbinary length=16"},
      {"enum('a','b,''c''')", "enum [a] [b,'c']"},
      {"enum('','x\\\\y','l\\nf')", "enum [] [x\\y] [l\nf]"},
      {"set('a b','c)')", "set [a b] [c)]"},
      {"enum(x'92','a')", "enum [\\x92] [a]"},
      {"json", "json"},
      {"geometry", "geometry"},
      {"point", "point"},
      {"geomcollection", "geometrycollection"},
      {"geometrycollection", "geometrycollection"},
      {"vector(3)", "vector length=3"},
      {"uuid", "uuid"},
      {"inet4", "inet4"},
      {"inet6", "inet6"},
  };
  for (const auto& c : cases) EXPECT_EQ(Dump(c.type), c.expected) << c.type;
}

TEST(ColumnTypeTest, WhatIsNotATypeIsRefusedByName) {
  EXPECT_EQ(Dump(""), "unknown column type \"\"");
  EXPECT_EQ(Dump("xmltype"), "unknown column type \"xmltype\"");
  EXPECT_EQ(Dump("enum"), "malformed column type \"enum\"");
  EXPECT_EQ(Dump("enum('a"), "malformed column type \"enum('a\"");
  EXPECT_EQ(Dump("varchar(x)"), "malformed column type \"varchar(x)\"");
  EXPECT_EQ(Dump("int(11) signed?"), "malformed column type \"int(11) signed?\"");
}

TEST(ColumnTypeTest, OtherFieldsStay) {
  v1::ColumnDef def;
  def.set_name("a");
  def.set_charset("latin1");
  def.add_labels("old");
  ASSERT_TRUE(ParseColumnType("enum('new')", &def).ok());
  EXPECT_EQ(def.name(), "a");
  EXPECT_EQ(def.charset(), "latin1");
  ASSERT_EQ(def.labels_size(), 1);
  EXPECT_EQ(def.labels(0), "new");
}

}  // namespace
}  // namespace chameleon::worker::ddl
