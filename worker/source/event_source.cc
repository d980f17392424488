#include "worker/source/event_source.h"

#include <fmt/format.h>

#include <chrono>

#include "proto/wire/error.h"
#include "proto/wire/position.h"
#include "worker/source/connection.h"
#include "worker/source/dump.h"
#include "worker/source/dump_error.h"
#include "worker/source/server.h"

namespace chameleon::worker::source {
namespace {

constexpr uint32_t kHeartbeatMs = 500;
// Twenty missed heartbeats. By GTID a server may first scan a whole file without a word.
constexpr uint32_t kSilenceMaxS = 10;
constexpr uint32_t kSilenceMaxByGtidS = 60;
constexpr uint64_t kOffsetMaxByFile = 0xffffffff;
constexpr unsigned char kOkPacket = 0x00, kEofPacket = 0xfe;
constexpr size_t kEofBytesMax = 8;

class ServerEvents : public EventSource {
 public:
  ServerEvents(std::unique_ptr<Connection> connection, v1::SourceConnection config,
               DumpRequest request, uint32_t silence_max_s)
      : connection_(std::move(connection)),
        config_(std::move(config)),
        request_(std::move(request)),
        silence_max_s_(silence_max_s) {}

  absl::StatusOr<std::string_view> Next() override {
    auto begin = std::chrono::steady_clock::now();
    auto packet = connection_->ReadPacket();
    if (!packet.ok()) return Explain(packet.status(), begin);
    if (packet->empty()) return absl::DataLossError("the server sent an empty packet");
    auto first = static_cast<unsigned char>(packet->front());
    if (first == kEofPacket && packet->size() <= kEofBytesMax) {
      return Error(absl::StatusCode::kUnavailable, "STREAM_ENDED", "",
                   "the server ended the stream", "");
    }
    if (first != kOkPacket || packet->size() < 1 + kEventHeaderBytes) {
      return absl::DataLossError(
          fmt::format("the server sent a packet of {} bytes that is no event", packet->size()));
    }
    std::string_view event = packet->substr(1);
    if (!file_checked_ && EventType(event) == kFormatDescriptionEvent) {
      file_checked_ = true;
      if (auto s = CheckFile(EventTimestamp(event)); !s.ok()) return s;
    }
    return event;
  }

  void Interrupt() override { connection_->Interrupt(); }
  bool first_rotate_has_checksum() const override { return true; }

 private:
  // RESET MASTER keeps the server's identity and begins again with the same file names: an old
  // position may then exist by accident. Only the file's age tells.
  absl::Status CheckFile(uint32_t created) const {
    const v1::Position& start = request_.start;
    if (request_.by_gtid || start.file_created() == 0 || start.file_created() == created) {
      return absl::OkStatus();
    }
    return Error(
        absl::StatusCode::kDataLoss, "SERVER_RESET", start.file(),
        fmt::format("cannot read from {}: the server was reset: {} is not the file that was "
                    "read before, it was created at {} and not at {} (seconds since 1970)",
                    PositionText(start), start.file(), created, start.file_created()),
        "Copy the source again with chamctl init_replica.");
  }

  absl::Status Explain(const absl::Status& error,
                       std::chrono::steady_clock::time_point begin) const {
    if (connection_->interrupted()) return absl::CancelledError("interrupted");
    if (error.code() == absl::StatusCode::kUnavailable) {
      auto waited = std::chrono::duration_cast<std::chrono::seconds>(
          std::chrono::steady_clock::now() - begin);
      if (waited.count() + 1 < silence_max_s_) return error;
      return Error(absl::StatusCode::kUnavailable, "SOURCE_SILENT", "",
                   fmt::format("the server was silent for {} s: the connection is half-open",
                               waited.count()),
                   "");
    }
    int number = ServerErrno(error);
    DumpError kind = ClassifyDumpError(number, Text(error));
    constexpr int kDumpRefused = 1236;
    if (kind == DumpError::kOther && number != kDumpRefused) return error;
    std::vector<BinaryLog> logs;
    bool have_logs = kind == DumpError::kFileMissing && ReadLogs(&logs);
    return DumpErrorStatus(kind, Text(error), request_.start, request_.by_gtid,
                           have_logs ? &logs : nullptr);
  }

  bool ReadLogs(std::vector<BinaryLog>* logs) const {
    auto other = Connection::Open(config_);
    if (!other.ok()) return false;
    auto result = ReadBinaryLogs(other->get());
    if (result.ok()) *logs = *result;
    return result.ok();
  }

  std::unique_ptr<Connection> connection_;
  v1::SourceConnection config_;
  DumpRequest request_;
  uint32_t silence_max_s_;
  bool file_checked_ = false;
};

absl::Status CheckIdentity(const v1::ServerInfo& server, const v1::Position& start) {
  if (start.server_id().empty() || start.server_id() == server.server_id()) return absl::OkStatus();
  return Error(absl::StatusCode::kDataLoss, "SERVER_CHANGED", server.server_id(),
               fmt::format("cannot read from {}: this is another server: its identity is {}, the "
                           "position belongs to {}",
                           PositionText(start), server.server_id(), start.server_id()),
               "Connect to the server that was copied, or copy the source again with chamctl "
               "init_replica.");
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventSource>> OpenServerEvents(const v1::SourceConnection& config,
                                                              const v1::SourceOptions& options,
                                                              const v1::Position& start,
                                                              v1::ServerInfo* server) {
  DumpRequest request;
  request.start = start;
  // Beyond 4 GiB only a GTID can say where: use it even if the source is followed by file.
  bool beyond = start.offset() > kOffsetMaxByFile;
  request.by_gtid = !start.gtid().empty() && (options.gtid_enable() || beyond);
  request.server_id = options.my_server_id();
  request.replica_uuid = options.replica_uuid();
  request.heartbeat_ms = kHeartbeatMs;
  uint32_t silence = request.by_gtid ? kSilenceMaxByGtidS : kSilenceMaxS;
  auto connection = Connection::Open(config, silence);
  if (!connection.ok()) return connection.status();
  auto info = ReadServerInfo(connection->get());
  if (!info.ok()) return info.status();
  if (auto s = ReadCharsets(connection->get(), &*info); !s.ok()) return s;
  *server = *info;
  if (!request.by_gtid || !info->gtid_on()) {
    request.by_gtid = false;
    if (auto s = CheckIdentity(*info, start); !s.ok()) return s;
    if (start.file().empty()) return absl::InvalidArgumentError("the position names no file");
  }
  if (auto s = StartDump(connection->get(), *info, request); !s.ok()) return s;
  return std::make_unique<ServerEvents>(std::move(*connection), config, std::move(request),
                                        silence);
}

}  // namespace chameleon::worker::source
