#include "worker/stream/batch_queue.h"

#include <utility>

namespace chameleon::worker::stream {
namespace {

// What belongs to the transaction as a whole, and its last batch carries.
void TakeRest(Transaction* tx, Batch* batch) {
  tx->changes.clear();
  tx->moves_incomplete_rows = false;
  for (auto& stop : tx->stops) batch->stops.push_back(std::move(stop));
  tx->stops.clear();
  batch->changes_read += std::exchange(tx->changes_read, 0);
}

absl::Status Net(Transaction* tx, Batch* batch) {
  for (const RowChange& change : tx->changes) {
    if (change.mapped->table->stopped) continue;
    auto status = batch->changes.Add(change);
    if (!status.ok()) return status;
  }
  batch->arena.Absorb(std::move(tx->arena));
  TakeRest(tx, batch);
  return absl::OkStatus();
}

}  // namespace

Batch* BatchQueue::Open() {
  if (open_ == nullptr) {
    open_ = std::make_unique<Batch>();
    open_->opened = std::chrono::steady_clock::now();
  }
  return open_.get();
}

absl::Status BatchQueue::WaitForRoom(std::unique_lock<std::mutex>* lock) {
  changed_.wait(*lock, [&] { return closed_ || full_.size() < kQueuedMax; });
  return closed_ ? absl::CancelledError("the stream is closing") : absl::OkStatus();
}

absl::Status BatchQueue::SealOpen(std::unique_lock<std::mutex>* lock) {
  if (open_ == nullptr) return absl::OkStatus();
  // The uplink may take the open batch while we wait.
  auto status = WaitForRoom(lock);
  if (!status.ok() || open_ == nullptr) return status;
  full_.push_back(std::move(open_));
  changed_.notify_all();
  return absl::OkStatus();
}

absl::Status BatchQueue::Commit(Transaction* tx, const v1::Position& end, int64_t commit_time_us) {
  std::unique_lock lock(mutex_);
  if (closed_) return absl::CancelledError("the stream is closing");
  if (tx->moves_incomplete_rows) {
    lock.unlock();
    return Part(tx, true, end, commit_time_us);
  }
  const bool first = open_ == nullptr;
  Batch* batch = Open();
  auto status = Net(tx, batch);
  if (!status.ok()) {
    // Half of it is in there. What was committed before it is streamed again.
    open_.reset();
    return status;
  }
  batch->notes.Take(&tx->notes);
  batch->end = end;
  batch->commit_time_us = commit_time_us;
  ++batch->commits;
  if (batch->changes_read >= limits_.rows_max || batch->arena.bytes() >= limits_.bytes_max) {
    return SealOpen(&lock);
  }
  if (first) changed_.notify_all();
  return absl::OkStatus();
}

// Batches of a transaction, all of one arena, each as far as its changes can be netted.
absl::Status BatchQueue::NetApart(Transaction* tx, std::unique_ptr<Batch>* last) {
  const auto arena = std::make_shared<Arena>(std::move(tx->arena));
  tx->arena.Clear();
  auto batch = std::make_unique<Batch>();
  batch->shared = arena;
  for (const RowChange& change : tx->changes) {
    if (change.mapped->table->stopped) continue;
    if (!batch->changes.Fits(change)) {
      batch->more = true;
      auto status = PutAlone(std::move(batch));
      if (!status.ok()) return status;
      batch = std::make_unique<Batch>();
      batch->shared = arena;
    }
    auto status = batch->changes.Add(change);
    if (!status.ok()) return status;
  }
  TakeRest(tx, batch.get());
  *last = std::move(batch);
  return absl::OkStatus();
}

absl::Status BatchQueue::Part(Transaction* tx, bool last, const v1::Position& end,
                              int64_t commit_time_us, const v1::XaStep* xa) {
  auto batch = std::make_unique<Batch>();
  auto status = tx->moves_incomplete_rows ? NetApart(tx, &batch) : Net(tx, batch.get());
  if (!status.ok()) return status;
  batch->more = !last;
  if (last) {
    batch->notes.Take(&tx->notes);
    batch->end = end;
    batch->commit_time_us = commit_time_us;
    batch->commits = 1;
  }
  if (xa != nullptr) batch->xa = *xa;
  return PutAlone(std::move(batch));
}

absl::Status BatchQueue::PutAlone(std::unique_ptr<Batch> batch) {
  std::unique_lock lock(mutex_);
  auto status = SealOpen(&lock);
  if (status.ok()) status = WaitForRoom(&lock);
  if (!status.ok()) return status;
  parts_ = last_was_part_ ? parts_ + 1 : 1;
  last_was_part_ = batch->more;
  full_.push_back(std::move(batch));
  changed_.notify_all();
  return absl::OkStatus();
}

absl::Status BatchQueue::Advance(Transaction* tx, const v1::Position& end) {
  std::unique_lock lock(mutex_);
  if (closed_) return absl::CancelledError("the stream is closing");
  const bool first = open_ == nullptr;
  Batch* batch = Open();
  batch->notes.Take(&tx->notes);
  batch->end = end;
  batch->advance = true;
  if (first) changed_.notify_all();
  return absl::OkStatus();
}

std::unique_ptr<Batch> BatchQueue::Take() {
  std::unique_lock lock(mutex_);
  std::unique_ptr<Batch> batch;
  while (batch == nullptr) {
    if (!full_.empty()) {
      batch = std::move(full_.front());
      full_.pop_front();
    } else if (open_ != nullptr) {
      const auto due = open_->opened + limits_.delay;
      if (closed_ || std::chrono::steady_clock::now() >= due) {
        batch = std::move(open_);
      } else {
        changed_.wait_until(lock, due);
      }
    } else if (closed_) {
      return nullptr;
    } else {
      changed_.wait(lock);
    }
  }
  changed_.notify_all();
  return batch;
}

void BatchQueue::Close(bool drop) {
  std::lock_guard lock(mutex_);
  closed_ = true;
  if (drop) {
    full_.clear();
    open_.reset();
  }
  // The beginning of a transaction whose end will not come.
  while (!full_.empty() && full_.back()->more) full_.pop_back();
  changed_.notify_all();
}

uint64_t BatchQueue::queued_bytes() const {
  std::lock_guard lock(mutex_);
  uint64_t bytes = open_ == nullptr ? 0 : open_->arena.bytes();
  for (const auto& batch : full_) bytes += batch->arena.bytes();
  return bytes;
}

bool BatchQueue::Drained() const {
  std::lock_guard lock(mutex_);
  return full_.empty() && open_ == nullptr;
}

}  // namespace chameleon::worker::stream
