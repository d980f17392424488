// Row by row against mysqlbinlog -v or -vv: its texts lie beside the mysql-cdc-rs logs of the
// corpus and beside our own logs in binlogs/.
//   SET @@SESSION.GTID_NEXT= 'e3e2a4ee-b6dc-11ea-8bcf-0242ac150002:1'/*!*/;
//   ### UPDATE `test`.`int_table`
//   ### WHERE
//   ###   @1=1 /* TINYINT meta=0 nullable=1 is_null=0 */
// GTIDs, tables, present columns, NULLs, integers and texts are compared; other values are of
// another room: "*".
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <sstream>

#include "proto/wire/error.h"
#include "tests/golden/corpus.h"
#include "worker/binlog/byte_cursor.h"
#include "worker/binlog/gtid_set.h"
#include "worker/binlog/row_image.h"

namespace chameleon::test {
namespace {

using namespace worker::binlog;
using Lines = std::vector<std::string>;

std::string Utf8(const std::string& text) {  // the texts of 8.0 are UTF-16LE; ASCII matters only
  if (!text.starts_with("\xff\xfe")) return text;
  std::string out;
  for (size_t i = 2; i + 1 < text.size(); i += 2) out += text[i + 1] == '\0' ? text[i] : '?';
  return out;
}

// "GTID …", "UPDATE test.int_table", "WHERE", "@1=1", "@2=NULL", …
Lines DumpedLines(const std::string& dump) {
  const std::string gtid = "SET @@SESSION.GTID_NEXT= '", head = "### ", value = "###   @";
  Lines out;
  std::istringstream in(dump);
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.starts_with(gtid)) {
      if (!line.starts_with(gtid + "AUTOMATIC"))
        out.push_back("GTID " +
                      line.substr(gtid.size(), line.find('\'', gtid.size()) - gtid.size()));
    } else if (line.starts_with(value)) {
      out.push_back(line.substr(value.size() - 1,
                                std::min(line.rfind(" /* "), line.size()) - value.size() + 1));
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

bool IsInteger(ColumnType type) {
  return type == ColumnType::kTiny || type == ColumnType::kShort || type == ColumnType::kInt24 ||
         type == ColumnType::kLong || type == ColumnType::kLongLong;
}

std::string ValueText(ColumnType type, const Slice& slice) {
  if (slice.state == Slice::kNull) return "NULL";
  if (slice.json_diff) return "diff";
  std::string_view bytes(slice.data, slice.size);
  if (type == ColumnType::kVarchar || type == ColumnType::kString || type == ColumnType::kBlob) {
    return fmt::format("'{}'", bytes);
  }
  uint64_t bits = ByteCursor(bytes).Little(bytes.size());
  if (type == ColumnType::kEnum) return fmt::format("{}", bits);
  if (type == ColumnType::kYear) return fmt::format("{}", bits + 1900);
  if (!IsInteger(type)) return "*";
  int shift = static_cast<int>(64 - 8 * bytes.size());
  int64_t value = static_cast<int64_t>(bits << shift) >> shift;
  return value >= 0 ? fmt::format("{}", value) : fmt::format("{} ({})", value, bits);
}

class Decoder {
 public:
  Lines Decode(const BinlogFile& file) {
    for (const std::string& raw : file.events) {
      auto event = parser_.Parse(raw);
      EXPECT_TRUE(event.ok()) << Text(event.status());
      if (event.ok()) Take(*event);
    }
    return std::move(out_);
  }

 private:
  void Take(const Event& event) {
    switch (event.header.type) {
      case EventType::kTableMap: {
        auto map = ParseTableMap(event, parser_.format());
        ASSERT_TRUE(map.ok()) << Text(map.status());
        map_ = *map;
        return;
      }
      case EventType::kAnonymousGtid:
        out_.push_back("GTID ANONYMOUS");
        return;
      case EventType::kGtid:
      case EventType::kGtidTagged: {
        auto gtid = ParseMysqlGtid(event);
        ASSERT_TRUE(gtid.ok()) << Text(gtid.status());
        MysqlGtidSet set;
        set.Add(*gtid);
        out_.push_back("GTID " + set.ToString());
        return;
      }
      case EventType::kTransactionPayload: {
        auto payload = PayloadReader::Open(event, 1 << 20);
        ASSERT_TRUE(payload.ok()) << Text(payload.status());
        for (auto inner = payload->Next(); inner.ok() && *inner; inner = payload->Next()) {
          Take(**inner);
        }
        return;
      }
      default:
        if (auto rows = ParseRowsEvent(event, parser_.format()); rows.ok()) TakeRows(*rows);
    }
  }

  void TakeRows(const RowsEvent& rows) {
    constexpr const char* kVerbs[] = {"INSERT", "UPDATE", "DELETE"};
    RowSlices before, after;
    for (RowCursor cursor(map_, rows); !cursor.AtEnd();) {
      absl::Status status = cursor.Next(&before, &after);
      ASSERT_TRUE(status.ok()) << Text(status);
      out_.push_back(
          fmt::format("{} {}.{}", kVerbs[static_cast<int>(rows.kind)], map_.schema, map_.table));
      if (rows.kind != RowKind::kInsert) TakeImage("WHERE", before);
      if (rows.kind != RowKind::kDelete) TakeImage("SET", after);
    }
  }

  void TakeImage(const char* title, const RowSlices& image) {
    out_.push_back(title);
    for (size_t i = 0; i < image.size(); ++i) {
      if (image[i].state == Slice::kAbsent) continue;
      out_.push_back(fmt::format("@{}={}", i + 1, ValueText(map_.columns[i].type, image[i])));
    }
  }

  EventParser parser_;
  TableMap map_;
  Lines out_;
};

// Replaces what we do not decode here in the expected lines. "@2=@2": a diff without any step.
Lines Masked(Lines expected, const Lines& ours) {
  for (size_t i = 0; i < std::min(expected.size(), ours.size()); ++i) {
    size_t equals = ours[i].find('=');
    if (equals == std::string::npos) continue;
    std::string name = ours[i].substr(0, equals + 1);
    if (!expected[i].starts_with(name) || expected[i] == name + "NULL") continue;
    std::string value = expected[i].substr(equals + 1);
    if (value.starts_with("JSON_") || value == ours[i].substr(0, equals)) {
      expected[i] = name + "diff";
    } else if (ours[i] == name + "*" || value == "*") {
      expected[i] = ours[i];
    }
  }
  return expected;
}

TEST(MysqlbinlogDump, OfTheCorpusSaysTheSame) {
  SKIP_WITHOUT_CORPUS();
  int compared = 0;
  for (const BinlogFile& file : CorpusBinlogs()) {
    auto dump = (CorpusDir() / "binlogs" / file.name).parent_path() / "dump.txt";
    if (!std::filesystem::exists(dump)) continue;
    std::string text = Utf8(ReadFile(dump));
    if (text.find("\n###") == std::string::npos) continue;  // printed without -v
    Lines ours = Decoder().Decode(file);
    EXPECT_EQ(ours, Masked(DumpedLines(text), ours)) << file.name;
    ++compared;
  }
  EXPECT_GE(compared, 9);
}

TEST(MysqlbinlogDump, OfOurMysqlLogSaysTheSame) {
  Lines ours = Decoder().Decode(OwnBinlog("mysql97"));
  Lines expected = DumpedLines(ReadFile(OwnBinlogDir() / "mysql97.txt"));
  EXPECT_GT(expected.size(), 400u);
  EXPECT_EQ(ours, Masked(expected, ours));
}

// MySQL's mysqlbinlog does not read MariaDB: the expected lines follow mariadb1011.sql by hand.
TEST(MysqlbinlogDump, OfOurMariadbLogIsWhatWasRun) {
  Lines ours = Decoder().Decode(OwnBinlog("mariadb1011"));
  Lines expected = DumpedLines(ReadFile(OwnBinlogDir() / "mariadb1011.txt"));
  EXPECT_EQ(ours, Masked(expected, ours));
}

}  // namespace
}  // namespace chameleon::test
