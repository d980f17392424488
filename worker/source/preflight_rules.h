// The conditions of a source that can be replicated, judged from facts already read. Pure.
//
// The texts are a user interface: tests assert each of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "chameleon/v1/types.pb.h"
#include "chameleon/v1/worker.pb.h"
#include "worker/source/server.h"

namespace chameleon::worker::source {

// What SHOW GRANTS says, roles included.
class Grants {
 public:
  void AddLine(std::string_view grant);        // one line of SHOW GRANTS
  bool Has(std::string_view privilege) const;  // on *.*
  // On *.* or on a pattern that matches the database.
  bool HasOn(std::string_view privilege, std::string_view schema) const;

 private:
  struct Entry {
    std::vector<std::string> privileges;  // upper case
    std::string schema;                   // pattern with % and _; "*": global
  };
  std::vector<Entry> entries_;
};

struct Condition {
  std::string reason;  // UPPER_SNAKE_CASE
  std::string object;
  std::string text;
  std::string hint;
};

struct Facts {
  v1::ServerInfo server;
  Variables variables;
  Grants grants;
  std::string account;  // CURRENT_USER(): 'u'@'%'
  bool may_read_status = true;
  bool is_replica = false;  // asked only when it would matter: log_slave_updates is OFF
  BinlogStatus status;
  std::vector<std::string> schemas;  // mapped ones that exist
  bool for_snapshot = false;
  std::vector<std::string> only;  // databases of a snapshot of some tables; empty: all mapped ones
  bool may_see_xa = true;
  size_t prepared_xa = 0;
  std::vector<std::string> non_transactional;  // "shop.log (MyISAM)"
};

// What it receives as a replica is not in its own binary log.
bool LogsOwnChangesOnly(const Facts& facts);

// Names of the global variables that `Facts::variables` needs.
const std::vector<std::string_view>& PreflightVariables();

// Mapped databases that are not there, or that the account may not see.
std::vector<std::string> MissingSchemas(const Facts& facts, const v1::SourceOptions& options);

// Empty when the version is good.
std::vector<Condition> JudgeVersion(std::string_view version);
std::vector<Condition> Judge(const Facts& facts, const v1::SourceOptions& options);
std::vector<std::string> Warn(const Facts& facts);

// One line per condition, then one HINT with all remedies. `conditions` is not empty.
absl::Status ToStatus(const std::vector<Condition>& conditions);

}  // namespace chameleon::worker::source
