// Counts of a running copy, added to by the lanes, and their reports. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include "chameleon/v1/types.pb.h"
#include "worker/snapshot/snapshot.h"

namespace chameleon::worker::snapshot {

struct TableCount {
  v1::TableName name;
  uint64_t rows_estimate = 0;
  std::atomic<uint64_t> rows{0}, bytes{0};
  std::atomic<bool> done{false};

 private:
  friend class ProgressMeter;
  uint64_t rows_reported_ = 0;
  bool done_reported_ = false;
};

class ProgressMeter {
 public:
  explicit ProgressMeter(SnapshotTarget* target);
  // Stays valid as long as the meter.
  TableCount* AddTable(const v1::TableName& name, uint64_t rows_estimate);
  void SetPhase(const std::string& phase);  // reports at once
  // The totals, and the tables that have changed since the last report.
  void Report();

 private:
  SnapshotTarget* target_;
  std::chrono::system_clock::time_point started_;
  std::mutex mutex_;
  std::string phase_;              // guarded by mutex_
  std::deque<TableCount> tables_;  // guarded by mutex_ (its shape and the _reported_ fields)
};

}  // namespace chameleon::worker::snapshot
