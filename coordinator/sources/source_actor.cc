#include "coordinator/sources/source_actor.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "proto/wire/error.h"

namespace chameleon::coordinator::sources {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kStopWait{30};
constexpr seconds kFirstReportWait{10};
constexpr double kProcessEndWaitS = 1;
// A local process that does not answer is busy, or stopped by somebody. One on another host is cut
// off: its lease ends, whatever it thinks.
constexpr double kSilentLocalS = 60;
constexpr double kSilentRemoteS = 10;

}  // namespace

SourceActor::SourceActor(const Services& services, std::shared_ptr<pg::Catalogue> catalogue,
                         uint64_t id, std::string name, std::shared_ptr<const Config> config)
    : services_(services),
      catalogue_(std::move(catalogue)),
      id_(id),
      name_(std::move(name)),
      config_(std::move(config)) {}

SourceActor::~SourceActor() { Halt(); }

void SourceActor::SetConfig(std::shared_ptr<const Config> config) {
  std::lock_guard lock(mutex_);
  config_ = std::move(config);
}

std::shared_ptr<const Config> SourceActor::config() const {
  std::lock_guard lock(mutex_);
  return config_;
}

bool SourceActor::busy() const {
  std::lock_guard lock(mutex_);
  return busy_;
}

void SourceActor::SetActivity(std::string activity) {
  std::lock_guard lock(mutex_);
  activity_ = std::move(activity);
}

void SourceActor::Notify() {
  std::lock_guard lock(mutex_);
  changed_.notify_all();
}

bool SourceActor::Stopping() const {
  std::lock_guard lock(mutex_);
  return stop_;
}

void SourceActor::Launch(std::function<void()> work) {
  if (thread_.joinable()) thread_.join();
  {
    std::lock_guard lock(mutex_);
    busy_ = true;
    stop_ = cancel_ = streamed_ = target_away_ = false;
    last_failure_ = replay_failure_ = absl::OkStatus();
    activity_ = "starting";
  }
  thread_ = std::thread([this, work = std::move(work)] {
    work();
    std::lock_guard lock(mutex_);
    busy_ = false;
    activity_.clear();
    changed_.notify_all();
  });
}

void SourceActor::Halt() {
  std::lock_guard command(command_mutex_);
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<v1::CommandResponse> SourceActor::StartReplica() {
  std::lock_guard command(command_mutex_);
  auto record = catalogue_->GetSource(name_);
  if (!record.ok()) return record.status();
  auto transition = Next(Command::kStartReplica, record->state, name_);
  if (!transition.ok()) return transition.status();
  const auto config = this->config();
  if (Settings(*config).type != "mysql") {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_REPLICATION", name_,
                 fmt::format("source \"{}\" is of type {}, which can only be copied", name_,
                             Settings(*config).type),
                 "Use init_replica to copy it again.");
  }
  if (auto status = catalogue_->CheckTarget(Settings(*config), true); !status.ok()) return status;
  if (auto status = catalogue_->SetState(id_, record->state, transition->during, "");
      !status.ok()) {
    return status;
  }
  Launch([this] { Replicate(false); });

  // The first report tells whether it really runs: an administrator should not have to ask again.
  v1::CommandResponse response;
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kFirstReportWait,
                    [this] { return streamed_ || !busy_ || !last_failure_.ok(); });
  if (!busy_ && !streamed_) {
    if (!last_failure_.ok()) return last_failure_;
    return absl::AbortedError("the replica was stopped while it was being started");
  }
  response.set_message(fmt::format("replica of source \"{}\" started", name_));
  if (!streamed_) {
    response.add_warnings(
        last_failure_.ok()
            ? std::string("it is not reading from the source yet; see show_status")
            : fmt::format("not connected yet, it keeps trying: {}", Text(last_failure_)));
  }
  return response;
}

absl::StatusOr<v1::CommandResponse> SourceActor::StopReplica() {
  std::lock_guard command(command_mutex_);
  auto record = catalogue_->GetSource(name_);
  if (record.ok()) {
    auto transition = Next(Command::kStopReplica, record->state, name_);
    if (!transition.ok()) return transition.status();
  } else if (!busy()) {
    return record.status();
  }
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  auto stored = catalogue_->SetState(id_, v1::RUNNING, v1::STOPPED, "");
  if (!stored.ok()) {
    return WithContext(stored, fmt::format("source \"{}\" was stopped, but not marked so", name_));
  }
  spdlog::info("replica stopped {}", Tag());
  v1::CommandResponse response;
  response.set_message(fmt::format("replica of source \"{}\" stopped", name_));
  return response;
}

absl::StatusOr<v1::CommandResponse> SourceActor::EnableReplica() {
  std::lock_guard command(command_mutex_);
  auto record = catalogue_->GetSource(name_);
  if (!record.ok()) return record.status();
  auto transition = Next(Command::kEnableReplica, record->state, name_);
  if (!transition.ok()) return transition.status();
  const bool copied = !record->received.file().empty();
  // What a crash left would keep it waiting.
  if (auto status = catalogue_->SetPaused(id_, false); !status.ok()) return status;
  if (auto status = catalogue_->ForceState(id_, copied ? transition->after : v1::READY, "");
      !status.ok()) {
    return status;
  }
  v1::CommandResponse response;
  response.set_message(
      copied
          ? fmt::format("source \"{}\" is stopped; start_replica goes on from its last position",
                        name_)
          : fmt::format("source \"{}\" is ready; it has no position yet: run init_replica", name_));
  return response;
}

absl::Status SourceActor::Recover() {
  std::lock_guard command(command_mutex_);
  if (busy()) return absl::OkStatus();
  auto record = catalogue_->GetSource(name_);
  if (!record.ok()) return record.status();
  if (record->paused && record->state == v1::SYNCING) {
    // The tables are exchanged in one transaction or not at all: the stream can go on.
    const auto config = this->config();
    if (auto status = ingest::SnapshotLoader::Clean(config->target, Settings(*config));
        absl::IsUnavailable(status)) {
      return status;
    }
    if (auto status = catalogue_->ForceState(
            id_, v1::RUNNING, "the coordinator ended during a synchronisation; run it again");
        !status.ok()) {
      return status;
    }
    record->state = v1::RUNNING;
  } else if (record->paused && record->state == v1::SYNCED) {
    if (auto status = catalogue_->ForceState(id_, v1::RUNNING, ""); !status.ok()) return status;
    record->state = v1::RUNNING;
  }
  if (record->paused) {
    if (auto status = catalogue_->SetPaused(id_, false); !status.ok()) return status;
  }
  if (record->state == v1::RUNNING) {
    spdlog::info("resuming the replica {}", Tag());
    Launch([this] { Replicate(true); });
  } else if (record->state == v1::INITIALISING || record->state == v1::SYNCING) {
    const std::string text =
        fmt::format("the coordinator ended during {}; the target is as it was before",
                    record->state == v1::SYNCING ? "a synchronisation" : "init_replica");
    spdlog::error("{} {}", text, Tag());
    const auto config = this->config();
    if (auto status = ingest::SnapshotLoader::Clean(config->target, Settings(*config));
        !status.ok()) {
      if (absl::IsUnavailable(status)) return status;
      spdlog::warn("leftovers of the copy stay: {} {}", Text(status), Tag());
    }
    return catalogue_->ForceState(id_, v1::ERROR, text);
  }
  return absl::OkStatus();
}

absl::Status SourceActor::CheckLease(const v1::Lease& lease) const {
  std::lock_guard lock(mutex_);
  if (lease_.epoch() != 0 && lease.epoch() == lease_.epoch() && lease.source_id() == id_) {
    return absl::OkStatus();
  }
  return Error(
      absl::StatusCode::kAborted, "LEASE_LOST", name_,
      fmt::format("epoch {} of source \"{}\" is not the current lease", lease.epoch(), name_), "");
}

absl::StatusOr<std::shared_ptr<ingest::SnapshotLoader>> SourceActor::Loader(
    const v1::Lease& lease) const {
  if (auto status = CheckLease(lease); !status.ok()) return status;
  std::lock_guard lock(mutex_);
  if (loader_ == nullptr) {
    return Error(absl::StatusCode::kAborted, "NO_SNAPSHOT", name_,
                 fmt::format("no copy of source \"{}\" is in progress", name_), "");
  }
  return loader_;
}

void SourceActor::BatchCommitted() {
  std::shared_ptr<replay::Replayer> replayer;
  {
    std::lock_guard lock(mutex_);
    advanced_ = true;
    replayer = replayer_;
  }
  if (replayer) replayer->Wake();
}

void SourceActor::TargetAway() {
  std::lock_guard lock(mutex_);
  target_away_ = true;
}

void SourceActor::FillStatus(v1::SourceStatus* status) const {
  std::lock_guard lock(mutex_);
  status->set_worker(worker_);
  status->set_activity(activity_);
  if (!busy_ || run_ == nullptr) return;
  const auto stream = run_->stream();
  if (!stream || run_->end()) return;
  status->set_activity(stream->idle() ? "streaming, nothing newer on the source" : "streaming");
  // A heartbeat proved that nothing newer exists: a quiet source does not fall behind.
  if (stream->idle()) {
    status->set_read_lag_s(0);
    if (status->batches_pending() == 0) status->set_replay_lag_s(0);
  }
}

bool SourceActor::FillLease(v1::WorkerLease* lease, uint64_t* host) const {
  std::lock_guard lock(mutex_);
  if (lease_.epoch() == 0) return false;
  lease->set_config(lease_.config());
  lease->set_source(name_);
  lease->set_epoch(lease_.epoch());
  lease->set_worker(worker_);
  lease->set_activity(activity_);
  *host = host_;
  return true;
}

void SourceActor::ApplyMappings(const pg::SourceRecord& record, v1::SourceOptions* options) {
  if (record.schema_mappings.empty()) return;
  options->clear_schema_mappings();
  for (const auto& [from, to] : record.schema_mappings) {
    (*options->mutable_schema_mappings())[from] = to;
  }
}

v1::Assignment SourceActor::AssignmentFor(const Config& config, const Session& session) const {
  const SourceConfig& settings = Settings(config);
  v1::Assignment assignment;
  *assignment.mutable_lease() = session.lease;
  *assignment.mutable_connection() = settings.connection;
  *assignment.mutable_options() = settings.options;
  ApplyMappings(session.record, assignment.mutable_options());
  assignment.mutable_options()->set_replica_uuid(session.record.replica_uuid);
  assignment.set_log_level(config.log_level);
  assignment.set_source_type(settings.type);
  assignment.mutable_connection()->set_database(settings.database);
  return assignment;
}

void SourceActor::Publish(Session* session) {
  std::shared_ptr<ingest::SnapshotLoader> loader;  // destroyed outside the lock
  std::lock_guard lock(mutex_);
  if (session == nullptr) {
    run_.reset();
    lease_.Clear();
    worker_.clear();
    host_ = WorkerHosts::kLocal;
    loader = std::move(loader_);
    loader_.reset();
    return;
  }
  run_ = session->run;
  lease_ = session->lease;
  const auto hello = session->run->hello();
  worker_ = hello ? fmt::format("{}:{}", hello->host(), hello->pid()) : "";
  host_ = session->host;
  target_away_ = false;
}

WorkerRun::End SourceActor::AwaitEnd(Session* session, const std::function<bool()>& interrupted,
                                     const std::function<void()>& on_change) {
  bool stop_sent = false;
  steady_clock::time_point stop_deadline;
  for (;;) {
    on_change();
    if (auto end = session->run->end()) {
      // The stream of a dead worker ends first; how its process ended says more.
      if (end->worker_died && session->process->WaitGone(kProcessEndWaitS)) {
        end = session->run->end();
      }
      return *end;
    }
    const double silent_s = session->run->SilentSeconds();
    if (silent_s > (session->host == WorkerHosts::kLocal ? kSilentLocalS : kSilentRemoteS)) {
      return {absl::UnavailableError(fmt::format("the worker has been silent for {:.0f} s: its "
                                                 "lease has ended",
                                                 silent_s)),
              true};
    }
    if (!stop_sent && interrupted()) {
      v1::WorkerOrder order;
      order.mutable_stop()->set_reason("stopped by the coordinator");
      session->run->Send(order);
      stop_sent = true;
      stop_deadline = steady_clock::now() + kStopWait;
    }
    if (stop_sent && steady_clock::now() > stop_deadline) {
      return {absl::UnavailableError("the worker did not stop in time"), true};
    }
    std::unique_lock lock(mutex_);
    if (session->run->end() || (!stop_sent && (stop_ || cancel_))) continue;
    changed_.wait_for(lock, std::chrono::milliseconds(200));
  }
}

void SourceActor::StoreState(v1::SourceState state, const std::string& error) {
  double wait_s = 1;
  for (;;) {
    const absl::Status status = catalogue_->ForceState(id_, state, error);
    if (!absl::IsUnavailable(status)) {
      if (!status.ok()) spdlog::error("cannot store the state: {} {}", Text(status), Tag());
      return;
    }
    spdlog::warn("cannot store the state, trying again: {} {}", Text(status), Tag());
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, std::chrono::duration<double>(wait_s), [this] { return stop_; })) {
      return;
    }
    wait_s = std::min(30.0, wait_s * 2);
  }
}

}  // namespace chameleon::coordinator::sources
