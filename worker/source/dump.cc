#include "worker/source/dump.h"

#include <fmt/format.h>

#include <vector>

#include "proto/wire/error.h"
#include "proto/wire/position.h"
#include "worker/binlog/gtid_set.h"
#include "worker/source/server.h"
#include "worker/source/sql_text.h"

namespace chameleon::worker::source {
namespace {

constexpr uint8_t kComBinlogDump = 0x12;
constexpr uint8_t kComBinlogDumpGtid = 0x1e;
constexpr uint16_t kFlagHeartbeatV2 = 2;
constexpr uint16_t kFlagMariadbAnnotateRows = 2;  // the same bit
constexpr uint32_t kHeartbeatV2Since = 80026;
constexpr uint64_t kFirstEventOffset = 4;
constexpr uint64_t kOffsetMax = 0xffffffff;

void PutLittleEndian(uint64_t value, int bytes, std::string* out) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

absl::Status SetSession(Connection* connection, const v1::ServerInfo& server,
                        const DumpRequest& request) {
  bool mariadb = server.kind() == v1::ServerInfo::MARIADB;
  std::vector<std::string> statements = {
      // Announced, or a server with checksums refuses. With CRC32 even the first ROTATE has one.
      "SET @master_binlog_checksum='CRC32', @source_binlog_checksum='CRC32'",
      // A reader that waits for its target must not be cut off (facts 3.5).
      "SET SESSION net_write_timeout=86400"};
  if (request.heartbeat_ms > 0) {
    uint64_t ns = uint64_t{request.heartbeat_ms} * 1000000;
    statements.push_back(
        fmt::format("SET @master_heartbeat_period={0}, @source_heartbeat_period={0}", ns));
  }
  if (mariadb) {
    statements.push_back("SET @mariadb_slave_capability=4");
    if (request.by_gtid) {
      statements.push_back(
          fmt::format("SET @slave_connect_state={}", QuoteText(request.start.gtid())));
    }
  } else if (!request.replica_uuid.empty()) {
    statements.push_back(
        fmt::format("SET @slave_uuid={0}, @replica_uuid={0}", QuoteText(request.replica_uuid)));
  }
  for (const std::string& sql : statements) {
    if (auto s = connection->Exec(sql); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status SendByGtid(Connection* connection, uint16_t flags, const DumpRequest& request) {
  auto set = binlog::MysqlGtidSet::Parse(request.start.gtid());
  if (!set.ok()) return set.status();
  std::string encoded = set->Encode(), body;
  PutLittleEndian(flags, 2, &body);
  PutLittleEndian(request.server_id, 4, &body);
  PutLittleEndian(0, 4, &body);  // no file name: the server finds it
  PutLittleEndian(kFirstEventOffset, 8, &body);
  PutLittleEndian(encoded.size(), 4, &body);
  return connection->SendCommand(kComBinlogDumpGtid, body + encoded);
}

absl::Status SendByFile(Connection* connection, uint16_t flags, const DumpRequest& request,
                        bool ignored) {
  uint64_t offset = ignored ? kFirstEventOffset : request.start.offset();
  if (offset > kOffsetMax) {
    return Error(absl::StatusCode::kFailedPrecondition, "POSITION_NOT_EXPRESSIBLE",
                 request.start.file(),
                 fmt::format("cannot read from {}: positions beyond 4 GiB exist only by GTID",
                             PositionText(request.start)),
                 "Switch GTIDs on at the source and copy it again with chamctl init_replica.");
  }
  std::string body;
  PutLittleEndian(offset, 4, &body);
  PutLittleEndian(flags, 2, &body);
  PutLittleEndian(request.server_id, 4, &body);
  if (!ignored) body += request.start.file();
  return connection->SendCommand(kComBinlogDump, body);
}

}  // namespace

absl::Status StartDump(Connection* connection, const v1::ServerInfo& server,
                       const DumpRequest& request) {
  if (auto s = SetSession(connection, server, request); !s.ok()) return s;
  if (server.kind() == v1::ServerInfo::MARIADB) {
    return SendByFile(connection, kFlagMariadbAnnotateRows, request, request.by_gtid);
  }
  uint16_t flags =
      ParseVersion(server.version()).number >= kHeartbeatV2Since ? kFlagHeartbeatV2 : 0;
  return request.by_gtid ? SendByGtid(connection, flags, request)
                         : SendByFile(connection, flags, request, false);
}

absl::StatusOr<uint32_t> ReadFileCreated(const v1::SourceConnection& config,
                                         const v1::ServerInfo& server, const std::string& file) {
  auto connection = Connection::Open(config);
  if (!connection.ok()) return connection.status();
  DumpRequest request;
  request.start.set_file(file);
  request.start.set_offset(kFirstEventOffset);
  if (auto s = StartDump(connection->get(), server, request); !s.ok()) return s;
  constexpr int kPacketsMax = 4;  // ROTATE, then the format description
  for (int i = 0; i < kPacketsMax; ++i) {
    auto packet = (*connection)->ReadPacket();
    if (!packet.ok()) return packet.status();
    std::string_view event = packet->substr(std::min<size_t>(1, packet->size()));
    if (event.size() >= kEventHeaderBytes && EventType(event) == kFormatDescriptionEvent) {
      uint32_t created = EventTimestamp(event);
      (*connection)->Interrupt();
      return created;
    }
  }
  return absl::DataLossError(fmt::format("{} does not begin with a format description", file));
}

uint32_t EventTimestamp(std::string_view event) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(event[i]);
  return value;
}

uint8_t EventType(std::string_view event) { return static_cast<uint8_t>(event[4]); }

}  // namespace chameleon::worker::source
