#include "worker/encode/table_check.h"

#include "tests/unit/encode/testing.h"

namespace chameleon::worker::encode {
namespace {

using binlog::ColumnMap;
using binlog::ColumnType;

std::string Check(const std::string& column, ColumnMap map, binlog::TableMetadata metadata = {}) {
  const auto def =
      Proto<v1::TableDef>("name { schema: 'shop' table: 'orders' } columns { " + column + " }");
  binlog::TableMap table;
  table.columns = {map};
  const absl::Status status = CheckTable(def, table, metadata, false);
  const std::string text = Text(status);
  return text.substr(0, text.find('\n'));
}

ColumnMap Map(ColumnType type, uint16_t length = 0, uint8_t scale = 0) {
  return {.type = type, .length = length, .scale = scale};
}

TEST(TableCheckTest, WhatServersSend) {
  const std::pair<const char*, ColumnMap> cases[] = {
      {"base_type: TINYINT", Map(ColumnType::kTiny)},
      {"base_type: DECIMAL length: 10 scale: 2", Map(ColumnType::kNewDecimal, 10, 2)},
      {"base_type: BIT length: 10", Map(ColumnType::kBit, 10)},
      {"base_type: VARCHAR length: 20 charset: 'utf8mb4'", Map(ColumnType::kVarchar, 80)},
      {"base_type: CHAR length: 255 charset: 'utf8mb4'", Map(ColumnType::kString, 1020)},
      {"base_type: VARCHAR length: 20 charset: 'utf8mb4' compressed: true",
       Map(ColumnType::kMariadbVarcharCompressed, 81)},
      {"base_type: BLOB compressed: true", Map(ColumnType::kMariadbBlobCompressed, 2)},
      {"base_type: TINYTEXT", Map(ColumnType::kBlob, 1)},
      {"base_type: LONGBLOB", Map(ColumnType::kBlob, 4)},
      {"base_type: DATETIME fsp: 3", Map(ColumnType::kDatetime2, 3)},
      {"base_type: DATETIME fsp: 3", Map(ColumnType::kDatetime)},
      {"base_type: TIME", Map(ColumnType::kTime)},
      {"base_type: ENUM labels: ['a']", Map(ColumnType::kEnum, 1)},
      {"base_type: SET labels: ['a','b','c','d','e','f','g','h','i']", Map(ColumnType::kSet, 2)},
      {"base_type: JSON", Map(ColumnType::kJson, 4)},
      {"base_type: POINT", Map(ColumnType::kGeometry, 4)},
      {"base_type: VECTOR length: 3", Map(ColumnType::kVector, 4)},
      {"base_type: VECTOR length: 3", Map(ColumnType::kVarchar, 12)},
      {"base_type: UUID", Map(ColumnType::kString, 16)},
      {"base_type: INET4", Map(ColumnType::kString, 4)},
  };
  for (const auto& [column, map] : cases) EXPECT_EQ(Check(column, map), "") << column;
}

TEST(TableCheckTest, TheFirstDifferenceIsNamed) {
  EXPECT_EQ(Check("name: 'total' column_type: 'decimal(10,2)' base_type: DECIMAL length: 10 "
                  "scale: 2",
                  Map(ColumnType::kNewDecimal, 12, 2)),
            "table shop.orders: column 1 (total) is decimal(10,2) in the schema history and "
            "decimal(12,2) in the binary log");
  EXPECT_EQ(Check("name: 'n' column_type: 'int(11)' base_type: INT", Map(ColumnType::kLongLong)),
            "table shop.orders: column 1 (n) is int(11) in the schema history and bigint in the "
            "binary log");
  EXPECT_EQ(Check("name: 'v' column_type: 'varchar(20)' base_type: VARCHAR length: 20 charset: "
                  "'latin1'",
                  Map(ColumnType::kVarchar, 80)),
            "table shop.orders: column 1 (v) is varchar(20) in the schema history and varchar or "
            "varbinary of 80 bytes in the binary log");
  EXPECT_EQ(
      Check("name: 't' column_type: 'time(3)' base_type: TIME fsp: 3", Map(ColumnType::kTime2, 6)),
      "table shop.orders: column 1 (t) is time(3) in the schema history and time(6) in the "
      "binary log");
  binlog::TableMetadata names;
  names.names = {"amount"};
  EXPECT_EQ(Check("name: 'n' base_type: INT", Map(ColumnType::kLong), names),
            "table shop.orders: column 1 is named n in the schema history and amount in the "
            "binary log");
  binlog::TableMetadata sign;
  sign.has_signedness = true;
  sign.is_unsigned = {true};
  EXPECT_EQ(Check("name: 'n' column_type: 'int' base_type: INT", Map(ColumnType::kLong), sign),
            "table shop.orders: column 1 (n) is int in the schema history and unsigned in the "
            "binary log");
  const auto def = Proto<v1::TableDef>("name { schema: 'shop' table: 'orders' }");
  binlog::TableMap table;
  table.columns.resize(2);
  EXPECT_EQ(Text(CheckTable(def, table, {}, false)),
            "table shop.orders: the binary log has 2 columns, the schema history 0\n"
            "HINT: A schema change was missed. Copy the table again with sync_tables.");
}

// A hash for each UNIQUE key that is too long, and nothing else.
TEST(TableCheckTest, HashesOfLongKeysOfMariadb) {
  const auto check = [](std::vector<ColumnType> others, const std::string& indexes, bool mariadb,
                        std::vector<std::string_view> names = {}) {
    const auto def = Proto<v1::TableDef>(
        "name { schema: 'shop' table: 'orders' } columns { name: 't' base_type: TEXT } columns { "
        "name: 'n' base_type: INT } " +
        indexes);
    binlog::TableMap table;
    table.columns = {Map(ColumnType::kBlob, 2), Map(ColumnType::kLong)};
    for (ColumnType type : others) table.columns.push_back(Map(type));
    binlog::TableMetadata metadata;
    metadata.names = std::move(names);
    return CheckTable(def, table, metadata, mariadb).ok();
  };
  const std::string text = "indexes { kind: UNIQUE parts { column: 't' } } ";
  const std::string number = "indexes { kind: UNIQUE parts { column: 'n' } } ";
  EXPECT_TRUE(check({ColumnType::kLongLong}, text, true));
  EXPECT_TRUE(check({ColumnType::kLongLong, ColumnType::kLongLong}, text + text, true));
  EXPECT_TRUE(check({ColumnType::kLongLong}, text, true, {"t", "n", "DB_ROW_HASH_1"}));
  EXPECT_FALSE(check({ColumnType::kLongLong}, text, true, {"t", "n", "another"}));
  EXPECT_FALSE(check({ColumnType::kLongLong}, text, false));
  EXPECT_FALSE(check({ColumnType::kLongLong}, number, true));
  EXPECT_FALSE(check({ColumnType::kLongLong, ColumnType::kLongLong}, text + number, true));
  EXPECT_FALSE(check({ColumnType::kLong}, text, true));
}

}  // namespace
}  // namespace chameleon::worker::encode
