// What the stream does with rows, over one event after another: schemas from the QUERY events,
// checks, slices, literals, keys, stored images, JSON diffs. For the corruption loop and the row
// fuzzer. Aborts when an answer breaks its contract; any status is an answer.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>

#include "absl/status/status.h"
#include "tests/golden/log_schema.h"
#include "worker/binlog/row_image.h"

namespace chameleon::test {

class RowExercise {
 public:
  // `schema` outlives it. Checksums are not verified: they would hide the rest from the damage.
  explicit RowExercise(LogSchema* schema) : schema_(schema) {}

  // OK also for rows of tables that nobody knows. The first error that was met.
  absl::Status Take(std::string_view raw);

  const worker::binlog::FormatDescription& format() const { return parser_.format(); }
  uint64_t rows() const { return rows_; }

 private:
  absl::Status TakeEvent(const worker::binlog::Event& event);
  absl::Status TakeRows(const worker::binlog::RowsEvent& rows);
  absl::Status TakeRow(LogSchema::Table& table, const worker::binlog::TableMap& map,
                       const worker::binlog::RowSlices& row, std::string_view present);

  LogSchema* schema_;
  worker::binlog::EventParser parser_{/*verify_checksums=*/false};
  std::map<uint64_t, worker::binlog::TableMap> maps_;
  uint64_t rows_ = 0;
};

}  // namespace chameleon::test
