#include "worker/encode/table_codec.h"

#include <chrono>
#include <cstdio>

#include "tests/unit/encode/testing.h"

namespace chameleon::worker::encode {
namespace {

using binlog::ColumnType;
using binlog::RowSlices;
using binlog::Slice;
using binlog::TableMap;

const char* const kDef = R"(
  name { schema: 'shop' table: 'orders' }
  columns { name: 'id' column_type: 'int' base_type: INT }
  columns { name: 'na`me' column_type: 'varchar(20)' base_type: VARCHAR length: 20
            charset: 'utf8mb4' }
  columns { name: 'f' column_type: 'float' base_type: FLOAT }
  columns { name: 'd' column_type: 'date' base_type: DATE }
  columns { name: 'row_end' column_type: 'timestamp(6)' base_type: TIMESTAMP fsp: 6 }
  columns { name: 'b' column_type: 'blob' base_type: BLOB }
  columns { name: 'e' column_type: 'enum' base_type : ENUM labels : ['x']
})";
const char* const kPlan = R"(
  columns { target_name: 'id' encoding: ENCODING_NUMBER is_key: true }
  columns { target_name: 'na"me' encoding: ENCODING_TEXT }
  columns { target_name: 'f' encoding: ENCODING_FLOAT }
  columns { target_name: 'd' encoding: ENCODING_DATE }
  columns { target_name: 'row_end' omitted: true }
  columns { target_name: 'b' encoding: ENCODING_BYTEA }
  columns { target_name: 'e' encoding: ENCODING_ENUM })";

TableMap Map() {
  TableMap map;
  for (const ColumnType type :
       {ColumnType::kLong, ColumnType::kVarchar, ColumnType::kFloat, ColumnType::kDate,
        ColumnType::kTimestamp2, ColumnType::kBlob, ColumnType::kEnum}) {
    map.columns.push_back({.type = type});
  }
  map.columns[1].length = 80;
  map.columns[4].length = 6;
  map.columns[5].length = 2;
  map.columns[6].length = 1;
  return map;
}

std::unique_ptr<TableCodec> Codec(const std::string& plan = kPlan) {
  auto codec = TableCodec::Create(Proto<v1::TableDef>(kDef), Proto<v1::TablePlan>(plan));
  EXPECT_TRUE(codec.ok()) << Text(codec.status());
  return codec.ok() ? *std::move(codec) : nullptr;
}

// "-": absent, "NULL": null, else hex.
class Row {
 public:
  explicit Row(std::vector<std::string> values) {
    for (const std::string& value : values) bytes_.push_back(value);
    for (std::string& value : bytes_) {
      Slice slice;
      if (value == "NULL") {
        slice.state = Slice::kNull;
      } else if (value != "-") {
        value = Bytes(value);
        slice = {.data = value.data(),
                 .size = static_cast<uint32_t>(value.size()),
                 .state = Slice::kValue};
      }
      slices_.push_back(slice);
    }
  }
  const RowSlices& slices() const { return slices_; }

 private:
  std::vector<std::string> bytes_;
  RowSlices slices_;
};

std::string Json(TableCodec& codec, const Row& row,
                 TableCodec::Columns columns = TableCodec::Columns::kAllColumns) {
  std::string out;
  const absl::Status status = codec.AppendJson(Map(), row.slices(), columns, &out);
  return status.ok() ? out : Text(status);
}

std::string TextRow(TableCodec& codec, std::vector<const char*> values) {
  std::vector<unsigned long> lengths;
  for (const char* value : values) lengths.push_back(value == nullptr ? 0 : strlen(value));
  std::string out;
  const absl::Status status = codec.AppendTextRow(values.data(), lengths.data(), &out);
  return status.ok() ? out : Text(status);
}

TEST(TableCodecTest, Lists) {
  const auto codec = Codec();
  EXPECT_EQ(codec->SelectList(), "`id`, `na``me`, `f`*1e0, `d`, `b`, CAST(`e` AS UNSIGNED)");
  EXPECT_EQ(codec->CopyColumns(), R"("id", "na""me", "f", "d", "b", "e")");
}

TEST(TableCodecTest, TextRows) {
  const auto codec = Codec();
  EXPECT_EQ(TextRow(*codec, {"7", "a\tb\\", "1.5", "2024-02-29", "\x01\xff", "1"}),
            "7\ta\\tb\\\\\t1.5\t2024-02-29\t\\\\x01ff\tx\n");
  EXPECT_EQ(TextRow(*codec, {"7", nullptr, nullptr, "0000-00-00", nullptr, "0"}),
            "7\t\\N\t\\N\t\\N\t\\N\t\\N\n");
  EXPECT_EQ(TextRow(*codec, {"7", "\\N", nullptr, nullptr, "", "1"}),
            "7\t\\\\N\t\\N\t\\N\t\\\\x\tx\n");
  const LossCounts losses = codec->TakeLosses();
  ASSERT_EQ(losses.size(), 2u);
  EXPECT_EQ(losses.at("zero_date_to_null").count, 1u);
  EXPECT_EQ(losses.at("zero_date_to_null").example, "column d, id=7");
  EXPECT_EQ(losses.at("enum_invalid_to_null").count, 1u);
  EXPECT_TRUE(codec->TakeLosses().empty());
}

TEST(TableCodecTest, JsonRows) {
  const auto codec = Codec();
  EXPECT_EQ(Json(*codec, Row({"07000000", "61 09 22", "0000c03f", "5dd00f", "00000000000000",
                              "01ff", "01"})),
            R"({"id":"7","na\\"me":"a\\t\\"","f":"1.5","d":"2024-02-29","b":"\\\\x01ff","e":"x"})");
  EXPECT_EQ(Json(*codec, Row({"07000000", "NULL", "-", "000000", "-", "-", "00"})),
            R"({"id":"7","na\\"me":null,"d":null,"e":null})");
  EXPECT_EQ(Json(*codec, Row({"07000000", "61", "-", "000000", "-", "-", "00"}),
                 TableCodec::Columns::kKeyColumns),
            R"({"id":"7"})");
  EXPECT_EQ(Json(*codec, Row({"-", "-", "-", "-", "-", "-", "-"})), "{}");
}

TEST(TableCodecTest, Keys) {
  const auto codec = Codec();
  const auto key = [&](const Row& row) {
    std::string out;
    const absl::Status status = codec->AppendKey(row.slices(), &out);
    return status.ok() ? out : Text(status);
  };
  const Row a({"07000000", "61", "-", "-", "-", "-", "-"});
  const Row b({"07000000", "62", "-", "-", "-", "-", "-"});
  const Row c({"08000000", "61", "-", "-", "-", "-", "-"});
  EXPECT_EQ(key(a), key(b));
  EXPECT_NE(key(a), key(c));
  const Row absent({"-", "61", "-", "-", "-", "-", "-"});
  EXPECT_EQ(key(absent),
            "table shop.orders: key column id is absent from a row image\n"
            "HINT: Set binlog_row_image=FULL on the source.");
  EXPECT_EQ(Json(*codec, absent, TableCodec::Columns::kKeyColumns), key(absent));
  EXPECT_EQ(codec->KeyText(Map(), a.slices()), "id=7");
  EXPECT_EQ(codec->KeyText(Map(), absent.slices()), "id=(absent)");
}

TEST(TableCodecTest, CompositeKeysDoNotMerge) {
  std::string plan = kPlan;
  plan.replace(plan.find("ENCODING_TEXT"), 13, "ENCODING_TEXT is_key: true");
  plan.replace(plan.find("ENCODING_BYTEA"), 14, "ENCODING_BYTEA is_key: true");
  const auto codec = Codec(plan);
  const auto key = [&](const Row& row) {
    std::string out;
    EXPECT_TRUE(codec->AppendKey(row.slices(), &out).ok());
    return out;
  };
  EXPECT_NE(key(Row({"07000000", "6162", "-", "-", "-", "63", "-"})),
            key(Row({"07000000", "61", "-", "-", "-", "6263", "-"})));
  EXPECT_NE(key(Row({"07000000", "NULL", "-", "-", "-", "63", "-"})),
            key(Row({"07000000", "", "-", "-", "-", "63", "-"})));
  const Row row({"07000000", std::string(200, '6'), "-", "-", "-", "63", "-"});
  EXPECT_EQ(codec->KeyText(Map(), row.slices()),
            "id=7, na`me=" + std::string(64, 'f') + "…, b=\\x63");
}

TEST(TableCodecTest, ALossInAKeyStops) {
  std::string plan = kPlan;
  plan.replace(plan.find("ENCODING_DATE"), 13, "ENCODING_DATE is_key: true");
  const auto codec = Codec(plan);
  const std::string text =
      "table shop.orders: key column d holds a value that PostgreSQL cannot keep "
      "(zero_date_to_null)\n"
      "HINT: Change the value in the source, or map the column to another type with "
      "type_override, then copy the table again with sync_tables.";
  EXPECT_EQ(Json(*codec, Row({"07000000", "61", "-", "000000", "-", "-", "-"})), text);
  EXPECT_EQ(TextRow(*codec, {"7", "x", "1.5", "0000-00-00", "x", "1"}), text);
}

TEST(TableCodecTest, Refusals) {
  const auto create = [](const char* plan) {
    return Text(TableCodec::Create(Proto<v1::TableDef>(kDef), Proto<v1::TablePlan>(plan)).status());
  };
  EXPECT_EQ(create("columns { target_name: 'id' }"),
            "table shop.orders: the definition has 7 columns, the plan 1");
  std::string plan = kPlan;
  plan.replace(plan.find("ENCODING_NUMBER"), 15, "ENCODING_JSON");
  EXPECT_EQ(create(plan.c_str()),
            "table shop.orders: column id: int cannot be written as json\n"
            "HINT: Remove or change the type_override that asks for it.");
  EXPECT_EQ(Json(*Codec(), Row({"07", "61", "-", "-", "-", "-", "-"})),
            "table shop.orders: column id holds an integer of the wrong size");
}

TEST(TableCodecTest, TableMapIsChecked) {
  TableMap map = Map();
  EXPECT_EQ(Text(Codec()->CheckTableMap(map, false)), "");
  map.columns[0].type = ColumnType::kLongLong;
  EXPECT_EQ(Codec()->CheckTableMap(map, true).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(TableCodecTest, TheDefinitionLaysOutOldTemporals) {
  const auto codec = TableCodec::Create(
      Proto<v1::TableDef>("columns { base_type: DATETIME fsp: 3 }"),
      Proto<v1::TablePlan>("columns { target_name: 'd' encoding: ENCODING_DATETIME }"));
  TableMap map;
  map.columns = {{.type = ColumnType::kDatetime}};
  ASSERT_TRUE(binlog::LayOut(&map.columns[0]));
  EXPECT_EQ(map.columns[0].fixed_bytes, 8);
  EXPECT_EQ(Text((*codec)->CheckTableMap(map, true)), "");
  EXPECT_EQ(map.columns[0].fixed_bytes, 7);
}

TEST(TableCodecTest, AnErrorAppendsNothing) {
  std::string out = "before";
  const auto codec = Codec();
  const Row row({"07000000", "61", "-", "ff", "-", "-", "-"});
  EXPECT_FALSE(codec->AppendJson(Map(), row.slices(), TableCodec::Columns::kAllColumns, &out).ok());
  const char* const values[] = {"7", "a", "x", "", "", ""};
  const unsigned long lengths[] = {1, 1, 1, 0, 0, 0};
  EXPECT_FALSE(codec->AppendTextRow(values, lengths, &out).ok());
  EXPECT_EQ(out, "before");
}

}  // namespace
}  // namespace chameleon::worker::encode
