// The events that open a transaction and name it: GTID, ANONYMOUS_GTID, GTID_TAGGED of MySQL;
// GTID and GTID_LIST of MariaDB.
#include <fmt/format.h>

#include <cstring>

#include "worker/binlog/byte_cursor.h"
#include "worker/binlog/damage.h"
#include "worker/binlog/event.h"
#include "worker/binlog/gtid_set.h"

namespace chameleon::worker::binlog {
namespace {

constexpr size_t kUuidBytes = 16;
// The top bit of a number says that the original's number follows (a relayed transaction).
constexpr uint64_t kOriginalTimeFollows = uint64_t{1} << 55;
constexpr uint32_t kOriginalVersionFollows = uint32_t{1} << 31;

// Old servers stop early: 5.6 after the gno, 5.7 after the sequence numbers.
absl::StatusOr<MysqlGtid> ParseUntagged(const Event& event) {
  constexpr uint8_t kLogicalClock = 2;
  ByteCursor in(event.body);
  MysqlGtid out;
  out.anonymous = event.header.type == EventType::kAnonymousGtid;
  in.Skip(1);  // flags
  std::string_view uuid = in.Bytes(kUuidBytes);
  out.gno = static_cast<int64_t>(in.U64());
  if (in.ok()) std::memcpy(out.uuid, uuid.data(), kUuidBytes);
  if (!in.AtEnd() && in.U8() == kLogicalClock) {
    in.Skip(16);  // last_committed, sequence_number
    if (!in.AtEnd()) {
      uint64_t time = in.Little(7);
      if ((time & kOriginalTimeFollows) != 0) in.Skip(7);
      out.commit_time_us = time & ~kOriginalTimeFollows;
    }
    if (!in.AtEnd()) out.transaction_length = in.Lenenc();
    if (!in.AtEnd()) {
      uint32_t version = in.U32();
      if ((version & kOriginalVersionFollows) != 0) in.Skip(4);
      out.server_version = version & ~kOriginalVersionFollows;
    }
  }
  if (!in.ok()) return Damaged(event.header.type, in.offset(), "it is cut off");
  return out;
}

// mysql::serialization: version, size of the message, last field id that a reader must know, then
// (id, value) in the order of ids.
absl::StatusOr<MysqlGtid> ParseTagged(const Event& event) {
  enum Field : uint64_t {
    kFlags,
    kUuid,
    kGno,
    kTag,
    kLastCommitted,
    kSequence,
    kTime,
    kOriginalTime,
    kLength,
    kServerVersion,
    kOriginalVersion,
    kTicket,
    kFields
  };
  constexpr uint64_t kVersion = 1;
  ByteCursor in(event.body);
  MysqlGtid out;
  if (uint64_t version = in.Varint(); version != kVersion) {
    return Damaged(event.header.type, 0, fmt::format("format version {} is not known", version));
  }
  uint64_t size = in.Varint();
  uint64_t last_needed = in.Varint();
  if (!in.ok() || size > event.body.size()) return Damaged(event.header.type, 1, "wrong size");
  if (last_needed >= kFields) {
    return Damaged(event.header.type, 2, fmt::format("field {} is not known", last_needed));
  }
  bool has_uuid = false, has_gno = false;
  while (!in.AtEnd()) {
    uint64_t field = in.Varint();
    if (field >= kFields) break;  // newer, and by last_needed not for us
    switch (field) {
      case kUuid:
        for (uint8_t& byte : out.uuid) byte = static_cast<uint8_t>(in.Varint());
        has_uuid = true;
        break;
      case kGno:
        out.gno = in.SignedVarint();
        has_gno = true;
        break;
      case kTag:
        out.tag = std::string(in.Bytes(in.Varint()));
        break;
      case kLastCommitted:
      case kSequence:
        in.SignedVarint();
        break;
      case kTime:
        out.commit_time_us = in.Varint();
        break;
      case kLength:
        out.transaction_length = in.Varint();
        break;
      case kServerVersion:
        out.server_version = static_cast<uint32_t>(in.Varint());
        break;
      default:
        in.Varint();
        break;
    }
  }
  if (!in.ok()) return Damaged(event.header.type, in.offset(), "it is cut off");
  if (!has_uuid || !has_gno) return Damaged(event.header.type, in.offset(), "no uuid or number");
  if (CanonicalTag(out.tag) != out.tag)
    return Damaged(event.header.type, in.offset(), "the tag has odd letters");
  return out;
}

std::string ReadXid(ByteCursor* in) {
  std::string_view format_id = in->Bytes(4);
  uint8_t gtrid = in->U8(), bqual = in->U8();
  std::string_view data = in->Bytes(uint64_t{gtrid} + bqual);
  std::string key(format_id);
  for (uint8_t size : {gtrid, bqual}) key.append({static_cast<char>(size), 0, 0, 0});
  return key.append(data);
}

}  // namespace

absl::StatusOr<MysqlGtid> ParseMysqlGtid(const Event& event) {
  absl::StatusOr<MysqlGtid> out =
      event.header.type == EventType::kGtidTagged ? ParseTagged(event) : ParseUntagged(event);
  if (out.ok() && !out->anonymous && (out->gno < 1 || out->gno > kGnoMax)) {
    return Damaged(event.header.type, kUuidBytes + 1,
                   fmt::format("transaction number {}", out->gno));
  }
  return out;
}

absl::StatusOr<MariadbGtid> ParseMariadbGtid(const Event& event) {
  constexpr uint8_t kGroupCommitId = 2;
  constexpr uint8_t kExtraMultiEngine = 1;
  ByteCursor in(event.body);
  MariadbGtid out;
  out.server_id = event.header.server_id;
  out.sequence = in.U64();
  out.domain = in.U32();
  out.flags = in.U8();
  if ((out.flags & kGroupCommitId) != 0) in.Skip(8);
  if ((out.flags & (MariadbGtid::kPreparedXa | MariadbGtid::kCompletedXa)) != 0) {
    out.xid = ReadXid(&in);
  }
  if (!in.AtEnd()) {  // what follows may also be padding, which reads as no flags
    out.flags_extra = in.U8();
    if ((out.flags_extra & kExtraMultiEngine) != 0) in.Skip(1);
    if ((out.flags_extra & (MariadbGtid::kExtraCommitAlter | MariadbGtid::kExtraRollbackAlter)) !=
        0) {
      out.alter_start_seqno = in.U64();
    }
  }
  if (!in.ok()) return Damaged(event.header.type, in.offset(), "it is cut off");
  return out;
}

absl::StatusOr<MariadbGtidList> ParseMariadbGtidList(const Event& event) {
  constexpr uint32_t kCountMask = 0x0fffffff;  // above it: flags
  constexpr size_t kEntryBytes = 16;
  ByteCursor in(event.body);
  MariadbGtidList out;
  uint64_t count = in.U32() & kCountMask;
  if (!in.ok() || count * kEntryBytes > in.remaining()) {
    return Damaged(event.header.type, in.offset(), fmt::format("no room for {} GTIDs", count));
  }
  out.entries.reserve(count);
  for (; count > 0; --count) {
    uint32_t domain = in.U32(), server_id = in.U32();
    out.entries.push_back({domain, server_id, in.U64()});
  }
  return out;
}

absl::StatusOr<std::string> ParsePreviousGtids(const Event& event) {
  absl::StatusOr<MysqlGtidSet> set = MysqlGtidSet::Decode(event.body);
  if (!set.ok()) return Damaged(event.header.type, 0, "the GTID set does not decode");
  return set->ToString();
}

}  // namespace chameleon::worker::binlog
