// The target side of a snapshot: loading schemas, COPY sessions, indexes, and the swap.
//
// One per snapshot task; thread-safe. Destroyed without FinishSnapshot: the loading schemas are
// dropped and the old target is untouched.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/worker.pb.h"
#include "coordinator/config/config.h"

namespace chameleon::coordinator::ingest {

class CopySession {
 public:
  virtual ~CopySession() = default;  // without Finish: rolled back
  virtual absl::Status Write(std::string_view lines) = 0;
  virtual absl::Status Finish(uint64_t rows) = 0;
};

// What is loaded, and so what its end does to the source.
struct LoadOptions {
  enum Kind {
    kAll,         // init_replica: the source begins a new life
    kTables,      // sync_tables, refresh_schema: these tables are exchanged, the position stays
    kSchemaOnly,  // copy_schema: empty tables; the source has no position any more
  };
  Kind kind = kAll;
  // kTables: what was asked for; an entry without a table is a whole schema.
  std::vector<v1::TableName> only;
  // A table that the source turns out not to have leaves the target; else it is NOT_FOUND, and the
  // error lists the schema's tables.
  bool missing_ok = false;
};

class SnapshotLoader {
 public:
  // Drops leftovers of an earlier attempt. `config` gives overrides, fillfactor and the target.
  static absl::StatusOr<std::unique_ptr<SnapshotLoader>> Open(const Config& config,
                                                              const SourceConfig& source,
                                                              const v1::Lease& lease,
                                                              const LoadOptions& options = {});
  virtual ~SnapshotLoader() = default;
  // Drops what a killed snapshot left behind; for a source that is found initialising at start.
  static absl::Status Clean(const TargetConnection& target, const SourceConfig& source);

  virtual absl::StatusOr<v1::PlanTablesResponse> PlanTables(
      const v1::PlanTablesRequest& request) = 0;
  virtual absl::StatusOr<std::unique_ptr<CopySession>> OpenCopy(uint64_t table_id,
                                                                uint32_t chunk) = 0;
  // Starts building the table's keys and indexes in the background.
  virtual absl::Status FinishTable(const v1::FinishTableRequest& request) = 0;
  // Waits for the indexes, then one transaction: swap the schemas or tables, store tables, schema
  // versions and position, set the source's state. Grants follow.
  virtual absl::Status FinishSnapshot(const v1::FinishSnapshotRequest& request) = 0;
  // Nothing is swapped after this. A swap that has begun is waited for: the worker that asked for
  // it may be dead, and nobody listens.
  virtual void Abandon() = 0;
  // Indexes built and to build, for progress.
  virtual std::pair<uint32_t, uint32_t> IndexProgress() const = 0;
  // After FinishSnapshot: what users had built on the old tables and is not as it was, a line each.
  virtual std::vector<std::string> Notes() { return {}; }
};

}  // namespace chameleon::coordinator::ingest
