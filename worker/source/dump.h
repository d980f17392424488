// Starting a dump on a connection, and the first facts that it tells. Used by event_source only
// inside this room. Formats: facts 3.1 to 3.3.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"
#include "chameleon/v1/worker.pb.h"
#include "worker/source/connection.h"

namespace chameleon::worker::source {

// Where and as whom a dump starts.
struct DumpRequest {
  v1::Position start;
  bool by_gtid = false;
  uint32_t server_id = 0;
  std::string replica_uuid;  // MySQL only; empty: none
  uint32_t heartbeat_ms = 0;
};

// SETs, then the command. INVALID_ARGUMENT: a GTID that cannot be parsed. FAILED_PRECONDITION: the
// position cannot be expressed.
absl::Status StartDump(Connection* connection, const v1::ServerInfo& server,
                       const DumpRequest& request);

// The creation time of a binary log file: the header timestamp of its format description event.
// Starts a dump on a connection of its own under server_id 0, which disturbs nobody, and leaves it.
absl::StatusOr<uint32_t> ReadFileCreated(const v1::SourceConnection& config,
                                         const v1::ServerInfo& server, const std::string& file);

// Fields of the 19-byte event header that this room looks at.
inline constexpr size_t kEventHeaderBytes = 19;
inline constexpr uint8_t kFormatDescriptionEvent = 15;
uint32_t EventTimestamp(std::string_view event);
uint8_t EventType(std::string_view event);

}  // namespace chameleon::worker::source
