// One client connection to a PostgreSQL source: the fence around libpq in the worker.
//
// Not thread-safe, except Cancel(). Values come as text that does not depend on the server's
// settings (ISO dates, UTC, hexadecimal bytea, shortest exact floats); names are qualified; rows
// hidden by row security are an error. UNAVAILABLE: away; FAILED_PRECONDITION: refused, or what the
// server says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/worker.pb.h"

namespace chameleon::worker::pgsource {

using Row = std::vector<std::optional<std::string>>;

class Connection {
 public:
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const v1::SourceConnection& config);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The rows of the last statement.
  absl::StatusOr<std::vector<Row>> Query(const std::string& sql);
  // COPY … TO STDOUT: `line` gets each row with its newline; its error ends the copy.
  absl::Status CopyOut(const std::string& sql,
                       const std::function<absl::Status(std::string_view line)>& line);
  // Ends what runs, from any thread.
  void Cancel();

 private:
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

std::string QuoteName(std::string_view name);
std::string QuoteText(std::string_view text);

}  // namespace chameleon::worker::pgsource
