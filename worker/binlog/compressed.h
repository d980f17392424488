// MariaDB's packing of QUERY texts and rows: a byte 0x80 | n (bits 4–6: 0 = zlib), the original
// length in n bytes, big endian, then a zlib stream. The length is not believed: memory grows only
// with what zlib really delivers, and ends at kUnpackedBytesMax.
// Format: MariaDB source, sql/log_event.cc, binlog_buf_compress().
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "worker/binlog/event.h"

namespace chameleon::worker::binlog {

// max_allowed_packet's own limit: no server can log more in one event.
inline constexpr size_t kUnpackedBytesMax = size_t{1} << 30;

// `type` is for the error text only.
absl::StatusOr<std::shared_ptr<const std::string>> Unpack(EventType type, std::string_view packed);

}  // namespace chameleon::worker::binlog
