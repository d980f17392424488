// What follows when a replication run has ended: another run after a wait, or state `error`.
//
// A connection that was up and is lost is tried again even with on_error_read=exit, kQuickTriesMax
// times (1, 2, 4, 8, 15 s): a restart of the source is a blip, not an error. Only a source that
// cannot be reached at the start, or not again after those tries, ends the replica. Pure.
#pragma once

#include <cstdint>
#include <random>

#include "absl/status/status.h"
#include "coordinator/config/config.h"

namespace chameleon::coordinator::sources {

struct RunOutcome {
  absl::Status status;       // how the task ended; UNAVAILABLE for a dead worker
  bool worker_died = false;  // it did not report an end
  bool streamed = false;     // it reported from the stream at least once
  bool advanced = false;     // it stored at least one batch
  bool target_away = false;  // PostgreSQL was unavailable to us in this run
  double seconds = 0;        // since the assignment
};

struct Decision {
  bool give_up = false;
  double wait_s = 0;
};

class RetryPolicy {
 public:
  static constexpr int kQuickTriesMax = 5;
  static constexpr double kBackoffMaxS = 30;
  static constexpr double kServerIdWaitS = 60;
  static constexpr double kDeadWorkerWaitMaxS = 5;
  static constexpr double kTargetWaitMaxS = 10;

  // `was_connected`: the source was being followed before (the coordinator resumes it).
  RetryPolicy(OnError on_error_read, bool was_connected, uint32_t seed)
      : on_error_read_(on_error_read), was_connected_(was_connected), random_(seed) {}

  Decision Next(const RunOutcome& outcome);

 private:
  double Backoff();  // 1, 2, 4 … 30 s, each ±20 %

  OnError on_error_read_;
  bool was_connected_;
  int failures_ = 0;  // in a row, since a run that went well
  std::mt19937 random_;
};

}  // namespace chameleon::coordinator::sources
