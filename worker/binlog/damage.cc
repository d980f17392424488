#include "worker/binlog/damage.h"

#include <fmt/format.h>

#include "proto/wire/error.h"

namespace chameleon::worker::binlog {

absl::Status Damaged(EventType type, size_t offset, std::string_view what) {
  std::string name = EventTypeName(static_cast<uint8_t>(type));
  return Error(absl::StatusCode::kDataLoss, "EVENT_DAMAGED", name,
               fmt::format("damaged {} event at byte {}: {}", name, offset, what),
               "Check the source's log with mysqlbinlog --verify-binlog-checksum; if it is damaged "
               "there, copy the source again with init_replica.");
}

}  // namespace chameleon::worker::binlog
