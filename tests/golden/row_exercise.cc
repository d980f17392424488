#include "tests/golden/row_exercise.h"

#include <cstdlib>
#include <string>
#include <vector>

#include "worker/encode/escape.h"
#include "worker/encode/json_diff.h"

namespace chameleon::test {

using namespace worker::binlog;
using Codec = worker::encode::TableCodec;

namespace {

constexpr size_t kInnerEventBytesMax = 1 << 20;

// One COPY field with one JSON object.
void CheckJson(const std::string& line) {
  if (!line.starts_with('{') || !line.ends_with('}')) std::abort();
  if (line.find_first_of("\t\n\r") != std::string::npos) std::abort();
  std::string again;
  const auto flaws = worker::encode::AppendText(line, worker::encode::Escape::kNone, &again);
  if (flaws.nul != 0 || flaws.undecodable != 0) std::abort();
}

// The image written anew is the same row.
void CheckImage(const TableMap& map, const RowSlices& row) {
  for (const Slice& slice : row) {
    if (slice.json_diff) return;
  }
  std::string present, image;
  JoinImage(map, row, false, &present, &image);
  RowSlices again;
  if (!SliceImage(map, present, image, &again).ok() || again.size() != row.size()) std::abort();
  for (size_t i = 0; i < row.size(); ++i) {
    if (row[i].state != again[i].state) std::abort();
    if (row[i].state == Slice::kValue && std::string_view(row[i].data, row[i].size) !=
                                             std::string_view(again[i].data, again[i].size)) {
      std::abort();
    }
  }
}

void ApplyDiffs(const RowSlices& before, const RowSlices& after) {
  for (size_t i = 0; i < after.size() && i < before.size(); ++i) {
    if (!after[i].json_diff || before[i].state != Slice::kValue) continue;
    worker::encode::ApplyJsonDiffs({before[i].data, before[i].size}, {after[i].data, after[i].size})
        .status()
        .IgnoreError();
  }
}

}  // namespace

absl::Status RowExercise::TakeRow(LogSchema::Table& table, const TableMap& map,
                                  const RowSlices& row, std::string_view present) {
  absl::Status first;
  for (const auto columns :
       {Codec::Columns::kAllColumns, Codec::Columns::kAllOrDefault, Codec::Columns::kKeyColumns}) {
    std::string line;
    const absl::Status status = table.codec->AppendJson(map, row, columns, &line);
    if (status.ok()) CheckJson(line);
    if (!status.ok() && !line.empty()) std::abort();
    first.Update(status);
  }
  std::string key, value;
  table.codec->AppendKey(row, &key).IgnoreError();
  table.codec->KeyText(map, row);
  for (size_t i = 0; i < row.size(); ++i) {
    if (row[i].state == Slice::kValue && !row[i].json_diff) {
      table.codec->AppendJsonValue(map, row, i, &value).IgnoreError();
    }
  }
  table.codec->TakeLosses();
  if (!present.empty()) CheckImage(map, row);
  return first;
}

absl::Status RowExercise::TakeRows(const RowsEvent& rows) {
  if (rows.table_id == kDummyTableId) return absl::OkStatus();
  const auto it = maps_.find(rows.table_id);
  if (it == maps_.end()) return absl::DataLossError("rows without a table map");
  TableMap& map = it->second;
  LogSchema::Table* table = schema_->TableOf(map.schema, map.table);
  if (table == nullptr) return absl::OkStatus();
  auto fits = table->codec->CheckTableMap(map, schema_->server().mariadb());
  if (!fits.ok()) return fits;
  RowSlices before, after;
  absl::Status first;
  for (RowCursor cursor(map, rows); !cursor.AtEnd();) {
    const absl::Status status = cursor.Next(&before, &after);
    if (!status.ok()) return status;
    ++rows_;
    if (rows.kind != RowKind::kInsert) {
      first.Update(TakeRow(*table, map, before, rows.present_before));
    }
    if (rows.kind == RowKind::kUpdate) ApplyDiffs(before, after);
    if (rows.kind != RowKind::kDelete) {
      first.Update(TakeRow(*table, map, after, rows.present_after));
    }
  }
  return first;
}

absl::Status RowExercise::TakeEvent(const Event& event) {
  switch (event.header.type) {
    case EventType::kQuery:
    case EventType::kMariadbQueryCompressed: {
      auto query = ParseQuery(event);
      if (query.ok()) schema_->Follow(*query);
      return query.status();
    }
    case EventType::kTableMap: {
      auto map = ParseTableMap(event, format());
      if (!map.ok()) return map.status();
      const uint64_t id = map->table_id;
      maps_.insert_or_assign(id, *std::move(map));
      return absl::OkStatus();
    }
    case EventType::kTransactionPayload: {
      auto payload = PayloadReader::Open(event, kInnerEventBytesMax);
      if (!payload.ok()) return payload.status();
      absl::Status first;
      for (auto inner = payload->Next(); inner.ok() && *inner; inner = payload->Next()) {
        if ((*inner)->header.type != EventType::kTransactionPayload) {
          first.Update(TakeEvent(**inner));
        }
      }
      return first;
    }
    default: {
      auto rows = ParseRowsEvent(event, format());
      if (!rows.ok()) return absl::OkStatus();  // another type, or damaged: event_fuzzer
      return TakeRows(*rows);
    }
  }
}

absl::Status RowExercise::Take(std::string_view raw) {
  absl::StatusOr<Event> event = parser_.Parse(raw);
  return event.ok() ? TakeEvent(*event) : event.status();
}

}  // namespace chameleon::test
