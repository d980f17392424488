#include "worker/snapshot/progress.h"

namespace chameleon::worker::snapshot {

ProgressMeter::ProgressMeter(SnapshotTarget* target)
    : target_(target), started_(std::chrono::system_clock::now()) {}

TableCount* ProgressMeter::AddTable(const v1::TableName& name, uint64_t rows_estimate) {
  std::lock_guard lock(mutex_);
  TableCount& count = tables_.emplace_back();
  count.name = name;
  count.rows_estimate = rows_estimate;
  return &count;
}

void ProgressMeter::SetPhase(const std::string& phase) {
  {
    std::lock_guard lock(mutex_);
    phase_ = phase;
  }
  Report();
}

void ProgressMeter::Report() {
  v1::Progress progress;
  {
    std::lock_guard lock(mutex_);
    auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(started_.time_since_epoch());
    progress.mutable_started()->set_seconds(since.count() / 1000000000);
    progress.mutable_started()->set_nanos(static_cast<int32_t>(since.count() % 1000000000));
    progress.set_phase(phase_);
    progress.set_tables_total(static_cast<uint32_t>(tables_.size()));
    for (TableCount& t : tables_) {
      uint64_t rows = t.rows, bytes = t.bytes;
      bool done = t.done;
      progress.set_rows(progress.rows() + rows);
      progress.set_bytes(progress.bytes() + bytes);
      // A finished table's estimate is its count: the time left does not suffer from bad guesses.
      progress.set_rows_estimate(progress.rows_estimate() +
                                 (done ? rows : std::max(rows, t.rows_estimate)));
      progress.set_tables_done(progress.tables_done() + (done ? 1 : 0));
      if (rows == t.rows_reported_ && done == t.done_reported_) continue;
      t.rows_reported_ = rows;
      t.done_reported_ = done;
      v1::Progress::Table* out = progress.add_tables();
      *out->mutable_name() = t.name;
      out->set_rows(rows);
      out->set_rows_estimate(t.rows_estimate);
      out->set_bytes(bytes);
      out->set_done(done);
    }
  }
  target_->Report(progress);
}

}  // namespace chameleon::worker::snapshot
