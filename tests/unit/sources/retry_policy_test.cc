#include "coordinator/sources/retry_policy.h"

#include <gtest/gtest.h>

#include "proto/wire/error.h"

namespace chameleon::coordinator::sources {
namespace {

RunOutcome Outcome(absl::StatusCode code) {
  RunOutcome outcome;
  outcome.status = absl::Status(code, "text");
  return outcome;
}

TEST(RetryPolicy, AnUnreachableSourceEndsAReplicaThatExits) {
  RetryPolicy policy(OnError::kExit, false, 1);
  EXPECT_TRUE(policy.Next(Outcome(absl::StatusCode::kUnavailable)).give_up);
}

TEST(RetryPolicy, ALostConnectionIsTriedFiveTimesQuickly) {
  RetryPolicy policy(OnError::kExit, false, 1);
  RunOutcome lost = Outcome(absl::StatusCode::kUnavailable);
  lost.streamed = true;
  lost.seconds = 100;
  double waited = policy.Next(lost).wait_s;
  for (int i = 1; i < RetryPolicy::kQuickTriesMax; ++i) {
    const Decision decision = policy.Next(Outcome(absl::StatusCode::kUnavailable));
    ASSERT_FALSE(decision.give_up) << i;
    waited += decision.wait_s;
  }
  EXPECT_GT(waited, 20);
  EXPECT_LT(waited, 40);
  EXPECT_TRUE(policy.Next(Outcome(absl::StatusCode::kUnavailable)).give_up);
}

TEST(RetryPolicy, ContinueWaitsForever) {
  RetryPolicy policy(OnError::kContinue, false, 1);
  for (int i = 0; i < 50; ++i) {
    const Decision decision = policy.Next(Outcome(absl::StatusCode::kUnavailable));
    EXPECT_FALSE(decision.give_up);
    EXPECT_LE(decision.wait_s, RetryPolicy::kBackoffMaxS * 1.2);
    if (i == 0) {
      EXPECT_LE(decision.wait_s, 1.2);
    }
    if (i > 8) {
      EXPECT_GE(decision.wait_s, RetryPolicy::kBackoffMaxS * 0.8);
    }
  }
}

TEST(RetryPolicy, NeitherADeadWorkerNorPostgresIsTheSourcesFault) {
  RetryPolicy policy(OnError::kExit, false, 1);
  RunOutcome died = Outcome(absl::StatusCode::kUnavailable);
  died.worker_died = true;
  RunOutcome away = Outcome(absl::StatusCode::kUnavailable);
  away.target_away = true;
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(policy.Next(died).give_up);
    EXPECT_FALSE(policy.Next(away).give_up);
  }
}

TEST(RetryPolicy, AGoodRunEndsTheBackoff) {
  RetryPolicy policy(OnError::kContinue, false, 1);
  for (int i = 0; i < 10; ++i) policy.Next(Outcome(absl::StatusCode::kUnavailable));
  RunOutcome good = Outcome(absl::StatusCode::kUnavailable);
  good.streamed = true;
  good.seconds = 60;
  EXPECT_LE(policy.Next(good).wait_s, 1.2);
}

TEST(RetryPolicy, AWorkerThatDiesOftenButGetsOnIsStartedAgainSoon) {
  RetryPolicy policy(OnError::kExit, false, 1);
  RunOutcome died = Outcome(absl::StatusCode::kUnavailable);
  died.worker_died = died.streamed = died.advanced = true;
  died.seconds = 0.5;
  for (int i = 0; i < 20; ++i) EXPECT_LE(policy.Next(died).wait_s, 1.2);
}

TEST(RetryPolicy, ALostLeaseAttachesAtOnceButNeverInABusyLoop) {
  RetryPolicy policy(OnError::kExit, false, 1);
  EXPECT_EQ(policy.Next(Outcome(absl::StatusCode::kAborted)).wait_s, 0);
  EXPECT_EQ(policy.Next(Outcome(absl::StatusCode::kAborted)).wait_s, 0);
  EXPECT_GT(policy.Next(Outcome(absl::StatusCode::kAborted)).wait_s, 0);
}

TEST(RetryPolicy, AnotherReaderWithOurIdIsNotFought) {
  RetryPolicy policy(OnError::kExit, false, 1);
  RunOutcome outcome;
  outcome.status = Error(absl::StatusCode::kFailedPrecondition, "SERVER_ID_IN_USE", "shop",
                         "another reader uses server id 100", "Change my_server_id.");
  const Decision decision = policy.Next(outcome);
  EXPECT_FALSE(decision.give_up);
  EXPECT_EQ(decision.wait_s, RetryPolicy::kServerIdWaitS);
}

TEST(RetryPolicy, WhatAPersonMustMendStops) {
  for (const auto code : {absl::StatusCode::kFailedPrecondition, absl::StatusCode::kDataLoss,
                          absl::StatusCode::kInternal, absl::StatusCode::kInvalidArgument}) {
    RetryPolicy policy(OnError::kContinue, true, 1);
    EXPECT_TRUE(policy.Next(Outcome(code)).give_up);
  }
}

}  // namespace
}  // namespace chameleon::coordinator::sources
