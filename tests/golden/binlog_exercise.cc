#include "tests/golden/binlog_exercise.h"

#include <fmt/format.h>

#include "worker/binlog/gtid_set.h"

namespace chameleon::test {

using namespace worker::binlog;

namespace {

constexpr size_t kInnerEventBytesMax = 64 << 20;

template <typename T>
absl::Status StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

const char* ColumnTypeName(ColumnType type) {
  switch (type) {
    case ColumnType::kTiny:
      return "TINY";
    case ColumnType::kShort:
      return "SHORT";
    case ColumnType::kLong:
      return "LONG";
    case ColumnType::kFloat:
      return "FLOAT";
    case ColumnType::kDouble:
      return "DOUBLE";
    case ColumnType::kTimestamp:
      return "TIMESTAMP";
    case ColumnType::kLongLong:
      return "LONGLONG";
    case ColumnType::kInt24:
      return "INT24";
    case ColumnType::kDate:
      return "DATE";
    case ColumnType::kDatetime:
      return "DATETIME";
    case ColumnType::kYear:
      return "YEAR";
    case ColumnType::kVarchar:
      return "VARCHAR";
    case ColumnType::kBit:
      return "BIT";
    case ColumnType::kTimestamp2:
      return "TIMESTAMP2";
    case ColumnType::kDatetime2:
      return "DATETIME2";
    case ColumnType::kTime2:
      return "TIME2";
    case ColumnType::kJson:
      return "JSON";
    case ColumnType::kNewDecimal:
      return "NEWDECIMAL";
    case ColumnType::kEnum:
      return "ENUM";
    case ColumnType::kSet:
      return "SET";
    case ColumnType::kBlob:
      return "BLOB";
    case ColumnType::kString:
      return "STRING";
    default:
      return "OTHER";
  }
}

absl::Status ParseBody(const Event& event) {
  switch (event.header.type) {
    case EventType::kFormatDescription:
      return StatusOf(ParseFormatDescription(event));
    case EventType::kRotate:
      return StatusOf(ParseRotate(event));
    case EventType::kQuery:
    case EventType::kMariadbQueryCompressed:
      return StatusOf(ParseQuery(event));
    case EventType::kXid:
      return StatusOf(ParseXid(event));
    case EventType::kXaPrepare:
      return StatusOf(ParseXaPrepare(event));
    case EventType::kIncident:
      return StatusOf(ParseIncident(event));
    case EventType::kHeartbeat:
    case EventType::kHeartbeatV2:
      return StatusOf(ParseHeartbeat(event));
    case EventType::kGtid:
    case EventType::kAnonymousGtid:
    case EventType::kGtidTagged:
      return StatusOf(ParseMysqlGtid(event));
    case EventType::kMariadbGtid:
      return StatusOf(ParseMariadbGtid(event));
    case EventType::kMariadbGtidList:
      return StatusOf(ParseMariadbGtidList(event));
    case EventType::kPreviousGtids:
      return StatusOf(ParsePreviousGtids(event));
    default:
      return absl::OkStatus();
  }
}

// Walks to the end and touches every byte that a slice claims, so that a sanitizer sees it.
absl::Status WalkRows(const TableMap& map, const RowsEvent& rows, int* count) {
  RowCursor cursor(map, rows);
  RowSlices before, after;
  unsigned sum = 0;
  while (!cursor.AtEnd()) {
    if (absl::Status status = cursor.Next(&before, &after); !status.ok()) return status;
    for (const RowSlices* image : {&before, &after}) {
      for (const Slice& slice : *image) {
        for (uint32_t i = 0; i < slice.size; ++i) sum += static_cast<unsigned char>(slice.data[i]);
      }
    }
    ++*count;
  }
  volatile unsigned used = sum;
  (void)used;
  return absl::OkStatus();
}

}  // namespace

absl::Status BinlogWalker::TakeTableMap(const Event& event) {
  absl::StatusOr<TableMap> map = ParseTableMap(event, parser_.format());
  if (!map.ok()) return map.status();
  for (const ColumnMap& column : map->columns) ++tally_.column_types[ColumnTypeName(column.type)];
  absl::Status metadata = StatusOf(ParseTableMetadata(*map, is_mariadb()));
  uint64_t id = map->table_id;
  maps_.insert_or_assign(id, *std::move(map));
  return metadata;
}

absl::Status BinlogWalker::TakeRows(const Event& event) {
  absl::StatusOr<RowsEvent> rows = ParseRowsEvent(event, parser_.format());
  if (!rows.ok()) return rows.status();
  if (rows->table_id == kDummyTableId) return absl::OkStatus();
  auto map = maps_.find(rows->table_id);
  if (map == maps_.end()) return absl::DataLossError("rows without a table map");
  return WalkRows(map->second, *rows, &tally_.rows[rows->kind]);
}

absl::Status BinlogWalker::TakePayload(const Event& event) {
  auto reader = PayloadReader::Open(event, kInnerEventBytesMax);
  if (!reader.ok()) return reader.status();
  for (;;) {
    absl::StatusOr<std::optional<Event>> inner = reader->Next();
    if (!inner.ok()) return inner.status();
    if (!*inner) return absl::OkStatus();
    if (absl::Status status = TakeEvent(**inner, "payload:"); !status.ok()) return status;
  }
}

absl::Status BinlogWalker::TakeEvent(const Event& event, const std::string& prefix) {
  const std::string name = EventTypeName(static_cast<uint8_t>(event.header.type));
  ++tally_.events[prefix + name];
  if (DispositionOf(event.header) == Disposition::kRefused) return absl::OkStatus();
  if (event.header.type == EventType::kTableMap) return TakeTableMap(event);
  if (event.header.type == EventType::kTransactionPayload) return TakePayload(event);
  if (name.find("_ROWS_V") != std::string::npos ||
      name.find("_ROWS_COMPRESSED") != std::string::npos ||
      event.header.type == EventType::kPartialUpdateRows) {
    return TakeRows(event);
  }
  return ParseBody(event);
}

absl::Status BinlogWalker::Take(std::string_view raw) {
  absl::StatusOr<Event> event = parser_.Parse(raw);
  return event.ok() ? TakeEvent(*event, "") : event.status();
}

void BinlogWalker::TakeWithAllParsers(std::string_view raw) {
  if (raw.size() < kHeaderBytes) return;
  Event event;
  event.header.type = static_cast<EventType>(raw[4]);
  event.body = raw.substr(kHeaderBytes);
  const FormatDescription& format = parser_.format();
  auto map = ParseTableMap(event, format);
  if (map.ok()) {
    for (bool is_mariadb : {false, true}) ParseTableMetadata(*map, is_mariadb).IgnoreError();
  }
  auto rows = ParseRowsEvent(event, format);
  for (const auto& [id, known] : maps_) {
    int count = 0;
    if (rows.ok()) WalkRows(known, *rows, &count).IgnoreError();
  }
  for (int type = 0; type < 256; ++type) {
    event.header.type = static_cast<EventType>(type);
    ParseBody(event).IgnoreError();
  }
  auto payload = PayloadReader::Open(event, kInnerEventBytesMax);
  if (payload.ok()) {
    for (auto inner = payload->Next(); inner.ok() && *inner; inner = payload->Next()) {
    }
  }
}

}  // namespace chameleon::test
