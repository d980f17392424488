// SourceActor's long commands: what they have in common, and those that copy nothing.
//
// A source that is running is paused for them: its worker ends at a commit, its thread ends, the
// operation works, and the same thread follows the source again. b_paused in the catalogue survives
// the coordinator, so that the next one resumes the source.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "coordinator/replay/detach.h"
#include "coordinator/replay/maintenance.h"
#include "coordinator/sources/source_actor.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::sources {
namespace {

constexpr std::chrono::seconds kRecopyAgainAfter{60};

}  // namespace

absl::StatusOr<v1::Operation> SourceActor::Operate(const pg::SourceRecord& record, Task task) {
  auto operation = services_.operations->Begin(task.command, config()->name, name_, [this] {
    std::lock_guard lock(mutex_);
    cancel_ = true;
    changed_.notify_all();
  });
  if (!operation.ok()) return operation.status();
  const bool resume = record.state == v1::RUNNING;
  absl::Status begun = resume ? Pause() : absl::OkStatus();
  if (begun.ok() && task.during != record.state) {
    begun = catalogue_->SetState(id_, record.state, task.during, "");
  }
  if (!begun.ok()) {
    services_.operations->Finish(*operation, begun, "");
    if (resume) Unpause();
    return begun;
  }
  Launch([this, id = *operation, task = std::move(task), before = record.state, resume] {
    RunOperation(id, task, before);
    if (resume && !task.ends_replica) Resume();
  });
  return services_.operations->Get(*operation);
}

absl::Status SourceActor::Pause() {
  if (auto status = catalogue_->SetPaused(id_, true); !status.ok()) return status;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  auto record = catalogue_->GetSource(name_);
  if (!record.ok()) return record.status();
  if (record->state == v1::RUNNING) {
    spdlog::info("replica paused {}", Tag());
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kFailedPrecondition, "STATE_FORBIDS", name_,
               fmt::format("source \"{}\" is {} since just now", name_, StateName(record->state)),
               fmt::format("See chamctl show_status --source {}.", name_));
}

// The operation did not begin: as before.
void SourceActor::Unpause() {
  auto record = catalogue_->GetSource(name_);
  catalogue_->SetPaused(id_, false).IgnoreError();
  if (!record.ok() || record->state == v1::RUNNING) Launch([this] { Replicate(true); });
}

void SourceActor::Resume() {
  {
    std::lock_guard lock(mutex_);
    if (stop_) return;  // the next coordinator resumes it
    cancel_ = streamed_ = target_away_ = false;
    last_failure_ = replay_failure_ = absl::OkStatus();
  }
  spdlog::info("replica goes on {}", Tag());
  Replicate(true);
}

void SourceActor::RunOperation(const std::string& operation, const Task& task,
                               v1::SourceState before) {
  spdlog::info("{} begins {}", task.command, Tag());
  std::string result;
  absl::Status status = task.run(operation, &result);
  std::shared_ptr<ingest::SnapshotLoader> loader;
  {
    std::lock_guard lock(mutex_);
    loader = loader_;
  }
  // A swap that comes after this would store its own state over the one that is stored here.
  if (loader != nullptr && !status.ok()) loader->Abandon();
  loader.reset();
  Publish(nullptr);
  bool cancelled = false, stopped = false;
  {
    std::lock_guard lock(mutex_);
    cancelled = cancel_ && !status.ok();
    stopped = stop_ && !status.ok();
  }
  // A source that was running goes on whatever came out; init_replica leaves a broken one.
  v1::SourceState after = task.ends_replica && before == v1::RUNNING ? v1::STOPPED : before;
  if (cancelled) {
    status = absl::CancelledError(
        fmt::format("{} was cancelled; {}", task.command,
                    task.ends_replica ? "what is done stays" : "the target is as it was before"));
    spdlog::warn("{} was cancelled {}", task.command, Tag());
    StoreState(after, "");
  } else if (!status.ok()) {
    if (stopped) {
      status = absl::UnavailableError(
          fmt::format("the coordinator was stopped during {}", task.command));
    }
    spdlog::error("{} failed: {} {}", task.command, Text(status), Tag());
    catalogue_->LogError(id_, 0, "", "", "", Text(status)).IgnoreError();
    if (task.failed_is_error) after = v1::ERROR;
    StoreState(after, Text(status));
  } else {
    spdlog::info("{} {}", result, Tag());
    if (before == v1::RUNNING && !task.ends_replica) StoreState(v1::RUNNING, "");
  }
  if (before == v1::RUNNING) {
    if (auto s = catalogue_->SetPaused(id_, false); !s.ok()) {
      spdlog::warn("the source stays marked as paused: {} {}", Text(s), Tag());
    }
  }
  services_.operations->Finish(operation, status, result);
}

std::function<bool(const std::string&)> SourceActor::StepReporter(const std::string& operation) {
  return [this, operation](const std::string& what) {
    v1::Progress progress;
    progress.set_phase(what);
    services_.operations->SetProgress(operation, progress);
    std::lock_guard lock(mutex_);
    activity_ = what;
    return !stop_ && !cancel_;
  };
}

absl::StatusOr<v1::Operation> SourceActor::RunMaintenance(bool full) {
  std::lock_guard lock(command_mutex_);
  auto record = catalogue_->GetSource(name_);
  if (!record.ok()) return record.status();
  auto transition = Next(Command::kRunMaintenance, record->state, name_);
  if (!transition.ok()) return transition.status();
  Task task;
  task.command = "run_maintenance";
  task.during = record->state;
  task.run = [this, full, drain = record->state == v1::RUNNING](const std::string& operation,
                                                                std::string* result) {
    if (drain) {
      if (auto status = Drain(operation, {}); !status.ok()) return status;
    }
    const auto config = this->config();
    replay::MaintenanceOptions options;
    options.source_id = id_;
    options.source = name_;
    options.full = full;
    options.lock_timeout_ms = Settings(*config).lock_timeout_ms;
    auto done = replay::MaintainLog(config->target, options, StepReporter(operation));
    if (!done.ok()) return done.status();
    *result = *done;
    return absl::OkStatus();
  };
  return Operate(*record, std::move(task));
}

void SourceActor::Tend() {
  if (Streams()) MaintainIfDue();
  if (Streams()) RecopyIfNeeded();
}

// Not before the first report, and not during an operation.
bool SourceActor::Streams() const {
  std::lock_guard lock(mutex_);
  return busy_ && streamed_ && !stop_ && loader_ == nullptr;
}

void SourceActor::RecopyIfNeeded() {
  auto names = catalogue_->TablesToRecopy(id_);
  if (!names.ok()) return;
  if (names->empty()) recopied_.clear();  // the last ones are there: what comes now is new
  if (names->empty()) return;
  std::string list;
  for (const v1::TableName& name : *names) {
    list += fmt::format("{}{}.{}", list.empty() ? "" : ", ", name.schema(), name.table());
  }
  const auto now = std::chrono::steady_clock::now();
  if (list == recopied_ && now - recopied_at_ < kRecopyAgainAfter) return;
  recopied_ = list;
  recopied_at_ = now;
  spdlog::info("copying tables again: {} {}", list, Tag());
  std::lock_guard lock(command_mutex_);
  auto record = catalogue_->GetSource(name_);
  if (!record.ok() || record->state != v1::RUNNING) return;
  auto begun = Sync(Command::kSyncTables, *record,
                    {"sync_tables", ingest::LoadOptions::kTables, *std::move(names), true});
  if (!begun.ok()) spdlog::warn("not copied again: {} {}", Text(begun.status()), Tag());
}

void SourceActor::MaintainIfDue() {
  const auto config = this->config();
  const auto found = config->sources.find(name_);
  if (found == config->sources.end() || found->second.auto_maintenance == "disabled") return;
  auto due = catalogue_->MaintenanceDue(id_, found->second.auto_maintenance);
  if (!due.ok() || !*due) return;
  auto begun = RunMaintenance(false);
  if (!begun.ok()) {
    spdlog::warn("automatic maintenance: {} {}", Text(begun.status()), Tag());
  } else {
    spdlog::info("automatic maintenance begins operation={} {}", begun->id(), Tag());
  }
}

absl::StatusOr<v1::Operation> SourceActor::DetachReplica() {
  std::lock_guard lock(command_mutex_);
  auto record = catalogue_->GetSource(name_);
  if (!record.ok()) return record.status();
  // Detached already: what is there is left alone, what failed is tried again.
  const bool again = absl::IsFailedPrecondition(CheckNotDetached(*record));
  if (!again) {
    auto transition = Next(Command::kDetachReplica, record->state, name_);
    if (!transition.ok()) return transition.status();
    if (record->take_over) {
      return Error(absl::StatusCode::kFailedPrecondition, "TAKE_OVER_FIRST", name_,
                   fmt::format("the foreign keys and sequences of source \"{}\", taken over from "
                               "pg_chameleon, are not known yet",
                               name_),
                   fmt::format("Run chamctl start_replica --source {} first.", name_));
    }
  }
  Task task;
  task.command = "detach_replica";
  task.during = record->state;
  task.ends_replica = true;
  task.run = [this, again](const std::string& operation, std::string* result) -> absl::Status {
    if (!again) {
      if (auto status = Drain(operation, {}); !status.ok()) return status;
    }
    const auto config = this->config();
    auto outcome = replay::DetachTarget(config->target, id_, name_, StepReporter(operation));
    if (!outcome.ok()) return outcome.status();
    if (!outcome->errors.empty()) {
      return Error(absl::StatusCode::kFailedPrecondition, "DETACH_INCOMPLETE", name_,
                   fmt::format("{} of {} steps failed:\n{}", outcome->errors.size(),
                               outcome->errors.size() + outcome->sequences + outcome->foreign_keys,
                               fmt::join(outcome->errors, "\n")),
                   "Mend the rows or columns and run detach_replica again: what is done is left "
                   "alone.");
    }
    if (auto status = catalogue_->EndLife(id_, true); !status.ok()) return status;
    *result = fmt::format(
        "source \"{}\" detached: {} sequences, {} foreign keys; it is not followed any more", name_,
        outcome->sequences, outcome->foreign_keys);
    return absl::OkStatus();
  };
  return Operate(*record, std::move(task));
}

absl::StatusOr<v1::CommandResponse> SourceActor::UpdateSchemaMappings() {
  std::lock_guard lock(command_mutex_);
  auto record = catalogue_->GetSource(name_);
  if (!record.ok()) return record.status();
  auto transition = Next(Command::kUpdateSchemaMappings, record->state, name_);
  if (!transition.ok()) return transition.status();
  const auto config = this->config();
  const auto& mappings = Settings(*config).options.schema_mappings();
  auto done = catalogue_->UpdateSchemaMappings(id_, {mappings.begin(), mappings.end()});
  if (!done.ok()) return WithContext(done.status(), fmt::format("source \"{}\"", name_));
  v1::CommandResponse response;
  response.set_message(
      done->empty() ? fmt::format("the schema mappings of source \"{}\" are as stored", name_)
                    : fmt::format("schema mappings of source \"{}\" updated: {}", name_,
                                  fmt::join(*done, "; ")));
  return response;
}

}  // namespace chameleon::coordinator::sources
