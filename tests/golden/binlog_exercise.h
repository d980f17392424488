// Runs everything that worker/binlog can do over one event, as a reader would: for golden tests,
// the corruption loop and the fuzzer.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "worker/binlog/event.h"
#include "worker/binlog/row_image.h"

namespace chameleon::test {

// What was seen, for comparison with an oracle.
struct BinlogTally {
  std::map<std::string, int> events;  // by type name; those in payloads with "payload:" before it
  std::map<std::string, int> column_types;
  std::map<worker::binlog::RowKind, int> rows;
};

class BinlogWalker {
 public:
  explicit BinlogWalker(bool verify_checksums = true) : parser_(verify_checksums) {}

  // Frames, parses, and slices all rows to the end. An error is the first one met.
  absl::Status Take(std::string_view raw);
  // Every parser on the same body, whatever its type: none may crash. Answers are thrown away.
  void TakeWithAllParsers(std::string_view raw);

  const BinlogTally& tally() const { return tally_; }
  const worker::binlog::FormatDescription& format() const { return parser_.format(); }
  const std::map<uint64_t, worker::binlog::TableMap>& maps() const { return maps_; }

 private:
  absl::Status TakeEvent(const worker::binlog::Event& event, const std::string& prefix);
  absl::Status TakeTableMap(const worker::binlog::Event& event);
  absl::Status TakeRows(const worker::binlog::Event& event);
  absl::Status TakePayload(const worker::binlog::Event& event);
  bool is_mariadb() const {
    return parser_.format().server_version.find("MariaDB") != std::string::npos;
  }

  worker::binlog::EventParser parser_;
  std::map<uint64_t, worker::binlog::TableMap> maps_;
  BinlogTally tally_;
};

}  // namespace chameleon::test
