// GTID sets of both servers: parse, add, print, and the wire form of COM_BINLOG_DUMP_GTID.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/binlog/event.h"

namespace chameleon::worker::binlog {

// A tag in lower case: a letter or underscore, then also digits, at most 32. Empty: not a tag.
std::string CanonicalTag(std::string_view text);

// MySQL: "uuid:1-5:7,uuid:tag:3" (also read: "uuid:1-5:7:tag:3", as the server prints it).
// Intervals are kept merged; text is canonical (sorted, lower case). Bad input is INVALID_ARGUMENT.
class MysqlGtidSet {
 public:
  static absl::StatusOr<MysqlGtidSet> Parse(std::string_view text);  // white space allowed
  // The SID block of PREVIOUS_GTIDS (and of the dump command), untagged or tagged.
  static absl::StatusOr<MysqlGtidSet> Decode(std::string_view block);
  void Add(const MysqlGtid& gtid);  // anonymous: no effect
  bool Contains(const MysqlGtid& gtid) const;
  bool empty() const { return sets_.empty(); }
  std::string ToString() const;
  // SID block of COM_BINLOG_DUMP_GTID; the tagged form only when a tag exists.
  std::string Encode() const;

 private:
  using Key = std::pair<std::string, std::string>;             // 16 raw bytes, tag
  using Intervals = std::vector<std::pair<int64_t, int64_t>>;  // [first, last], sorted, apart

  static void AddInterval(Intervals* intervals, int64_t first, int64_t last);

  std::map<Key, Intervals> sets_;
};

// MariaDB: the last GTID per domain, "0-1-42,7-2-9". Bad input is INVALID_ARGUMENT.
class MariadbGtidPosition {
 public:
  static absl::StatusOr<MariadbGtidPosition> Parse(std::string_view text);
  void Set(uint32_t domain, uint32_t server_id, uint64_t sequence);
  bool Contains(const MariadbGtid& gtid) const;  // at or before the domain's last one
  bool empty() const { return last_.empty(); }
  std::string ToString() const;

 private:
  std::map<uint32_t, std::pair<uint32_t, uint64_t>> last_;
};

}  // namespace chameleon::worker::binlog
