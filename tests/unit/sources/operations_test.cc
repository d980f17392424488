#include "coordinator/sources/operations.h"

#include <gtest/gtest.h>

#include <thread>

#include "proto/wire/error.h"

namespace chameleon::coordinator::sources {
namespace {

using std::chrono::milliseconds;

TEST(Operations, OneAtATimePerSource) {
  Operations operations;
  auto first = operations.Begin("init_replica", "default", "shop", [] {});
  ASSERT_TRUE(first.ok());
  auto second = operations.Begin("sync_tables", "default", "shop", [] {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Text(second.status()),
            "sync_tables is not possible: init_replica of source \"shop\" is in progress (" +
                *first + ")\nHINT: Wait for it, or run chamctl operations cancel " + *first + ".");
  EXPECT_TRUE(operations.Begin("init_replica", "default", "crm", [] {}).ok());
  EXPECT_TRUE(operations.Begin("init_replica", "other", "shop", [] {}).ok());
  operations.Finish(*first, absl::OkStatus(), "done");
  EXPECT_TRUE(operations.Begin("sync_tables", "default", "shop", [] {}).ok());
  EXPECT_EQ(operations.List("default").size(), 3u);
  EXPECT_EQ(operations.List("default").front().command(), "sync_tables");
}

TEST(Operations, AWatcherSeesEachChangeAndTheEnd) {
  Operations operations;
  const std::string id = *operations.Begin("init_replica", "default", "shop", [] {});
  uint64_t version = 0;
  EXPECT_EQ(operations.Wait(id, &version, milliseconds(0))->state(), v1::Operation::ACTIVE);
  const uint64_t seen = version;
  EXPECT_TRUE(operations.Wait(id, &version, milliseconds(10)).ok());
  EXPECT_EQ(version, seen);
  std::thread other([&] {
    v1::Progress progress;
    progress.set_phase("copy");
    operations.SetProgress(id, progress);
  });
  auto changed = operations.Wait(id, &version, milliseconds(5000));
  EXPECT_EQ(changed->progress().phase(), "copy");
  other.join();
  operations.Finish(id, Error(absl::StatusCode::kFailedPrecondition, "X", "shop", "bad", "Mend."),
                    "");
  auto ended = operations.Wait(id, &version, milliseconds(5000));
  EXPECT_EQ(ended->state(), v1::Operation::FAILED);
  EXPECT_EQ(ended->error_code(), 9);
  EXPECT_EQ(ended->error_message(), "bad\nHINT: Mend.");
  EXPECT_EQ(ended->error_detail().reason(), "X");
  operations.Finish(id, absl::OkStatus(), "too late");
  EXPECT_EQ(operations.Get(id)->state(), v1::Operation::FAILED);
}

TEST(Operations, CancelReachesTheWorkOnce) {
  Operations operations;
  int cancelled = 0;
  const std::string id = *operations.Begin("init_replica", "default", "shop", [&] { ++cancelled; });
  EXPECT_TRUE(operations.Cancel(id).ok());
  EXPECT_TRUE(operations.Cancel(id).ok());
  EXPECT_EQ(cancelled, 1);
  operations.Finish(id, absl::CancelledError("cancelled"), "");
  EXPECT_EQ(operations.Get(id)->state(), v1::Operation::CANCELLED);
  EXPECT_EQ(operations.Cancel(id).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Text(operations.Cancel("x").status()),
            "there is no operation \"x\"\nHINT: chamctl operations list shows those of this "
            "coordinator.");
}

TEST(Operations, OldOnesGo) {
  Operations operations;
  for (size_t i = 0; i < Operations::kEndedMax + 20; ++i) {
    operations.Finish(*operations.Begin("init_replica", "default", "shop", [] {}), absl::OkStatus(),
                      "");
  }
  EXPECT_LE(operations.List("").size(), Operations::kEndedMax + 1);
}

}  // namespace
}  // namespace chameleon::coordinator::sources
