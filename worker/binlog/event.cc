// Framing, checksums, and the small event bodies.
#include "worker/binlog/event.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>

#include "proto/wire/error.h"
#include "worker/binlog/byte_cursor.h"
#include "worker/binlog/damage.h"

namespace chameleon::worker::binlog {
namespace {

constexpr size_t kChecksumBytes = 4;
constexpr size_t kServerVersionBytes = 50;
constexpr size_t kFlagsOffset = 17;
// The server sets it in place while it writes the file and leaves the checksum of the event as is.
constexpr uint8_t kFlagInUse = 0x01;
constexpr uint8_t kChecksumNone = 0, kChecksumCrc32 = 1;

EventHeader ReadHeader(std::string_view raw) {
  ByteCursor in(raw);
  EventHeader header;
  header.timestamp = in.U32();
  header.type = static_cast<EventType>(in.U8());
  header.server_id = in.U32();
  header.size = in.U32();
  header.end_pos = in.U32();
  header.flags = in.U16();
  return header;
}

absl::StatusOr<Event> Frame(std::string_view raw) {
  if (raw.size() < kHeaderBytes) {
    return Damaged(EventType::kUnknown, 0,
                   fmt::format("{} bytes are less than an event header", raw.size()));
  }
  Event event{ReadHeader(raw), raw.substr(kHeaderBytes)};
  if (event.header.size != raw.size()) {
    return Damaged(
        event.header.type, 0,
        fmt::format("its header says {} bytes, there are {}", event.header.size, raw.size()));
  }
  return event;
}

std::array<uint32_t, 3> VersionNumbers(std::string_view version) {
  std::array<uint32_t, 3> numbers{};
  size_t at = 0;
  for (uint32_t& number : numbers) {
    size_t begin = at;
    while (at < version.size() && version[at] >= '0' && version[at] <= '9' && at - begin < 4) {
      number = number * 10 + static_cast<uint32_t>(version[at++] - '0');
    }
    if (at == begin || at == version.size() || version[at] != '.') break;
    ++at;
  }
  return numbers;
}

// Servers before these know no checksums: their format descriptions have no algorithm byte either.
bool VersionHasChecksums(std::string_view version) {
  std::array<uint32_t, 3> first = {5, 6, 1};
  if (version.find("MariaDB") != std::string_view::npos) first = {5, 3, 0};
  return VersionNumbers(version) >= first;
}

std::string_view ServerVersionOf(std::string_view body) {
  std::string_view field = body.substr(std::min<size_t>(2, body.size()), kServerVersionBytes);
  return field.substr(0, field.find('\0'));
}

absl::Status CheckCrc(const Event& event, std::string_view raw) {
  std::string_view covered = raw.substr(0, raw.size() - kChecksumBytes);
  auto bytes = [](std::string_view s) { return reinterpret_cast<const Bytef*>(s.data()); };
  uLong crc;
  if (event.header.type == EventType::kFormatDescription) {
    Bytef low_flags = static_cast<uint8_t>(raw[kFlagsOffset]) & ~kFlagInUse;
    crc = crc32_z(0, bytes(covered), kFlagsOffset);
    crc = crc32_z(crc, &low_flags, 1);
    std::string_view rest = covered.substr(kFlagsOffset + 1);
    crc = crc32_z(crc, bytes(rest), rest.size());
  } else {
    crc = crc32_z(0, bytes(covered), covered.size());
  }
  uint32_t stored = ByteCursor(raw.substr(covered.size())).U32();
  if (stored == static_cast<uint32_t>(crc)) return absl::OkStatus();
  return Damaged(event.header.type, covered.size() - kHeaderBytes,
                 fmt::format("its checksum is {:08x}, its bytes give {:08x}", stored,
                             static_cast<uint32_t>(crc)));
}

// Truncated or over-long bodies end here: nothing may be left, unless the caller allows it.
absl::Status CheckWhole(const Event& event, const ByteCursor& in, std::string_view what) {
  if (!in.ok()) {
    return Damaged(event.header.type, in.offset(), fmt::format("{} is cut off", what));
  }
  if (!in.AtEnd()) {
    return Damaged(event.header.type, in.offset(),
                   fmt::format("{} bytes follow {}", in.remaining(), what));
  }
  return absl::OkStatus();
}

// Forms that only preview releases of 5.1 and vendors' trees wrote: longer headers, other numbers
// for the same events, rows events before their final form. The description tells them by the
// lengths of the post-headers: what follows it would be read as something else.
absl::Status CheckForm(const FormatDescription& format) {
  const auto refused = [&](const std::string& what) {
    return Error(absl::StatusCode::kDataLoss, "LOG_FORMAT_REFUSED", format.server_version,
                 fmt::format("the binary log of server {} is of a form that is not read: {}",
                             format.server_version, what),
                 "Logs of MySQL 5.1 and later and of MariaDB are read, those of their preview "
                 "releases before 5.1.18 are not: upgrade the source, then run init_replica.");
  };
  if (format.binlog_version != 4 || format.header_length != kHeaderBytes) {
    return refused(fmt::format("version {} with {}-byte event headers", format.binlog_version,
                               format.header_length));
  }
  struct Fixed {
    EventType type;
    uint8_t bytes;
  };
  constexpr Fixed kFixed[] = {{EventType::kQuery, 13},
                              {EventType::kRotate, 8},
                              {EventType::kXid, 0},
                              {EventType::kWriteRowsV0, 0}};
  for (const Fixed& fixed : kFixed) {
    const size_t index = static_cast<size_t>(fixed.type) - 1;
    if (index >= format.post_header_lengths.size()) break;
    const auto bytes = static_cast<uint8_t>(format.post_header_lengths[index]);
    if (bytes == fixed.bytes) continue;
    return refused(fmt::format("event type {} has a post-header of {} bytes",
                               static_cast<unsigned>(fixed.type), bytes));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Event> EventParser::Parse(std::string_view raw) {
  absl::StatusOr<Event> event = Frame(raw);
  if (!event.ok()) return event;
  const bool is_format = event->header.type == EventType::kFormatDescription;
  // A format description judges itself; what it says holds for the events behind it.
  const bool has_checksum =
      is_format ? VersionHasChecksums(ServerVersionOf(event->body)) : has_checksum_;
  if (has_checksum) {
    if (event->body.size() < kChecksumBytes + (is_format ? 1 : 0)) {
      return Damaged(event->header.type, 0, "no room for a checksum");
    }
    // A source without checksums changes the description that it sends from the middle of a file,
    // and leaves its checksum as it was.
    const bool made = !is_format || event->body[event->body.size() - kChecksumBytes - 1] != 0;
    if (verify_ && made) {
      if (absl::Status status = CheckCrc(*event, raw); !status.ok()) return status;
    }
    event->body.remove_suffix(kChecksumBytes);
  }
  if (is_format) {
    absl::StatusOr<FormatDescription> format = ParseFormatDescription(*event);
    if (!format.ok()) return format.status();
    format_ = *std::move(format);
    has_checksum_ = format_.has_checksum;
  }
  return event;
}

absl::StatusOr<Event> ParsePayloadEvent(std::string_view raw) {
  absl::StatusOr<Event> event = Frame(raw);
  if (event.ok() && (event->header.type == EventType::kTransactionPayload ||
                     event->header.type == EventType::kFormatDescription)) {
    return Damaged(EventType::kTransactionPayload, 0,
                   fmt::format("it contains a {} event",
                               EventTypeName(static_cast<uint8_t>(event->header.type))));
  }
  return event;
}

absl::StatusOr<FormatDescription> ParseFormatDescription(const Event& event) {
  ByteCursor in(event.body);
  FormatDescription out;
  out.binlog_version = in.U16();
  std::string_view version = in.Bytes(kServerVersionBytes);
  out.server_version = std::string(version.substr(0, version.find('\0')));
  out.created = in.U32();
  out.header_length = in.U8();
  if (!in.ok()) return Damaged(event.header.type, in.offset(), "it is cut off");
  std::string_view rest = in.Rest();
  const bool has_algorithm = VersionHasChecksums(out.server_version);
  out.post_header_lengths =
      std::string(rest.substr(0, rest.size() - (has_algorithm && !rest.empty() ? 1 : 0)));
  if (absl::Status status = CheckForm(out); !status.ok()) return status;
  if (!has_algorithm) return out;
  if (rest.empty()) return Damaged(event.header.type, in.offset(), "no checksum algorithm");
  const auto algorithm = static_cast<uint8_t>(rest.back());
  if (algorithm != kChecksumNone && algorithm != kChecksumCrc32) {
    return Damaged(event.header.type, in.offset(),
                   fmt::format("checksum algorithm {} is not known", algorithm));
  }
  out.has_checksum = algorithm == kChecksumCrc32;
  return out;
}

absl::StatusOr<Rotate> ParseRotate(const Event& event) {
  ByteCursor in(event.body);
  Rotate out;
  out.position = in.U64();
  out.file = in.Rest();
  if (!in.ok() || out.file.empty()) return Damaged(event.header.type, in.offset(), "no file name");
  return out;
}

absl::StatusOr<uint64_t> ParseXid(const Event& event) {
  ByteCursor in(event.body);
  uint64_t xid = in.U64();
  if (absl::Status status = CheckWhole(event, in, "the transaction id"); !status.ok()) {
    return status;
  }
  return xid;
}

absl::StatusOr<XaPrepare> ParseXaPrepare(const Event& event) {
  ByteCursor in(event.body);
  XaPrepare out;
  out.one_phase = in.U8() != 0;
  std::string_view key = in.Rest();
  ByteCursor sizes(key);
  sizes.Skip(4);
  uint64_t gtrid = sizes.U32(), bqual = sizes.U32();
  sizes.Skip(gtrid + bqual);
  if (absl::Status status = CheckWhole(event, sizes, "the xid"); !status.ok()) return status;
  out.xid = std::string(key);
  return out;
}

absl::StatusOr<Incident> ParseIncident(const Event& event) {
  ByteCursor in(event.body);
  Incident out;
  out.code = in.U16();
  out.message = in.Bytes(in.U8());
  // MySQL 9.7 sends four bytes more when it writes the event around a failed cache. What it says
  // stops the source; what follows does not matter.
  if (!in.ok()) return Damaged(event.header.type, in.offset(), "it is cut off");
  return out;
}

absl::StatusOr<Heartbeat> ParseHeartbeat(const Event& event) {
  Heartbeat out;
  if (event.header.type == EventType::kHeartbeat) {
    out.file = event.body;
    out.position = event.header.end_pos;
  } else {
    constexpr uint8_t kEnd = 0, kFile = 1, kPosition = 2;
    ByteCursor in(event.body);
    for (uint8_t field = in.U8(); in.ok() && field != kEnd; field = in.U8()) {
      ByteCursor value(in.LenencBytes());
      if (field == kFile) out.file = value.Rest();
      if (field == kPosition) {
        out.position = value.Lenenc();
        out.position_is_64bit = value.ok();
      }
      if (!value.ok()) in.Fail();
    }
    if (!in.ok()) return Damaged(event.header.type, in.offset(), "a field is cut off");
    if (!out.position_is_64bit) return Damaged(event.header.type, in.offset(), "no position");
  }
  if (out.file.empty()) return Damaged(event.header.type, 0, "no file name");
  return out;
}

}  // namespace chameleon::worker::binlog
