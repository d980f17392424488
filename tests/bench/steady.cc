// 500 transactions per second of 2 inserts and 2 updates for 60 s; the lag of a heartbeat row.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "tests/bench/environment.h"

namespace chameleon::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTransactionsPerSecond = 500;
constexpr int kHeartbeatsPerSecond = 50;
constexpr int64_t kRowsAtStart = 100'000;

// Writes numbered heartbeats and remembers when each was committed.
class Heartbeat {
 public:
  explicit Heartbeat(Environment* env, int seconds) : committed_(seconds * kHeartbeatsPerSecond) {
    writer_ = std::thread([this, env] {
      auto source = env->Source();
      auto due = Clock::now();
      for (size_t i = 0; i < committed_.size(); ++i) {
        std::this_thread::sleep_until(due +=
                                      std::chrono::microseconds(1'000'000 / kHeartbeatsPerSecond));
        source.Exec(fmt::format("UPDATE heartbeat SET n = {} WHERE id = 1", i + 1));
        committed_[i] = NowS();
        written_ = i + 1;
      }
    });
    // The lag of a number is the time until it, or a later one, is seen.
    reader_ = std::thread([this, env] {
      test::Pg pg(env->replica->target());
      size_t seen = 0;
      while (seen < committed_.size() && !stop_) {
        const size_t n = std::stoul(pg.One(fmt::format("SELECT n FROM {}.heartbeat", kSchema)));
        const double now = NowS();
        for (; seen < n; seen_ = ++seen) {
          // The writer may not have noted its commit yet when readers see it already.
          while (written_ <= seen) std::this_thread::yield();
          lags_ms_.push_back(std::max(0.0, now - committed_[seen]) * 1000);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  }

  std::vector<double> Finish() {
    writer_.join();
    const auto end = Clock::now() + std::chrono::seconds(60);
    while (Clock::now() < end && seen_ < committed_.size()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    stop_ = true;
    reader_.join();
    std::sort(lags_ms_.begin(), lags_ms_.end());
    return lags_ms_;
  }

 private:
  std::vector<double> committed_;
  std::atomic<size_t> written_{0}, seen_{0};
  std::atomic<bool> stop_{false};
  std::vector<double> lags_ms_;
  std::thread writer_, reader_;
};

// Runs transactions at the wanted pace; returns how many.
uint64_t Load(Environment* env, int seconds) {
  auto source = env->Source();
  const auto started = Clock::now();
  uint64_t done = 0;
  int64_t next_id = kRowsAtStart + 1;
  while (Clock::now() < started + std::chrono::seconds(seconds)) {
    const int64_t hot = static_cast<int64_t>(done * 7919 % kRowsAtStart) + 1;
    source.Exec(fmt::format(
        "BEGIN; INSERT INTO events VALUES ({0}, {1}, 'created', now()), ({2}, {1}, 'paid', now());"
        "UPDATE accounts SET balance = balance + 1 WHERE id = {1};"
        "UPDATE accounts SET balance = balance - 1 WHERE id = {3}; COMMIT",
        next_id, hot, next_id + 1, kRowsAtStart + 1 - hot));
    next_id += 2;
    ++done;
    std::this_thread::sleep_until(
        started + std::chrono::microseconds(done * 1'000'000 / kTransactionsPerSecond));
  }
  return done;
}

}  // namespace

Result Steady(const Options& options) {
  Environment env(options);
  const int seconds = std::max(2, static_cast<int>(60 * options.scale));
  auto source = env.Source();
  // The row by which Replica::WaitCaughtUp knows that everything before it has arrived.
  source.Exec("CREATE TABLE w_marker (id int PRIMARY KEY, n bigint NOT NULL)");
  source.Exec("INSERT INTO w_marker VALUES (1, 0)");
  source.Exec("CREATE TABLE heartbeat (id int PRIMARY KEY, n int NOT NULL)");
  source.Exec("INSERT INTO heartbeat VALUES (1, 0)");
  source.Exec(
      "CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL, name "
      "varchar(40) NOT NULL)");
  Fill(&source, "accounts", "n, 1000, concat('account ', n)", kRowsAtStart);
  source.Exec(
      "CREATE TABLE events (id bigint PRIMARY KEY, account_id bigint NOT NULL, kind "
      "varchar(20) NOT NULL, at datetime NOT NULL, KEY idx_account (account_id))");
  env.SetUp();
  env.Say("init_replica, start_replica");
  env.replica->Init("bench");
  env.replica->Start("bench");
  env.replica->WaitCaughtUp("bench", std::chrono::minutes(1));

  Result result;
  result.limit_lag_ms = CommitMs(env.replica->target());
  env.Say(fmt::format("{} transactions per second for {} s", kTransactionsPerSecond, seconds));
  auto meter = MeterAll();
  const double started = NowS();
  Heartbeat heartbeat(&env, seconds);
  result.rows = Load(&env, seconds) * 4;
  const auto lags = heartbeat.Finish();
  result.seconds = NowS() - started;
  result.usage = meter.Stop();
  if (lags.empty()) throw std::runtime_error("no heartbeat arrived\n" + env.replica->Logs());
  const auto at = [&](double share) {
    return lags[static_cast<size_t>(share * (lags.size() - 1))];
  };
  result.lag_ms = {{"p50", at(0.5)}, {"p90", at(0.9)}, {"p99", at(0.99)}, {"max", lags.back()}};
  env.replica->WaitCaughtUp("bench", std::chrono::minutes(1));
  env.Verify(&result);
  return result;
}

}  // namespace chameleon::bench
