// The Push stream: takes batches from the queue, encodes them once, sends them, counts acks.
//
// Never resends: after any failure the session ends, attaches again and reads the truth from the
// catalogue. At most kInFlightMax batches are unacknowledged.
#pragma once

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "chameleon/v1/worker.grpc.pb.h"
#include "worker/stream/batch_queue.h"

namespace chameleon::worker::stream {

class Uplink {
 public:
  static constexpr uint64_t kInFlightMax = 4;

  Uplink(std::shared_ptr<grpc::Channel> channel, const v1::Lease& lease,
         const v1::Position& received, uint64_t next_batch_id, BatchQueue* queue);

  // Blocks until the queue is closed and everything taken from it is acknowledged (OK), or the
  // stream fails. Closes the queue in either case, so that the reader ends too.
  absl::Status Run();

 private:
  class Acks;
  absl::Status Send(Batch* batch, Acks* acks);

  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  const v1::Lease lease_;
  v1::Position received_;  // where the next batch begins
  uint64_t next_batch_id_;
  BatchQueue* const queue_;

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::BatchFrame, v1::BatchAck>> stream_;
  v1::BatchFrame frame_;
  google::protobuf::RepeatedPtrField<v1::LedgerEntry> held_;  // of parts that go on
  bool hello_sent_ = false;
};

}  // namespace chameleon::worker::stream
