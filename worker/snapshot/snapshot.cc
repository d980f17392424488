#include "worker/snapshot/snapshot.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <thread>

#include "proto/wire/error.h"
#include "proto/wire/position.h"
#include "worker/snapshot/copier.h"
#include "worker/snapshot/progress.h"
#include "worker/snapshot/view.h"
#include "worker/source/preflight.h"
#include "worker/source/table_filter.h"

namespace chameleon::worker::snapshot {
namespace {

constexpr uint32_t kLanesMin = 2, kLanesMax = 4;
constexpr int kCopyAgainAttemptsMax = 3;
constexpr int kTablesLockedByNameMax = 100;

v1::FinishTableRequest WithoutRows(const CopyJob& job) {
  v1::FinishTableRequest request;
  request.set_table_id(job.plan.table_id());
  return request;
}

class Snapshot {
 public:
  Snapshot(const v1::Assignment& assignment, SnapshotTarget* target, const std::atomic<bool>* stop)
      : assignment_(assignment), target_(target), stop_(stop), progress_(target) {}

  absl::Status Run() {
    progress_.SetPhase("preflight");
    auto fit = source::Preflight(assignment_.connection(), assignment_.options(), true,
                                 assignment_.snapshot().only());
    if (!fit.ok()) return fit.status();
    for (const std::string& warning : fit->warnings) spdlog::warn("{}", warning);
    server_ = fit->server;
    source::TableFilter filter = Filter();
    if (auto s = CopyAll(filter); !s.ok()) return s;
    for (CopyJob* job : changed_) {
      if (auto s = CopyAgain(job); !s.ok()) return s;
    }
    progress_.SetPhase("swap");
    v1::FinishSnapshotRequest finish;
    *finish.mutable_lease() = assignment_.lease();
    *finish.mutable_position() = position_;
    *finish.mutable_server() = server_;
    return target_->FinishSnapshot(finish);
  }

 private:
  source::TableFilter Filter() const {
    source::TableFilter filter(assignment_.options(), server_.lower_case_table_names());
    filter.RestrictTo(assignment_.snapshot().only());
    return filter;
  }

  uint32_t Lanes() const {
    uint32_t lanes = assignment_.options().copy_lanes();
    if (lanes > 0) return lanes;
    return std::clamp(std::thread::hardware_concurrency(), kLanesMin, kLanesMax);
  }

  ViewRequest Request(const source::TableFilter& filter) const {
    ViewRequest request{};
    request.connection = &assignment_.connection();
    request.options = &assignment_.options();
    request.filter = &filter;
    request.stop = stop_;
    return request;
  }

  // Then locking them alone is enough, and nobody else waits.
  bool NamesFewTables() const {
    const auto& only = assignment_.snapshot().only();
    return !only.empty() && only.size() <= kTablesLockedByNameMax &&
           std::none_of(only.begin(), only.end(), [](const auto& n) { return n.table().empty(); });
  }

  CopyOptions Options() const {
    const v1::SourceOptions& o = assignment_.options();
    return {o.copy_max_memory_bytes(), o.copy_to_file(), o.out_dir()};
  }

  absl::Status CopyAll(const source::TableFilter& filter) {
    progress_.SetPhase("lock");
    ViewRequest request = Request(filter);
    request.lanes = assignment_.snapshot().schema_only() ? 1 : Lanes();
    request.prefer_table_lock = NamesFewTables();
    auto view = OpenView(request);
    if (!view.ok()) return view.status();
    server_ = view->server;
    position_ = view->position;
    spdlog::info("consistent view opened pos={} tables={} lanes={}", PositionText(position_),
                 view->tables.size(), view->lanes.size());
    for (const v1::TableDef& def : view->tables) {
      CopyJob job;
      job.def = def;
      job.count = progress_.AddTable(def.name(), def.rows_estimate());
      jobs_.push_back(std::move(job));
    }
    if (auto s = Plan(view->position, false, &jobs_); !s.ok()) return s;
    progress_.SetPhase("copy");
    if (assignment_.snapshot().schema_only()) return FinishEmpty();
    return Copy(&*view, &jobs_, filter, &changed_);
  }

  absl::Status Plan(const v1::Position& position, bool replace, std::vector<CopyJob>* jobs) {
    v1::PlanTablesRequest request;
    *request.mutable_lease() = assignment_.lease();
    *request.mutable_server() = server_;
    *request.mutable_position() = position;
    request.set_replace(replace);
    for (const CopyJob& job : *jobs) *request.add_tables() = job.def;
    auto response = target_->PlanTables(request);
    if (!response.ok()) return response.status();
    if (response->plans_size() != static_cast<int>(jobs->size())) {
      return absl::InternalError(
          fmt::format("{} plans for {} tables", response->plans_size(), jobs->size()));
    }
    for (int i = 0; i < response->plans_size(); ++i) {
      (*jobs)[static_cast<size_t>(i)].plan = response->plans(i);
    }
    return absl::OkStatus();
  }

  absl::Status Copy(View* view, std::vector<CopyJob>* jobs, const source::TableFilter& filter,
                    std::vector<CopyJob*>* changed) {
    Copier copier(view, jobs, &filter, Options(), target_, &progress_);
    absl::Status status = copier.Run(stop_);
    *changed = copier.changed();
    return status;
  }

  absl::Status FinishEmpty() {
    for (CopyJob& job : jobs_) {
      if (auto s = target_->FinishTable(WithoutRows(job)); !s.ok()) return s;
      job.count->done = true;
    }
    return absl::OkStatus();
  }

  // A table that DDL changed under the first view, alone under a newer one. The stream from the
  // first position brings the same DDL again: the coordinator keeps the newer position with it.
  absl::Status CopyAgain(CopyJob* old) {
    for (int attempt = 0; attempt < kCopyAgainAttemptsMax; ++attempt) {
      source::TableFilter filter = Filter();
      filter.RestrictOnly(old->def.name());
      ViewRequest request = Request(filter);
      request.prefer_table_lock = true;
      auto view = OpenView(request);
      if (!view.ok()) return view.status();
      std::vector<CopyJob> jobs(1);
      jobs[0].count = old->count;
      old->count->rows = 0;
      old->count->bytes = 0;
      bool dropped = view->tables.empty();
      jobs[0].def = dropped ? old->def : view->tables[0];
      if (auto s = Plan(view->position, true, &jobs); !s.ok()) return s;
      if (dropped) {
        spdlog::warn("table was dropped or renamed while it was copied, it stays empty tbl={}.{}",
                     old->def.name().schema(), old->def.name().table());
        old->count->done = true;
        return target_->FinishTable(WithoutRows(jobs[0]));
      }
      std::vector<CopyJob*> changed;
      if (auto s = Copy(&*view, &jobs, filter, &changed); !s.ok()) return s;
      if (changed.empty()) return absl::OkStatus();
    }
    return Error(absl::StatusCode::kUnavailable, "TABLE_KEEPS_CHANGING", old->def.name().table(),
                 fmt::format("table {}.{} was changed by DDL each time it was read",
                             old->def.name().schema(), old->def.name().table()),
                 "");
  }

  const v1::Assignment& assignment_;
  SnapshotTarget* target_;
  const std::atomic<bool>* stop_;
  ProgressMeter progress_;
  v1::ServerInfo server_;
  v1::Position position_;
  std::vector<CopyJob> jobs_;
  std::vector<CopyJob*> changed_;  // into jobs_
};

}  // namespace

absl::Status RunSnapshot(const v1::Assignment& assignment, SnapshotTarget* target,
                         const std::atomic<bool>* stop) {
  return Snapshot(assignment, target, stop).Run();
}

}  // namespace chameleon::worker::snapshot
