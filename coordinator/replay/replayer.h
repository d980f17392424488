// Replays one source's log into the target, on a thread of its own.
//
// Each round is one transaction: complete source transactions up to replay_max_rows, applied
// set-based by sch_chameleon.fn_replay_mysql together with the replayed position. UNAVAILABLE
// errors are retried with backoff; anything else ends the thread and is reported by on_stopped.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "coordinator/config/config.h"

namespace chameleon::coordinator::replay {

struct ReplayOptions {
  uint64_t source_id = 0;
  std::string source;
  uint32_t replay_max_rows = 10'000;
  OnError on_error = OnError::kContinue;
  std::string batch_retention = "1 day";
  double sleep_loop_s = 1;  // looks at the log so often when nobody wakes it
};

class Replayer {
 public:
  static std::unique_ptr<Replayer> Start(const TargetConnection& target,
                                         const ReplayOptions& options,
                                         std::function<void(const absl::Status&)> on_stopped);
  virtual ~Replayer() = default;  // stops and joins

  // A batch was committed. Cheap, from any thread.
  virtual void Wake() = 0;
  // Stops after the current round. Returns when the thread has ended.
  virtual void Stop() = 0;
  // Replays until nothing complete is left or `timeout_s` is over.
  virtual absl::Status Drain(double timeout_s) = 0;
};

}  // namespace chameleon::coordinator::replay
