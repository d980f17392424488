#include "worker/pgsource/snapshot.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "proto/wire/error.h"
#include "worker/pgsource/connection.h"
#include "worker/pgsource/schema.h"
#include "worker/snapshot/progress.h"
#include "worker/snapshot/spool.h"
#include "worker/source/table_filter.h"

namespace chameleon::worker::pgsource {
namespace {

constexpr uint32_t kLanesDefault = 2;
constexpr size_t kPieceBytes = 256 << 10;
constexpr auto kReportInterval = std::chrono::milliseconds(200);
constexpr char kBegin[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

struct Job {
  PgTable table;
  v1::TablePlan plan;
  snapshot::TableCount* count = nullptr;
};

class PgSnapshot {
 public:
  PgSnapshot(const v1::Assignment& assignment, snapshot::SnapshotTarget* target,
             const std::atomic<bool>* stop)
      : assignment_(assignment), target_(target), stop_(stop), progress_(target) {}

  absl::Status Run() {
    progress_.SetPhase("preflight");
    for (auto step : {&PgSnapshot::OpenView, &PgSnapshot::Plan, &PgSnapshot::Copy}) {
      if (auto status = (this->*step)(); !status.ok()) return status;
    }
    progress_.SetPhase("swap");
    v1::FinishSnapshotRequest finish;
    *finish.mutable_lease() = assignment_.lease();
    *finish.mutable_position() = position_;
    return target_->FinishSnapshot(finish);
  }

 private:
  const v1::SourceOptions& options() const { return assignment_.options(); }

  // Tables are locked before the snapshot is taken: a rewritten table would look empty in it.
  absl::Status OpenView() {
    auto main = Connection::Open(assignment_.connection());
    if (!main.ok()) return main.status();
    const source::TableFilter filter(options(), 0);
    auto names = ReadTableNames(main->get(), filter, options());
    if (!names.ok()) return names.status();
    auto exported = Begin(main->get(), *names, true);
    if (exported.ok()) {
      uint32_t lanes = options().copy_lanes() > 0 ? options().copy_lanes() : kLanesDefault;
      for (uint32_t i = 1; i < lanes; ++i) {
        auto lane = Connection::Open(assignment_.connection());
        if (!lane.ok()) return lane.status();
        auto joined = (*lane)->Query(
            fmt::format("{}; SET TRANSACTION SNAPSHOT {}", kBegin, QuoteText(*exported)));
        if (!joined.ok()) return joined.status();
        lanes_.push_back(std::move(*lane));
      }
    } else if (absl::IsFailedPrecondition(exported.status())) {
      spdlog::info("the server exports no snapshot: one connection reads all tables ({})",
                   Text(exported.status()));
      if (auto ended = (*main)->Query("ROLLBACK"); !ended.ok()) return ended.status();
      auto begun = Begin(main->get(), *names, false);
      if (!begun.ok()) return begun.status();
    } else {
      return exported.status();
    }
    auto place = (*main)->Query(
        "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
        " ELSE pg_current_wal_lsn() END");
    if (!place.ok()) return place.status();
    position_.set_file((*place)[0][0].value_or("snapshot"));
    auto schema = ReadSchema(main->get(), *names);
    if (!schema.ok()) return schema.status();
    for (const std::string& note : schema->notes) {
      spdlog::warn("{} src={}", note, assignment_.lease().source());
    }
    for (PgTable& table : schema->tables) jobs_.push_back({std::move(table), {}, nullptr});
    lanes_.push_back(std::move(*main));
    return absl::OkStatus();
  }

  // The snapshot's name, or "".
  absl::StatusOr<std::string> Begin(Connection* main, const std::vector<v1::TableName>& names,
                                    bool with_export) {
    std::string sql = fmt::format("{}; SET LOCAL lock_timeout = '{}s'", kBegin,
                                  std::max(options().lock_timeout_s(), 1u));
    std::vector<std::string> quoted;
    for (const v1::TableName& name : names) {
      quoted.push_back(QuoteName(name.schema()) + "." + QuoteName(name.table()));
    }
    if (!quoted.empty()) {
      sql += fmt::format("; LOCK TABLE {} IN ACCESS SHARE MODE", fmt::join(quoted, ", "));
    }
    auto locked = main->Query(sql);
    if (!locked.ok()) {
      // Not a reason to try without an export.
      return absl::UnavailableError("locking the tables: " + Text(locked.status()));
    }
    if (!with_export) return std::string();
    auto exported = main->Query("SELECT pg_export_snapshot()");
    if (!exported.ok()) return exported.status();
    return (*exported)[0][0].value_or("");
  }

  absl::Status Plan() {
    v1::PlanTablesRequest request;
    *request.mutable_lease() = assignment_.lease();
    *request.mutable_position() = position_;
    for (Job& job : jobs_) {
      *request.add_tables() = job.table.def;
      job.count = progress_.AddTable(job.table.def.name(), job.table.def.rows_estimate());
    }
    auto response = target_->PlanTables(request);
    if (!response.ok()) return response.status();
    if (response->plans_size() != static_cast<int>(jobs_.size())) {
      return absl::InternalError("another number of plans than of tables");
    }
    for (int i = 0; i < response->plans_size(); ++i) jobs_[i].plan = response->plans(i);
    // The largest first, so that lanes end together.
    std::stable_sort(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) {
      return a.table.def.bytes_estimate() > b.table.def.bytes_estimate();
    });
    return absl::OkStatus();
  }

  absl::Status Copy() {
    progress_.SetPhase("copy");
    running_ = lanes_.size();
    std::vector<std::thread> threads;
    for (auto& lane : lanes_) {
      threads.emplace_back([this, connection = lane.get()] { RunLane(connection); });
    }
    bool cancelled = false;
    while (running_ > 0) {
      std::this_thread::sleep_for(kReportInterval);
      progress_.Report();
      if (!*stop_ || cancelled) continue;
      cancelled = true;
      Fail(absl::CancelledError("stopped"));
      for (auto& lane : lanes_) lane->Cancel();
    }
    for (std::thread& thread : threads) thread.join();
    progress_.Report();
    return error_;
  }

  void RunLane(Connection* connection) {
    while (Job* job = Next()) {
      auto status = CopyTable(connection, job);
      if (!status.ok()) {
        const auto& name = job->table.def.name();
        Fail(WithContext(status, fmt::format("table {}.{}", name.schema(), name.table())));
      }
    }
    --running_;
  }

  Job* Next() {
    std::lock_guard lock(mutex_);
    return next_ < jobs_.size() && error_.ok() ? &jobs_[next_++] : nullptr;
  }

  void Fail(const absl::Status& status) {
    std::lock_guard lock(mutex_);
    if (error_.ok()) error_ = status;
  }

  absl::Status CopyTable(Connection* connection, Job* job) {
    uint64_t rows = 0;
    if (!assignment_.snapshot().schema_only()) {
      auto copied = CopyRows(connection, job, &rows);
      if (!copied.ok()) return copied;
    }
    v1::FinishTableRequest request;
    request.set_table_id(job->plan.table_id());
    request.set_rows(rows);
    if (auto status = target_->FinishTable(request); !status.ok()) return status;
    job->count->done = true;
    return absl::OkStatus();
  }

  absl::Status CopyRows(Connection* connection, Job* job, uint64_t* rows) {
    const v1::TableDef& def = job->table.def;
    std::vector<std::string> columns;
    for (const v1::ColumnDef& column : def.columns()) columns.push_back(QuoteName(column.name()));
    const std::string sql =
        fmt::format("COPY (SELECT {} FROM {}{}.{}) TO STDOUT", fmt::join(columns, ", "),
                    job->table.partitioned ? "" : "ONLY ", QuoteName(def.name().schema()),
                    QuoteName(def.name().table()));
    std::unique_ptr<snapshot::Spool> spool;
    if (options().copy_to_file()) {
      auto created = snapshot::Spool::Create(options().out_dir());
      if (!created.ok()) return created.status();
      spool = std::move(*created);
    }
    std::unique_ptr<snapshot::ChunkWriter> writer;
    const auto open = [&]() -> absl::Status {
      if (writer != nullptr) return absl::OkStatus();
      auto opened = target_->OpenChunk(job->plan.table_id(), 0);
      if (!opened.ok()) return opened.status();
      writer = std::move(*opened);
      return absl::OkStatus();
    };
    std::string buffer;
    const auto flush = [&]() -> absl::Status {
      job->count->bytes += buffer.size();
      job->count->rows = *rows;
      absl::Status status;
      if (spool != nullptr) {
        status = spool->Append(buffer);
      } else if (status = open(); status.ok()) {
        status = writer->Write(buffer);
      }
      buffer.clear();
      return status;
    };
    auto status = connection->CopyOut(sql, [&](std::string_view line) -> absl::Status {
      if (*stop_) return absl::CancelledError("stopped");
      buffer += line;
      ++*rows;
      return buffer.size() < kPieceBytes ? absl::OkStatus() : flush();
    });
    if (status.ok() && !buffer.empty()) status = flush();
    if (!status.ok() || *rows == 0) return status;
    if (status = open(); !status.ok()) return status;
    if (spool != nullptr) {
      if (status = spool->SendTo(writer.get()); !status.ok()) return status;
    }
    return writer->Finish(*rows);
  }

  const v1::Assignment& assignment_;
  snapshot::SnapshotTarget* const target_;
  const std::atomic<bool>* const stop_;
  snapshot::ProgressMeter progress_;
  v1::Position position_;
  std::vector<std::unique_ptr<Connection>> lanes_;
  std::vector<Job> jobs_;
  std::atomic<size_t> running_ = 0;
  std::mutex mutex_;
  size_t next_ = 0;     // guarded by mutex_
  absl::Status error_;  // likewise, while lanes run
};

}  // namespace

absl::Status RunPgSnapshot(const v1::Assignment& assignment, snapshot::SnapshotTarget* target,
                           const std::atomic<bool>* stop) {
  return PgSnapshot(assignment, target, stop).Run();
}

absl::Status PgPreflight(const v1::SourceConnection& config, const v1::SourceOptions& options) {
  auto connection = Connection::Open(config);
  if (!connection.ok()) return connection.status();
  return ReadTableNames(connection->get(), source::TableFilter(options, 0), options).status();
}

}  // namespace chameleon::worker::pgsource
