#include "worker/encode/table_codec.h"

#include <utility>

#include "fmt/format.h"
#include "proto/wire/error.h"
#include "worker/encode/column_codec.h"
#include "worker/encode/default_literal.h"
#include "worker/encode/sink.h"
#include "worker/encode/table_check.h"

namespace chameleon::worker::encode {
namespace {

using binlog::RowSlices;
using binlog::Slice;
using binlog::TableMap;

// jsonb: "total size of jsonb object elements exceeds the maximum of 268435455 bytes".
constexpr size_t kJsonBytesMax = 268435455;
constexpr size_t kKeyTextBytesMax = 64;  // per column, in messages

std::string Quoted(std::string_view name, char quote) {
  std::string text(1, quote);
  for (const char c : name) {
    if (c == quote) text.push_back(quote);
    text.push_back(c);
  }
  text.push_back(quote);
  return text;
}

bool IsOldTemporal(binlog::ColumnType type) {
  return type == binlog::ColumnType::kTime || type == binlog::ColumnType::kDatetime ||
         type == binlog::ColumnType::kTimestamp;
}

std::string Example(const std::string& column, const std::string& key) {
  return fmt::format("column {}{}{}", column, key.empty() ? "" : ", ", key);
}

struct Column {
  size_t index = 0;         // in the row image
  std::string name;         // source name, for messages
  std::string json_prefix;  // "name": escaped for JSON and COPY
  bool is_key = false;
  ColumnCodecPtr codec;
};

class TableCodecImpl : public TableCodec {
 public:
  static absl::StatusOr<std::unique_ptr<TableCodec>> Make(const v1::TableDef& def,
                                                          const v1::TablePlan& plan);

  std::string SelectList() const override { return select_list_; }
  std::string CopyColumns() const override { return copy_columns_; }
  absl::Status AppendTextRow(const char* const* values, const unsigned long* lengths,
                             std::string* out) override;
  absl::Status CheckTableMap(TableMap& map, bool is_mariadb) override;
  absl::Status AppendJson(const TableMap& map, const RowSlices& row, Columns columns,
                          std::string* out) override;
  absl::Status AppendJsonValue(const TableMap& map, const RowSlices& row, size_t index,
                               std::string* out) override;
  absl::Status AppendKey(const RowSlices& row, std::string* out) const override;
  std::string KeyText(const TableMap& map, const RowSlices& row) override;
  LossCounts TakeLosses() override { return sink_.TakeLosses(); }

 private:
  absl::Status TryTextRow(const char* const* values, const unsigned long* lengths,
                          std::string* out);
  absl::Status TryJson(const TableMap& map, const RowSlices& row, Columns columns,
                       std::string* out);
  template <typename Missing, typename Value>
  std::string KeyTextOf(Missing missing, Value value);
  template <typename Missing, typename Value>
  void NameExamples(Missing missing, Value value);
  absl::Status AddColumn(int index, const v1::ColumnPlan& plan);
  absl::Status Damaged(const Column& column) const;
  absl::Status KeyLost(const Column& column) const;
  absl::Status KeyAbsent(const Column* column) const;
  absl::Status NoDefault(const Column& column) const;
  // After a literal or NULL: what forbids going on.
  absl::Status Check(const Column& column, Outcome outcome) const {
    if (outcome == Outcome::kDamaged) [[unlikely]]
      return Damaged(column);
    if (column.is_key && sink_.lost() != 0) [[unlikely]]
      return KeyLost(column);
    return absl::OkStatus();
  }

  v1::TableDef def_;
  std::string table_;            // "shop.orders"
  std::vector<Column> columns_;  // without the omitted ones
  bool has_key_ = false;
  std::string select_list_, copy_columns_;
  Sink sink_;
};

absl::StatusOr<std::unique_ptr<TableCodec>> TableCodecImpl::Make(const v1::TableDef& def,
                                                                 const v1::TablePlan& plan) {
  auto codec = std::make_unique<TableCodecImpl>();
  codec->def_ = def;
  codec->table_ = fmt::format("{}.{}", def.name().schema(), def.name().table());
  if (def.columns_size() != plan.columns_size()) {
    return Error(absl::StatusCode::kInvalidArgument, "PLAN_MISMATCH", codec->table_,
                 fmt::format("table {}: the definition has {} columns, the plan {}", codec->table_,
                             def.columns_size(), plan.columns_size()),
                 "");
  }
  for (int i = 0; i < def.columns_size(); ++i) {
    if (plan.columns(i).omitted()) continue;
    const absl::Status status = codec->AddColumn(i, plan.columns(i));
    if (!status.ok()) return WithContext(status, fmt::format("table {}", codec->table_));
  }
  return std::unique_ptr<TableCodec>(std::move(codec));
}

absl::Status TableCodecImpl::AddColumn(int index, const v1::ColumnPlan& plan) {
  const v1::ColumnDef& def = def_.columns(index);
  absl::StatusOr<ColumnCodecPtr> codec = MakeColumnCodec(def, plan.encoding());
  if (!codec.ok()) return codec.status();
  Column column;
  column.index = static_cast<size_t>(index);
  column.name = def.name();
  column.is_key = plan.is_key();
  column.json_prefix = "\"";
  AppendText(plan.target_name(), Escape::kJsonInCopy, &column.json_prefix);
  column.json_prefix += "\":";
  column.codec = *std::move(codec);
  if (!select_list_.empty()) {
    select_list_ += ", ";
    copy_columns_ += ", ";
  }
  select_list_ += column.codec->SelectExpression(Quoted(def.name(), '`'));
  copy_columns_ += Quoted(plan.target_name(), '"');
  has_key_ = has_key_ || column.is_key;
  columns_.push_back(std::move(column));
  return absl::OkStatus();
}

absl::Status TableCodecImpl::AppendTextRow(const char* const* values, const unsigned long* lengths,
                                           std::string* out) {
  const size_t begin = out->size();
  absl::Status status = TryTextRow(values, lengths, out);
  if (!status.ok()) out->resize(begin);
  return status;
}

absl::Status TableCodecImpl::TryTextRow(const char* const* values, const unsigned long* lengths,
                                        std::string* out) {
  sink_.Bind(Escape::kCopy, true, out);
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (i != 0) out->push_back('\t');
    if (values[i] == nullptr) {
      out->append("\\N", 2);
      continue;
    }
    const Column& column = columns_[i];
    sink_.BeginColumn(&column.name);
    const Outcome outcome = column.codec->FromText({values[i], lengths[i]}, sink_);
    if (absl::Status status = Check(column, outcome); !status.ok()) return status;
    if (outcome == Outcome::kNull) out->append("\\N", 2);
  }
  out->push_back('\n');
  NameExamples([&](size_t i) { return values[i] != nullptr ? nullptr : "NULL"; },
               [&](size_t i) {
                 return columns_[i].codec->FromText({values[i], lengths[i]}, sink_);
               });
  return absl::OkStatus();
}

// value(i) appends column i to the sink; missing(i): what to say if it has no value, or nullptr.
template <typename Missing, typename Value>
std::string TableCodecImpl::KeyTextOf(Missing missing, Value value) {
  std::string text, literal;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (!columns_[i].is_key) continue;
    if (!text.empty()) text += ", ";
    text += columns_[i].name + "=";
    if (const char* const word = missing(i); word != nullptr) {
      text += word;
      continue;
    }
    literal.clear();
    sink_.Bind(Escape::kNone, false, &literal);
    sink_.BeginColumn(&columns_[i].name);
    if (value(i) != Outcome::kLiteral) literal = "(unreadable)";
    if (literal.size() > kKeyTextBytesMax) {
      size_t cut = kKeyTextBytesMax;
      while (cut > 0 && (literal[cut] & 0xC0) == 0x80) --cut;  // not inside a character
      literal.resize(cut);
      literal += "…";
    }
    text += literal;
  }
  return text;
}

template <typename Missing, typename Value>
void TableCodecImpl::NameExamples(Missing missing, Value value) {
  if (!sink_.has_fresh_examples()) [[likely]]
    return;
  const std::string key = KeyTextOf(missing, value);
  sink_.NameExamples([&](const std::string& name) { return Example(name, key); });
}

absl::Status TableCodecImpl::CheckTableMap(TableMap& map, bool is_mariadb) {
  absl::StatusOr<binlog::TableMetadata> metadata = binlog::ParseTableMetadata(map, is_mariadb);
  if (!metadata.ok()) return WithContext(metadata.status(), fmt::format("table {}", table_));
  if (absl::Status status = CheckTable(def_, map, *metadata, is_mariadb); !status.ok())
    return status;
  for (size_t i = 0; i < static_cast<size_t>(def_.columns_size()); ++i) {
    const auto fsp = static_cast<uint8_t>(def_.columns(static_cast<int>(i)).fsp());
    if (fsp != 0 && IsOldTemporal(map.columns[i].type)) binlog::LayOut(&map.columns[i], fsp);
  }
  return absl::OkStatus();
}

absl::Status TableCodecImpl::AppendJson(const TableMap& map, const RowSlices& row, Columns columns,
                                        std::string* out) {
  const size_t begin = out->size();
  absl::Status status = TryJson(map, row, columns, out);
  if (status.ok() && out->size() - begin > kJsonBytesMax) {
    status = Error(absl::StatusCode::kFailedPrecondition, "ROW_TOO_LARGE", table_,
                   fmt::format("table {}: the row {} needs {} bytes in the log, more than the {} "
                               "that jsonb can hold",
                               table_, KeyText(map, row), out->size() - begin, kJsonBytesMax),
                   "Make the value smaller, or exclude the table with skip_tables.");
  }
  if (!status.ok()) out->resize(begin);
  return status;
}

absl::Status TableCodecImpl::TryJson(const TableMap& map, const RowSlices& row, Columns columns,
                                     std::string* out) {
  const bool key_only = columns == Columns::kKeyColumns;
  if (key_only && !has_key_) return KeyAbsent(nullptr);
  if (row.size() < static_cast<size_t>(def_.columns_size()) || map.columns.size() != row.size()) {
    return absl::InternalError(
        fmt::format("table {}: a row of {} columns where the definition has {}", table_, row.size(),
                    def_.columns_size()));
  }
  sink_.Bind(Escape::kJsonInCopy, !key_only, out);
  char separator = '{';
  for (const Column& column : columns_) {
    if (key_only && !column.is_key) continue;
    const Slice& slice = row[column.index];
    if (slice.state == Slice::kAbsent) {
      if (key_only) return KeyAbsent(&column);
      if (columns == Columns::kAllColumns) continue;
    }
    out->push_back(separator);
    separator = ',';
    out->append(column.json_prefix);
    if (slice.state == Slice::kNull) {
      out->append("null", 4);
      continue;
    }
    if (slice.json_diff) {
      return Error(absl::StatusCode::kFailedPrecondition, "PARTIAL_JSON", table_,
                   fmt::format("table {}: column {} was logged as a partial JSON update", table_,
                               column.name),
                   "Unset binlog_row_value_options on the source and copy the table again.");
    }
    const size_t mark = out->size();
    out->push_back('"');
    sink_.BeginColumn(&column.name);
    const Outcome outcome =
        slice.state == Slice::kAbsent
            ? AppendDefault(def_.columns(static_cast<int>(column.index)), column.codec.get(), sink_)
            : column.codec->FromBinlog(map.columns[column.index], {slice.data, slice.size}, sink_);
    if (slice.state == Slice::kAbsent && outcome == Outcome::kDamaged) return NoDefault(column);
    if (absl::Status status = Check(column, outcome); !status.ok()) return status;
    if (outcome == Outcome::kNull) {
      out->replace(mark, std::string::npos, "null");
    } else {
      out->push_back('"');
    }
  }
  if (separator == '{') out->push_back('{');
  out->push_back('}');
  if (sink_.has_fresh_examples()) [[unlikely]] {
    const std::string key = KeyText(map, row);
    sink_.NameExamples([&](const std::string& name) { return Example(name, key); });
  }
  return absl::OkStatus();
}

absl::Status TableCodecImpl::AppendJsonValue(const TableMap& map, const RowSlices& row,
                                             size_t index, std::string* out) {
  for (const Column& column : columns_) {
    if (column.index != index) continue;
    const Slice& slice = row[index];
    if (slice.state == Slice::kNull) {
      out->append("null", 4);
      return absl::OkStatus();
    }
    sink_.Bind(Escape::kJsonInCopy, false, out);
    sink_.BeginColumn(&column.name);
    out->push_back('"');
    const Outcome outcome =
        column.codec->FromBinlog(map.columns[index], {slice.data, slice.size}, sink_);
    out->push_back('"');
    if (outcome == Outcome::kDamaged) return Damaged(column);
    return outcome == Outcome::kNull || sink_.lost() != 0 ? KeyLost(column) : absl::OkStatus();
  }
  return absl::FailedPreconditionError("the column is not carried");
}

absl::Status TableCodecImpl::AppendKey(const RowSlices& row, std::string* out) const {
  if (!has_key_) return KeyAbsent(nullptr);
  for (const Column& column : columns_) {
    if (!column.is_key) continue;
    if (column.index >= row.size() || row[column.index].state == Slice::kAbsent) {
      return KeyAbsent(&column);
    }
    const Slice& slice = row[column.index];
    // A NULL differs from the empty value.
    const uint32_t size = slice.state == Slice::kNull ? UINT32_MAX : slice.size;
    out->append(reinterpret_cast<const char*>(&size), sizeof size);
    if (slice.state == Slice::kValue) out->append(slice.data, slice.size);
  }
  return absl::OkStatus();
}

std::string TableCodecImpl::KeyText(const TableMap& map, const RowSlices& row) {
  const auto slice = [&](size_t i) {
    const size_t index = columns_[i].index;
    return index < row.size() && index < map.columns.size() ? row[index] : Slice();
  };
  return KeyTextOf(
      [&](size_t i) -> const char* {
        if (slice(i).state == Slice::kValue) return nullptr;
        return slice(i).state == Slice::kNull ? "NULL" : "(absent)";
      },
      [&](size_t i) {
        return columns_[i].codec->FromBinlog(map.columns[columns_[i].index],
                                             {slice(i).data, slice(i).size}, sink_);
      });
}

absl::Status TableCodecImpl::Damaged(const Column& column) const {
  return Error(absl::StatusCode::kDataLoss, "VALUE_UNDECODABLE", table_,
               fmt::format("table {}: column {} holds {}", table_, column.name, sink_.problem()),
               "");
}

absl::Status TableCodecImpl::KeyLost(const Column& column) const {
  return Error(absl::StatusCode::kFailedPrecondition, "KEY_NOT_EXACT", table_,
               fmt::format("table {}: key column {} holds a value that PostgreSQL cannot keep ({})",
                           table_, column.name, LossName(sink_.first_loss())),
               "Change the value in the source, or map the column to another type with "
               "type_override, then copy the table again with sync_tables.");
}

absl::Status TableCodecImpl::KeyAbsent(const Column* column) const {
  if (column == nullptr) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_KEY", table_,
                 fmt::format("table {} has no key", table_),
                 "Give the table a primary key, then copy it again with sync_tables.");
  }
  return Error(
      absl::StatusCode::kFailedPrecondition, "KEY_ABSENT", table_,
      fmt::format("table {}: key column {} is absent from a row image", table_, column->name),
      "Set binlog_row_image=FULL on the source.");
}

absl::Status TableCodecImpl::NoDefault(const Column& column) const {
  return Error(
      absl::StatusCode::kFailedPrecondition, "COLUMN_ABSENT", table_,
      fmt::format("table {}: column {} is absent from a row that was inserted, and the log "
                  "does not tell it ({})",
                  table_, column.name, sink_.problem()),
      "Set binlog_row_image=FULL on the source, then copy the table again with "
      "sync_tables.");
}

}  // namespace

absl::StatusOr<std::unique_ptr<TableCodec>> TableCodec::Create(const v1::TableDef& def,
                                                               const v1::TablePlan& plan) {
  return TableCodecImpl::Make(def, plan);
}

}  // namespace chameleon::worker::encode
