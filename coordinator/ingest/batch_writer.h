// The batch invariant, in one place: rows and position move in one PostgreSQL transaction.
//
// One writer per Push stream; not thread-safe. Begin → Data* → Commit; anything else, or its
// destruction, rolls back. A failed call leaves the writer unusable: the worker attaches again.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "chameleon/v1/worker.pb.h"
#include "coordinator/config/config.h"

namespace chameleon::coordinator::ingest {

class BatchWriter {
 public:
  static absl::StatusOr<std::unique_ptr<BatchWriter>> Open(const TargetConnection& target,
                                                           const v1::Lease& lease);
  virtual ~BatchWriter() = default;

  // ABORTED: the lease's epoch is not the current one, header.begin is not the received position,
  // or header.batch_id is not the next one.
  virtual absl::Status Begin(const v1::BatchHeader& header) = 0;
  // Log lines, straight into COPY.
  virtual absl::Status Data(std::string_view lines) = 0;
  // Checks PostgreSQL's row count against header.rows; stores the batch, its position, schema
  // versions and ledger; commits. UNAVAILABLE: in doubt or not done; attach again and see.
  virtual absl::Status Commit() = 0;
};

}  // namespace chameleon::coordinator::ingest
