#include "worker/source/dump_error.h"

#include <fmt/format.h>

#include "proto/wire/error.h"
#include "proto/wire/position.h"

namespace chameleon::worker::source {
namespace {

constexpr char kCopyAgain[] = "Copy the source again with chamctl init_replica.";

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// "mysql-bin.000042" → "mysql-bin", 42. Numbers grow beyond six digits: never compare as text.
struct LogName {
  std::string_view base;
  uint64_t number = 0;
};
LogName Split(std::string_view file) {
  LogName name;
  size_t dot = file.rfind('.');
  if (dot == std::string_view::npos) return {file, 0};
  name.base = file.substr(0, dot);
  for (char c : file.substr(dot + 1)) {
    if (c < '0' || c > '9') return {file, 0};
    name.number = name.number * 10 + static_cast<uint64_t>(c - '0');
  }
  return name;
}

// Why a file that we were reading is not there: reason and words.
std::pair<std::string_view, std::string> WhyMissing(const std::string& file,
                                                    const std::vector<BinaryLog>* logs) {
  if (logs == nullptr || logs->empty()) {
    return {"BINLOG_MISSING", "the server no longer has it (SHOW BINARY LOGS could not be read)"};
  }
  const BinaryLog& first = logs->front();
  const BinaryLog& last = logs->back();
  std::string range = fmt::format("SHOW BINARY LOGS lists {} to {}", first.file, last.file);
  LogName ours = Split(file);
  if (ours.base != Split(first.file).base) {
    return {"SERVER_CHANGED", fmt::format("the server's logs have other names: {}", range)};
  }
  if (ours.number < Split(first.file).number) {
    return {"BINLOG_PURGED", fmt::format("it was purged: {}", range)};
  }
  return {"SERVER_RESET", fmt::format("the server was reset or replaced: {}", range)};
}

}  // namespace

DumpError ClassifyDumpError(int server_errno, std::string_view text) {
  constexpr int kReplicaKilled = 4052, kPrivilege = 1227;
  if (server_errno == kReplicaKilled || Contains(text, "same server_uuid/server_id") ||
      Contains(text, "same server_id")) {
    return DumpError::kServerIdInUse;
  }
  if (server_errno == kPrivilege) return DumpError::kPrivilege;
  struct {
    std::string_view part;
    DumpError error;
  } constexpr kTexts[] = {
      {"Could not find first log file name", DumpError::kFileMissing},
      {"position > file size", DumpError::kBeyondEnd},
      {"impossible position", DumpError::kBeyondEnd},
      {"purged required binary logs", DumpError::kPurged},
      {"Could not find GTID state", DumpError::kPurged},
      {"more GTIDs than the", DumpError::kAhead},
      {"binlog truncated in the middle of event", DumpError::kNotAnEvent},
      {"exceeded max_allowed_packet", DumpError::kNotAnEvent},
      {"which is not in the master's binlog", DumpError::kAhead},
  };
  for (const auto& [part, error] : kTexts) {
    if (Contains(text, part)) return error;
  }
  return DumpError::kOther;
}

absl::Status DumpErrorStatus(DumpError error, std::string_view server_text,
                             const v1::Position& start, bool by_gtid,
                             const std::vector<BinaryLog>* logs) {
  std::string where = by_gtid ? "GTID " + start.gtid() : PositionText(start);
  auto lost = [&](std::string_view reason, std::string_view what) {
    return Error(
        absl::StatusCode::kDataLoss, reason, where,
        fmt::format("cannot read from {}: {}; the server says: {}", where, what, server_text),
        kCopyAgain);
  };
  switch (error) {
    case DumpError::kServerIdInUse:
      return Error(
          absl::StatusCode::kFailedPrecondition, "SERVER_ID_IN_USE", "my_server_id",
          fmt::format("another reader uses our server_id; the server says: {}", server_text),
          "Give this source a my_server_id that no other replica or tool uses.");
    case DumpError::kPrivilege:
      return Error(
          absl::StatusCode::kFailedPrecondition, "PRIVILEGE_MISSING", "REPLICATION SLAVE",
          fmt::format("privilege REPLICATION SLAVE is missing; the server says: {}", server_text),
          "Grant REPLICATION SLAVE ON *.* to the user of this source.");
    case DumpError::kFileMissing: {
      auto [reason, what] = WhyMissing(start.file(), logs);
      return lost(reason, what);
    }
    case DumpError::kBeyondEnd:
      return lost("SERVER_RESET", "the file is shorter: the server was reset or lost transactions");
    case DumpError::kPurged:
      return lost("BINLOG_PURGED", "transactions that the replica lacks were purged");
    case DumpError::kAhead:
      return lost("REPLICA_AHEAD",
                  "the replica has transactions that the source has not: the server was reset, "
                  "restored, or lost them in a crash");
    case DumpError::kNotAnEvent:
      return lost("POSITION_INVALID", "no event begins there: the server was reset or replaced");
    case DumpError::kOther:
      break;
  }
  return lost("DUMP_REFUSED", "the server refuses");
}

}  // namespace chameleon::worker::source
