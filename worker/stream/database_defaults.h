// The default character sets of databases as of the reader's position: CREATE, ALTER and DROP
// DATABASE change them, and CREATE TABLE takes what it does not say from them.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"
#include "chameleon/v1/worker.pb.h"
#include "worker/ddl/schema_change.h"
#include "worker/ddl/statement.h"

namespace chameleon::worker::stream {

class DatabaseDefaults {
 public:
  // The character set that a table of the source gives to new columns now; "" without such a table.
  using TableCharset = std::function<absl::StatusOr<std::string>(const v1::TableName& name)>;

  // `databases`: the defaults where the stream starts; those in `server` do not count.
  // `table_charset`: of a source whose sessions keep defaults, else nothing: see CheckImplied.
  DatabaseDefaults(const v1::ServerInfo& server, const std::vector<v1::DatabaseDefault>& databases,
                   TableCharset table_charset);

  // The source, with the defaults of now.
  const v1::ServerInfo& server() const { return server_; }

  // What must be kept of the change together with the position behind it.
  v1::DatabaseDefault Follow(const ddl::DatabaseChange& change);

  // A session of MariaDB (and of MySQL before 8.0) gives a new table in its current database the
  // default that it has read with USE, whatever other sessions have made of it since; the log does
  // not tell. Where that may have happened the CREATE in `changes` becomes a RECOPY.
  absl::Status CheckImplied(const ddl::Statement& statement,
                            std::vector<v1::TableChange>* changes) const;

 private:
  v1::ServerInfo server_;
  const TableCharset table_charset_;
  std::map<std::string, std::string> last_charsets_;  // of databases, also of dropped ones
  std::set<std::string> changed_;                     // sessions may go by an earlier default
};

}  // namespace chameleon::worker::stream
