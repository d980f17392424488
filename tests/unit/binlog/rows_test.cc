#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "proto/wire/error.h"
#include "tests/unit/binlog/event_bytes.h"
#include "worker/binlog/row_image.h"

namespace chameleon::worker::binlog {
namespace {

using ::testing::HasSubstr;

TableMap MapOf(const std::vector<ColumnMap>& columns) {
  TableMap map;
  map.schema = "shop";
  map.table = "orders";
  map.columns = columns;
  for (ColumnMap& column : map.columns) EXPECT_TRUE(LayOut(&column));
  return map;
}

const ColumnMap kInt{.type = ColumnType::kLong};
const ColumnMap kText{.type = ColumnType::kVarchar, .length = 40};
const ColumnMap kLongText{.type = ColumnType::kBlob, .length = 4};
const ColumnMap kJson{.type = ColumnType::kJson, .length = 4};

std::string Image(const RowSlices& slices) {
  std::string out;
  for (const Slice& slice : slices) {
    if (!out.empty()) out += ' ';
    if (slice.state == Slice::kAbsent) out += '-';
    if (slice.state == Slice::kNull) out += "NULL";
    if (slice.json_diff) out += "diff:";
    if (slice.state == Slice::kValue) out += ToHex({slice.data, slice.size});
  }
  return out;
}

// All rows as text: "<before> => <after>".
std::vector<std::string> Rows(const TableMap& map, EventType type, const std::string& body) {
  auto rows = ParseRowsEvent(EventOf(type, body), FormatDescription());
  if (!rows.ok()) return {Text(rows.status())};
  std::vector<std::string> out;
  RowCursor cursor(map, *rows);
  while (!cursor.AtEnd()) {
    RowSlices before, after, again;
    absl::Status status = cursor.Next(&before, &after);
    if (!status.ok()) {
      out.push_back(Text(status));
      return out;
    }
    out.push_back(Image(before) + " => " + Image(after));
    if (rows->kind != RowKind::kInsert) {
      EXPECT_TRUE(SliceImage(map, rows->present_before, cursor.last_before(), &again).ok());
      EXPECT_EQ(Image(again), Image(before));
    }
    if (rows->kind != RowKind::kDelete) {
      EXPECT_TRUE(
          SliceImage(map, rows->present_after, cursor.last_after(), &again, rows->partial_json)
              .ok());
      EXPECT_EQ(Image(again), Image(after));
    }
  }
  return out;
}

const char kV1[] = "120000000000 0100";
const char kV2[] = "120000000000 0100 0200";

TEST(Rows, InsertV1OfMariadb) {  // dolt/binlog_insert: high bits of the null bitmap are 1
  EXPECT_THAT(Rows(MapOf({kInt, kText, kText}), EventType::kWriteRowsV1,
                   Hex(kV1) + Hex("03 07 | f8 01000000 02 'ab' 00 | fc 02000000 01 'c'")),
              ::testing::ElementsAre(" => 01000000 6162 ", " => 02000000 63 NULL"));
}

TEST(Rows, UpdateAndDeleteV2) {
  TableMap map = MapOf({kInt, kText});
  EXPECT_THAT(Rows(map, EventType::kUpdateRowsV2,
                   Hex(kV2) + Hex("02 03 02 | 00 01000000 01 'a' | 00 01 'b' |"
                                  "00 02000000 01 'c' | 01")),
              ::testing::ElementsAre("01000000 61 => - 62", "02000000 63 => - NULL"));
  EXPECT_THAT(Rows(map, EventType::kDeleteRowsV2, Hex(kV2) + Hex("02 01 | 00 01000000")),
              ::testing::ElementsAre("01000000 - => "));
}

TEST(Rows, ExtraDataIsSkipped) {
  TableMap map = MapOf({kInt});
  EXPECT_THAT(Rows(map, EventType::kWriteRowsV2,
                   Hex("120000000000 0100 0500 01 0300 | 01 01 | 00 07000000")),
              ::testing::ElementsAre(" => 07000000"));
  EXPECT_THAT(Rows(map, EventType::kUpdateRowsV2,
                   Hex("120000000000 0100 0700 01 0300 0200 | 01 01 01 | 00 07000000 00 08000000")),
              ::testing::ElementsAre("07000000 => 08000000"));
  EXPECT_THAT(Rows(map, EventType::kWriteRowsV2, Hex("120000000000 0100 0100 01 01")),
              ::testing::ElementsAre(HasSubstr("wrong length of the extra data")));
}

TEST(Rows, LongLengths) {
  std::string body = Hex(kV1) + Hex("01 01 | 00 2c010000") + std::string(300, 'z');
  EXPECT_THAT(Rows(MapOf({kLongText}), EventType::kWriteRowsV1, body),
              ::testing::ElementsAre(" => " + ToHex(std::string(300, 'z'))));
}

TEST(Rows, NineColumnsTakeTwoBytesOfBitmap) {
  std::vector<ColumnMap> columns(9, ColumnMap{.type = ColumnType::kTiny});
  EXPECT_THAT(Rows(MapOf(columns), EventType::kWriteRowsV1,
                   Hex(kV1) + Hex("09 ff01 | 8001 01020304050607")),
              ::testing::ElementsAre(" => 01 02 03 04 05 06 07 NULL NULL"));
  // Column 2 absent: eight present, one byte of nulls, in which the last column has bit 7.
  EXPECT_THAT(
      Rows(MapOf(columns), EventType::kWriteRowsV1, Hex(kV1) + Hex("09 fd01 | 80 01030405060708")),
      ::testing::ElementsAre(" => 01 - 03 04 05 06 07 08 NULL"));
}

TEST(Rows, PartialJson) {  // facts 5.6: one column with a diff of two steps
  TableMap map = MapOf({kInt, kJson});
  std::string diff = Hex("00 03'$.a' 03051600 | 01 03'$.n' 05 0c036e6577");
  std::string body =
      Hex(kV2) + Hex("02 01 03 | 00 01000000 | 01 01 00 01000000") + Little(diff.size(), 4) + diff;
  EXPECT_THAT(Rows(map, EventType::kPartialUpdateRows, body),
              ::testing::ElementsAre("01000000 - => 01000000 diff:" + ToHex(diff)));
  body = Hex(kV2) + Hex("02 01 03 | 00 01000000 | 00 | 00 01000000 01000000 04");
  EXPECT_THAT(Rows(map, EventType::kPartialUpdateRows, body),
              ::testing::ElementsAre("01000000 - => 01000000 04"));
}

// A bit for every JSON column of the table, also for those that the image lacks.
TEST(Rows, PartialBitsCountAbsentColumns) {
  TableMap map = MapOf({kJson, kInt, kJson, kJson});
  EXPECT_THAT(Rows(map, EventType::kPartialUpdateRows,
                   Hex(kV2) + Hex("04 02 0c | 00 01000000 | 01 02 00 01000000 aa 01000000 bb")),
              ::testing::ElementsAre("- 01000000 - - => - - diff:aa bb"));
  EXPECT_THAT(Rows(map, EventType::kPartialUpdateRows, Hex(kV2) + Hex("04 02 0c 00 01000000 02")),
              ::testing::ElementsAre(HasSubstr("value options 2")));
}

TEST(Rows, CompressedByMariadb) {
  std::string rows;
  for (int i = 0; i < 200; ++i) rows += Hex("fc") + Little(i, 4) + Hex("03 'abc'");
  uLongf size = compressBound(rows.size());
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(rows.data()), rows.size());
  packed.resize(size);
  std::string head =
      std::string("\x82") + static_cast<char>(rows.size() >> 8) + static_cast<char>(rows.size());
  TableMap map = MapOf({kInt, kText});
  for (auto [type, form] : {std::pair{EventType::kMariadbWriteRowsCompressedV1, kV1},
                            std::pair{EventType::kMariadbWriteRowsCompressedV2, kV2}}) {
    auto out = Rows(map, type, Hex(form) + Hex("02 03") + head + packed);
    ASSERT_EQ(out.size(), 200u);
    EXPECT_EQ(out[199], " => c7000000 616263");
  }
}

TEST(Rows, DamageIsNamed) {
  TableMap map = MapOf({kInt, kText});
  auto rows = [&](const char* hex) {
    return Rows(map, EventType::kWriteRowsV1, Hex(kV1) + Hex(hex)).back();
  };
  EXPECT_THAT(rows("02 03 | fc 010000"),
              HasSubstr("table shop.orders: row image, column 1 of 2 (type 3): it is cut off"));
  EXPECT_THAT(rows("02 03 | fc 01000000"), HasSubstr("column 2 of 2 (type 15): it is cut off"));
  EXPECT_THAT(rows("02 03 | fc 01000000 05 'abcd'"), HasSubstr("column 2 of 2"));
  EXPECT_THAT(rows("03 07 | f8 01000000"),
              HasSubstr("the rows event has 3 columns, its table map 2"));
  EXPECT_THAT(rows("02"), HasSubstr("a bitmap is cut off"));
  EXPECT_THAT(rows("02 00 | 00"), HasSubstr("a row without bytes"));
  EXPECT_THAT(rows("fdffffff"), HasSubstr("16777215 columns"));
}

TEST(Rows, InsertWithoutColumnsHidesHowManyThereAre) {
  EXPECT_THAT(Rows(MapOf({kInt, kText}), EventType::kWriteRowsV2, Hex(kV2) + Hex("02 00")),
              ::testing::ElementsAre(HasSubstr("logged without any column")));
}

TEST(Rows, UnknownLayoutIsRefused) {
  TableMap map = MapOf({kInt, kText});
  map.columns[1].prefix_bytes = kLayoutUnknown;
  EXPECT_THAT(Rows(map, EventType::kWriteRowsV1, Hex(kV1) + Hex("02 03 | fc 01000000 01 'a'")),
              ::testing::ElementsAre(HasSubstr("its layout is not known")));
}

TEST(Rows, TableIdAlone) {
  std::string body = Hex(kV2) + Hex("02 00");
  EXPECT_EQ(*ParseTableId(EventOf(EventType::kWriteRowsV2, body), FormatDescription()), 0x12u);
  EXPECT_FALSE(ParseTableId(EventOf(EventType::kWriteRowsV2, "abc"), FormatDescription()).ok());
}

TEST(SliceImage, ChecksBothLengths) {
  TableMap map = MapOf({kInt});
  RowSlices out;
  EXPECT_TRUE(SliceImage(map, "\x01", Hex("00 01000000"), &out).ok());
  EXPECT_THAT(Text(SliceImage(map, "\x01", Hex("00 01000000 00"), &out)),
              HasSubstr("1 bytes too many"));
  EXPECT_THAT(Text(SliceImage(map, "", Hex("00 01000000"), &out)),
              HasSubstr("present bitmap has the wrong length"));
}

}  // namespace
}  // namespace chameleon::worker::binlog
