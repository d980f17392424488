// Where events come from: a server's dump stream, or a binary log file (tests, offline reading).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"
#include "chameleon/v1/worker.pb.h"

namespace chameleon::worker::source {

// One thread reads; Interrupt() may be called from any other.
class EventSource {
 public:
  virtual ~EventSource() = default;
  // The next raw event (as binlog::EventParser::Parse takes it), valid until the next call.
  // Blocks until one arrives; the server's heartbeat bounds the wait to about a second.
  // CANCELLED: Interrupt() was called, or a file's end. UNAVAILABLE: connection lost, or silent for
  // longer than several heartbeats: attach again. DATA_LOSS: purged, gap, server was reset, with
  // the server's text, what SHOW BINARY LOGS says, and a HINT. FAILED_PRECONDITION: another reader
  // uses our server_id (reason SERVER_ID_IN_USE).
  virtual absl::StatusOr<std::string_view> Next() = 0;
  virtual void Interrupt() = 0;
  // What SetWireChecksum of the parser must be told.
  virtual bool first_rotate_has_checksum() const = 0;
};

// Connects and starts a dump at `start`: by GTID when options.gtid_enable and start.gtid() is set
// (MySQL COM_BINLOG_DUMP_GTID, MariaDB @slave_connect_state), else by file and offset. Checks the
// server's identity against start.server_id() first: DATA_LOSS when it is another server and the
// start is by file. `server` receives what was found.
absl::StatusOr<std::unique_ptr<EventSource>> OpenServerEvents(const v1::SourceConnection& connection,
                                                              const v1::SourceOptions& options,
                                                              const v1::Position& start,
                                                              v1::ServerInfo* server);

// Reads a binary log file from its magic number on; gzip is not understood. DATA_LOSS with the
// reasons NOT_A_LOG, LOG_ENCRYPTED (by MySQL or MariaDB), LOG_TRUNCATED and EVENT_DAMAGED.
absl::StatusOr<std::unique_ptr<EventSource>> OpenFileEvents(const std::string& path);

}  // namespace chameleon::worker::source
