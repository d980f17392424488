// Where the reader stands, from what the stream proves: counted bytes, rotations and GTIDs.
//
// Header positions are 32 bit, wrap, and are 0 inside MariaDB 11 transactions and in transaction
// payloads: they correct the count, they are never believed alone (facts 3.7). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"
#include "worker/binlog/event.h"
#include "worker/binlog/gtid_set.h"

namespace chameleon::worker::stream {

class LogPosition {
 public:
  // INVALID_ARGUMENT: start.gtid() is not a GTID set of that server kind.
  static absl::StatusOr<LogPosition> Create(const v1::Position& start, bool is_mariadb);

  // To be called for every event before it is acted on; not for events inside a payload.
  void Seen(const binlog::EventHeader& header);
  void Rotated(std::string_view file, uint64_t offset);
  // DATA_LOSS: `file` is the one we started in, but was created at another time (server reset).
  absl::Status FileCreated(uint32_t timestamp);
  // Heartbeat: nothing newer exists up to there. Low 32 bits only unless `is_64bit`.
  void ReachedByHeartbeat(std::string_view file, uint64_t offset, bool is_64bit);

  void Begin(const binlog::MysqlGtid& gtid) { mysql_pending_ = gtid; }
  void Begin(const binlog::MariadbGtid& gtid) { mariadb_pending_ = gtid; }
  // The current group is complete: its GTID, if any, joins the set.
  void Commit();

  // Whether the event seen last belongs to what a copy taken at `copy` holds already. By file and
  // offset; with `by_gtid` by the current group's GTID, if it has one. False when the two cannot be
  // compared (another log name): a change is then applied, and drift would show.
  bool IsIn(const v1::Position& copy, bool by_gtid) const;

  // Offsets beyond 4 GiB cannot be started from by file (facts 3.7).
  bool AddressableByFile() const { return current_.offset() <= 0xffffffffu; }
  // The place after the last event seen.
  const v1::Position& current() const { return current_; }

 private:
  LogPosition() = default;

  bool is_mariadb_ = false;
  v1::Position current_;
  std::string start_file_;
  uint32_t start_created_ = 0;
  binlog::MysqlGtidSet mysql_set_;
  binlog::MariadbGtidPosition mariadb_set_;
  std::optional<binlog::MysqlGtid> mysql_pending_;
  std::optional<binlog::MariadbGtid> mariadb_pending_;
};

}  // namespace chameleon::worker::stream
