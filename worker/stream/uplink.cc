#include "worker/stream/uplink.h"

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "proto/wire/status.h"

namespace chameleon::worker::stream {
namespace {
constexpr size_t kFrameBytesMax = 1 << 20;
}

// Reads acks on a thread of its own until the stream ends. Then the queue is closed: with nothing
// to send nobody else would notice.
class Uplink::Acks {
 public:
  Acks(grpc::ClientReaderWriter<v1::BatchFrame, v1::BatchAck>* stream, uint64_t last_acked,
       BatchQueue* queue)
      : acked_(last_acked), thread_([this, stream, queue] {
          v1::BatchAck ack;
          while (stream->Read(&ack)) {
            std::lock_guard lock(mutex_);
            acked_ = ack.batch_id();
            changed_.notify_all();
          }
          {
            std::lock_guard lock(mutex_);
            ended_ = true;
            changed_.notify_all();
          }
          queue->Close(/*drop=*/true);
        }) {}
  ~Acks() { thread_.join(); }

  // False: the stream has ended first.
  bool WaitFor(uint64_t batch_id) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_ || acked_ >= batch_id; });
    return acked_ >= batch_id;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t acked_;  // guarded by mutex_
  bool ended_ = false;
  std::thread thread_;
};

Uplink::Uplink(std::shared_ptr<grpc::Channel> channel, const v1::Lease& lease,
               const v1::Position& received, uint64_t next_batch_id, BatchQueue* queue)
    : stub_(v1::WorkerService::NewStub(std::move(channel))),
      lease_(lease),
      received_(received),
      next_batch_id_(next_batch_id),
      queue_(queue) {}

absl::Status Uplink::Run() {
  stream_ = stub_->Push(&context_);
  absl::Status failure;
  bool all_acked = false;
  {
    Acks acks(stream_.get(), next_batch_id_ - 1, queue_);
    while (auto batch = queue_->Take()) {
      failure = Send(batch.get(), &acks);
      if (!failure.ok()) break;
    }
    if (failure.ok()) {
      all_acked = acks.WaitFor(next_batch_id_ - 1);
      stream_->WritesDone();
    } else {
      queue_->Close(/*drop=*/true);
      // A stream that the coordinator ended tells why in Finish; our own failure cancels it.
      if (!absl::IsCancelled(failure)) context_.TryCancel();
    }
  }
  auto status = FromGrpc(stream_->Finish());
  if (!failure.ok() && !absl::IsCancelled(failure)) return failure;
  if (status.ok() && !all_acked) return absl::UnavailableError("the coordinator ended the stream");
  return status;
}

absl::Status Uplink::Send(Batch* batch, Acks* acks) {
  v1::BatchHeader header;
  header.set_batch_id(next_batch_id_);
  *header.mutable_begin() = received_;
  *header.mutable_end() = batch->more ? received_ : batch->end;
  header.set_more(batch->more);
  header.set_changes(batch->changes_read);
  header.set_commit_time_us(batch->commit_time_us);
  header.set_exclusive(batch->exclusive);
  if (batch->xa.kind() != v1::XaStep::KIND_UNSPECIFIED) *header.mutable_xa() = batch->xa;
  for (auto& version : batch->versions) *header.add_versions() = std::move(version);
  std::string data;
  auto status = EncodeBatch(batch, &header, &data);
  if (!status.ok()) return status;
  // Parts whose end never comes are sent again: what they lose counts with the end.
  held_.MergeFrom(header.ledger());
  header.clear_ledger();
  if (!batch->more) header.mutable_ledger()->Swap(&held_);

  // kInFlightMax acks behind: the coordinator is slower than we are.
  if (next_batch_id_ > kInFlightMax && !acks->WaitFor(next_batch_id_ - kInFlightMax)) {
    return absl::CancelledError("the coordinator ended the stream");
  }
  received_ = header.end();
  ++next_batch_id_;

  *frame_.mutable_header() = std::move(header);
  if (!std::exchange(hello_sent_, true)) *frame_.mutable_lease() = lease_;
  size_t at = 0;
  do {  // one frame even without data
    const size_t size = std::min(kFrameBytesMax, data.size() - at);
    frame_.set_data(data.data() + at, size);
    at += size;
    frame_.set_last(at == data.size());
    if (!stream_->Write(frame_)) return absl::CancelledError("the coordinator ended the stream");
    frame_.Clear();
  } while (at < data.size());
  return absl::OkStatus();
}

}  // namespace chameleon::worker::stream
