// The end of a snapshot: what was loaded takes the place of what was there, in one transaction with
// the position, the tables and their schema versions.
//
// `load`, `tables` and `session` are not owned.
#pragma once

#include <string>
#include <vector>

#include "coordinator/ingest/loading_table.h"
#include "coordinator/pg/session.h"

namespace chameleon::coordinator::ingest {

class Swap {
 public:
  Swap(const Load& load, const LoadingTables* tables, pg::Session* session)
      : load_(load), tables_(tables), session_(session) {}

  // A waiting swap makes all readers wait behind it: short attempts, repeated for lock_timeout.
  // FAILED_PRECONDITION: the target is in use, or an XA transaction is in the way.
  absl::Status Run(const v1::FinishSnapshotRequest& request);
  // grant_select_to. What cannot be granted is logged.
  void Grant();
  // After Run: what users had built on the old tables and is not as it was, a line each.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  std::string Statements(const v1::FinishSnapshotRequest& request) const;
  std::string LedgerStatement() const;
  std::string DatabasesStatement(const v1::ServerInfo& server) const;
  std::string ExchangeStatements() const;
  std::string MoveStatements() const;
  absl::Status Attempt(const std::string& swap);
  std::string SaveDependents() const;
  std::string TableNames() const;
  absl::Status Prepared(const absl::Status& status) const;
  absl::Status InUse() const;

  const Load& load_;
  const LoadingTables* const tables_;
  pg::Session* const session_;
  std::vector<std::string> notes_;
};

}  // namespace chameleon::coordinator::ingest
