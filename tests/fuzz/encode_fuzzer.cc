// Any bytes as any column's value, from either way of reading: no crash, and what comes out as a
// literal is UTF-8 that a COPY field can hold. The first byte chooses the column.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "google/protobuf/text_format.h"
#include "worker/encode/column_codec.h"

namespace chameleon::worker::encode {
namespace {

struct Column {
  ColumnCodecPtr codec;
  binlog::ColumnMap map;
};

Column Make(const char* def, v1::Encoding encoding, binlog::ColumnType type) {
  v1::ColumnDef column;
  if (!google::protobuf::TextFormat::ParseFromString(def, &column)) std::abort();
  auto codec = MakeColumnCodec(column, encoding);
  if (!codec.ok()) std::abort();
  Column made{.codec = *std::move(codec)};
  made.map.type = type;
  return made;
}

std::vector<Column> MakeColumns() {
  using T = binlog::ColumnType;
  std::vector<Column> all;
  all.push_back(Make("base_type: JSON", v1::ENCODING_JSON, T::kJson));
  all.push_back(
      Make("base_type: DECIMAL length: 20 scale: 7", v1::ENCODING_NUMBER, T::kNewDecimal));
  all.push_back(Make("base_type: MEDIUMINT", v1::ENCODING_NUMBER, T::kInt24));
  all.push_back(Make("base_type: DOUBLE", v1::ENCODING_DOUBLE, T::kDouble));
  all.push_back(Make("base_type: FLOAT", v1::ENCODING_FLOAT, T::kFloat));
  all.push_back(Make("base_type: DATE", v1::ENCODING_DATE, T::kDate));
  all.push_back(Make("base_type: TIME fsp: 4", v1::ENCODING_TIME, T::kTime2));
  all.push_back(Make("base_type: TIME fsp: 3", v1::ENCODING_TIME, T::kTime));
  all.push_back(Make("base_type: DATETIME fsp: 6", v1::ENCODING_DATETIME, T::kDatetime2));
  all.push_back(Make("base_type: DATETIME", v1::ENCODING_DATETIME, T::kDatetime));
  all.push_back(Make("base_type: TIMESTAMP fsp: 2", v1::ENCODING_TIMESTAMP, T::kTimestamp2));
  all.push_back(Make("base_type: BIT length: 11", v1::ENCODING_BIT, T::kBit));
  all.push_back(Make("base_type: SET labels: ['a', 'b']", v1::ENCODING_SET, T::kSet));
  all.push_back(Make("base_type: GEOMETRY", v1::ENCODING_EWKB, T::kGeometry));
  all.push_back(Make("base_type: VECTOR", v1::ENCODING_VECTOR, T::kVector));
  all.push_back(Make("base_type: INET6", v1::ENCODING_INET, T::kString));
  all.push_back(Make("base_type: UUID", v1::ENCODING_UUID, T::kString));
  all.push_back(Make("base_type: LONGTEXT charset: 'utf8mb4'", v1::ENCODING_JSON, T::kBlob));
  all.push_back(Make("base_type: TEXT charset: 'latin1' compressed: true", v1::ENCODING_TEXT,
                     T::kMariadbBlobCompressed));
  for (const char* charset : {"utf8mb4", "gb18030", "ujis", "cp932", "utf16", "utf32", "swe7"}) {
    const std::string def = std::string("base_type: TEXT charset: '") + charset + "'";
    all.push_back(Make(def.c_str(), v1::ENCODING_TEXT, T::kBlob));
  }
  return all;
}

void Check(Outcome outcome, const std::string& literal) {
  if (outcome == Outcome::kNull && !literal.empty()) std::abort();
  if (outcome != Outcome::kLiteral) return;
  std::string again;
  const TextFlaws flaws = AppendText(literal, Escape::kNone, &again);
  if (flaws.nul != 0 || flaws.undecodable != 0) std::abort();
  if (literal.find_first_of("\t\n\r") != std::string::npos) std::abort();
}

}  // namespace
}  // namespace chameleon::worker::encode

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace chameleon::worker::encode;
  static std::vector<Column> columns = MakeColumns();
  static Sink sink;
  if (size == 0) return 0;
  Column& column = columns[data[0] % columns.size()];
  // A copy of its own: a read beyond the value is seen.
  const std::unique_ptr<char[]> bytes(new char[size - 1]);
  std::copy(data + 1, data + size, bytes.get());
  const std::string_view value(bytes.get(), size - 1);
  for (const Escape escape : {Escape::kCopy, Escape::kJsonInCopy}) {
    std::string out;
    sink.Bind(escape, true, &out);
    sink.BeginColumn(nullptr);
    Check(column.codec->FromBinlog(column.map, value, sink), out);
    out.clear();
    Check(column.codec->FromText(value, sink), out);
  }
  return 0;
}
