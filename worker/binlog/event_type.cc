// What each event type is called and what the reader does with it, in one table.
#include <fmt/format.h>

#include <array>

#include "proto/wire/error.h"
#include "worker/binlog/event.h"

namespace chameleon::worker::binlog {
namespace {

struct TypeRow {
  EventType type;
  Disposition disposition;
  const char* name;
};

constexpr auto kHandled = Disposition::kHandled;
constexpr auto kBenign = Disposition::kBenign;
constexpr auto kRefused = Disposition::kRefused;

constexpr TypeRow kTypes[] = {
    // Groups, rows and the frame around them.
    {EventType::kQuery, kHandled, "QUERY"},
    {EventType::kRotate, kHandled, "ROTATE"},
    {EventType::kFormatDescription, kHandled, "FORMAT_DESCRIPTION"},
    {EventType::kXid, kHandled, "XID"},
    {EventType::kTableMap, kHandled, "TABLE_MAP"},
    {EventType::kWriteRowsV1, kHandled, "WRITE_ROWS_V1"},
    {EventType::kUpdateRowsV1, kHandled, "UPDATE_ROWS_V1"},
    {EventType::kDeleteRowsV1, kHandled, "DELETE_ROWS_V1"},
    {EventType::kIncident, kHandled, "INCIDENT"},
    {EventType::kHeartbeat, kHandled, "HEARTBEAT"},
    {EventType::kWriteRowsV2, kHandled, "WRITE_ROWS_V2"},
    {EventType::kUpdateRowsV2, kHandled, "UPDATE_ROWS_V2"},
    {EventType::kDeleteRowsV2, kHandled, "DELETE_ROWS_V2"},
    {EventType::kGtid, kHandled, "GTID"},
    {EventType::kAnonymousGtid, kHandled, "ANONYMOUS_GTID"},
    {EventType::kXaPrepare, kHandled, "XA_PREPARE"},
    {EventType::kPartialUpdateRows, kHandled, "PARTIAL_UPDATE_ROWS"},
    {EventType::kTransactionPayload, kHandled, "TRANSACTION_PAYLOAD"},
    {EventType::kHeartbeatV2, kHandled, "HEARTBEAT_V2"},
    {EventType::kGtidTagged, kHandled, "GTID_TAGGED"},
    {EventType::kMariadbGtid, kHandled, "MARIADB_GTID"},
    {EventType::kMariadbQueryCompressed, kHandled, "MARIADB_QUERY_COMPRESSED"},
    {EventType::kMariadbWriteRowsCompressedV1, kHandled, "MARIADB_WRITE_ROWS_COMPRESSED_V1"},
    {EventType::kMariadbUpdateRowsCompressedV1, kHandled, "MARIADB_UPDATE_ROWS_COMPRESSED_V1"},
    {EventType::kMariadbDeleteRowsCompressedV1, kHandled, "MARIADB_DELETE_ROWS_COMPRESSED_V1"},
    {EventType::kMariadbWriteRowsCompressedV2, kHandled, "MARIADB_WRITE_ROWS_COMPRESSED_V2"},
    {EventType::kMariadbUpdateRowsCompressedV2, kHandled, "MARIADB_UPDATE_ROWS_COMPRESSED_V2"},
    {EventType::kMariadbDeleteRowsCompressedV2, kHandled, "MARIADB_DELETE_ROWS_COMPRESSED_V2"},
    // No rows and no schema in them. INTVAR, RAND and USER_VAR are the context of a statement,
    // which the reader judges by its own QUERY event.
    {EventType::kStop, kBenign, "STOP"},
    {EventType::kIntvar, kBenign, "INTVAR"},
    {EventType::kRand, kBenign, "RAND"},
    {EventType::kUserVar, kBenign, "USER_VAR"},
    {EventType::kIgnorable, kBenign, "IGNORABLE"},
    {EventType::kRowsQuery, kBenign, "ROWS_QUERY"},
    {EventType::kPreviousGtids, kBenign, "PREVIOUS_GTIDS"},
    {EventType::kTransactionContext, kBenign, "TRANSACTION_CONTEXT"},
    {EventType::kViewChange, kBenign, "VIEW_CHANGE"},
    {EventType::kMariadbAnnotateRows, kHandled, "MARIADB_ANNOTATE_ROWS"},
    {EventType::kMariadbBinlogCheckpoint, kBenign, "MARIADB_BINLOG_CHECKPOINT"},
    {EventType::kMariadbGtidList, kBenign, "MARIADB_GTID_LIST"},
    // The server decrypts what it sends; in a file read directly the next event fails its checks.
    {EventType::kMariadbStartEncryption, kBenign, "MARIADB_START_ENCRYPTION"},
    // Changes that are not in row form, and the formats of servers before 5.1.
    {EventType::kUnknown, kRefused, "UNKNOWN"},
    {EventType::kStartV3, kRefused, "START_V3"},
    {EventType::kLoad, kRefused, "LOAD"},
    {EventType::kSlave, kRefused, "SLAVE"},
    {EventType::kCreateFile, kRefused, "CREATE_FILE"},
    {EventType::kAppendBlock, kRefused, "APPEND_BLOCK"},
    {EventType::kExecLoad, kRefused, "EXEC_LOAD"},
    {EventType::kDeleteFile, kRefused, "DELETE_FILE"},
    {EventType::kNewLoad, kRefused, "NEW_LOAD"},
    {EventType::kBeginLoadQuery, kRefused, "BEGIN_LOAD_QUERY"},
    {EventType::kExecuteLoadQuery, kRefused, "EXECUTE_LOAD_QUERY"},
    {EventType::kWriteRowsV0, kRefused, "WRITE_ROWS_V0"},
    {EventType::kUpdateRowsV0, kRefused, "UPDATE_ROWS_V0"},
    {EventType::kDeleteRowsV0, kRefused, "DELETE_ROWS_V0"},
};

constexpr auto kByCode = [] {
  std::array<const TypeRow*, 256> rows{};
  for (const TypeRow& row : kTypes) rows[static_cast<uint8_t>(row.type)] = &row;
  return rows;
}();

}  // namespace

std::string EventTypeName(uint8_t type) {
  const TypeRow* row = kByCode[type];
  return row != nullptr ? row->name : fmt::format("TYPE_{}", type);
}

Disposition DispositionOf(const EventHeader& header) {
  const TypeRow* row = kByCode[static_cast<uint8_t>(header.type)];
  if (row != nullptr) return row->disposition;
  return (header.flags & kFlagIgnorable) != 0 ? kBenign : kRefused;
}

absl::Status RefusedEvent(EventType type) {
  const auto refused = [](const std::string& object, const std::string& text,
                          std::string_view hint) {
    return Error(absl::StatusCode::kDataLoss, "EVENT_REFUSED", object, text, hint);
  };
  const std::string name = EventTypeName(static_cast<uint8_t>(type));
  const std::string text = fmt::format("binary log event {} cannot be carried", name);
  switch (type) {
    case EventType::kStartV3:
    case EventType::kLoad:
    case EventType::kNewLoad:
    case EventType::kCreateFile:
    case EventType::kExecLoad:
    case EventType::kSlave:
      return refused(name, text + ": a server before MySQL 5.0 has written it",
                     "Upgrade the source, set binlog_format=ROW there and run init_replica.");
    case EventType::kAppendBlock:
    case EventType::kDeleteFile:
    case EventType::kBeginLoadQuery:
    case EventType::kExecuteLoadQuery:
      return refused(
          name, text + ": a LOAD DATA was logged as a statement, not as rows",
          "Set binlog_format=ROW on the source, for all sessions, and run init_replica.");
    default:
      return refused(name, text,
                     "What it changes cannot be told: update chameleon if the source is newer, and "
                     "run init_replica for this source.");
  }
}

}  // namespace chameleon::worker::binlog
