// SourceActor's way to follow a source: runs of a worker, one after another, and one replayer.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

#include "coordinator/sources/source_actor.h"
#include "proto/wire/error.h"
#include "proto/wire/position.h"

namespace chameleon::coordinator::sources {
namespace {

constexpr uint64_t kBatchBytesMax = 8 << 20;
constexpr double kDrainS = 10;

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

void SourceActor::Replicate(bool was_connected) {
  const auto first_config = config();
  RetryPolicy policy(Settings(*first_config).on_error_read, was_connected, std::random_device()());
  StartReplayer(*first_config);
  absl::Status fatal;
  while (!Stopping()) {
    const RunOutcome outcome = RunReplication();
    {
      std::lock_guard lock(mutex_);
      if (stop_) break;
      fatal = replay_failure_;
    }
    if (!fatal.ok()) break;
    const Decision decision = policy.Next(outcome);
    if (decision.give_up) {
      fatal = outcome.status;
      break;
    }
    WaitBeforeRetry(outcome, decision.wait_s);
    std::lock_guard lock(mutex_);
    if (!stop_) fatal = replay_failure_;
    if (!fatal.ok()) break;
  }
  StopReplayer(fatal.ok());
  if (fatal.ok()) return;
  spdlog::error("replica stopped with an error: {} {}", Text(fatal), Tag());
  catalogue_->LogError(id_, 0, "", "", "", Text(fatal)).IgnoreError();
  StoreState(v1::ERROR, Text(fatal));
  std::lock_guard lock(mutex_);
  last_failure_ = fatal;
}

RunOutcome SourceActor::RunReplication() {
  RunOutcome outcome;
  outcome.status = RunOnce(&outcome);
  Publish(nullptr);
  return outcome;
}

absl::Status SourceActor::RunOnce(RunOutcome* outcome) {
  const auto config = this->config();
  if (auto status = TakeOverIfNeeded(*config, outcome); !status.ok()) return status;
  auto opened = OpenSession(*config);
  if (!opened.ok()) {
    // No worker yet: what is unavailable is PostgreSQL or our own process, never the source.
    outcome->target_away = true;
    return opened.status();
  }
  Session* session = opened->get();
  auto skipped = catalogue_->SetSkipEvents(id_, Settings(*config).options.skip_events());
  if (!skipped.ok()) {
    outcome->target_away = true;
    return skipped;
  }
  auto start = catalogue_->LoadReplication(id_);
  if (!start.ok()) {
    outcome->target_away = true;
    return start.status();
  }
  v1::WorkerOrder order;
  v1::Assignment* assignment = order.mutable_assignment();
  *assignment = AssignmentFor(*config, *session);
  v1::ReplicateTask* task = assignment->mutable_replicate();
  *task->mutable_start() = start->received;
  task->set_next_batch_id(start->next_batch_id);
  task->set_batch_bytes_max(kBatchBytesMax);
  task->set_batch_delay_ms(Settings(*config).batch_delay_ms);
  for (v1::TableVersion& version : start->tables) task->add_tables()->Swap(&version);
  for (v1::XaPrepared& prepared : start->prepared) task->add_prepared()->Swap(&prepared);
  for (v1::DatabaseDefault& of : start->databases) task->add_databases()->Swap(&of);

  Publish(session);
  {
    std::lock_guard lock(mutex_);
    advanced_ = target_away_ = false;
  }
  SetActivity("connecting to the source");
  spdlog::info("replicating {} epoch={} pos={} tables={}", Tag(), session->lease.epoch(),
               PositionText(start->received), task->tables_size());
  const auto begin = std::chrono::steady_clock::now();
  if (!session->run->Send(order)) return absl::UnavailableError("the worker is gone");
  const WorkerRun::End end = AwaitEnd(
      session,
      [this] {
        std::lock_guard lock(mutex_);
        return stop_ || !replay_failure_.ok();
      },
      [&] {
        if (outcome->streamed || !session->run->stream()) return;
        outcome->streamed = true;
        std::lock_guard lock(mutex_);
        streamed_ = true;
        last_failure_ = absl::OkStatus();
        activity_ = "streaming";
        changed_.notify_all();
      });
  outcome->seconds = SecondsSince(begin);
  outcome->worker_died = end.worker_died;
  std::lock_guard lock(mutex_);
  outcome->target_away = target_away_;
  outcome->advanced = advanced_;
  return end.status;
}

// A source of pg_chameleon has a position and no schema history: a worker proves what it can, with
// a lease of its own.
absl::Status SourceActor::TakeOverIfNeeded(const Config& config, RunOutcome* outcome) {
  auto record = catalogue_->GetSource(name_);
  outcome->target_away = !record.ok();
  if (!record.ok()) return record.status();
  if (!record->take_over) return absl::OkStatus();
  outcome->target_away = true;
  auto opened = OpenSession(config);
  if (!opened.ok()) return opened.status();
  outcome->target_away = false;
  Session* session = opened->get();
  Publish(session);
  SetActivity("proving the schema history at the position of pg_chameleon");
  v1::WorkerOrder order;
  *order.mutable_assignment() = AssignmentFor(config, *session);
  *order.mutable_assignment()->mutable_take_over()->mutable_stored() = record->received;
  if (!session->run->Send(order)) return absl::UnavailableError("the worker is gone");
  const WorkerRun::End end = AwaitEnd(
      session, [this] { return Stopping(); }, [] {});
  outcome->worker_died = end.worker_died;
  {
    std::lock_guard lock(mutex_);
    outcome->target_away = target_away_;
  }
  Publish(nullptr);
  return end.status;
}

void SourceActor::WaitBeforeRetry(const RunOutcome& outcome, double wait_s) {
  const std::string text = outcome.status.ok() ? "the worker ended its task" : Text(outcome.status);
  spdlog::warn("attaching again in {:.1f} s: {} {}", wait_s, text, Tag());
  std::unique_lock lock(mutex_);
  if (!outcome.status.ok()) last_failure_ = outcome.status;
  activity_ = fmt::format("waiting {:.0f} s: {}", std::ceil(wait_s), text);
  changed_.notify_all();
  changed_.wait_for(lock, std::chrono::duration<double>(wait_s),
                    [this] { return stop_ || !replay_failure_.ok(); });
}

void SourceActor::StartReplayer(const Config& config) {
  const SourceConfig& settings = Settings(config);
  replay::ReplayOptions options;
  options.source_id = id_;
  options.source = name_;
  options.replay_max_rows = settings.replay_max_rows;
  options.on_error = settings.on_error_replay;
  options.batch_retention = settings.batch_retention;
  options.sleep_loop_s = std::max(settings.sleep_loop_s, 0.05);
  std::shared_ptr<replay::Replayer> replayer =
      replay::Replayer::Start(config.target, options, [this](const absl::Status& status) {
        if (status.ok() || absl::IsCancelled(status)) return;
        std::lock_guard lock(mutex_);
        replay_failure_ = status;
        changed_.notify_all();
      });
  std::lock_guard lock(mutex_);
  replayer_ = std::move(replayer);
}

void SourceActor::StopReplayer(bool drain) {
  std::shared_ptr<replay::Replayer> replayer;
  {
    std::lock_guard lock(mutex_);
    replayer = std::move(replayer_);
    replayer_.reset();
    activity_ = "stopping";
  }
  if (!replayer) return;
  // What is not replayed in time stays in the log and is replayed after the next start.
  if (drain) {
    if (auto status = replayer->Drain(kDrainS); !status.ok()) {
      spdlog::warn("stopping with changes not replayed: {} {}", Text(status), Tag());
    }
  }
  replayer->Stop();
}

}  // namespace chameleon::coordinator::sources
