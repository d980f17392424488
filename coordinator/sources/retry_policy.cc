#include "coordinator/sources/retry_policy.h"

#include <algorithm>
#include <cmath>

#include "proto/wire/error.h"

namespace chameleon::coordinator::sources {
namespace {
// A run of this length, or one that stored something, went well: what follows is a new trouble.
constexpr double kGoodRunS = 3;
}  // namespace

double RetryPolicy::Backoff() {
  const double base = std::min(kBackoffMaxS, std::ldexp(1.0, std::min(failures_ - 1, 10)));
  return base * std::uniform_real_distribution<double>(0.8, 1.2)(random_);
}

Decision RetryPolicy::Next(const RunOutcome& outcome) {
  was_connected_ = was_connected_ || outcome.streamed;
  if (outcome.advanced || (outcome.streamed && outcome.seconds >= kGoodRunS)) failures_ = 0;
  ++failures_;
  if (DetailOf(outcome.status).reason() == "SERVER_ID_IN_USE") return {false, kServerIdWaitS};
  switch (outcome.status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kAborted:
      // Attach again at once; a lease that is lost over and over must not become a busy loop.
      return {false, failures_ <= 2 ? 0 : Backoff()};
    case absl::StatusCode::kCancelled:
      return {false, Backoff()};
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
      // Starting a process again costs little, and nobody else is burdened by it.
      if (outcome.worker_died) return {false, std::min(kDeadWorkerWaitMaxS, Backoff())};
      if (outcome.target_away) return {false, std::min(kTargetWaitMaxS, Backoff())};
      if (on_error_read_ == OnError::kContinue) return {false, Backoff()};
      if (!was_connected_ || failures_ > kQuickTriesMax) return {true, 0};
      return {false, std::min(15.0, Backoff())};
    default:
      return {true, 0};
  }
}

}  // namespace chameleon::coordinator::sources
