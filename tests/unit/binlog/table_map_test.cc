#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/wire/error.h"
#include "tests/unit/binlog/event_bytes.h"
#include "worker/binlog/row_image.h"

namespace chameleon::worker::binlog {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string MapBody(const std::string& types, const std::string& metadata,
                    const std::string& optional = "") {
  std::string out = Hex("d00000000000 0100 04 'shop' 00 06 'orders' 00");
  out += static_cast<char>(types.size());
  out += types;
  out += static_cast<char>(metadata.size());
  out += metadata;
  return out + std::string((types.size() + 7) / 8, '\x02') + optional;
}

absl::StatusOr<TableMap> Parse(const std::string& body) {
  return ParseTableMap(EventOf(EventType::kTableMap, body), FormatDescription());
}

TEST(TableMap, Names) {
  auto map = Parse(MapBody(Hex("03 0f"), Hex("a000"), "optional"));
  ASSERT_TRUE(map.ok()) << Text(map.status());
  EXPECT_EQ(map->table_id, 208u);
  EXPECT_EQ(map->flags, 1);
  EXPECT_EQ(map->schema, "shop");
  EXPECT_EQ(map->table, "orders");
  ASSERT_EQ(map->columns.size(), 2u);
  EXPECT_FALSE(map->columns[0].nullable);
  EXPECT_TRUE(map->columns[1].nullable);
  EXPECT_EQ(map->raw_metadata, "optional");
}

TEST(TableMap, ShortTableIdOfTheFirst51) {
  FormatDescription format;
  format.post_header_lengths = std::string(27, '\0');
  format.post_header_lengths[18] = 6;
  std::string body = MapBody(Hex("03"), "").erase(4, 2);
  auto map = ParseTableMap(EventOf(EventType::kTableMap, body), format);
  ASSERT_TRUE(map.ok());
  EXPECT_EQ(map->table_id, 208u);
}

// Each column type: code, metadata ⇒ type, length, scale, prefix bytes, fixed bytes.
TEST(TableMap, ColumnTypes) {
  struct Case {
    const char *type, *metadata;
    ColumnType resolved;
    int length, scale, prefix, fixed;
  };
  for (const Case& c : {
           Case{"01", "", ColumnType::kTiny, 0, 0, 0, 1},
           Case{"02", "", ColumnType::kShort, 0, 0, 0, 2},
           Case{"03", "", ColumnType::kLong, 0, 0, 0, 4},
           Case{"04", "04", ColumnType::kFloat, 4, 0, 0, 4},
           Case{"05", "08", ColumnType::kDouble, 8, 0, 0, 8},
           Case{"07", "", ColumnType::kTimestamp, 0, 0, 0, 4},
           Case{"08", "", ColumnType::kLongLong, 0, 0, 0, 8},
           Case{"09", "", ColumnType::kInt24, 0, 0, 0, 3},
           Case{"0a", "", ColumnType::kDate, 0, 0, 0, 3},
           Case{"0b", "", ColumnType::kTime, 0, 0, 0, 3},
           Case{"0c", "", ColumnType::kDatetime, 0, 0, 0, 8},
           Case{"0d", "", ColumnType::kYear, 0, 0, 0, 1},
           Case{"0f", "ff00", ColumnType::kVarchar, 255, 0, 1, 0},
           Case{"0f", "0001", ColumnType::kVarchar, 256, 0, 2, 0},
           Case{"10", "0100", ColumnType::kBit, 1, 0, 0, 1},
           Case{"10", "0201", ColumnType::kBit, 10, 0, 0, 2},
           Case{"10", "0008", ColumnType::kBit, 64, 0, 0, 8},
           Case{"11", "00", ColumnType::kTimestamp2, 0, 0, 0, 4},
           Case{"11", "06", ColumnType::kTimestamp2, 6, 0, 0, 7},
           Case{"12", "03", ColumnType::kDatetime2, 3, 0, 0, 7},
           Case{"13", "01", ColumnType::kTime2, 1, 0, 0, 4},
           Case{"f6", "0a04", ColumnType::kNewDecimal, 10, 4, 0, 5},
           Case{"f6", "1209", ColumnType::kNewDecimal, 18, 9, 0, 8},
           Case{"f6", "411e", ColumnType::kNewDecimal, 65, 30, 0, 30},
           Case{"f6", "0101", ColumnType::kNewDecimal, 1, 1, 0, 1},
           Case{"fc", "01", ColumnType::kBlob, 1, 0, 1, 0},
           Case{"fc", "04", ColumnType::kBlob, 4, 0, 4, 0},
           Case{"f5", "04", ColumnType::kJson, 4, 0, 4, 0},
           Case{"ff", "04", ColumnType::kGeometry, 4, 0, 4, 0},
           Case{"f2", "04", ColumnType::kVector, 4, 0, 4, 0},
           Case{"fe", "fe28", ColumnType::kString, 40, 0, 1, 0},
           Case{"fe", "cefc", ColumnType::kString, 1020, 0, 2, 0},
           Case{"fe", "eeff", ColumnType::kString, 511, 0, 2, 0},
           Case{"fe", "f701", ColumnType::kEnum, 1, 0, 0, 1},
           Case{"fe", "f702", ColumnType::kEnum, 2, 0, 0, 2},
           Case{"fe", "f808", ColumnType::kSet, 8, 0, 0, 8},
           Case{"8c", "02", ColumnType::kMariadbBlobCompressed, 2, 0, 2, 0},
           Case{"8d", "e903", ColumnType::kMariadbVarcharCompressed, 1001, 0, 2, 0},
       }) {
    auto map = Parse(MapBody(Hex(c.type), Hex(c.metadata)));
    ASSERT_TRUE(map.ok()) << c.type << " " << c.metadata << ": " << Text(map.status());
    const ColumnMap& column = map->columns[0];
    EXPECT_EQ(column.type, c.resolved) << c.type << " " << c.metadata;
    EXPECT_EQ(column.length, c.length) << c.type << " " << c.metadata;
    EXPECT_EQ(column.scale, c.scale) << c.type << " " << c.metadata;
    EXPECT_EQ(column.prefix_bytes, c.prefix) << c.type << " " << c.metadata;
    EXPECT_EQ(column.fixed_bytes, c.fixed) << c.type << " " << c.metadata;
  }
}

TEST(TableMap, ImpossibleMetadataIsRefused) {
  for (auto [type, metadata] : {std::pair{"f6", "420a"},
                                {"f6", "0405"},
                                {"12", "07"},
                                {"fc", "05"},
                                {"fc", "00"},
                                {"10", "0000"},
                                {"10", "0108"},
                                {"fe", "f703"},
                                {"fe", "f800"},
                                {"fe", "3005"},
                                {"04", "08"},
                                {"00", ""},
                                {"14", ""},
                                {"f3", ""},
                                {"fd", "0500"},
                                {"63", ""}}) {
    auto map = Parse(MapBody(Hex(type), Hex(metadata)));
    EXPECT_EQ(map.status().code(), absl::StatusCode::kDataLoss) << type << " " << metadata;
  }
  EXPECT_THAT(Text(Parse(MapBody(Hex("12"), Hex("07"))).status()),
              HasSubstr("table shop.orders, column 1: type 18 with metadata 7,0 is not known"));
  EXPECT_THAT(Text(Parse(MapBody(Hex("03"), Hex("07"))).status()),
              HasSubstr("the column metadata has the wrong length"));
}

// MariaDB's old temporal types with fractions (facts 5.5).
TEST(TableMap, OldTemporalWidthsComeFromTheSchema) {
  struct Case {
    ColumnType type;
    std::vector<int> bytes;
  };
  for (const Case& c : {Case{ColumnType::kTime, {3, 4, 4, 5, 5, 5, 6}},
                        Case{ColumnType::kDatetime, {8, 6, 6, 7, 7, 7, 8}},
                        Case{ColumnType::kTimestamp, {4, 5, 5, 6, 6, 7, 7}}}) {
    for (uint8_t fsp = 0; fsp <= 6; ++fsp) {
      ColumnMap column{.type = c.type};
      ASSERT_TRUE(LayOut(&column, fsp));
      EXPECT_EQ(column.fixed_bytes, c.bytes[fsp]) << int(fsp);
    }
    ColumnMap column{.type = c.type};
    EXPECT_FALSE(LayOut(&column, 7));
  }
}

TEST(TableMetadata, FullOfMysql) {
  // int unsigned, varchar, year, text, enum, decimal, geometry, varchar
  std::string types = Hex("03 0f 0d fc fe f6 ff 0f");
  std::string metadata = Hex("5000 02 f701 0a04 04 5000");
  std::string optional =
      Hex("01 01 c0 | 02 05 fcff00 01 3f | 0a 03 fcff00 | 07 02 00 01 | 08 02 00 01 |"
          "04 16 02 'id' 01 'b' 01 'c' 01 'd' 01 'e' 01 'f' 01 'g' 03 'hhh'");
  optional[optional.find("\x02id") - 1] = 18 + 1;
  auto map = Parse(MapBody(types, metadata, optional));
  ASSERT_TRUE(map.ok()) << Text(map.status());
  auto meta = ParseTableMetadata(*map, false);
  ASSERT_TRUE(meta.ok()) << Text(meta.status());
  EXPECT_TRUE(meta->has_signedness);
  EXPECT_THAT(meta->is_unsigned, ElementsAre(true, false, true, false, false, false, false, false));
  EXPECT_THAT(meta->collations, ElementsAre(0, 255, 0, 63, 255, 0, 0, 255));
  EXPECT_THAT(meta->names, ElementsAre("id", "b", "c", "d", "e", "f", "g", "hhh"));
  EXPECT_THAT(meta->primary_key, ElementsAre(0, 1));
}

TEST(TableMetadata, MariadbCountsGeometryAsCharacter) {
  std::string body = MapBody(Hex("ff 0f"), Hex("04 5000"), Hex("03 04 3f fc0009"));
  auto map = Parse(body);
  ASSERT_TRUE(map.ok());
  EXPECT_THAT(ParseTableMetadata(*map, true)->collations, ElementsAre(63, 2304));
  EXPECT_FALSE(ParseTableMetadata(*map, false).ok());  // one column, two collations
}

TEST(TableMetadata, NothingSent) {
  auto meta = ParseTableMetadata(*Parse(MapBody(Hex("03"), "")), true);
  ASSERT_TRUE(meta.ok());
  EXPECT_FALSE(meta->has_signedness);
  EXPECT_TRUE(meta->collations.empty() && meta->names.empty() && meta->primary_key.empty());
}

TEST(TableMetadata, DamageIsNamed) {
  for (const char* hex : {"01 02 c000", "02 03 ff 05 3f", "04 02 01 'a' 01", "08 01 09", "03 05"}) {
    auto map = Parse(MapBody(Hex("03 0f"), Hex("5000"), Hex(hex)));
    ASSERT_TRUE(map.ok());
    EXPECT_THAT(Text(ParseTableMetadata(*map, false).status()),
                HasSubstr("table shop.orders: optional metadata"))
        << hex;
  }
}

}  // namespace
}  // namespace chameleon::worker::binlog
