// Tables that pg_chameleon has replicated become ours where they stand: each is planned into the
// columns that are there, or leaves the replica with the reason.
#pragma once

#include "absl/status/statusor.h"
#include "chameleon/v1/worker.pb.h"
#include "coordinator/config/config.h"

namespace chameleon::coordinator::ingest {

// Stores schema versions and the exact position in one transaction; the source is an ordinary one
// from then on. ABORTED: the lease is gone.
absl::Status TakeOver(const Config& config, const SourceConfig& source,
                      const v1::TakeOverRequest& request);

}  // namespace chameleon::coordinator::ingest
