// What TABLE_MAP and rows events share: the form of the post-header, and bitmaps.
#pragma once

#include <cstdint>
#include <string_view>

#include "worker/binlog/event.h"

namespace chameleon::worker::binlog {

// Bit `index` of a bitmap, least significant first; the caller has checked its length.
inline bool Bit(std::string_view bitmap, size_t index) {
  return (static_cast<uint8_t>(bitmap[index >> 3]) >> (index & 7) & 1) != 0;
}

// Servers before 5.1.4 wrote 4 bytes; their format description says so.
inline size_t TableIdBytes(EventType type, const FormatDescription& format) {
  constexpr uint8_t kShortPostHeader = 6;
  size_t index = static_cast<uint8_t>(type) - 1;
  const bool is_short = index < format.post_header_lengths.size() &&
                        static_cast<uint8_t>(format.post_header_lengths[index]) == kShortPostHeader;
  return is_short ? 4 : 6;
}

}  // namespace chameleon::worker::binlog
