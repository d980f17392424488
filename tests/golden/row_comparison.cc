#include "tests/golden/row_comparison.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "proto/wire/error.h"
#include "worker/encode/json_diff.h"

namespace chameleon::test {

using namespace worker::binlog;
using nlohmann::json;
using Codec = worker::encode::TableCodec;

namespace {

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
      return "";  // not without a schema
  }
}

}  // namespace

RowComparison::RowComparison(std::string name, const std::string& version,
                             const std::string& charset, const PrintedLog& printed)
    : name_(std::move(name)),
      schema_(version, charset),
      tool_(printed.tool),
      tool_reached_end_(printed.to_the_end),
      printed_(PrintedRows(printed.text)) {}

absl::Status RowComparison::Take(const std::vector<std::string>& events) {
  EventParser parser;
  for (const std::string& raw : events) {
    auto event = parser.Parse(raw);
    if (!event.ok()) return event.status();
    format_ = parser.format();
    if (auto status = Take(*event); !status.ok()) return status;
  }
  if (tool_reached_end_) {
    EXPECT_EQ(next_, printed_.size()) << name_ << ": rows that we do not see";
  }
  return absl::OkStatus();
}

std::string RowComparison::Summary() const {
  std::string out = fmt::format("{} events, {} rows, {} values compared", events_, rows_, values_);
  for (const auto& [why, rows] : without_schema_) {
    out += fmt::format("; {} rows by the table map's types alone: {}", rows, why);
  }
  for (const auto& [why, rows] : stopped_) {
    out += fmt::format("; {} rows of a stopped table: {}", rows, why);
  }
  if (undecided_ != 0) {
    out += fmt::format("; {} partial updates of documents that the row does not hold", undecided_);
  }
  return out;
}

absl::Status RowComparison::Take(const Event& event) {
  ++events_;
  if (event.header.type == EventType::kStartV3) return RefusedEvent(event.header.type);
  if (event.header.type == EventType::kTransactionPayload) {
    auto payload = PayloadReader::Open(event, 1 << 20);
    if (!payload.ok()) return payload.status();
    for (;;) {
      auto inner = payload->Next();
      if (!inner.ok()) return inner.status();
      if (!*inner) return absl::OkStatus();
      if (auto status = Take(**inner); !status.ok()) return status;
    }
  }
  if (event.header.type == EventType::kQuery ||
      event.header.type == EventType::kMariadbQueryCompressed) {
    auto query = ParseQuery(event);
    if (query.ok()) schema_.Follow(*query);
    return query.status();
  }
  if (event.header.type == EventType::kTableMap) {
    auto map = ParseTableMap(event, format_);
    if (!map.ok()) return map.status();
    const uint64_t id = map->table_id;
    maps_.insert_or_assign(id, *std::move(map));
    return absl::OkStatus();
  }
  if (!IsRowsEvent(event.header.type)) return absl::OkStatus();
  auto rows = ParseRowsEvent(event, format_);
  return rows.ok() ? TakeRows(*rows) : rows.status();
}

absl::Status RowComparison::TakeRows(const RowsEvent& rows) {
  if (rows.table_id == kDummyTableId) return absl::OkStatus();
  const auto it = maps_.find(rows.table_id);
  if (it == maps_.end()) {
    return Error(absl::StatusCode::kDataLoss, "TABLE_MAP_MISSING", name_,
                 "rows without a table map", "");
  }
  ++row_events_;
  TableMap& map = it->second;
  std::string why_not;
  LogSchema::Table* table = TableOf(&map, &why_not);
  RowSlices before, after;
  for (RowCursor cursor(map, rows); !cursor.AtEnd(); ++next_) {
    absl::Status status = cursor.Next(&before, &after);
    if (absl::IsFailedPrecondition(status)) {
      ++stopped_[Text(status)];
      return absl::OkStatus();
    }
    if (!status.ok()) return status;
    if (next_ >= printed_.size()) {
      EXPECT_FALSE(tool_reached_end_) << name_ << ": rows that the tool does not print";
      return absl::OkStatus();
    }
    if (table == nullptr) continue;
    ++rows_;
    if (!why_not.empty()) ++without_schema_[why_not];
    status = TakeRow(*table, map, rows.kind, before, &after);
    if (absl::IsFailedPrecondition(status)) {
      ++stopped_[Text(status)];
    } else if (!status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status RowComparison::TakeRow(LogSchema::Table& table, const TableMap& map, RowKind kind,
                                    const RowSlices& before, RowSlices* after) {
  constexpr const char* kVerbs[] = {"INSERT", "UPDATE", "DELETE"};
  const PrintedRow& printed = printed_[next_];
  EXPECT_EQ(printed.verb, kVerbs[static_cast<int>(kind)]) << name_;
  EXPECT_EQ(printed.table, map.schema + "." + map.table) << name_;
  if (kind != RowKind::kInsert) {
    if (auto status = Compare(table, map, before, printed.before); !status.ok()) return status;
  }
  if (kind == RowKind::kDelete) return absl::OkStatus();
  std::map<int, std::string> expected = printed.after;
  std::vector<std::string> documents(after->size());
  ApplyDiffs(before, printed.before, after, &documents, &expected);
  return Compare(table, map, *after, expected);
}

// The table as a statement has made it; else by its map alone, and `why_not` says why. Null: its
// map does not tell enough.
LogSchema::Table* RowComparison::TableOf(TableMap* map, std::string* why_not) {
  LogSchema::Table* known = schema_.TableOf(map->schema, map->table);
  if (known == nullptr) {
    *why_not = schema_.WhyNot(map->schema, map->table);
  } else {
    auto fits = known->codec->CheckTableMap(*map, schema_.server().mariadb());
    if (fits.ok()) return known;
    ++stopped_[Text(fits)];
    *why_not = "it does not fit the log's statements";
  }
  map->raw_metadata.clear();  // names and signs that are not assumed
  known = Assumed(*map);
  if (known == nullptr) {
    ++stopped_[fmt::format("{}.{}: {}", map->schema, map->table, *why_not)];
    return nullptr;
  }
  auto fits = known->codec->CheckTableMap(*map, schema_.server().mariadb());
  EXPECT_TRUE(fits.ok()) << name_ << ": " << Text(fits);
  return known;
}

// A table as its map alone tells it: numbers signed, strings as bytes, labels by number.
LogSchema::Table* RowComparison::Assumed(const TableMap& map) {
  assumed_ = std::make_unique<LogSchema>(format_.server_version);
  std::string columns;
  for (size_t i = 0; i < map.columns.size(); ++i) {
    const std::string type = TypeText(map.columns[i]);
    if (type.empty()) return nullptr;
    columns += fmt::format("{}c{} {}", i == 0 ? "" : ", ", i, type);
  }
  assumed_->Run(fmt::format("CREATE TABLE s.t({})", columns), assumed_->server());
  LogSchema::Table* table = assumed_->TableOf("s", "t");
  EXPECT_NE(table, nullptr) << name_ << ": " << assumed_->WhyNot("s", "t") << ": " << columns;
  return table;
}

// Partial JSON: ours is the document in binary form with the diffs applied; theirs is the printed
// expression over the printed document. A MINIMAL row holds no document: the replica refuses
// those by name (transaction_forms_test.cc).
void RowComparison::ApplyDiffs(const RowSlices& before,
                               const std::map<int, std::string>& printed_before, RowSlices* after,
                               std::vector<std::string>* documents,
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
    auto document =
        worker::encode::ApplyJsonDiffs({before[i].data, before[i].size}, {slice.data, slice.size});
    ASSERT_TRUE(document.ok()) << name_ << ": " << Text(document.status());
    (*documents)[i] = *document;
    slice = {(*documents)[i].data(), static_cast<uint32_t>(document->size()), Slice::kValue};
    const std::string& printed = printed_before.at(column);
    (*expected)[column] =
        "'" + AfterPartialUpdate(expected->at(column), printed.substr(1, printed.size() - 2)) + "'";
    partial_.insert(column);
  }
}

absl::Status RowComparison::Compare(LogSchema::Table& table, const TableMap& map,
                                    const RowSlices& row,
                                    const std::map<int, std::string>& printed) {
  std::string line;
  auto status = table.codec->AppendJson(map, row, Codec::Columns::kAllColumns, &line);
  if (!status.ok()) return status;
  const json object = json::parse(UnescapeCopy(line));
  EXPECT_EQ(object.size(), printed.size()) << name_ << ": " << map.table;
  for (const auto& [column, text] : printed) {
    const v1::ColumnDef& def = table.def.columns(column - 1);
    const auto& target = table.plan.columns(column - 1).target_name();
    EXPECT_TRUE(object.contains(target)) << name_ << ": " << map.table << "." << target;
    if (!object.contains(target)) continue;
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
  return absl::OkStatus();
}

}  // namespace chameleon::test
