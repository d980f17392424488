// Hand-over between the reader (one thread) and the uplink (one thread): an open batch that grows
// while the uplink is busy, and a bounded queue of full ones. Memory is bounded by
// kQueuedMax + 1 batches of batch_bytes_max each, plus one transaction part.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "absl/status/status.h"
#include "worker/stream/batch.h"

namespace chameleon::worker::stream {

struct BatchLimits {
  uint64_t rows_max = 10'000;           // changes read, before netting
  uint64_t bytes_max = 8 << 20;         // raw images
  std::chrono::milliseconds delay{20};  // how long a commit waits for company
};

class BatchQueue {
 public:
  static constexpr size_t kQueuedMax = 2;

  explicit BatchQueue(const BatchLimits& limits) : limits_(limits) {}

  // Reader. Each blocks while the queue is full and fails with CANCELLED once closed.

  // Adds one committed transaction to the open batch and empties `tx`.
  absl::Status Commit(Transaction* tx, const v1::Position& end, int64_t commit_time_us);
  // A part of a transaction that is too large for a batch; `tx` is emptied. The transactions before
  // it are sent first. `last`: the transaction is committed at `end`.
  // `xa`: what the last part does with a prepared transaction.
  absl::Status Part(Transaction* tx, bool last, const v1::Position& end, int64_t commit_time_us,
                    const v1::XaStep* xa = nullptr);
  // Sends what is committed, then `batch` as it is.
  absl::Status PutAlone(std::unique_ptr<Batch> batch);
  // How many batches the transaction of the last Part() or PutAlone() has so far.
  uint32_t parts() const { return parts_; }
  // Nothing of ours is left before `end`; takes the notes of `tx`, which has nothing else.
  absl::Status Advance(Transaction* tx, const v1::Position& end);

  // Uplink. The next batch: a full one at once, the open one when it has waited long enough; null
  // after Close() when everything committed has been taken.
  std::unique_ptr<Batch> Take();

  // No more changes come; what is committed is still handed out unless `drop`.
  void Close(bool drop);

  uint64_t queued_bytes() const;
  // Has everything that was put in been taken?
  bool Drained() const;

 private:
  absl::Status WaitForRoom(std::unique_lock<std::mutex>* lock);
  absl::Status SealOpen(std::unique_lock<std::mutex>* lock);
  absl::Status NetApart(Transaction* tx, std::unique_ptr<Batch>* last);
  Batch* Open();

  const BatchLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Batch>> full_;  // guarded by mutex_, as is all below
  std::unique_ptr<Batch> open_;
  bool closed_ = false;
  uint32_t parts_ = 0;  // reader thread
  bool last_was_part_ = false;
};

}  // namespace chameleon::worker::stream
