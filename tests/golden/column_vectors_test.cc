// The corpus' column values: bytes as in a row event, and their text, both from another project's
// tests (corpus/vectors). How many bytes a value takes is part of it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/golden/corpus.h"
#include "worker/encode/column_codec.h"
#include "worker/encode/sink.h"

namespace chameleon::worker::encode {
namespace {

using binlog::ColumnType;
using nlohmann::json;

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

struct Column {
  binlog::ColumnMap map;
  v1::ColumnDef def;
  v1::Encoding encoding;
};

Column ColumnOf(const json& vector) {
  const std::string type = vector["type"];
  Column column;
  if (type == "NEWDECIMAL") {
    column.map.type = ColumnType::kNewDecimal;
    column.map.length = vector["precision"];
    column.map.scale = vector["scale"];
    column.def.set_base_type(v1::DECIMAL);
    column.encoding = v1::ENCODING_NUMBER;
  } else {
    const bool time = type == "TIME2";
    column.map.type = time ? ColumnType::kTime2 : ColumnType::kDatetime2;
    column.map.length = vector["fsp"];
    column.def.set_base_type(time ? v1::TIME : v1::DATETIME);
    column.def.set_fsp(vector["fsp"]);
    column.encoding = time ? v1::ENCODING_TIME : v1::ENCODING_DATETIME;
  }
  column.def.set_length(column.map.length);
  column.def.set_scale(column.map.scale);
  LayOut(&column.map);
  return column;
}

// Where our literal is another by policy: dates with a zero month or day are NULL.
std::string Expected(const json& vector) {
  const std::string text = vector["expected"];
  if (vector["type"] != "DATETIME2") return text;
  return text.substr(5, 2) == "00" || text.substr(8, 2) == "00" ? "NULL" : text;
}

TEST(ColumnVectorsTest, OfTheCorpusHaveTheirTexts) {
  if (test::CorpusDir().empty()) GTEST_SKIP() << "no corpus";
  const auto file =
      json::parse(test::ReadFile(test::CorpusDir() / "vectors/go-mysql-column-values.json"));
  std::map<std::string, int> compared;
  Sink sink;
  for (const json& vector : file["vectors"]) {
    Column column = ColumnOf(vector);
    const std::string bytes = FromHex(vector["hex"]);
    if (vector.value("length", json()).is_number()) {  // the source does not always say
      EXPECT_EQ(column.map.fixed_bytes, vector["length"]) << vector;
    }
    ASSERT_LE(column.map.fixed_bytes, bytes.size()) << vector;
    auto codec = MakeColumnCodec(column.def, column.encoding);
    ASSERT_TRUE(codec.ok()) << codec.status();
    std::string literal;
    sink.Bind(Escape::kCopy, true, &literal);
    sink.BeginColumn(nullptr);
    const auto outcome = (*codec)->FromBinlog(
        column.map, std::string_view(bytes).substr(0, column.map.fixed_bytes), sink);
    ASSERT_NE(outcome, Outcome::kDamaged) << vector;
    EXPECT_EQ(outcome == Outcome::kNull ? "NULL" : literal, Expected(vector)) << vector;
    ++compared[vector["type"]];
  }
  for (const auto& [type, count] : compared) fmt::print("{}: {}\n", type, count);
  EXPECT_EQ(compared["NEWDECIMAL"], 199);
  EXPECT_EQ(compared["TIME2"], 15);
  EXPECT_EQ(compared["DATETIME2"], 11);
}

}  // namespace
}  // namespace chameleon::worker::encode
