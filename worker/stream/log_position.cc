#include "worker/stream/log_position.h"

#include <fmt/format.h>

#include <charconv>

#include "proto/wire/error.h"

namespace chameleon::worker::stream {
namespace {

// The 64-bit offset not below `at_least` whose low 32 bits are `low`.
uint64_t Extend(uint32_t low, uint64_t at_least) {
  uint64_t offset = (at_least & ~uint64_t{0xffffffff}) | low;
  if (offset < at_least) offset += uint64_t{1} << 32;
  return offset;
}

// "mysql-bin.000042" → its name and number.
bool SplitFile(std::string_view file, std::string_view* name, uint64_t* number) {
  const size_t dot = file.rfind('.');
  if (dot == std::string_view::npos) return false;
  *name = file.substr(0, dot);
  const auto [end, error] =
      std::from_chars(file.data() + dot + 1, file.data() + file.size(), *number);
  return error == std::errc() && end == file.data() + file.size();
}

}  // namespace

absl::StatusOr<LogPosition> LogPosition::Create(const v1::Position& start, bool is_mariadb) {
  LogPosition position;
  position.is_mariadb_ = is_mariadb;
  position.current_ = start;
  position.start_file_ = start.file();
  position.start_created_ = start.file_created();
  if (is_mariadb) {
    auto set = binlog::MariadbGtidPosition::Parse(start.gtid());
    if (!set.ok()) return set.status();
    position.mariadb_set_ = *std::move(set);
  } else {
    auto set = binlog::MysqlGtidSet::Parse(start.gtid());
    if (!set.ok()) return set.status();
    position.mysql_set_ = *std::move(set);
  }
  return position;
}

void LogPosition::Seen(const binlog::EventHeader& header) {
  // Artificial events, and a format description sent for a start in the middle, stand nowhere.
  if ((header.flags & binlog::kFlagArtificial) != 0) return;
  if (header.type == binlog::EventType::kHeartbeat ||
      header.type == binlog::EventType::kHeartbeatV2)
    return;
  if (header.type == binlog::EventType::kFormatDescription && header.end_pos == 0) return;
  // A real ROTATE ends its file; Rotated() names the next place.
  current_.set_offset(header.end_pos != 0 ? Extend(header.end_pos, current_.offset())
                                          : current_.offset() + header.size);
}

void LogPosition::Rotated(std::string_view file, uint64_t offset) {
  if (current_.file() != file) {
    current_.set_file(std::string(file));
    current_.set_file_created(0);
    start_file_.clear();
  }
  current_.set_offset(offset);
}

absl::Status LogPosition::FileCreated(uint32_t timestamp) {
  if (current_.file() == start_file_ && start_created_ != 0 && timestamp != 0 &&
      timestamp != start_created_) {
    return Error(absl::StatusCode::kDataLoss, "SOURCE_RESET", current_.file(),
                 fmt::format("binary log {} was created at another time ({}) than the one that was "
                             "being read ({}): the source was reset or restored",
                             current_.file(), timestamp, start_created_),
                 "Run `chamctl init_replica` for this source to copy it anew.");
  }
  if (timestamp != 0) current_.set_file_created(timestamp);
  return absl::OkStatus();
}

void LogPosition::ReachedByHeartbeat(std::string_view file, uint64_t offset, bool is_64bit) {
  if (file != current_.file()) return;
  const uint64_t reached =
      is_64bit ? offset : Extend(static_cast<uint32_t>(offset), current_.offset());
  if (reached > current_.offset()) current_.set_offset(reached);
}

bool LogPosition::IsIn(const v1::Position& copy, bool by_gtid) const {
  if (by_gtid && !copy.gtid().empty()) {
    if (mysql_pending_.has_value() && !mysql_pending_->anonymous) {
      const auto set = binlog::MysqlGtidSet::Parse(copy.gtid());
      return set.ok() && set->Contains(*mysql_pending_);
    }
    if (mariadb_pending_.has_value()) {
      const auto set = binlog::MariadbGtidPosition::Parse(copy.gtid());
      return set.ok() && set->Contains(*mariadb_pending_);
    }
  }
  if (current_.file() == copy.file()) return current_.offset() <= copy.offset();
  std::string_view here, there;
  uint64_t here_number = 0, there_number = 0;
  return SplitFile(current_.file(), &here, &here_number) &&
         SplitFile(copy.file(), &there, &there_number) && here == there &&
         here_number < there_number;
}

void LogPosition::Commit() {
  if (mysql_pending_.has_value()) {
    mysql_set_.Add(*mysql_pending_);
    if (!mysql_pending_->anonymous) current_.set_gtid(mysql_set_.ToString());
    mysql_pending_.reset();
  }
  if (mariadb_pending_.has_value()) {
    mariadb_set_.Set(mariadb_pending_->domain, mariadb_pending_->server_id,
                     mariadb_pending_->sequence);
    current_.set_gtid(mariadb_set_.ToString());
    mariadb_pending_.reset();
  }
}

}  // namespace chameleon::worker::stream
