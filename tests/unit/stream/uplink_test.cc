// The Push stream when the coordinator ends it: a fault that comes between two batches cannot be
// timed with a real one.
#include "worker/stream/uplink.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <future>

namespace chameleon::worker::stream {
namespace {

// Takes one batch, acknowledges it, and ends the stream with an error.
class OneBatch : public v1::WorkerService::Service {
  grpc::Status Push(grpc::ServerContext*,
                    grpc::ServerReaderWriter<v1::BatchAck, v1::BatchFrame>* stream) override {
    v1::BatchFrame frame;
    stream->Read(&frame);
    v1::BatchAck ack;
    ack.set_batch_id(frame.header().batch_id());
    stream->Write(ack);
    return {grpc::StatusCode::UNAVAILABLE, "the target is away"};
  }
};

TEST(UplinkTest, AStreamThatEndsWhileNothingIsToBeSentIsNoticed) {
  OneBatch service;
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  auto server = builder.BuildAndStart();
  BatchQueue queue({.delay = std::chrono::milliseconds(1)});
  Transaction nothing;
  v1::Position end;
  end.set_offset(7);
  ASSERT_TRUE(queue.Advance(&nothing, end).ok());
  Uplink uplink(server->InProcessChannel({}), {}, {}, 1, &queue);
  auto sent = std::async(std::launch::async, [&] { return uplink.Run(); });
  const bool ended = sent.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  EXPECT_TRUE(ended);
  if (!ended) queue.Close(true);
  EXPECT_EQ(sent.get().message(), "the target is away");
  EXPECT_TRUE(absl::IsCancelled(queue.Advance(&nothing, end)));
  server->Shutdown();
}

}  // namespace
}  // namespace chameleon::worker::stream
