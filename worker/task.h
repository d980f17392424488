// One assignment: a preflight, a snapshot, or the stream until it is told to stop.
#pragma once

#include <grpcpp/channel.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "absl/status/status.h"
#include "chameleon/v1/worker.pb.h"
#include "worker/source/event_source.h"
#include "worker/stream/reader.h"

namespace chameleon::worker {

class Task {
 public:
  Task(std::shared_ptr<grpc::Channel> channel, const v1::Assignment& assignment,
       std::function<void(const v1::Progress&)> report);

  // Blocks until the end. OK: finished, or stopped cleanly with everything committed sent.
  absl::Status Run();

  // From any thread. Stop: finish cleanly. Abandon: the lease is gone, end as fast as possible.
  void Stop();
  void Abandon();

  // While the stream runs: where the reader is.
  std::optional<v1::StreamStatus> stream_status();

 private:
  absl::Status Preflight();
  absl::Status Snapshot();
  absl::Status Replicate();
  absl::Status TakeOver();
  absl::Status RunPostgres();

  const std::shared_ptr<grpc::Channel> channel_;
  const v1::Assignment assignment_;
  const std::function<void(const v1::Progress&)> report_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> abandoned_ = false;

  std::mutex mutex_;  // guards the pointers, which live in Replicate's frame
  source::EventSource* events_ = nullptr;
  stream::BatchQueue* queue_ = nullptr;
  stream::Reader* reader_ = nullptr;
};

}  // namespace chameleon::worker
