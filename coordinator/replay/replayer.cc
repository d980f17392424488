#include "coordinator/replay/replayer.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "coordinator/pg/session.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::replay {
namespace {

using Clock = std::chrono::steady_clock;
using pg::Session;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kBackoffMin{100}, kBackoffMax{10'000};
constexpr seconds kCleanInterval{60};
constexpr milliseconds kTruncateInterval{200};

class Thread final : public Replayer {
 public:
  Thread(TargetConnection target, ReplayOptions options,
         std::function<void(const absl::Status&)> on_stopped)
      : target_(std::move(target)),
        options_(std::move(options)),
        on_stopped_(std::move(on_stopped)),
        thread_([this] { Run(); }) {}

  ~Thread() override { Stop(); }

  void Wake() override {
    {
      std::lock_guard lock(mutex_);
      work_ = true;
    }
    changed_.notify_all();
  }

  void Stop() override {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    std::lock_guard join(join_mutex_);
    if (thread_.joinable() && thread_.get_id() != std::this_thread::get_id()) thread_.join();
  }

  absl::Status Drain(double timeout_s) override {
    std::unique_lock lock(mutex_);
    const uint64_t target = ++drain_wanted_;
    work_ = true;
    changed_.notify_all();
    const bool done = changed_.wait_for(lock, std::chrono::duration<double>(timeout_s),
                                        [&] { return drained_ >= target || ended_; });
    if (drained_ >= target) return absl::OkStatus();
    if (done) return end_status_.ok() ? absl::CancelledError("replay was stopped") : end_status_;
    return absl::DeadlineExceededError(
        fmt::format("replay of source {} did not finish in {} s", options_.source, timeout_s));
  }

 private:
  void Run() {
    absl::Status status = Loop();
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
      end_status_ = status;
    }
    changed_.notify_all();
    if (on_stopped_) on_stopped_(status);
  }

  // OK: stopped by Stop().
  absl::Status Loop() {
    milliseconds backoff = kBackoffMin;
    while (!Stopping()) {
      const uint64_t drain = DrainWanted();
      absl::StatusOr<bool> more = Round();
      if (more.ok()) {
        backoff = kBackoffMin;
        if (*more) continue;
        Housekeeping();
        Drained(drain);
        WaitForWork();
        continue;
      }
      // Another transaction had what we wanted, or the server is away: the same round again.
      if (more.status().code() != absl::StatusCode::kUnavailable &&
          more.status().code() != absl::StatusCode::kAborted) {
        return more.status();
      }
      spdlog::warn("replay waits src={} retry_ms={} error={}", options_.source, backoff.count(),
                   Text(more.status()));
      if (session_ != nullptr && !session_->Connected()) session_ = nullptr;
      Pause(backoff);
      backoff = std::min(backoff * 2, kBackoffMax);
    }
    return absl::OkStatus();
  }

  // One transaction. True: more is waiting.
  absl::StatusOr<bool> Round() {
    if (session_ == nullptr) {
      auto session = Session::Connect(target_, fmt::format("chameleon replay {}", options_.source));
      if (!session.ok()) return session.status();
      // A round that waits for somebody's lock gives up and comes again, so that Stop() returns.
      auto set = (*session)->Execute("SET lock_timeout = '10s'");
      if (!set.ok()) return set.status();
      session_ = std::move(*session);
    }
    auto rows = session_->Query(
        "SELECT b_continue, b_error, v_table_error, t_error, i_batches"
        " FROM sch_chameleon.fn_replay_mysql($1, $2, $3)",
        {std::to_string(options_.source_id), std::to_string(options_.replay_max_rows),
         options_.on_error == OnError::kExit ? "exit" : "continue"});
    if (!rows.ok()) return rows.status();
    for (const std::string& table : rows->Array(0, 2)) {
      spdlog::error("table left the replica src={} tbl={} see=show_errors", options_.source, table);
    }
    if (rows->Bool(0, 1)) {
      return Error(absl::StatusCode::kFailedPrecondition, "REPLAY_FAILED", options_.source,
                   rows->Text(0, 3),
                   "Repair the row (see t_discarded_rows) and start the replica again, or set "
                   "on_error_replay to continue.");
    }
    TruncateNow();
    return rows->Bool(0, 0);
  }

  // Empties the log table that is not in use; a reader of it only makes us come again.
  void TruncateNow() {
    if (Clock::now() < next_truncate_) return;
    next_truncate_ = Clock::now() + kTruncateInterval;
    auto rows = session_->Query("SELECT sch_chameleon.fn_truncate_log($1)",
                                {std::to_string(options_.source_id)});
    if (!rows.ok() && pg::SqlState(rows.status()) != "55P03") {
      spdlog::warn("log table not emptied src={} error={}", options_.source, Text(rows.status()));
    }
  }

  void Housekeeping() {
    if (Clock::now() < next_clean_) return;
    next_clean_ = Clock::now() + kCleanInterval;
    auto rows = session_->Query("SELECT sch_chameleon.fn_clean_batches($1, $2::interval)",
                                {std::to_string(options_.source_id), options_.batch_retention});
    if (!rows.ok()) {
      spdlog::warn("old batches not deleted src={} error={}", options_.source, Text(rows.status()));
    }
  }

  bool Stopping() {
    std::lock_guard lock(mutex_);
    return stop_;
  }

  uint64_t DrainWanted() {
    std::lock_guard lock(mutex_);
    work_ = false;  // what is committed before this moment is seen by the round that follows
    return drain_wanted_;
  }

  void Drained(uint64_t drain) {
    {
      std::lock_guard lock(mutex_);
      drained_ = std::max(drained_, drain);
    }
    changed_.notify_all();
  }

  void WaitForWork() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::duration<double>(options_.sleep_loop_s), [&] { return stop_ || work_; });
  }

  void Pause(milliseconds time) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, time, [&] { return stop_; });
  }

  const TargetConnection target_;
  const ReplayOptions options_;
  const std::function<void(const absl::Status&)> on_stopped_;
  std::unique_ptr<Session> session_;  // the thread's
  Clock::time_point next_truncate_{}, next_clean_{};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false, work_ = true, ended_ = false;  // guarded by mutex_
  uint64_t drain_wanted_ = 0, drained_ = 0;          // guarded by mutex_
  absl::Status end_status_;                          // guarded by mutex_
  std::mutex join_mutex_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<Replayer> Replayer::Start(const TargetConnection& target,
                                          const ReplayOptions& options,
                                          std::function<void(const absl::Status&)> on_stopped) {
  return std::make_unique<Thread>(target, options, std::move(on_stopped));
}

}  // namespace chameleon::coordinator::replay
