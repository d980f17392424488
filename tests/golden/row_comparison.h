// One binary log's rows, from table map check and codec to their literals, beside what a server's
// own tool prints of the same log. Every difference is a failed expectation of the running test.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/golden/corpus.h"
#include "tests/golden/log_schema.h"
#include "tests/golden/printed_rows.h"
#include "worker/binlog/row_image.h"

namespace chameleon::test {

class RowComparison {
 public:
  // `version`, `charset`: of the log's server, see LogSchema.
  RowComparison(std::string name, const std::string& version, const std::string& charset,
                const PrintedLog& printed);

  LogSchema& schema() { return schema_; }

  // Not OK: the event at which we refuse to read on; what came before has been compared. At the end
  // of a log that the tool has read to its end, too, each printed row must have been seen.
  absl::Status Take(const std::vector<std::string>& events);

  std::string Summary() const;
  int events() const { return events_; }
  int row_events() const { return row_events_; }
  int rows() const { return rows_; }
  int values() const { return values_; }
  // Rows, by the reason why they were read by their table map's types alone.
  const std::map<std::string, int>& without_schema() const { return without_schema_; }
  // Rows, by the reason why their table stops.
  const std::map<std::string, int>& stopped() const { return stopped_; }

 private:
  absl::Status Take(const worker::binlog::Event& event);
  absl::Status TakeRows(const worker::binlog::RowsEvent& rows);
  absl::Status TakeRow(LogSchema::Table& table, const worker::binlog::TableMap& map,
                       worker::binlog::RowKind kind, const worker::binlog::RowSlices& before,
                       worker::binlog::RowSlices* after);
  LogSchema::Table* TableOf(worker::binlog::TableMap* map, std::string* why_not);
  LogSchema::Table* Assumed(const worker::binlog::TableMap& map);
  void ApplyDiffs(const worker::binlog::RowSlices& before,
                  const std::map<int, std::string>& printed_before,
                  worker::binlog::RowSlices* after, std::vector<std::string>* documents,
                  std::map<int, std::string>* expected);
  absl::Status Compare(LogSchema::Table& table, const worker::binlog::TableMap& map,
                       const worker::binlog::RowSlices& row,
                       const std::map<int, std::string>& printed);

  const std::string name_;
  LogSchema schema_;
  const Tool tool_;
  const bool tool_reached_end_;
  const std::vector<PrintedRow> printed_;
  size_t next_ = 0;
  worker::binlog::FormatDescription format_;
  std::map<uint64_t, worker::binlog::TableMap> maps_;
  std::unique_ptr<LogSchema> assumed_;
  std::map<std::string, int> without_schema_, stopped_;
  std::set<int> partial_;
  int events_ = 0, row_events_ = 0, rows_ = 0, values_ = 0, undecided_ = 0;
};

}  // namespace chameleon::test
