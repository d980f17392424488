// Every value of every row in every binary log, through table map check and codec to its literal,
// against what the servers' own tools print (printed_rows.h). The schemas are learned from the
// log's own statements, or from the sql.sql that lies beside it. A row whose table has no schema
// is counted by the reason; it must be a reason that this test names.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "proto/wire/error.h"
#include "tests/golden/corpus.h"
#include "tests/golden/log_schema.h"
#include "tests/golden/printed_rows.h"
#include "tests/support/sql_script.h"
#include "worker/binlog/row_image.h"
#include "worker/ddl/parser.h"
#include "worker/encode/json_diff.h"

namespace chameleon::test {
namespace {

using namespace worker::binlog;
using nlohmann::json;
using Codec = worker::encode::TableCodec;

std::string UnescapeCopy(const std::string& text) {
  constexpr std::string_view kFrom = "bfnrtv", kTo = "\b\f\n\r\t\v";
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    const size_t letter = kFrom.find(text[++i]);
    out += letter == std::string_view::npos ? text[i] : kTo[letter];
  }
  return out;
}

std::string LabelList(int count) {
  std::string out = "'1'";
  for (int i = 2; i <= count; ++i) out += fmt::format(",'{}'", i);
  return out;
}

std::string TypeText(const ColumnMap& map) {
  switch (map.type) {
    case ColumnType::kTiny:
      return "tinyint";
    case ColumnType::kShort:
      return "smallint";
    case ColumnType::kInt24:
      return "mediumint";
    case ColumnType::kLong:
      return "int";
    case ColumnType::kLongLong:
      return "bigint";
    case ColumnType::kFloat:
      return "float";
    case ColumnType::kDouble:
      return "double";
    case ColumnType::kNewDecimal:
      return fmt::format("decimal({},{})", map.length, map.scale);
    case ColumnType::kBit:
      return fmt::format("bit({})", map.length);
    case ColumnType::kYear:
      return "year";
    case ColumnType::kDate:
      return "date";
    case ColumnType::kTime2:
      return fmt::format("time({})", map.length);
    case ColumnType::kDatetime2:
      return fmt::format("datetime({})", map.length);
    case ColumnType::kTimestamp2:
      return fmt::format("timestamp({}) null", map.length);
    case ColumnType::kTime:
      return "time";
    case ColumnType::kDatetime:
      return "datetime";
    case ColumnType::kTimestamp:
      return "timestamp null";
    case ColumnType::kString:
      return fmt::format("binary({})", map.length);
    case ColumnType::kVarchar:
      return fmt::format("varbinary({})", map.length);
    case ColumnType::kBlob:
      return std::array{"tinyblob", "blob", "mediumblob", "longblob"}[map.length - 1];
    case ColumnType::kEnum:
      return fmt::format("enum({})", LabelList(map.length == 1 ? 255 : 65535));
    case ColumnType::kSet:
      return fmt::format("set({})", LabelList(8 * map.length));
    case ColumnType::kJson:
      return "json";
    case ColumnType::kGeometry:
      return "geometry";
    default:
      throw std::runtime_error(fmt::format("no text for type {}", static_cast<int>(map.type)));
  }
}

bool Without(const char* what) {
  const char* set = std::getenv(what);
  return set != nullptr && std::string_view(set) == "1";
}

// One log's rows beside the printed ones, in order.
class Comparison {
 public:
  Comparison(const std::string& name, const std::string& version, const std::string& charset,
             const PrintedLog& printed)
      : name_(name),
        schema_(version, charset),
        tool_(printed.tool),
        printed_(PrintedRows(printed.text)) {}

  LogSchema& schema() { return schema_; }

  void Take(const BinlogFile& file) {
    EventParser parser;
    for (const std::string& raw : file.events) {
      auto event = parser.Parse(raw);
      ASSERT_TRUE(event.ok()) << name_ << ": " << Text(event.status());
      format_ = parser.format();
      Take(*event);
    }
    EXPECT_EQ(next_, printed_.size()) << name_ << ": rows that we do not see";
  }

  std::string Summary() const {
    std::string out =
        fmt::format("{} events, {} rows, {} values compared", events_, rows_, values_);
    for (const auto& [why, rows] : without_schema_) {
      out += fmt::format("; {} rows by the table map's types alone: {}", rows, why);
    }
    if (undecided_ != 0) {
      out +=
          fmt::format("; {} partial updates of documents that the row does not hold", undecided_);
    }
    return out;
  }
  int rows() const { return rows_; }
  int values() const { return values_; }
  const std::map<std::string, int>& without_schema() const { return without_schema_; }

 private:
  void Take(const Event& event) {
    ++events_;
    if (event.header.type == EventType::kTransactionPayload) {
      auto payload = PayloadReader::Open(event, 1 << 20);
      ASSERT_TRUE(payload.ok()) << name_ << ": " << Text(payload.status());
      for (auto inner = payload->Next(); inner.ok() && *inner; inner = payload->Next()) {
        Take(**inner);
      }
    } else if (event.header.type == EventType::kQuery ||
               event.header.type == EventType::kMariadbQueryCompressed) {
      auto query = ParseQuery(event);
      ASSERT_TRUE(query.ok()) << name_ << ": " << Text(query.status());
      schema_.Follow(*query);
    } else if (event.header.type == EventType::kTableMap) {
      auto map = ParseTableMap(event, format_);
      ASSERT_TRUE(map.ok()) << name_ << ": " << Text(map.status());
      const uint64_t id = map->table_id;
      maps_.insert_or_assign(id, *std::move(map));
    } else if (auto rows = ParseRowsEvent(event, format_); rows.ok()) {
      TakeRows(*rows);
    }
  }

  void TakeRows(const RowsEvent& rows) {
    if (rows.table_id == kDummyTableId) return;
    TableMap& map = maps_.at(rows.table_id);
    const std::string table = map.schema + "." + map.table;
    LogSchema::Table* known = schema_.TableOf(map.schema, map.table);
    const bool has_schema = known != nullptr;
    if (!has_schema) {
      known = Assumed(map);
      map.raw_metadata.clear();  // names and signs that were not assumed
    }
    auto fits = known->codec->CheckTableMap(map, schema_.server().mariadb());
    ASSERT_TRUE(fits.ok()) << name_ << ": " << Text(fits);
    RowSlices before, after;
    for (RowCursor cursor(map, rows); !cursor.AtEnd(); ++next_) {
      absl::Status status = cursor.Next(&before, &after);
      ASSERT_TRUE(status.ok()) << name_ << ": " << Text(status);
      ASSERT_LT(next_, printed_.size()) << name_ << ": rows that the tool does not print";
      const PrintedRow& printed = printed_[next_];
      constexpr const char* kVerbs[] = {"INSERT", "UPDATE", "DELETE"};
      ASSERT_EQ(printed.verb, kVerbs[static_cast<int>(rows.kind)]) << name_;
      ASSERT_EQ(printed.table, table) << name_;
      ++rows_;
      if (!has_schema) ++without_schema_[schema_.WhyNot(map.schema, map.table)];
      if (rows.kind != RowKind::kInsert) Compare(*known, map, before, printed.before);
      if (rows.kind == RowKind::kDelete) continue;
      std::map<int, std::string> expected = printed.after;
      std::vector<std::string> documents(after.size());
      ApplyDiffs(before, printed.before, &after, &documents, &expected);
      Compare(*known, map, after, expected);
    }
  }

  // A table as its map alone tells it: numbers signed, strings as bytes, labels by number.
  LogSchema::Table* Assumed(const TableMap& map) {
    assumed_ = std::make_unique<LogSchema>(format_.server_version);
    std::string columns;
    for (size_t i = 0; i < map.columns.size(); ++i) {
      columns += fmt::format("{}c{} {}", i == 0 ? "" : ", ", i, TypeText(map.columns[i]));
    }
    assumed_->Run(fmt::format("CREATE TABLE s.t({})", columns), assumed_->server());
    LogSchema::Table* table = assumed_->TableOf("s", "t");
    if (table == nullptr) throw std::runtime_error(assumed_->WhyNot("s", "t") + ": " + columns);
    return table;
  }

  // Partial JSON: ours is the document in binary form with the diffs applied; theirs is the printed
  // expression over the printed document. A MINIMAL row holds no document: the replica refuses
  // those by name (transaction_forms_test.cc).
  void ApplyDiffs(const RowSlices& before, const std::map<int, std::string>& printed_before,
                  RowSlices* after, std::vector<std::string>* documents,
                  std::map<int, std::string>* expected) {
    for (size_t i = 0; i < after->size(); ++i) {
      Slice& slice = (*after)[i];
      const int column = static_cast<int>(i) + 1;
      if (!slice.json_diff) continue;
      if (before[i].state != Slice::kValue) {
        ++undecided_;
        slice.state = Slice::kAbsent;
        slice.json_diff = false;
        expected->erase(column);
        continue;
      }
      auto document = worker::encode::ApplyJsonDiffs({before[i].data, before[i].size},
                                                     {slice.data, slice.size});
      ASSERT_TRUE(document.ok()) << name_ << ": " << Text(document.status());
      (*documents)[i] = *document;
      slice = {(*documents)[i].data(), static_cast<uint32_t>(document->size()), Slice::kValue};
      const std::string& printed = printed_before.at(column);
      (*expected)[column] =
          "'" + AfterPartialUpdate(expected->at(column), printed.substr(1, printed.size() - 2)) +
          "'";
      partial_.insert(column);
    }
  }

  void Compare(LogSchema::Table& table, const TableMap& map, const RowSlices& row,
               const std::map<int, std::string>& printed) {
    std::string line;
    auto status = table.codec->AppendJson(map, row, Codec::Columns::kAllColumns, &line);
    ASSERT_TRUE(status.ok()) << name_ << ": " << Text(status);
    const json object = json::parse(UnescapeCopy(line));
    EXPECT_EQ(object.size(), printed.size()) << name_ << ": " << map.table;
    for (const auto& [column, text] : printed) {
      const v1::ColumnDef& def = table.def.columns(column - 1);
      const auto& target = table.plan.columns(column - 1).target_name();
      ASSERT_TRUE(object.contains(target)) << name_ << ": " << map.table << "." << target;
      std::optional<std::string> literal;
      if (!object[target].is_null()) literal = object[target].get<std::string>();
      ++values_;
      if (partial_.erase(column) != 0) {  // printed by another hand, so compared as a document
        EXPECT_EQ(json::parse(*literal), json::parse(text.substr(1, text.size() - 2))) << name_;
        continue;
      }
      EXPECT_EQ(Difference(def, tool_, text, literal), "")
          << name_ << ": " << map.table << "." << target << " (" << def.column_type() << ") is "
          << literal.value_or("NULL") << ", printed " << text;
    }
  }

  const std::string name_;
  LogSchema schema_;
  const Tool tool_;
  const std::vector<PrintedRow> printed_;
  size_t next_ = 0;
  FormatDescription format_;
  std::map<uint64_t, TableMap> maps_;
  std::unique_ptr<LogSchema> assumed_;
  std::map<std::string, int> without_schema_;  // rows, by the reason
  std::set<int> partial_;
  int events_ = 0, rows_ = 0, values_ = 0, undecided_ = 0;
};

// The schema of the first table map.
std::string SchemaOf(const BinlogFile& file) {
  EventParser parser;
  for (const std::string& raw : file.events) {
    auto event = parser.Parse(raw);
    if (!event.ok() || event->header.type != EventType::kTableMap) continue;
    if (auto map = ParseTableMap(*event, parser.format()); map.ok()) return map->schema;
  }
  return "";
}

// A binary log is often the tail of a story: the script beside it tells the beginning.
void LearnFrom(const std::filesystem::path& script, const BinlogFile& file, LogSchema* schema) {
  if (!std::filesystem::exists(script)) return;
  worker::ddl::SessionContext context = schema->server();
  context.default_database = SchemaOf(file);
  for (const std::string& statement : SplitScript(ReadFile(script))) {
    const auto parsed = worker::ddl::Parse(statement, context);
    if (std::holds_alternative<worker::ddl::CreateTable>(parsed)) schema->Run(statement, context);
  }
}

Comparison Compared(const BinlogFile& file, const std::filesystem::path& path) {
  const auto script = path.parent_path() / "sql.sql";
  const std::string version = ServerVersionOf(file.events);
  const auto learn = [&](LogSchema* schema) { LearnFrom(script, file, schema); };
  Comparison comparison(file.name, version, FittingCharset(file.events, learn), PrintLog(path));
  learn(&comparison.schema());
  comparison.Take(file);
  fmt::print("{}: {}\n", file.name, comparison.Summary());
  return comparison;
}

TEST(LogRowsTest, OfTheCorpusAreWhatTheToolsPrint) {
  SKIP_WITHOUT_CORPUS();
  if (Without("CHAMELEON_WITHOUT_MYSQL")) GTEST_SKIP() << "mysqlbinlog is not there";
  int rows = 0, values = 0, without_schema = 0;
  for (const BinlogFile& file : CorpusBinlogs()) {
    if (file.name.starts_with("dolt/")) continue;  // statements, no log: see binlog_walk_test.cc
    const auto comparison = Compared(file, CorpusDir() / "binlogs" / file.name);
    rows += comparison.rows();
    values += comparison.values();
    for (const auto& [why, count] : comparison.without_schema()) {
      without_schema += count;
      EXPECT_EQ(why, "no statement in the log creates it") << file.name;
    }
  }
  fmt::print("{} rows, {} values compared; {} of the rows without a schema\n", rows, values,
             without_schema);
  EXPECT_GT(rows, 47'000);
}

// Not mariadb1011_oldtime: without the digits, which no table map has, mariadb-binlog cannot read
// on (own_binlogs_test.cc does).
TEST(LogRowsTest, OfOurLogsAreWhatTheToolsPrint) {
  if (Without("CHAMELEON_WITHOUT_MYSQL")) GTEST_SKIP() << "mysqlbinlog is not there";
  for (const char* name : {"mysql97", "mariadb1011"}) {
    const auto file = OwnBinlog(name);
    const auto comparison = Compared(file, OwnBinlogDir() / (file.name + ".binlog"));
    EXPECT_GT(comparison.rows(), 0);
  }
}

}  // namespace
}  // namespace chameleon::test
