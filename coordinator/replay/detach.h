// Makes the target of a source a database of its own: sequences and foreign keys.
//
// Each step is a transaction of its own and is left out when it was done before, so that it can be
// run again after an error. Nobody else writes the tables: the source is stopped and drained.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/config/config.h"

namespace chameleon::coordinator::replay {

struct DetachOutcome {
  uint32_t sequences = 0, foreign_keys = 0;
  std::vector<std::string> errors;  // "shop.orders: …", each of what could not be done
};

// `step` is told what is done next; CANCELLED when it says false.
absl::StatusOr<DetachOutcome> DetachTarget(const TargetConnection& target, uint64_t source_id,
                                           const std::string& source,
                                           const std::function<bool(const std::string&)>& step);

}  // namespace chameleon::coordinator::replay
