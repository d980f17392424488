// The worker's part in taking a source over from pg_chameleon: today's definitions, and the proof
// of which of them held at the stored position.
#pragma once

#include "absl/status/statusor.h"
#include "chameleon/v1/worker.pb.h"

namespace chameleon::worker {

// Reads the log to its end under server_id 0, which disturbs no other reader.
absl::StatusOr<v1::TakeOverRequest> ProveTakeOver(const v1::Assignment& assignment);

}  // namespace chameleon::worker
