// The copy of a PostgreSQL source: one consistent snapshot of all tables, read by several
// connections where the server can export it, else by one.
//
// Life: names → lock the tables against DDL → snapshot → schema → PlanTables → COPY each table on a
// lane of its own → FinishTable → FinishSnapshot. The position names the WAL place, for people
// only: there is no stream.
#pragma once

#include <atomic>

#include "absl/status/status.h"
#include "chameleon/v1/worker.pb.h"
#include "worker/snapshot/snapshot.h"

namespace chameleon::worker::pgsource {

// As snapshot::RunSnapshot. `stop` ends it with CANCELLED.
absl::Status RunPgSnapshot(const v1::Assignment& assignment, snapshot::SnapshotTarget* target,
                           const std::atomic<bool>* stop);

// Can the source be reached, and may its mapped schemas be read?
absl::Status PgPreflight(const v1::SourceConnection& connection, const v1::SourceOptions& options);

}  // namespace chameleon::worker::pgsource
