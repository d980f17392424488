// TABLE_MAP and rows events: which table, which columns, and each value as a slice of raw bytes.
//
// Pure. A slice is what worker/encode turns into a literal; slicing needs only the table map.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/binlog/event.h"

namespace chameleon::worker::binlog {

// Type codes as they appear in TABLE_MAP; CHAR/ENUM/SET share kString and are told apart by meta.
enum class ColumnType : uint8_t {
  kDecimal = 0,
  kTiny = 1,
  kShort = 2,
  kLong = 3,
  kFloat = 4,
  kDouble = 5,
  kNull = 6,
  kTimestamp = 7,
  kLongLong = 8,
  kInt24 = 9,
  kDate = 10,
  kTime = 11,
  kDatetime = 12,
  kYear = 13,
  kNewDate = 14,
  kVarchar = 15,
  kBit = 16,
  kTimestamp2 = 17,
  kDatetime2 = 18,
  kTime2 = 19,
  kTypedArray = 20,
  kMariadbBlobCompressed = 140,
  kMariadbVarcharCompressed = 141,
  kVector = 242,
  kInvalid = 243,
  kBool = 244,
  kJson = 245,
  kNewDecimal = 246,
  kEnum = 247,
  kSet = 248,
  kTinyBlob = 249,
  kMediumBlob = 250,
  kLongBlob = 251,
  kBlob = 252,
  kVarString = 253,
  kString = 254,
  kGeometry = 255,
};

inline constexpr uint8_t kLayoutUnknown = 0xff;

struct ColumnMap {
  ColumnType type = ColumnType::kNull;  // kEnum and kSet already resolved from kString
  // As in the event, by type: kNewDecimal precision, scale; temporal2: fsp; kVarchar and kString:
  // byte length; blobs, JSON, geometry, vector: bytes of the length prefix; kBit: bits;
  // kEnum and kSet: bytes of the value; kFloat/kDouble: byte width.
  uint16_t length = 0;
  uint8_t scale = 0;
  bool nullable = false;
  // How its value is cut out of a row: `prefix_bytes` of length, or if 0, `fixed_bytes`. Derived
  // from the fields above by LayOut(); ParseTableMap does it.
  uint8_t prefix_bytes = kLayoutUnknown;
  uint16_t fixed_bytes = 0;
};

// False: the type cannot be cut out of a row (its layout stays unknown, and rows with it are
// refused). `old_fsp`: kTime, kDatetime and kTimestamp carry no fraction digits in the table map
// (MariaDB, mysql56_temporal_format=OFF); the caller knows them from the schema and lays the column
// out again.
bool LayOut(ColumnMap* column, uint8_t old_fsp = 0);

// Optional metadata (binlog_row_metadata). Empty vectors: the server did not send it.
struct TableMetadata {
  std::vector<bool> is_unsigned;  // per column; meaningful for numeric ones
  bool has_signedness = false;
  std::vector<uint32_t> collations;  // per column, 0 = not a character column or not sent
  std::vector<std::string_view> names;
  std::vector<uint32_t> primary_key;  // column indexes
};

struct TableMap {
  uint64_t table_id = 0;
  uint16_t flags = 0;
  std::string schema;  // UTF-8
  std::string table;
  std::vector<ColumnMap> columns;
  std::string raw_metadata;  // the optional block, undecoded
};
absl::StatusOr<TableMap> ParseTableMap(const Event& event, const FormatDescription& format);
// The table id of a TABLE_MAP or rows event alone: cheap, to skip what nobody replicates.
absl::StatusOr<uint64_t> ParseTableId(const Event& event, const FormatDescription& format);
// Decodes raw_metadata. `is_mariadb`: it counts GEOMETRY among the character columns.
absl::StatusOr<TableMetadata> ParseTableMetadata(const TableMap& map, bool is_mariadb);

enum class RowKind : uint8_t { kInsert, kUpdate, kDelete };

inline constexpr uint16_t kRowsStmtEnd = 0x01;
inline constexpr uint16_t kRowsNoForeignKeys = 0x02;
inline constexpr uint16_t kRowsSqlLayerForeignKeys = 0x10;
inline constexpr uint64_t kDummyTableId = 0x00ffffff;

struct RowsEvent {
  uint64_t table_id = 0;
  uint16_t flags = 0;
  RowKind kind = RowKind::kInsert;
  bool partial_json = false;        // PARTIAL_UPDATE_ROWS
  uint32_t width = 0;               // columns
  std::string_view present_before;  // bitmaps, LSB first; update: before and after
  std::string_view present_after;   // insert: only this one
  std::string_view rows;
  std::shared_ptr<const std::string> decompressed;  // owns `rows` of a compressed event
};
// Of a type that ParseRowsEvent reads.
bool IsRowsEvent(EventType type);
absl::StatusOr<RowsEvent> ParseRowsEvent(const Event& event, const FormatDescription& format);

// One value inside a row image.
struct Slice {
  enum State : uint8_t { kAbsent, kNull, kValue };
  const char* data = nullptr;
  uint32_t size = 0;  // without the length prefix
  State state = kAbsent;
  bool json_diff = false;  // `data` is a list of JSON diffs, not a document
};
using RowSlices = std::vector<Slice>;  // one per column of the table

// Walks the rows of one event. Does not own anything.
class RowCursor {
 public:
  RowCursor(const TableMap& map, const RowsEvent& rows);

  bool AtEnd() const { return at_ == rows_.rows.size() && !hides_rows_; }
  // Fills `before` (update, delete) and `after` (insert, update); the other one is left alone.
  // DATA_LOSS: the image does not fit the table map. FAILED_PRECONDITION: the event stores a row
  // without any column, so how many rows it has is not known.
  absl::Status Next(RowSlices* before, RowSlices* after);
  // The raw bytes of the image(s) that the last Next() walked, for SliceImage: without the present
  // bitmap, with the partial-JSON head of PARTIAL_UPDATE_ROWS.
  std::string_view last_before() const { return last_before_; }
  std::string_view last_after() const { return last_after_; }

 private:
  const TableMap& map_;
  const RowsEvent& rows_;
  size_t at_ = 0;
  bool hides_rows_;
  std::string_view last_before_, last_after_;
};

// Slices one stored image again (netting keeps raw bytes and encodes only the survivors).
// `partial_json`: it is an after image of PARTIAL_UPDATE_ROWS.
absl::Status SliceImage(const TableMap& map, std::string_view present, std::string_view image,
                        RowSlices* out, bool partial_json = false);

// Writes slices as an image that SliceImage reads with the same map. Absent columns stay absent, or
// become NULL. `row` has a slice per column and no JSON diffs; a value may be longer than the one
// it replaces, but must fit its length prefix.
void JoinImage(const TableMap& map, const RowSlices& row, bool absent_as_null, std::string* present,
               std::string* image);

}  // namespace chameleon::worker::binlog
