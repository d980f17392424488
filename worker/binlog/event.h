// Binary log events: framing, and the bodies that the reader acts on.
//
// Pure: bytes in, structs out; no I/O, clock or log. Every parse function checks all bounds and
// returns DATA_LOSS naming the event type and offset for damaged bytes; none reads past its input.
// string_views point into the caller's buffer and are valid as long as it is.
// Byte formats: MySQL "Replication Protocol" (dev.mysql.com/doc/dev/mysql-server), MariaDB
// "Replication Protocol" (mariadb.com/kb/en/replication-protocol).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace chameleon::worker::binlog {

enum class EventType : uint8_t {
  kUnknown = 0,
  kStartV3 = 1,
  kQuery = 2,
  kStop = 3,
  kRotate = 4,
  kIntvar = 5,
  kLoad = 6,
  kSlave = 7,
  kCreateFile = 8,
  kAppendBlock = 9,
  kExecLoad = 10,
  kDeleteFile = 11,
  kNewLoad = 12,
  kRand = 13,
  kUserVar = 14,
  kFormatDescription = 15,
  kXid = 16,
  kBeginLoadQuery = 17,
  kExecuteLoadQuery = 18,
  kTableMap = 19,
  kWriteRowsV0 = 20,
  kUpdateRowsV0 = 21,
  kDeleteRowsV0 = 22,
  kWriteRowsV1 = 23,
  kUpdateRowsV1 = 24,
  kDeleteRowsV1 = 25,
  kIncident = 26,
  kHeartbeat = 27,
  kIgnorable = 28,
  kRowsQuery = 29,
  kWriteRowsV2 = 30,
  kUpdateRowsV2 = 31,
  kDeleteRowsV2 = 32,
  kGtid = 33,
  kAnonymousGtid = 34,
  kPreviousGtids = 35,
  kTransactionContext = 36,
  kViewChange = 37,
  kXaPrepare = 38,
  kPartialUpdateRows = 39,
  kTransactionPayload = 40,
  kHeartbeatV2 = 41,
  kGtidTagged = 42,
  kMariadbAnnotateRows = 160,
  kMariadbBinlogCheckpoint = 161,
  kMariadbGtid = 162,
  kMariadbGtidList = 163,
  kMariadbStartEncryption = 164,
  kMariadbQueryCompressed = 165,
  kMariadbWriteRowsCompressedV1 = 166,
  kMariadbUpdateRowsCompressedV1 = 167,
  kMariadbDeleteRowsCompressedV1 = 168,
  kMariadbWriteRowsCompressedV2 = 169,
  kMariadbUpdateRowsCompressedV2 = 170,
  kMariadbDeleteRowsCompressedV2 = 171,
};

// "WRITE_ROWS_V2"; "TYPE_200" for codes without a name.
std::string EventTypeName(uint8_t type);

inline constexpr uint16_t kFlagThreadSpecific = 0x04;
inline constexpr uint16_t kFlagArtificial = 0x20;
inline constexpr uint16_t kFlagIgnorable = 0x80;

struct EventHeader {
  uint32_t timestamp = 0;  // seconds, source clock
  EventType type = EventType::kUnknown;
  uint32_t server_id = 0;
  uint32_t size = 0;     // header, body and checksum, bytes
  uint32_t end_pos = 0;  // low 32 bits, may be 0 or wrapped: never a position by itself
  uint16_t flags = 0;
};
inline constexpr size_t kHeaderBytes = 19;

struct Event {
  EventHeader header;
  std::string_view body;  // after the header (and post-header included), without the checksum
};

struct FormatDescription {
  uint16_t binlog_version = 0;
  std::string server_version;
  uint32_t created = 0;
  uint8_t header_length = 19;
  std::string post_header_lengths;  // [type - 1]
  bool has_checksum = false;        // events that follow end in CRC32
};

struct Rotate {
  uint64_t position = 0;
  std::string_view file;
};

struct Query {
  uint32_t thread_id = 0;
  uint16_t error_code = 0;
  std::string_view database;   // raw bytes, UTF-8 (the server's system character set)
  std::string_view statement;  // raw bytes in client_charset
  std::shared_ptr<const std::string> decompressed;  // owns `statement` of a compressed event
  std::optional<uint64_t> sql_mode;
  std::optional<uint32_t> flags2;
  std::optional<uint16_t> charset_client;  // collation ids
  std::optional<uint16_t> collation_connection;
  std::optional<uint16_t> collation_server;
  std::optional<uint16_t> charset_database;
  std::optional<uint8_t> explicit_defaults_for_timestamp;
  std::optional<uint16_t> default_collation_utf8mb4;
  std::optional<std::string> time_zone;
  // MySQL, row changes as statements: the databases that they, their triggers and functions change;
  // raw bytes, UTF-8. Empty: not told.
  std::vector<std::string_view> updated_databases;
  std::optional<uint8_t> gtid_flags3;  // MariaDB 0x82: 2 START, 4 COMMIT, 8 ROLLBACK ALTER
  std::optional<uint64_t> alter_start_seqno;
  // MariaDB 0x83, @@character_set_collations: default collation of a character set → in its place.
  std::vector<std::pair<uint16_t, uint16_t>> character_set_collations;
};

// The server keeps the last number for itself.
inline constexpr int64_t kGnoMax = INT64_MAX - 1;

// GTID_LOG_EVENT, ANONYMOUS and TAGGED.
struct MysqlGtid {
  bool anonymous = false;
  uint8_t uuid[16] = {};
  std::string tag;
  int64_t gno = 0;
  uint64_t commit_time_us = 0;  // immediate commit timestamp; 0: not sent
  uint64_t transaction_length = 0;
  uint32_t server_version = 0;  // 0: not sent
};

struct MariadbGtid {
  uint64_t sequence = 0;
  uint32_t domain = 0;
  uint32_t server_id = 0;  // from the event header
  uint8_t flags = 0;
  uint8_t flags_extra = 0;
  uint64_t alter_start_seqno = 0;
  std::optional<std::string> xid;  // XA: the same key form as XaPrepare::xid
  static constexpr uint8_t kStandalone = 1, kTransactional = 4, kDdl = 32, kPreparedXa = 64,
                           kCompletedXa = 128;
  static constexpr uint8_t kExtraStartAlter = 2, kExtraCommitAlter = 4, kExtraRollbackAlter = 8;
};

// MariaDB GTID_LIST: the last GTID of each domain.
struct MariadbGtidList {
  struct Entry {
    uint32_t domain, server_id;
    uint64_t sequence;
  };
  std::vector<Entry> entries;
};

struct XaPrepare {
  bool one_phase = false;
  std::string xid;  // format_id u32 LE, gtrid length u32, bqual length u32, data: a map key
};

struct Incident {
  uint16_t code = 0;
  std::string_view message;
};

struct Heartbeat {
  std::string_view file;
  uint64_t position = 0;
  bool position_is_64bit = false;  // V1 carries the low 32 bits only
};

// TABLE_MAP and rows: see row_image.h.

// Cuts events out of a stream and knows the checksum rule of the current file: the format
// description sets it, and it holds up to and including the next file's fake ROTATE.
// One per stream or file. Not thread-safe.
class EventParser {
 public:
  explicit EventParser(bool verify_checksums = true) : verify_(verify_checksums) {}

  // `raw` is one whole event as in the log (or a wire packet after its status byte).
  // `first_rotate_has_checksum`: see SetWireChecksum. DATA_LOSS: bad size or checksum.
  absl::StatusOr<Event> Parse(std::string_view raw);

  // On the wire, what was sent in @source_binlog_checksum decides whether the very first fake
  // ROTATE (before any format description) has a checksum: NONE → false, CRC32 → true.
  void SetWireChecksum(bool first_rotate_has_checksum) {
    has_checksum_ = first_rotate_has_checksum;
  }

  const FormatDescription& format() const { return format_; }

 private:
  bool verify_;
  bool has_checksum_ = false;
  FormatDescription format_;
};

// Events inside a TRANSACTION_PAYLOAD have no checksum and end_pos 0.
absl::StatusOr<Event> ParsePayloadEvent(std::string_view raw);

// LOG_FORMAT_REFUSED (DATA_LOSS): a form that only preview releases wrote.
absl::StatusOr<FormatDescription> ParseFormatDescription(const Event& event);
absl::StatusOr<Rotate> ParseRotate(const Event& event);
absl::StatusOr<Query> ParseQuery(const Event& event);  // also QUERY_COMPRESSED
absl::StatusOr<MysqlGtid> ParseMysqlGtid(const Event& event);
absl::StatusOr<MariadbGtid> ParseMariadbGtid(const Event& event);
absl::StatusOr<MariadbGtidList> ParseMariadbGtidList(const Event& event);
absl::StatusOr<uint64_t> ParseXid(const Event& event);
absl::StatusOr<XaPrepare> ParseXaPrepare(const Event& event);
absl::StatusOr<Incident> ParseIncident(const Event& event);
absl::StatusOr<Heartbeat> ParseHeartbeat(const Event& event);        // 27 and 41
absl::StatusOr<std::string> ParsePreviousGtids(const Event& event);  // as GtidSet text

// What the reader does with an event type. Every code is either handled, benign by name, or
// refused: nothing is skipped because it is unknown (an unknown type with kFlagIgnorable is
// benign).
enum class Disposition { kHandled, kBenign, kRefused };
Disposition DispositionOf(const EventHeader& header);
// Why an event of a refused type cannot be carried, and what to do.
absl::Status RefusedEvent(EventType type);

// Decompresses TRANSACTION_PAYLOAD as a stream: memory stays bounded by one inner event.
class PayloadReader {
 public:
  // `event_bytes_max`: a larger inner event is DATA_LOSS.
  static absl::StatusOr<PayloadReader> Open(const Event& payload, size_t event_bytes_max);
  PayloadReader(PayloadReader&&) noexcept;
  PayloadReader& operator=(PayloadReader&&) noexcept;
  ~PayloadReader();
  // The next inner event, valid until the next call; nullopt at the end.
  absl::StatusOr<std::optional<Event>> Next();

 private:
  struct Impl;
  explicit PayloadReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace chameleon::worker::binlog
