#include "worker/source/sql_text.h"

#include <gtest/gtest.h>

#include "worker/source/server.h"
#include "worker/source/table_filter.h"

namespace chameleon::worker::source {
namespace {

TEST(SqlText, Names) {
  EXPECT_EQ(QuoteName("a`b"), "`a``b`");
  EXPECT_EQ(QuoteName("s", "tä"), "`s`.`tä`");
}

TEST(SqlText, Literals) {
  EXPECT_EQ(QuoteText("shop-1"), "'shop-1'");
  EXPECT_EQ(QuoteText("it's"), "_utf8mb4 0x69742773");
  EXPECT_EQ(QuoteText("a\\"), "_utf8mb4 0x615c");
  EXPECT_EQ(QuoteText("\xe9", "latin1"), "_latin1 0xe9");
  EXPECT_EQ(QuoteText(std::string("\0a", 2), "utf16"), "_utf16 0x0061");
  EXPECT_EQ(QuoteText("ab", "binary"), "0x6162");
  EXPECT_EQ(QuoteText("", "binary"), "x''");
  EXPECT_EQ(QuoteText("", "utf16"), "_utf16 x''");
  EXPECT_EQ(QuoteText("", "latin1"), "''");
}

TEST(Server, ParseVersion) {
  EXPECT_EQ(ParseVersion("8.0.26-17").number, 80026u);
  EXPECT_EQ(ParseVersion("8.0.26-17").kind, v1::ServerInfo::MYSQL);
  EXPECT_EQ(ParseVersion("5.5.5-10.11.19-MariaDB-log").number, 101119u);
  EXPECT_EQ(ParseVersion("11.8.6-MariaDB-0+deb13u1").kind, v1::ServerInfo::MARIADB);
  EXPECT_EQ(ParseVersion("").kind, v1::ServerInfo::KIND_UNSPECIFIED);
  EXPECT_EQ(ParseVersion("8.0").kind, v1::ServerInfo::KIND_UNSPECIFIED);
}

v1::TableName Name(const char* schema, const char* table) {
  v1::TableName n;
  n.set_schema(schema);
  n.set_table(table);
  return n;
}

TEST(TableFilter, LimitConcernsOnlyTheSchemasThatItNames) {
  v1::SourceOptions o;
  (*o.mutable_schema_mappings())["a"] = "x";
  (*o.mutable_schema_mappings())["b"] = "y";
  *o.add_limit_tables() = Name("a", "t1");
  *o.add_skip_tables() = Name("b", "t2");
  TableFilter f(o, 0);
  EXPECT_TRUE(f.Wants("a", "t1"));
  EXPECT_FALSE(f.Wants("a", "t2"));
  EXPECT_FALSE(f.Wants("a", "T1"));
  EXPECT_TRUE(f.Wants("b", "t1"));
  EXPECT_FALSE(f.Wants("b", "t2"));
  EXPECT_FALSE(f.Wants("c", "t1"));
  TableFilter folded(o, 1);
  EXPECT_TRUE(folded.Wants("A", "T1"));
  EXPECT_FALSE(folded.Wants("B", "T2"));
  f.RestrictOnly(Name("b", "t9"));
  EXPECT_TRUE(f.Wants("b", "t9"));
  EXPECT_FALSE(f.Wants("b", "t1"));
  EXPECT_FALSE(f.Wants("a", "t1"));
}

}  // namespace
}  // namespace chameleon::worker::source
