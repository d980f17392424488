// One table version's values as PostgreSQL text: compiled once, run per row.
//
// Both ways of reading a source end here, so they cannot disagree: AppendTextRow takes what a
// SELECT of SelectList() returned (text protocol, the session set up as facts section 6 says),
// AppendJson takes slices of a binary log row image.
// Pure and not thread-safe (keeps scratch buffers): one instance per thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"
#include "worker/binlog/row_image.h"

namespace chameleon::worker::encode {

// Values that a policy altered, by kind ("zero_date_to_null", "nul_removed", …).
struct LossCount {
  uint64_t count = 0;
  std::string example;  // "column d, id=42"; never the value
};
using LossCounts = std::map<std::string, LossCount>;

class TableCodec {
 public:
  // INVALID_ARGUMENT: definition and plan do not fit together, or an encoding is impossible for a
  // source type; the message names table and column.
  static absl::StatusOr<std::unique_ptr<TableCodec>> Create(const v1::TableDef& def,
                                                            const v1::TablePlan& plan);
  virtual ~TableCodec() = default;

  // Snapshot: the comma-separated, quoted select list whose columns AppendTextRow expects
  // (omitted columns left out, FLOAT cast to DOUBLE, ENUM as number, …), and the COPY column list
  // of target names, quoted.
  virtual std::string SelectList() const = 0;
  virtual std::string CopyColumns() const = 0;
  // Appends one COPY text line with its newline. `values[i]` null pointer: SQL NULL. On an error
  // nothing is appended.
  virtual absl::Status AppendTextRow(const char* const* values, const unsigned long* lengths,
                                     std::string* out) = 0;

  // Checks a TABLE_MAP against the definition: count, types, dimensions, and names and signedness
  // when sent. FAILED_PRECONDITION names the first difference. Lays out the columns whose size only
  // the definition tells (old temporals with fractions).
  virtual absl::Status CheckTableMap(binlog::TableMap& map, bool is_mariadb) = 0;

  // Log: appends a JSON object {"column":"literal",…} escaped for a COPY text field.
  // kAllColumns: every present column. kAllOrDefault: absent ones with their constant DEFAULT.
  // kKeyColumns: the key only; its losses are not counted again.
  // FAILED_PRECONDITION: a key value that PostgreSQL cannot keep (a policy could merge two keys),
  // or an absent column whose DEFAULT is not constant. DATA_LOSS: bytes that are no value of the
  // type. On an error nothing is appended.
  enum class Columns { kAllColumns, kAllOrDefault, kKeyColumns };
  virtual absl::Status AppendJson(const binlog::TableMap& map, const binlog::RowSlices& row,
                                  Columns columns, std::string* out) = 0;

  // One column's value, present in `row`, as AppendJson writes it. FAILED_PRECONDITION: it cannot
  // be told exactly (a policy altered it, or it is not carried).
  virtual absl::Status AppendJsonValue(const binlog::TableMap& map, const binlog::RowSlices& row,
                                       size_t column, std::string* out) = 0;

  // The bytes that identify the row: equal exactly when the key values are equal bytewise.
  // FAILED_PRECONDITION: a key column is absent or the table has no key.
  virtual absl::Status AppendKey(const binlog::RowSlices& row, std::string* out) const = 0;
  // For messages and the ledger: "id=42, code=x" (key values only, shortened).
  virtual std::string KeyText(const binlog::TableMap& map, const binlog::RowSlices& row) = 0;

  // Losses since the last call.
  virtual LossCounts TakeLosses() = 0;
};

}  // namespace chameleon::worker::encode
