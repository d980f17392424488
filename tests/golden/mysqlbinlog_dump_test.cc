// Row by row against mysqlbinlog -vv: the texts beside the mysql-cdc-rs logs are its output.
//   ### UPDATE `test`.`int_table`
//   ### WHERE
//   ###   @1=1 /* TINYINT meta=0 nullable=1 is_null=0 */
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <sstream>

#include "proto/wire/error.h"
#include "tests/golden/binlog_exercise.h"
#include "tests/golden/corpus.h"
#include "worker/binlog/byte_cursor.h"

namespace chameleon::test {
namespace {

using namespace worker::binlog;

std::string Utf8(const std::string& text) {  // the texts of 8.0 are UTF-16LE; ASCII matters only
  if (!text.starts_with("\xff\xfe")) return text;
  std::string out;
  for (size_t i = 2; i + 1 < text.size(); i += 2) out += text[i + 1] == '\0' ? text[i] : '?';
  return out;
}

// "UPDATE test.int_table", "WHERE", "@1=1", "@2=NULL", … of all rows.
std::vector<std::string> DumpedRows(const std::string& dump) {
  const std::string head = "### ", value = "###   @", tail = " /* ";
  std::vector<std::string> out;
  std::istringstream in(dump);
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.starts_with(value)) {
      out.push_back(line.substr(value.size() - 1, line.find(tail) - value.size() + 1));
    } else if (line.starts_with(head)) {
      line.erase(0, head.size());
      for (const char* word : {" INTO", " FROM", "`"}) {
        for (size_t at; (at = line.find(word)) != std::string::npos;) {
          line.erase(at, std::strlen(word));
        }
      }
      out.push_back(line);
    }
  }
  return out;
}

// Integers and texts as mysqlbinlog prints them; nothing else occurs in these dumps.
std::string ValueText(ColumnType type, const Slice& slice) {
  if (slice.state == Slice::kNull) return "NULL";
  std::string_view bytes(slice.data, slice.size);
  if (type == ColumnType::kVarchar) return fmt::format("'{}'", bytes);
  uint64_t bits = ByteCursor(bytes).Little(bytes.size());
  int shift = static_cast<int>(64 - 8 * bytes.size());
  int64_t value = static_cast<int64_t>(bits << shift) >> shift;
  if (value >= 0) return fmt::format("{}", value);
  return fmt::format("{} ({})", value, bits);
}

void AppendImage(const TableMap& map, const char* title, const RowSlices& image,
                 std::vector<std::string>* out) {
  out->push_back(title);
  for (size_t i = 0; i < image.size(); ++i) {
    if (image[i].state == Slice::kAbsent) continue;
    out->push_back(fmt::format("@{}={}", i + 1, ValueText(map.columns[i].type, image[i])));
  }
}

std::vector<std::string> DecodedRows(const BinlogFile& file) {
  std::vector<std::string> out;
  EventParser parser;
  TableMap map;
  for (const std::string& raw : file.events) {
    auto event = parser.Parse(raw);
    EXPECT_TRUE(event.ok()) << Text(event.status());
    if (event->header.type == EventType::kTableMap) map = *ParseTableMap(*event, parser.format());
    auto rows = ParseRowsEvent(*event, parser.format());
    if (!rows.ok()) continue;
    RowSlices before, after;
    for (RowCursor cursor(map, *rows); !cursor.AtEnd();) {
      EXPECT_TRUE(cursor.Next(&before, &after).ok());
      constexpr const char* kVerbs[] = {"INSERT", "UPDATE", "DELETE"};
      out.push_back(
          fmt::format("{} {}.{}", kVerbs[static_cast<int>(rows->kind)], map.schema, map.table));
      if (rows->kind != RowKind::kInsert) AppendImage(map, "WHERE", before, &out);
      if (rows->kind != RowKind::kDelete) AppendImage(map, "SET", after, &out);
    }
  }
  return out;
}

TEST(MysqlbinlogDump, SaysTheSameRows) {
  SKIP_WITHOUT_CORPUS();
  int compared = 0;
  for (const BinlogFile& file : CorpusBinlogs()) {
    auto dump = (CorpusDir() / "binlogs" / file.name).parent_path() / "dump.txt";
    if (!std::filesystem::exists(dump)) continue;
    std::vector<std::string> expected = DumpedRows(Utf8(ReadFile(dump)));
    if (expected.empty()) continue;  // printed without -v
    EXPECT_EQ(DecodedRows(file), expected) << file.name;
    ++compared;
  }
  EXPECT_EQ(compared, 9);
}

}  // namespace
}  // namespace chameleon::test
