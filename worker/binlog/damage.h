// The one error of this room: bytes that are not what their type says. DATA_LOSS, reason
// EVENT_DAMAGED, object = the event type.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "worker/binlog/event.h"

namespace chameleon::worker::binlog {

// "damaged WRITE_ROWS_V2 event at byte 31: <what>"; `offset` counts from the end of the header.
absl::Status Damaged(EventType type, size_t offset, std::string_view what);

}  // namespace chameleon::worker::binlog
