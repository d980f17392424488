// The initial copy: one consistent view of all tables, read in parallel chunks.
//
// Life: preflight → lock, N views, schema and position, unlock → PlanTables → chunks on N lanes,
// largest first → FinishTable as each is complete → FinishSnapshot. See design section 4.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"
#include "chameleon/v1/worker.pb.h"

namespace chameleon::worker::snapshot {

// One chunk on its way to the target. Destroyed without Finish: rolled back.
class ChunkWriter {
 public:
  virtual ~ChunkWriter() = default;
  // Whole lines of COPY text. Blocks while the target is slow.
  virtual absl::Status Write(std::string_view lines) = 0;
  // Commits; FAILED_PRECONDITION with PostgreSQL's text when a row does not fit the target.
  virtual absl::Status Finish(uint64_t rows) = 0;
};

// The coordinator, as a snapshot sees it. Thread-safe.
class SnapshotTarget {
 public:
  virtual ~SnapshotTarget() = default;
  virtual absl::StatusOr<v1::PlanTablesResponse> PlanTables(const v1::PlanTablesRequest& request) = 0;
  virtual absl::StatusOr<std::unique_ptr<ChunkWriter>> OpenChunk(uint64_t table_id,
                                                                 uint32_t chunk) = 0;
  virtual absl::Status FinishTable(const v1::FinishTableRequest& request) = 0;
  virtual absl::Status FinishSnapshot(const v1::FinishSnapshotRequest& request) = 0;
  virtual void Report(const v1::Progress& progress) = 0;
};

// Runs the whole snapshot of `assignment` (connection, options, snapshot task; requests get its
// lease). Returns when the target has swapped, or with the first error; on CANCELLED (`stop` became
// true) everything on the source is released.
absl::Status RunSnapshot(const v1::Assignment& assignment, SnapshotTarget* target,
                         const std::atomic<bool>* stop);

}  // namespace chameleon::worker::snapshot
