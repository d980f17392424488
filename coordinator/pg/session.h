// One connection to the target: Session (libpqxx) for statements, CopyingSession (libpq) for COPY
// of ready-made lines, which libpqxx does not offer. No other room knows either library.
//
// Not thread-safe. Every call after a lost connection fails with UNAVAILABLE; open a new session.
// Errors: UNAVAILABLE (away, shutting down, resources, lock timeout: try again), ABORTED
// (serialization failure, deadlock, SQLSTATE CH001 and CH002: the lease or the position is not
// current), PERMISSION_DENIED, FAILED_PRECONDITION (anything else about data or schema), each with
// PostgreSQL's text, detail and context; SqlState() of a status gives the code.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/config/config.h"

namespace chameleon::coordinator::pg {

using Param = std::optional<std::string>;

// A result's rows, as text. Indexes are not checked.
class Rows {
 public:
  using Data = std::vector<std::vector<Param>>;
  Rows() = default;
  explicit Rows(Data rows) : rows_(std::move(rows)) {}
  size_t size() const { return rows_.size(); }
  bool empty() const { return rows_.empty(); }
  bool IsNull(size_t row, size_t column) const { return !rows_[row][column]; }
  // NULL reads as "", 0 and false.
  std::string Text(size_t row, size_t column) const { return rows_[row][column].value_or(""); }
  int64_t Int(size_t row, size_t column) const;
  uint64_t Uint(size_t row, size_t column) const { return static_cast<uint64_t>(Int(row, column)); }
  double Real(size_t row, size_t column) const;
  bool Bool(size_t row, size_t column) const { return rows_[row][column] == "t"; }
  // A one-dimensional array of texts, read from its output form.
  std::vector<std::string> Array(size_t row, size_t column) const;

 private:
  Data rows_;
};

class Session {
 public:
  // Sets what facts 7.1 and 7.6 ask for: UTF-8, ISO dates, UTC, no timeouts, TCP keepalives.
  static absl::StatusOr<std::unique_ptr<Session>> Connect(const TargetConnection& target,
                                                          std::string_view application_name);
  virtual ~Session() = default;

  // One or more statements without parameters; the rows of the last one. Several statements are one
  // transaction unless they say otherwise.
  virtual absl::StatusOr<Rows> Execute(std::string_view sql) = 0;
  // One statement with $1 … as text.
  virtual absl::StatusOr<Rows> Query(std::string_view sql, const std::vector<Param>& params) = 0;

  // Rolls back whatever is open, a COPY included. Does nothing on a lost connection.
  virtual void Abandon() = 0;
  // Asks the server to cancel what runs; from any thread, while the session lives.
  virtual void Cancel() = 0;
  virtual bool Connected() const = 0;
  virtual int ServerVersion() const = 0;  // 150020
};

class CopyingSession : public Session {
 public:
  static absl::StatusOr<std::unique_ptr<CopyingSession>> Connect(const TargetConnection& target,
                                                                 std::string_view application_name);
  // `sql` ends with COPY … FROM STDIN; statements before it travel with it in one round trip.
  virtual absl::Status StartCopy(std::string_view sql) = 0;
  virtual absl::Status WriteCopy(std::string_view data) = 0;
  virtual absl::StatusOr<uint64_t> EndCopy() = 0;  // rows stored
};

// SQLSTATE of an error from this room, or empty.
std::string SqlState(const absl::Status& status);

// A block that rolls back unless Commit succeeded. A commit whose answer was lost is UNAVAILABLE:
// in doubt, the catalogue tells.
class Transaction {
 public:
  explicit Transaction(Session* session) : session_(session) {}
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  absl::Status Begin();
  absl::Status Commit();

 private:
  Session* session_;
  bool open_ = false;
};

}  // namespace chameleon::coordinator::pg
