#include "coordinator/ingest/snapshot_loader.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <mutex>
#include <utility>
#include <vector>

#include "coordinator/ingest/copy_pool.h"
#include "coordinator/ingest/index_pool.h"
#include "coordinator/ingest/loading_schema.h"
#include "coordinator/ingest/loading_table.h"
#include "coordinator/ingest/swap.h"
#include "coordinator/ingest/table_planner.h"
#include "coordinator/pg/session.h"
#include "coordinator/target/ddl_writer.h"
#include "coordinator/target/quote.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::ingest {
namespace {

using pg::Session;
using target::Identifier;

constexpr int kIndexThreads = 2;

class PgSnapshotLoader final : public SnapshotLoader {
 public:
  PgSnapshotLoader(const Config& config, SourceConfig source, v1::Lease lease, LoadOptions options,
                   std::unique_ptr<Session> session)
      : load_{std::move(options), std::move(source), std::move(lease)},
        target_(config.target),
        session_(std::move(session)),
        planner_(load_, config.type_overrides, session_.get()),
        swap_(load_, &tables_, session_.get()),
        copies_(std::make_shared<CopyPool>(target_, "chameleon copy " + load_.source.name)),
        indexes_(std::make_unique<IndexPool>(target_, "chameleon index " + load_.source.name,
                                             kIndexThreads)) {}

  ~PgSnapshotLoader() override {
    indexes_ = nullptr;  // cancels and joins
    if (swapped_) return;
    absl::Status status = DropLoadingSchemas(target_, load_.source);
    if (!status.ok()) {
      spdlog::warn("loading schemas are left behind until the next init_replica src={} error={}",
                   load_.source.name, Text(status));
    }
  }

  absl::Status Prepare() {
    auto current = session_->Execute(load_.EpochGuard());
    if (!current.ok()) return load_.Fenced(current.status());
    if (absl::Status status = DropLoadingSchemas(target_, load_.source); !status.ok())
      return status;
    for (const auto& [from, to] : load_.source.options.schema_mappings()) {
      auto created = session_->Execute("CREATE SCHEMA " + Identifier(LoadingSchema(to)));
      if (!created.ok()) return created.status();
    }
    return planner_.ReadExtensions();
  }

  absl::StatusOr<v1::PlanTablesResponse> PlanTables(const v1::PlanTablesRequest& request) override {
    std::lock_guard lock(mutex_);
    auto planned = planner_.Create(request);
    if (!planned.ok()) return planned.status();
    v1::PlanTablesResponse response;
    for (LoadingTable& table : *planned) {
      *response.add_plans() = table.plan;
      const uint64_t id = table.plan.table_id();
      tables_[id] = std::move(table);
    }
    return response;
  }

  absl::StatusOr<std::unique_ptr<CopySession>> OpenCopy(uint64_t table_id,
                                                        uint32_t chunk) override {
    std::string copy;
    std::shared_ptr<Chunks> chunks;
    {
      std::lock_guard lock(mutex_);
      auto found = tables_.find(table_id);
      if (found == tables_.end()) return UnknownTable(table_id);
      const LoadingTable& table = found->second;
      chunks = table.chunks;
      std::lock_guard chunk_lock(chunks->mutex);
      if (table.finished || chunks->done.count(chunk)) {
        return absl::AlreadyExistsError(
            fmt::format("chunk {} of table {} was copied before", chunk, NameOf(table)));
      }
      copy = CopyStatement(table);
    }
    return copies_->Open(copy, load_.EpochGuard(), [chunks, chunk](const CopyEnd& end) {
      std::lock_guard lock(chunks->mutex);
      chunks->in_doubt |= end.in_doubt;
      if (!end.committed) return;
      chunks->rows += end.rows;
      chunks->done.insert(chunk);
    });
  }

  absl::Status FinishTable(const v1::FinishTableRequest& request) override {
    const uint64_t table_id = request.table_id(), rows = request.rows();
    std::lock_guard lock(mutex_);
    if (absl::Status status = indexes_->error(); !status.ok()) return status;
    auto found = tables_.find(table_id);
    if (found == tables_.end()) return UnknownTable(table_id);
    LoadingTable& table = found->second;
    auto arrived = RowsOf(table);
    if (!arrived.ok()) return arrived.status();
    if (*arrived != rows) {
      return absl::InternalError(
          fmt::format("table {}: {} rows were sent, {} arrived", NameOf(table), rows, *arrived));
    }
    table.finished = true;
    table.ledger.Assign(request.ledger().begin(), request.ledger().end());
    target::NamePool& pool = planner_.Pool(table.loading_schema);
    target::IndexStatements indexes = target::BuildIndexes(
        table.def, table.plan, table.loading_schema, planner_.postgis(), &pool);
    for (const std::string& skipped : indexes.skipped) {
      spdlog::warn("index not built src={} tbl={} index={}", load_.source.name, NameOf(table),
                   skipped);
    }
    for (std::string& comment :
         target::CommentStatements(table.def, table.plan, table.loading_schema)) {
      indexes.finish.push_back(std::move(comment));
    }
    indexes.finish.push_back("ANALYZE " +
                             Identifier(table.loading_schema, table.plan.target_table()));
    // Those of a table that stays are built again when it is filled.
    if (planner_.Exists(table)) return absl::OkStatus();
    // Rows become equal only where a policy has altered values; the key never may.
    const size_t must_be_unique =
        table.ledger.empty() ? indexes.create.size() : (table.plan.replicated() ? 1 : 0);
    indexes_->Add(NameOf(table), std::move(indexes.create), std::move(indexes.finish),
                  must_be_unique);
    return absl::OkStatus();
  }

  absl::Status FinishSnapshot(const v1::FinishSnapshotRequest& request) override {
    // Without mutex_: indexes take their time, and progress is asked for meanwhile.
    if (absl::Status status = indexes_->Wait(); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    if (abandoned_) return absl::AbortedError("the copy was given up");
    for (const auto& [id, table] : tables_) {
      if (!table.finished) {
        return absl::InternalError(fmt::format("table {} was not finished", NameOf(table)));
      }
    }
    if (absl::Status status = swap_.Run(request); !status.ok()) return status;
    swapped_ = true;
    swap_.Grant();
    return absl::OkStatus();
  }

  void Abandon() override {
    std::lock_guard lock(mutex_);
    abandoned_ = true;
  }

  std::pair<uint32_t, uint32_t> IndexProgress() const override { return indexes_->Progress(); }

  std::vector<std::string> Notes() override {
    std::lock_guard lock(mutex_);
    std::vector<std::string> notes = swap_.notes();
    for (std::string& note : indexes_->notes()) notes.push_back(std::move(note));
    return notes;
  }

 private:
  absl::StatusOr<uint64_t> RowsOf(const LoadingTable& table) {
    std::lock_guard lock(table.chunks->mutex);
    if (!table.chunks->in_doubt) return table.chunks->rows;
    auto count = session_->Execute("SELECT count(*) FROM " +
                                   Identifier(table.loading_schema, table.plan.target_table()));
    if (!count.ok()) return count.status();
    return count->Uint(0, 0);
  }

  std::string CopyStatement(const LoadingTable& table) const {
    std::vector<std::string> columns;
    for (const v1::ColumnPlan& column : table.plan.columns()) {
      if (!column.omitted()) columns.push_back(Identifier(column.target_name()));
    }
    return fmt::format("COPY {} ({}) FROM STDIN",
                       Identifier(table.loading_schema, table.plan.target_table()),
                       fmt::join(columns, ", "));
  }

  static absl::Status UnknownTable(uint64_t id) {
    return absl::InternalError(fmt::format("table {} was not planned", id));
  }

  const Load load_;
  const TargetConnection target_;
  std::mutex mutex_;
  std::unique_ptr<Session> session_;  // from here on guarded by mutex_
  bool abandoned_ = false;
  LoadingTables tables_;
  TablePlanner planner_;
  Swap swap_;
  bool swapped_ = false;
  const std::shared_ptr<CopyPool> copies_;
  std::unique_ptr<IndexPool> indexes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SnapshotLoader>> SnapshotLoader::Open(const Config& config,
                                                                     const SourceConfig& source,
                                                                     const v1::Lease& lease,
                                                                     const LoadOptions& options) {
  auto session = Session::Connect(config.target, "chameleon snapshot " + source.name);
  if (!session.ok()) return session.status();
  auto loader =
      std::make_unique<PgSnapshotLoader>(config, source, lease, options, std::move(*session));
  if (absl::Status status = loader->Prepare(); !status.ok()) return status;
  return loader;
}

absl::Status SnapshotLoader::Clean(const TargetConnection& target, const SourceConfig& source) {
  return DropLoadingSchemas(target, source);
}

}  // namespace chameleon::coordinator::ingest
