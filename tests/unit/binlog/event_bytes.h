// Bytes for tests of the binlog room: hex text, and whole events around a body.
#pragma once

#include <zlib.h>

#include <string>
#include <string_view>

#include "worker/binlog/event.h"

namespace chameleon::worker::binlog {

// "0a ff" or "0aff"; white space and '|' are skipped; 'quoted' text is itself.
inline std::string Hex(std::string_view text) {
  std::string out;
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\'') {
      size_t end = text.find('\'', i + 1);
      out += text.substr(i + 1, end - i - 1);
      i = end;
    } else if (std::string_view(" |\n").find(text[i]) == std::string_view::npos) {
      digits += text[i];
      if (digits.size() == 2) {
        out += static_cast<char>(std::stoi(digits, nullptr, 16));
        digits.clear();
      }
    }
  }
  return out;
}

inline std::string ToHex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (unsigned char c : bytes) {
    out += kDigits[c >> 4];
    out += kDigits[c & 15];
  }
  return out;
}

inline std::string Little(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

// A whole event as in the log.
inline std::string RawEvent(EventType type, std::string_view body, bool checksum = false,
                            uint16_t flags = 0) {
  size_t size = kHeaderBytes + body.size() + (checksum ? 4 : 0);
  std::string out = Little(1700000000, 4) + static_cast<char>(type) + Little(77, 4) +
                    Little(size, 4) + Little(1000, 4) + Little(flags, 2);
  out += body;
  if (checksum) {
    out += Little(crc32(0, reinterpret_cast<const Bytef*>(out.data()), out.size()), 4);
  }
  return out;
}

// `body` must outlive the event.
inline Event EventOf(EventType type, std::string_view body) {
  Event event;
  event.header.type = type;
  event.header.server_id = 77;
  event.header.size = static_cast<uint32_t>(kHeaderBytes + body.size());
  event.header.end_pos = 1000;
  event.body = body;
  return event;
}

// The lengths of the post-headers as every release writes them.
inline std::string PostHeaderLengths() {
  std::string out(40, '\x08');
  out[static_cast<size_t>(EventType::kQuery) - 1] = 13;
  for (EventType none : {EventType::kXid, EventType::kWriteRowsV0, EventType::kUpdateRowsV0,
                         EventType::kDeleteRowsV0}) {
    out[static_cast<size_t>(none) - 1] = 0;
  }
  return out;
}

inline std::string FormatBody(std::string_view version, bool has_algorithm, uint8_t algorithm,
                              const std::string& lengths = PostHeaderLengths()) {
  std::string out = Little(4, 2);
  out += version;
  out.resize(52);
  out += Little(0, 4) + '\x13' + lengths;
  if (has_algorithm) out += static_cast<char>(algorithm);
  return out;
}

}  // namespace chameleon::worker::binlog
