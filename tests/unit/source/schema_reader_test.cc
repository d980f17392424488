// Definitions as read from real servers, printed as text.
#include "worker/source/schema_reader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/unit/source/server_fixture.h"
#include "worker/source/server.h"

namespace chameleon::worker::source {
namespace {

std::string ColumnText(const v1::ColumnDef& c) {
  std::string out = c.name() + " " + v1::BaseType_Name(c.base_type());
  if (c.length() > 0) out += fmt::format("({})", c.length());
  if (c.is_unsigned()) out += " unsigned";
  if (!c.charset().empty()) out += " " + c.charset();
  if (!c.nullable()) out += " not null";
  if (c.has_default()) {
    out += (c.default_is_expression() ? " default expression " : " default ") + c.default_value();
  }
  if (c.auto_increment()) out += " auto_increment";
  if (c.generated() != v1::GENERATED_NONE) out += " " + v1::Generated_Name(c.generated());
  if (c.invisible()) out += " invisible";
  if (!c.on_update().empty()) out += " on update";
  if (!c.comment().empty()) out += " comment " + c.comment();
  return out;
}

std::string IndexText(const v1::IndexDef& index) {
  std::string out = v1::IndexDef::Kind_Name(index.kind()) + " " + index.name();
  for (const auto& p : index.parts()) {
    out += " " + (p.column().empty() ? "<" + p.expression() + ">" : p.column());
    if (p.prefix_length() > 0) out += fmt::format("({})", p.prefix_length());
    if (p.descending()) out += " desc";
  }
  return out;
}

class SchemaReaderTest : public ServerTest {
 protected:
  SourceSchema Read(const v1::SourceOptions& options) {
    auto connection = Connection::Open(Config());
    EXPECT_TRUE(connection.ok()) << connection.status();
    auto server = ReadServerInfo(connection->get());
    TableFilter filter(options, 0);
    auto names = ReadSchemaNames(connection->get(), filter);
    auto schema = ReadSchema(connection->get(), *server, *names, filter);
    EXPECT_TRUE(schema.ok()) << schema.status();
    return std::move(*schema);
  }
  std::vector<std::string> Columns(const v1::TableDef& def) {
    std::vector<std::string> out;
    for (const auto& c : def.columns()) out.push_back(ColumnText(c));
    return out;
  }
  std::vector<std::string> Indexes(const v1::TableDef& def) {
    std::vector<std::string> out;
    for (const auto& i : def.indexes()) out.push_back(IndexText(i));
    return out;
  }
};

TEST_P(SchemaReaderTest, ColumnsAndDefaults) {
  MakeDatabase("defs");
  Server().Connect("defs").Exec(
      "CREATE TABLE `tä``ble` (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY,"
      " a VARCHAR(10) CHARACTER SET latin1 DEFAULT 'x''y' COMMENT 'it''s é',"
      " b INT NOT NULL DEFAULT 5, c TIMESTAMP(3) NULL DEFAULT NULL,"
      " d DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,"
      " e ENUM('a','it''s') DEFAULT 'it''s', f BIT(3) DEFAULT b'101', g VARBINARY(4) DEFAULT 'ab',"
      " h INT DEFAULT (1+1), i VARCHAR(5) DEFAULT 'NULL',"
      " v INT GENERATED ALWAYS AS (b+1) VIRTUAL, s INT GENERATED ALWAYS AS (b*2) STORED,"
      " hid INT INVISIBLE, j DECIMAL(10,2) DEFAULT -1.5)");
  SourceSchema schema = Read(Options("defs"));
  ASSERT_EQ(schema.tables.size(), 1u);
  const v1::TableDef& def = schema.tables[0];
  EXPECT_EQ(def.name().table(), "tä`ble");
  EXPECT_EQ(def.engine(), "InnoDB");
  EXPECT_EQ(def.charset(), "utf8mb4");
  EXPECT_TRUE(def.transactional());
  std::string now = IsMariadb() ? "current_timestamp()" : "CURRENT_TIMESTAMP";
  EXPECT_THAT(Columns(def),
              testing::ElementsAre(
                  "id INT unsigned not null auto_increment",
                  "a VARCHAR(10) latin1 default x'y comment it's é", "b INT not null default 5",
                  "c TIMESTAMP", "d DATETIME default expression " + now + " on update",
                  "e ENUM utf8mb4 default it's", "f BIT(3) default b'101'",
                  "g VARBINARY(4) default 0x6162", "h INT default expression (1 + 1)",
                  "i VARCHAR(5) utf8mb4 default NULL", "v INT GENERATED_VIRTUAL",
                  "s INT GENERATED_STORED", "hid INT invisible", "j DECIMAL(10) default -1.50"));
  EXPECT_THAT(def.columns(5).labels(), testing::ElementsAre("a", "it's"));
}

TEST_P(SchemaReaderTest, IndexesAndForeignKeys) {
  MakeDatabase("keys_");
  auto root = Server().Connect("keys_");
  root.Exec(
      "CREATE TABLE parent (a INT, b INT, c INT, txt TEXT, UNIQUE KEY u (c), "
      "PRIMARY KEY (b, a), KEY k (c DESC, a), FULLTEXT KEY f (txt), KEY p (txt(7)))");
  root.Exec(
      "CREATE TABLE child (id INT PRIMARY KEY, x INT, y INT, CONSTRAINT fk FOREIGN KEY (y, x) "
      "REFERENCES parent (b, a) ON DELETE CASCADE ON UPDATE SET NULL)");
  if (!IsMariadb()) root.Exec("CREATE INDEX e ON parent ((a + b))");
  SourceSchema schema = Read(Options("keys_"));
  ASSERT_EQ(schema.tables.size(), 2u);
  std::vector<std::string> expected = {"PRIMARY PRIMARY b a"};
  if (!IsMariadb()) expected.push_back("PLAIN e <(`a` + `b`)>");
  for (const char* text : {"FULLTEXT f txt", "PLAIN k c desc a", "PLAIN p txt(7)", "UNIQUE u c"}) {
    expected.push_back(text);
  }
  EXPECT_THAT(Indexes(schema.tables[1]), testing::ElementsAreArray(expected));
  ASSERT_EQ(schema.tables[0].foreign_keys_size(), 1);
  const v1::ForeignKeyDef& fk = schema.tables[0].foreign_keys(0);
  EXPECT_EQ(fk.name(), "fk");
  EXPECT_THAT(fk.columns(), testing::ElementsAre("y", "x"));
  EXPECT_THAT(fk.referenced_columns(), testing::ElementsAre("b", "a"));
  EXPECT_EQ(fk.referenced().schema(), "keys_");
  EXPECT_EQ(fk.referenced().table(), "parent");
  EXPECT_EQ(fk.on_delete() + ", " + fk.on_update(), "CASCADE, SET NULL");
}

TEST_P(SchemaReaderTest, WhatIsNoTable) {
  MakeDatabase("kinds");
  auto root = Server().Connect("kinds");
  root.Exec("CREATE TABLE t (id INT PRIMARY KEY)");
  root.Exec("CREATE TABLE skipped (id INT PRIMARY KEY)");
  root.Exec("CREATE VIEW v AS SELECT * FROM t");
  root.Exec("CREATE TABLE old (id INT) ENGINE=MyISAM");
  if (IsMariadb()) root.Exec("CREATE SEQUENCE s");
  auto options = Options("kinds");
  auto* skip = options.add_skip_tables();
  skip->set_schema("kinds");
  skip->set_table("skipped");
  SourceSchema schema = Read(options);
  ASSERT_EQ(schema.tables.size(), 2u);
  EXPECT_EQ(schema.tables[0].name().table(), "old");
  EXPECT_FALSE(schema.tables[0].transactional());
  EXPECT_EQ(schema.tables[1].name().table(), "t");
}

TEST_P(SchemaReaderTest, SystemVersioning) {
  if (!IsMariadb()) GTEST_SKIP() << "MariaDB only";
  MakeDatabase("hist");
  auto root = Server().Connect("hist");
  root.Exec("CREATE TABLE a (id INT PRIMARY KEY) WITH SYSTEM VERSIONING");
  root.Exec(
      "CREATE TABLE b (id INT PRIMARY KEY, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START "
      "INVISIBLE, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME(s, e)) "
      "WITH SYSTEM VERSIONING");
  SourceSchema schema = Read(Options("hist"));
  ASSERT_EQ(schema.tables.size(), 2u);
  EXPECT_TRUE(schema.tables[0].system_versioned());
  EXPECT_EQ(schema.tables[0].columns_size(), 3);
  EXPECT_EQ(schema.tables[0].row_end_column(), "row_end");
  EXPECT_EQ(schema.tables[0].columns(2).fsp(), 6u);
  EXPECT_EQ(schema.tables[1].columns_size(), 3);
  EXPECT_EQ(schema.tables[1].row_start_column(), "s");
  EXPECT_EQ(schema.tables[1].row_end_column(), "e");
}

TEST_P(SchemaReaderTest, OneTable) {
  MakeDatabase("one");
  auto root = Server().Connect("one");
  root.Exec("CREATE TABLE a (id INT PRIMARY KEY, x INT)");
  root.Exec("CREATE TABLE b (id INT PRIMARY KEY)");
  auto connection = Connection::Open(Config());
  auto server = ReadServerInfo(connection->get());
  TableFilter filter(Options("one"), 0);
  SourceSchema all = Read(Options("one"));
  auto a = ReadTable(connection->get(), *server, all.tables[0].name(), filter);
  ASSERT_TRUE(a.ok() && a->has_value());
  EXPECT_TRUE(SameColumns(**a, all.tables[0]));
  EXPECT_FALSE(SameColumns(**a, all.tables[1]));
  root.Exec("ALTER TABLE a RENAME COLUMN x TO y");
  a = ReadTable(connection->get(), *server, all.tables[0].name(), filter);
  EXPECT_FALSE(SameColumns(**a, all.tables[0]));
  root.Exec("DROP TABLE a");
  EXPECT_FALSE(ReadTable(connection->get(), *server, all.tables[0].name(), filter)->has_value());
}

INSTANTIATE_ON_SERVERS(SchemaReaderTest);

}  // namespace
}  // namespace chameleon::worker::source
