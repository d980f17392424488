// Vacuums the log tables of a source whose reading and replay are paused.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "coordinator/config/config.h"

namespace chameleon::coordinator::replay {

struct MaintenanceOptions {
  uint64_t source_id = 0;
  std::string source;
  bool full = false;  // VACUUM FULL
  uint64_t lock_timeout_ms = 120'000;
};

// Empties the log when nothing is left to replay, vacuums, and stores when. `step` is told what is
// done next; CANCELLED when it says false. The result is a line for people.
absl::StatusOr<std::string> MaintainLog(const TargetConnection& target,
                                        const MaintenanceOptions& options,
                                        const std::function<bool(const std::string&)>& step);

}  // namespace chameleon::coordinator::replay
