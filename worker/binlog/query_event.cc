// QUERY: thread u32, execution time u32, database length u8, error u16, status length u16, status
// variables, database \0, statement. Variables: code u8 and a value whose form depends on the code.
#include <fmt/format.h>

#include "worker/binlog/byte_cursor.h"
#include "worker/binlog/compressed.h"
#include "worker/binlog/damage.h"
#include "worker/binlog/event.h"

namespace chameleon::worker::binlog {
namespace {

enum StatusVar : uint8_t {
  kFlags2 = 0,
  kSqlMode = 1,
  kCatalogNul = 2,
  kAutoIncrement = 3,
  kCharset = 4,
  kTimeZone = 5,
  kCatalog = 6,
  kLcTimeNames = 7,
  kCharsetDatabase = 8,
  kTableMapForUpdate = 9,
  kMasterDataWritten = 10,
  kInvoker = 11,
  kUpdatedDatabases = 12,
  kMicroseconds = 13,
  kExplicitDefaultsForTimestamp = 16,
  kDdlXid = 17,
  kDefaultCollationUtf8mb4 = 18,
  kRequirePrimaryKey = 19,
  kDefaultTableEncryption = 20,
  kMariadbHrNow = 128,
  kMariadbXid = 129,
  kMariadbGtidFlags3 = 130,
  kMariadbCharacterSetCollations = 131,
};

constexpr uint8_t kTooManyDatabases = 254;
constexpr uint8_t kFlags3CommitOrRollbackAlter = 4 | 8;

void ReadUpdatedDatabases(std::string_view vars, ByteCursor* in, Query* out) {
  uint8_t count = in->U8();
  if (count == kTooManyDatabases) return;
  for (; count > 0 && in->ok(); --count) {
    const size_t begin = in->offset();
    while (in->ok() && in->U8() != 0) {
    }
    if (in->ok()) out->updated_databases.push_back(vars.substr(begin, in->offset() - begin - 1));
  }
}

void ReadCharacterSetCollations(ByteCursor* in, Query* out) {
  uint8_t count = in->U8();
  for (; count > 0 && in->ok(); --count) {
    uint16_t from = in->U16();
    uint16_t to = in->U16();
    out->character_set_collations.emplace_back(from, to);
  }
}

// False: a code that is not known, so the length of its value is not known either.
bool ReadStatusVar(uint8_t code, std::string_view all, ByteCursor* in, Query* out) {
  switch (code) {
    case kFlags2:
      out->flags2 = in->U32();
      return true;
    case kSqlMode:
      out->sql_mode = in->U64();
      return true;
    case kCatalogNul:
      in->Skip(uint64_t{in->U8()} + 1);
      return true;
    case kAutoIncrement:
      in->Skip(4);
      return true;
    case kCharset:
      out->charset_client = in->U16();
      out->collation_connection = in->U16();
      out->collation_server = in->U16();
      return true;
    case kTimeZone:
      out->time_zone = std::string(in->Bytes(in->U8()));
      return true;
    case kCatalog:
      in->Skip(in->U8());
      return true;
    case kLcTimeNames:
      in->Skip(2);
      return true;
    case kCharsetDatabase:
      out->charset_database = in->U16();
      return true;
    case kTableMapForUpdate:
      in->Skip(8);
      return true;
    case kMasterDataWritten:
      in->Skip(4);
      return true;
    case kInvoker:
      in->Skip(in->U8());
      in->Skip(in->U8());
      return true;
    case kUpdatedDatabases:
      ReadUpdatedDatabases(all, in, out);
      return true;
    case kMicroseconds:
      in->Skip(3);
      return true;
    case kExplicitDefaultsForTimestamp:
      out->explicit_defaults_for_timestamp = in->U8();
      return true;
    case kDdlXid:
      in->Skip(8);
      return true;
    case kDefaultCollationUtf8mb4:
      out->default_collation_utf8mb4 = in->U16();
      return true;
    case kRequirePrimaryKey:
    case kDefaultTableEncryption:
      in->Skip(1);
      return true;
    case kMariadbHrNow:
      in->Skip(3);
      return true;
    case kMariadbXid:
      in->Skip(8);
      return true;
    case kMariadbGtidFlags3:
      out->gtid_flags3 = in->U8();
      if ((*out->gtid_flags3 & kFlags3CommitOrRollbackAlter) != 0) {
        out->alter_start_seqno = in->U64();
      }
      return true;
    case kMariadbCharacterSetCollations:
      ReadCharacterSetCollations(in, out);
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<Query> ParseQuery(const Event& event) {
  const EventType type = event.header.type;
  ByteCursor in(event.body);
  Query out;
  out.thread_id = in.U32();
  in.Skip(4);
  uint8_t database_length = in.U8();
  out.error_code = in.U16();
  std::string_view status = in.Bytes(in.U16());
  size_t status_offset = in.offset() - status.size();
  out.database = in.Bytes(database_length);
  uint8_t terminator = in.U8();
  if (!in.ok()) return Damaged(type, in.offset(), "it is cut off");
  if (terminator != 0) return Damaged(type, in.offset(), "the database name does not end");

  ByteCursor vars(status);
  while (!vars.AtEnd() && ReadStatusVar(vars.U8(), status, &vars, &out)) {
  }
  if (!vars.ok()) {
    return Damaged(type, status_offset + vars.offset(), "a status variable is cut off");
  }

  out.statement = in.Rest();
  if (type == EventType::kMariadbQueryCompressed) {
    auto text = Unpack(type, out.statement);
    if (!text.ok()) return text.status();
    out.decompressed = *std::move(text);
    out.statement = *out.decompressed;
  }
  return out;
}

}  // namespace chameleon::worker::binlog
