// A statement's schema changes → plans and the log lines that replay them.
//
// Reads the catalogue and the target's types, changes nothing but sequences: the worker sends the
// lines back in a batch of their own, together with the versions, so that they become durable with
// their position. What the tables were is in the request (changes of the same stream may still be
// on their way here); within the statement, changes build on each other.
#pragma once

#include "absl/status/statusor.h"
#include "chameleon/v1/worker.pb.h"
#include "coordinator/config/config.h"

namespace chameleon::coordinator::ingest {

// FAILED_PRECONDITION: a table and why its change cannot be made exactly; the statement's tables
// leave the replica. ABORTED: the lease is not current. UNAVAILABLE: try again.
absl::StatusOr<v1::ChangeSchemaResponse> ChangeSchema(const Config& config,
                                                      const SourceConfig& source,
                                                      const v1::ChangeSchemaRequest& request);

}  // namespace chameleon::coordinator::ingest
