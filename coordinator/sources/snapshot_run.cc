// SourceActor's way to copy a source: one operation, one worker, one loader.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "coordinator/sources/source_actor.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::sources {

absl::StatusOr<v1::Operation> SourceActor::InitReplica() {
  std::lock_guard command(command_mutex_);
  auto record = catalogue_->GetSource(name_);
  if (!record.ok()) return record.status();
  auto transition = Next(Command::kInitReplica, record->state, name_);
  if (!transition.ok()) return transition.status();
  const auto config = this->config();
  if (Settings(*config).type != "mysql") {
    return Error(absl::StatusCode::kUnimplemented, "SOURCE_TYPE", name_,
                 fmt::format("sources of type {} cannot be copied yet", Settings(*config).type),
                 "Only sources of type mysql are implemented.");
  }
  if (auto status = catalogue_->CheckTarget(Settings(*config), false); !status.ok()) return status;
  auto operation = services_.operations->Begin("init_replica", config->name, name_, [this] {
    std::lock_guard lock(mutex_);
    cancel_ = true;
    changed_.notify_all();
  });
  if (!operation.ok()) return operation.status();
  if (auto status = catalogue_->SetState(id_, record->state, transition->during, "");
      !status.ok()) {
    services_.operations->Finish(*operation, status, "");
    return status;
  }
  Launch([this, id = *operation, before = record->state] { Copy(id, before); });
  return services_.operations->Get(*operation);
}

void SourceActor::Copy(const std::string& operation, v1::SourceState before) {
  spdlog::info("init_replica begins {}", Tag());
  std::string result;
  absl::Status status = RunCopy(operation, &result);
  Publish(nullptr);
  bool cancelled = false;
  {
    std::lock_guard lock(mutex_);
    cancelled = cancel_ && !status.ok();
    if (!cancelled && stop_ && !status.ok()) {
      status = absl::UnavailableError("the coordinator was stopped during init_replica");
    }
  }
  if (cancelled) {
    // The old target and position are untouched: the source is what it was.
    status = absl::CancelledError("init_replica was cancelled; the target is as it was before");
    spdlog::warn("init_replica was cancelled {}", Tag());
    StoreState(before, "");
  } else if (!status.ok()) {
    spdlog::error("init_replica failed: {} {}", Text(status), Tag());
    catalogue_->LogError(id_, 0, "", "", "", Text(status)).IgnoreError();
    StoreState(v1::ERROR, Text(status));
  } else {
    spdlog::info("{} {}", result, Tag());
  }
  services_.operations->Finish(operation, status, result);
}

absl::Status SourceActor::RunCopy(const std::string& operation, std::string* result) {
  const auto config = this->config();
  const auto begin = std::chrono::steady_clock::now();
  auto opened = OpenSession(*config);
  if (!opened.ok()) return opened.status();
  Session* session = opened->get();
  auto loader = ingest::SnapshotLoader::Open(*config, Settings(*config), session->lease);
  if (!loader.ok()) return loader.status();
  Publish(session);
  {
    std::lock_guard lock(mutex_);
    loader_ = std::move(*loader);
    activity_ = "copying";
  }
  v1::WorkerOrder order;
  *order.mutable_assignment() = AssignmentFor(*config, *session);
  order.mutable_assignment()->mutable_snapshot();
  if (!session->run->Send(order)) return absl::UnavailableError("the worker is gone");

  uint64_t seen = 0;
  std::pair<uint32_t, uint32_t> indexes_seen{0, 0};
  v1::Progress progress;
  const auto report = [&] {
    uint64_t version = 0;
    v1::Progress now = session->run->progress(&version);
    std::pair<uint32_t, uint32_t> indexes;
    std::string activity;
    {
      std::lock_guard lock(mutex_);
      if (loader_) indexes = loader_->IndexProgress();
      if (version == seen && indexes == indexes_seen) return;
      activity_ = now.tables_total() == 0
                      ? fmt::format("copying: {}", now.phase())
                      : fmt::format("copying: {}, {} of {} tables, {} rows", now.phase(),
                                    now.tables_done(), now.tables_total(), now.rows());
    }
    seen = version;
    indexes_seen = indexes;
    if (indexes.second != 0 && now.message().empty()) {
      now.set_message(fmt::format("indexes {} of {}", indexes.first, indexes.second));
    }
    progress = std::move(now);
    services_.operations->SetProgress(operation, progress);
  };
  const WorkerRun::End end = AwaitEnd(
      session,
      [this] {
        std::lock_guard lock(mutex_);
        return stop_ || cancel_;
      },
      report);
  report();
  if (!end.status.ok()) return end.status;

  // The swap has stored state and position; a worker that says "done" without it has a bug.
  auto record = catalogue_->GetSource(name_);
  if (!record.ok()) return record.status();
  if (record->state != v1::INITIALISED) {
    return absl::InternalError("the worker ended the copy without finishing it");
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  *result = fmt::format("source \"{}\" initialised: {} tables, {} rows in {:.1f} s", name_,
                        progress.tables_total(), progress.rows(), seconds);
  return absl::OkStatus();
}

}  // namespace chameleon::coordinator::sources
