// One client connection to MySQL or MariaDB: the fence around libmariadb.
//
// Not thread-safe, except Interrupt(). Errors carry the server's number (ServerErrno) and text,
// never the password. UNAVAILABLE: server or network away, too many connections.
// FAILED_PRECONDITION: access denied, unknown database, TLS refused. INTERNAL: everything else the
// server says. A new connection talks utf8mb4 and has an empty sql_mode.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "chameleon/v1/worker.pb.h"

namespace chameleon::worker::source {

// The server's (or client library's) error number; 0: the status did not come from there.
int ServerErrno(const absl::Status& status);

// A whole result in memory: for catalogue queries.
struct Table {
  using Row = std::vector<std::optional<std::string>>;
  std::vector<std::string> columns;
  std::vector<Row> rows;

  // Index of a column by name (letter case ignored), -1 if there is none.
  int Find(std::string_view column) const;
  // The value, or "" when it is NULL or the column (-1) does not exist.
  std::string Get(size_t row, int column) const;
  std::string Get(size_t row, std::string_view column) const { return Get(row, Find(column)); }
};

// Rows as they come from the server. Destroyed before its end: the connection is broken, because
// reading a large rest would take longer than connecting anew.
class RowStream {
 public:
  RowStream(RowStream&&) noexcept;
  ~RowStream();
  // false: at the end, or failed (see status()). Values are valid until the next call.
  bool Next();
  const char* const* values() const { return values_; }
  const unsigned long* lengths() const { return lengths_; }
  unsigned columns() const { return columns_; }
  const absl::Status& status() const { return status_; }

 private:
  friend class Connection;
  struct Impl;
  explicit RowStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
  const char* const* values_ = nullptr;
  const unsigned long* lengths_ = nullptr;
  unsigned columns_ = 0;
  absl::Status status_;
};

class Connection {
 public:
  // `read_timeout_s` > 0 overrides the connection's net_read_timeout_s (default 600).
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const v1::SourceConnection& config,
                                                          uint32_t read_timeout_s = 0);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  absl::Status Exec(std::string_view sql);  // any result is discarded
  absl::StatusOr<Table> Query(std::string_view sql);
  absl::StatusOr<RowStream> Stream(std::string_view sql);

  // Replication: sends a command packet without waiting for an answer, then reads packets. A packet
  // is valid until the next call; the status byte is its first.
  absl::Status SendCommand(uint8_t command, std::string_view body);
  absl::StatusOr<std::string_view> ReadPacket();

  // Ends whatever the connection is doing, from any thread: every later call fails.
  void Interrupt();
  bool interrupted() const;
  uint64_t thread_id() const;
  bool encrypted() const;

 private:
  struct Impl;
  friend class RowStream;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What reading rows of a snapshot needs (facts section 6): values as the binary log has them, UTC,
// REPEATABLE READ, no server-side time limits that a slow target could hit. `lock_wait_s` bounds
// waiting for metadata locks.
absl::Status PrepareReadingSession(Connection* connection, uint32_t lock_wait_s);

}  // namespace chameleon::worker::source
