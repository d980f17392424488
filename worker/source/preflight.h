// Is this server fit to be replicated? Every failed condition is found and named in one go.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"
#include "chameleon/v1/worker.pb.h"

namespace chameleon::worker::source {

struct PreflightResult {
  v1::ServerInfo server;
  std::vector<std::string> warnings;         // sync_binlog, short log retention, …
  std::vector<std::string> missing_schemas;  // mapped, and not needed for what is to be done
};

using TableNames = google::protobuf::RepeatedPtrField<v1::TableName>;

// UNAVAILABLE: cannot connect. FAILED_PRECONDITION: one line per failed condition, each
// "condition: what was found", and a HINT with the statements that mend them.
// `for_snapshot`: also what only a snapshot needs (lock privileges, no prepared XA transaction, the
// databases that it copies: those of `only`, or all). A stream goes on without.
absl::StatusOr<PreflightResult> Preflight(const v1::SourceConnection& connection,
                                          const v1::SourceOptions& options, bool for_snapshot,
                                          const TableNames& only = {});

}  // namespace chameleon::worker::source
