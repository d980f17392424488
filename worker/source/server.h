// What a server is and where its binary log ends: the questions every part of this room asks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"
#include "worker/source/connection.h"
#include "worker/source/table_now.h"

namespace chameleon::worker::source {

// Kind and number out of version(): "8.0.26-17" → MYSQL 80026, "10.11.19-MariaDB-…" → MARIADB
// 101119. Servers that only speak the protocol ("5.7.25-TiDB-v7") are KIND_UNSPECIFIED.
struct VersionNumber {
  v1::ServerInfo::Kind kind = v1::ServerInfo::KIND_UNSPECIFIED;
  uint32_t number = 0;  // major * 10000 + minor * 100 + patch
};
VersionNumber ParseVersion(std::string_view version);

// Global variables that exist, by lower-case name.
using Variables = std::map<std::string, std::string>;
absl::StatusOr<Variables> ReadVariables(Connection* connection,
                                        const std::vector<std::string_view>& names);

absl::StatusOr<v1::ServerInfo> ReadServerInfo(Connection* connection);

// What DDL texts leave out: the default character sets of the server and of each database, and the
// character set of each collation.
absl::Status ReadCharsets(Connection* connection, v1::ServerInfo* server);

// Does CREATE TABLE in a session's current database take the default that the session has read with
// USE, whatever others have made of it since? MariaDB, and MySQL before 8.0.
bool SessionsKeepDefaults(const v1::ServerInfo& server);
// Nothing: the name is free.
absl::StatusOr<std::optional<TableNow>> ReadTableNow(const v1::SourceConnection& config,
                                                     const v1::TableName& name);
// Of tables without an ENGINE clause, if their session has not chosen another.
absl::StatusOr<std::string> ReadDefaultEngine(const v1::SourceConnection& config);

struct BinlogStatus {
  std::string file;  // empty: the binary log is off
  uint64_t offset = 0;
  std::string do_db, ignore_db;
  std::string gtid;  // MySQL: gtid_executed; MariaDB: the GTID position of file and offset
};
// The end of the binary log, in one statement. Needs REPLICATION CLIENT / BINLOG MONITOR.
absl::StatusOr<BinlogStatus> ReadBinlogStatus(Connection* connection, const v1::ServerInfo& server);

// MariaDB: the GTID position that corresponds to a file position; needs no privilege.
absl::StatusOr<std::string> MariadbGtidPosition(Connection* connection, std::string_view file,
                                                uint64_t offset);

struct BinaryLog {
  std::string file;
  uint64_t size = 0;
};
absl::StatusOr<std::vector<BinaryLog>> ReadBinaryLogs(Connection* connection);

// Number of XA transactions that are prepared. FAILED_PRECONDITION: not allowed to look.
absl::StatusOr<size_t> CountPreparedXa(Connection* connection);

}  // namespace chameleon::worker::source
