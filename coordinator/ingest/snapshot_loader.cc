#include "coordinator/ingest/snapshot_loader.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <strings.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "coordinator/ingest/copy_pool.h"
#include "coordinator/ingest/existing_tables.h"
#include "coordinator/ingest/index_pool.h"
#include "coordinator/ingest/loading_schema.h"
#include "coordinator/pg/message_json.h"
#include "coordinator/pg/session.h"
#include "coordinator/target/ddl_writer.h"
#include "coordinator/target/quote.h"
#include "coordinator/target/type_map.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::ingest {
namespace {

using pg::Session;
using target::Identifier;

constexpr int kIndexThreads = 2;

// What has been committed of one table.
struct Chunks {
  std::mutex mutex;
  uint64_t rows = 0;      // guarded by mutex, as all below
  bool in_doubt = false;  // a commit was not answered: count
  std::set<uint32_t> done;
};

struct LoadingTable {
  v1::TableDef def;
  v1::TablePlan plan;
  v1::Position valid_from;
  std::string loading_schema;
  google::protobuf::RepeatedPtrField<v1::LedgerEntry> ledger;
  bool finished = false;
  // Shared with its open copies, which may outlive the loader.
  std::shared_ptr<Chunks> chunks = std::make_shared<Chunks>();
};

class PgSnapshotLoader final : public SnapshotLoader {
 public:
  PgSnapshotLoader(const Config& config, SourceConfig source, v1::Lease lease, LoadOptions options,
                   std::unique_ptr<Session> session)
      : options_(std::move(options)),
        target_(config.target),
        overrides_(config.type_overrides),
        source_(std::move(source)),
        lease_(std::move(lease)),
        session_(std::move(session)),
        copies_(std::make_shared<CopyPool>(target_, "chameleon copy " + source_.name)),
        indexes_(std::make_unique<IndexPool>(target_, "chameleon index " + source_.name,
                                             kIndexThreads)) {}

  ~PgSnapshotLoader() override {
    indexes_ = nullptr;  // cancels and joins
    if (swapped_) return;
    absl::Status status = DropLoadingSchemas(target_, source_);
    if (!status.ok()) {
      spdlog::warn("loading schemas are left behind until the next init_replica src={} error={}",
                   source_.name, Text(status));
    }
  }

  absl::Status Prepare() {
    if (absl::Status status = CheckEpoch(); !status.ok()) return status;
    if (absl::Status status = DropLoadingSchemas(target_, source_); !status.ok()) return status;
    for (const auto& [from, to] : source_.options.schema_mappings()) {
      auto created = session_->Execute("CREATE SCHEMA " + Identifier(LoadingSchema(to)));
      if (!created.ok()) return created.status();
    }
    auto extensions = session_->Execute(
        "SELECT e.extname, n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n"
        " ON n.oid = e.extnamespace WHERE e.extname IN ('postgis', 'vector')");
    if (!extensions.ok()) return extensions.status();
    for (size_t i = 0; i < extensions->size(); ++i) {
      (extensions->Text(i, 0) == "postgis" ? postgis_ : pgvector_) = extensions->Text(i, 1);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<v1::PlanTablesResponse> PlanTables(const v1::PlanTablesRequest& request) override {
    std::lock_guard lock(mutex_);
    if (absl::Status status = CheckAllFound(request); !status.ok()) return status;
    if (absl::Status status = ReadTarget(request); !status.ok()) return status;
    std::vector<LoadingTable> planned;
    std::string statements = "BEGIN; " + EpochGuard() + ";";
    for (const v1::TableDef& def : request.tables()) {
      auto table = Plan(def, request);
      if (!table.ok()) return table.status();
      if (request.replace()) {
        for (const auto& s : target::DropStatements(def, table->plan, table->loading_schema)) {
          statements += s + ";";
        }
      }
      for (const auto& s : target::TableStatements(def, table->plan, table->loading_schema,
                                                   FillFactorOf(def.name()))) {
        statements += s + ";";
      }
      planned.push_back(std::move(*table));
    }
    auto created = session_->Execute(statements + "COMMIT");
    if (!created.ok()) {
      session_->Abandon();
      return Fenced(created.status());
    }
    if (absl::Status status = ReadTypes(&planned); !status.ok()) return status;
    v1::PlanTablesResponse response;
    for (LoadingTable& table : planned) {
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
    return copies_->Open(copy, EpochGuard(), [chunks, chunk](const CopyEnd& end) {
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
    target::NamePool& pool = Pool(table.loading_schema);
    target::IndexStatements indexes =
        target::BuildIndexes(table.def, table.plan, table.loading_schema, !postgis_.empty(), &pool);
    for (const std::string& skipped : indexes.skipped) {
      spdlog::warn("index not built src={} tbl={} index={}", source_.name, NameOf(table), skipped);
    }
    for (std::string& comment :
         target::CommentStatements(table.def, table.plan, table.loading_schema)) {
      indexes.finish.push_back(std::move(comment));
    }
    indexes.finish.push_back("ANALYZE " +
                             Identifier(table.loading_schema, table.plan.target_table()));
    if (source_.keep_existing_schema &&
        existing_.Has(table.plan.target_schema(), table.plan.target_table())) {
      return absl::OkStatus();  // the old table's are built again when it is filled
    }
    indexes_->Add(NameOf(table), std::move(indexes.create), std::move(indexes.finish));
    return absl::OkStatus();
  }

  absl::Status FinishSnapshot(const v1::FinishSnapshotRequest& request) override {
    // Without mutex_: indexes take their time, and progress is asked for meanwhile.
    if (absl::Status status = indexes_->Wait(); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    for (const auto& [id, table] : tables_) {
      if (!table.finished) {
        return absl::InternalError(fmt::format("table {} was not finished", NameOf(table)));
      }
    }
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(source_.lock_timeout_ms);
    const std::string swap = SwapStatements(request);
    while (true) {
      const absl::Status done = Swap(swap);
      if (done.ok()) break;
      session_->Abandon();
      if (pg::SqlState(done) == "CH016") return Prepared(done);
      if (pg::SqlState(done) != "55P03") return Fenced(done);
      if (std::chrono::steady_clock::now() >= deadline) return InUse();
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
    swapped_ = true;
    Grant();
    return absl::OkStatus();
  }

  std::pair<uint32_t, uint32_t> IndexProgress() const override { return indexes_->Progress(); }

  std::vector<std::string> Notes() override {
    std::lock_guard lock(mutex_);
    return notes_;
  }

 private:
  // mutex_ held from here on.
  absl::StatusOr<LoadingTable> Plan(const v1::TableDef& def, const v1::PlanTablesRequest& request) {
    auto mapping = source_.options.schema_mappings().find(def.name().schema());
    if (mapping == source_.options.schema_mappings().end()) {
      return absl::InternalError(
          fmt::format("schema {} is not in schema_mappings", def.name().schema()));
    }
    auto place = PlaceOf(def.name(), mapping->second);
    if (!place.ok()) return place.status();
    auto plan = target::MapTable(def, {.target_schema = *place,
                                       .overrides = overrides_,
                                       .postgis_schema = postgis_,
                                       .pgvector_schema = pgvector_});
    if (!plan.ok()) return plan.status();
    LoadingTable table{.def = def,
                       .plan = std::move(*plan),
                       .valid_from = request.position(),
                       .loading_schema = LoadingSchema(mapping->second)};
    auto id = TableId(def.name());
    if (!id.ok()) return id.status();
    table.plan.set_table_id(*id);
    if (source_.keep_existing_schema) {
      if (absl::Status status = FitExisting(def, &table.plan); !status.ok()) return status;
    }
    if (!request.replace() && !Pool(table.loading_schema).Claim(table.plan.target_table())) {
      return Error(absl::StatusCode::kFailedPrecondition, "NAME_COLLISION",
                   table.plan.target_table(),
                   fmt::format("schema {}: two tables would be named {}", mapping->second,
                               table.plan.target_table()),
                   "Leave one of them out with skip_tables.");
    }
    return table;
  }

  // A working copy of an online schema change stays unseen when it is copied again.
  absl::StatusOr<std::string> PlaceOf(const v1::TableName& name, const std::string& mapped) {
    if (!MovesTables()) return mapped;
    auto rows = session_->Query(
        "SELECT FROM sch_chameleon.t_replica_tables WHERE i_id_source = $1 AND t_source_schema = $2"
        " AND t_source_table = $3 AND v_schema_name = $4 AND NOT b_dropped",
        {std::to_string(lease_.source_id()), name.schema(), name.table(), HiddenSchema(mapped)});
    if (!rows.ok()) return rows.status();
    return rows->empty() ? mapped : HiddenSchema(mapped);
  }

  absl::Status CheckAllFound(const v1::PlanTablesRequest& request) {
    if (request.replace() || options_.missing_ok) return absl::OkStatus();
    const auto same = [&](const std::string& a, const std::string& b) {
      return request.server().lower_case_table_names() == 0 ? a == b
                                                            : strcasecmp(a.c_str(), b.c_str()) == 0;
    };
    for (const v1::TableName& name : options_.only) {
      const bool found =
          std::any_of(request.tables().begin(), request.tables().end(), [&](const auto& def) {
            return same(def.name().schema(), name.schema()) &&
                   (name.table().empty() || same(def.name().table(), name.table()));
          });
      if (!found) return NotFound(name);
    }
    return absl::OkStatus();
  }

  absl::Status NotFound(const v1::TableName& name) {
    if (name.table().empty()) {
      return Error(absl::StatusCode::kNotFound, "SCHEMA_EMPTY", name.schema(),
                   fmt::format("schema {} of the source has no table to copy", name.schema()),
                   "See limit_tables and skip_tables in the configuration.");
    }
    auto known = session_->Query(
        "SELECT string_agg(t_source_table, ', ' ORDER BY t_source_table)"
        " FROM sch_chameleon.t_replica_tables WHERE i_id_source = $1 AND t_source_schema = $2",
        {std::to_string(lease_.source_id()), name.schema()});
    if (!known.ok()) return known.status();
    return Error(absl::StatusCode::kNotFound, "TABLE_NOT_FOUND",
                 fmt::format("{}.{}", name.schema(), name.table()),
                 fmt::format("the source has no table {}.{}, or limit_tables and skip_tables "
                             "leave it out",
                             name.schema(), name.table()),
                 fmt::format("The replica has of {}: {}.", name.schema(), known->Text(0, 0)));
  }

  // Tables move one by one into schemas that have others: their names must be free there.
  absl::Status ReadTarget(const v1::PlanTablesRequest& request) {
    if (!MovesTables()) return absl::OkStatus();
    for (const auto& [from, to] : source_.options.schema_mappings()) {
      if (!targets_read_.insert(to).second) continue;
      std::vector<std::string> ours;
      for (const v1::TableDef& def : request.tables()) {
        if (def.name().schema() == from) {
          ours.push_back(target::Literal(target::ShortName(def.name().table())));
        }
      }
      // Relations of tables that are not exchanged, and their indexes.
      auto names = session_->Execute(fmt::format(
          "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
          " ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid"
          " LEFT JOIN pg_catalog.pg_class t ON t.oid = i.indrelid"
          " WHERE n.nspname = {} AND coalesce(t.relname, c.relname) <> ALL (ARRAY[{}]::text[])",
          target::Literal(to), fmt::join(ours, ", ")));
      if (!names.ok()) return names.status();
      for (size_t i = 0; i < names->size(); ++i) {
        Pool(LoadingSchema(to)).Claim(names->Text(i, 0));
      }
      if (!source_.keep_existing_schema) continue;
      if (auto status = existing_.Read(session_.get(), to); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // A table that stays keeps its columns' types: values are read into them.
  absl::Status FitExisting(const v1::TableDef& def, v1::TablePlan* plan) {
    if (!existing_.Has(plan->target_schema(), plan->target_table())) return absl::OkStatus();
    const auto misfit = existing_.Fit(def, plan, true);
    if (!misfit) return absl::OkStatus();
    return Error(absl::StatusCode::kFailedPrecondition, "COLUMN_MISFIT", plan->target_table(),
                 "keep_existing_schema: " + *misfit,
                 "Change the table in the target, or set keep_existing_schema to No.");
  }

  bool MovesTables() const {
    return options_.kind == LoadOptions::kTables || source_.keep_existing_schema;
  }

  absl::StatusOr<uint64_t> RowsOf(const LoadingTable& table) {
    std::lock_guard lock(table.chunks->mutex);
    if (!table.chunks->in_doubt) return table.chunks->rows;
    auto count = session_->Execute("SELECT count(*) FROM " +
                                   Identifier(table.loading_schema, table.plan.target_table()));
    if (!count.ok()) return count.status();
    return count->Uint(0, 0);
  }

  // A table keeps its number over all its lives.
  absl::StatusOr<uint64_t> TableId(const v1::TableName& name) {
    auto& id = ids_[{name.schema(), name.table()}];
    if (id != 0) return id;
    auto rows = session_->Query(
        "SELECT coalesce((SELECT i_id_table FROM sch_chameleon.t_replica_tables"
        " WHERE i_id_source = $1 AND t_source_schema = $2 AND t_source_table = $3 AND NOT "
        "b_dropped),"
        " nextval(pg_get_serial_sequence('sch_chameleon.t_replica_tables', 'i_id_table')))",
        {std::to_string(lease_.source_id()), name.schema(), name.table()});
    if (!rows.ok()) return rows.status();
    return id = rows->Uint(0, 0);
  }

  // The types as the server spells them with nothing but pg_catalog in the search path: replay
  // names them under such a path.
  absl::Status ReadTypes(std::vector<LoadingTable>* planned) {
    std::map<std::string, std::map<std::pair<std::string, std::string>, std::string>> types;
    for (LoadingTable& table : *planned) {
      auto [schema, first] = types.try_emplace(table.loading_schema);
      if (first) {
        auto rows = session_->Execute(fmt::format(
            "BEGIN; SET LOCAL search_path = pg_catalog;"
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)"
            " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            " WHERE c.relnamespace = {}::regnamespace AND c.relkind = 'r' AND a.attnum > 0"
            " AND NOT a.attisdropped",
            target::Literal(Identifier(table.loading_schema))));
        session_->Abandon();  // the block was only for the search path
        if (!rows.ok()) return rows.status();
        for (size_t i = 0; i < rows->size(); ++i) {
          schema->second[{rows->Text(i, 0), rows->Text(i, 1)}] = rows->Text(i, 2);
        }
      }
      for (v1::ColumnPlan& column : *table.plan.mutable_columns()) {
        if (column.omitted() || target::HasOwnEnum(table.plan, column)) continue;
        const auto type = schema->second.find({table.plan.target_table(), column.target_name()});
        if (type == schema->second.end()) {
          return absl::InternalError(fmt::format("column {}.{} is not in its loading table",
                                                 table.plan.target_table(), column.target_name()));
        }
        column.set_target_type(type->second);
      }
    }
    return absl::OkStatus();
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

  std::string SwapStatements(const v1::FinishSnapshotRequest& request) const {
    // A waiting swap makes all readers wait behind it: short attempts, repeated.
    std::string sql;
    std::vector<v1::TableVersion> versions;
    std::string notes;
    const std::map<std::string, std::string> mappings(source_.options.schema_mappings().begin(),
                                                      source_.options.schema_mappings().end());
    for (const auto& [id, table] : tables_) {
      v1::TableVersion& version = versions.emplace_back();
      *version.mutable_def() = table.def;
      *version.mutable_plan() = table.plan;
      *version.mutable_valid_from() = table.valid_from;
      for (const auto& note : target::DetachNotes(table.def, table.plan, mappings)) {
        notes += fmt::format("{}json_build_object('table_id', {}, 'kind', {}, 'statement', {})",
                             notes.empty() ? "" : ", ", id, target::Literal(note.kind),
                             target::Literal(note.statement));
      }
    }
    sql += MovesTables() ? MoveStatements() : ExchangeStatements();
    const pg::VersionsSql stored = pg::ToSql(versions);
    // json_build_array takes at most 100 arguments: an array of json has no such limit.
    const std::string life =
        fmt::format("({}, {}, {}, {}, {}, to_json(ARRAY[{}]::json[])); ", lease_.source_id(),
                    lease_.epoch(), target::Literal(pg::ToJson(request.position())),
                    versions.empty() ? "'[]'" : stored.versions, stored.definitions, notes);
    switch (options_.kind) {
      case LoadOptions::kAll:
        sql += "SELECT sch_chameleon.fn_start_life" + life + LedgerStatement() +
               DatabasesStatement(request.server());
        break;
      case LoadOptions::kTables:
        sql += "SELECT sch_chameleon.fn_finish_sync" + life + LedgerStatement();
        break;
      case LoadOptions::kSchemaOnly:
        sql += EpochGuard() +
               fmt::format("; SELECT sch_chameleon.fn_end_life({}, false); ", lease_.source_id());
        break;
    }
    return sql;
  }

  // A copy begins the ledger of its tables anew.
  std::string LedgerStatement() const {
    google::protobuf::RepeatedPtrField<v1::LedgerEntry> ledger;
    std::vector<std::string> ids;
    for (const auto& [id, table] : tables_) {
      ids.push_back(std::to_string(id));
      for (const v1::LedgerEntry& entry : table.ledger) {
        v1::LedgerEntry* stored = ledger.Add();
        *stored = entry;
        stored->set_table_id(id);
        *stored->mutable_example_position() = table.valid_from;
      }
    }
    return fmt::format("SELECT sch_chameleon.fn_start_ledger({}, ARRAY[{}]::bigint[], {}); ",
                       lease_.source_id(), fmt::join(ids, ", "),
                       ledger.empty() ? "'[]'" : target::Literal(pg::ToJsonArray(ledger)));
  }

  std::string DatabasesStatement(const v1::ServerInfo& server) const {
    google::protobuf::RepeatedPtrField<v1::DatabaseDefault> databases;
    for (const auto& [name, charset] : server.databases()) {
      v1::DatabaseDefault* of = databases.Add();
      of->set_database(name);
      *of->mutable_charset() = charset;
    }
    return fmt::format("SELECT sch_chameleon.fn_start_databases({}, {}); ", lease_.source_id(),
                       databases.empty() ? "'[]'" : target::Literal(pg::ToJsonArray(databases)));
  }

  // Whole schemas change places.
  std::string ExchangeStatements() const {
    std::string sql;
    for (const auto& [from, to] : source_.options.schema_mappings()) {
      sql += fmt::format(
          "DROP SCHEMA IF EXISTS {} CASCADE; DROP SCHEMA IF EXISTS {} CASCADE; "
          "ALTER SCHEMA {} RENAME TO {};",
          Identifier(to), Identifier(HiddenSchema(to)), Identifier(LoadingSchema(to)),
          Identifier(to));
    }
    return sql;
  }

  // Single tables do; with keep_existing_schema their rows.
  std::string MoveStatements() const {
    std::string sql;
    std::set<std::pair<std::string, std::string>> planned;
    for (const auto& [from, to] : source_.options.schema_mappings()) {
      sql += fmt::format("CREATE SCHEMA IF NOT EXISTS {};", Identifier(to));
    }
    for (const auto& [id, table] : tables_) {
      planned.insert({table.def.name().schema(), table.def.name().table()});
      sql += fmt::format("SELECT sch_chameleon.{}({}, {}, {});",
                         source_.keep_existing_schema ? "fn_reload_table" : "fn_swap_table",
                         target::Literal(table.loading_schema),
                         target::Literal(table.plan.target_schema()),
                         target::Literal(table.plan.target_table()));
    }
    for (const v1::TableName& name : options_.only) {
      if (!options_.missing_ok || name.table().empty() ||
          planned.count({name.schema(), name.table()}) != 0)
        continue;
      sql += fmt::format("SELECT sch_chameleon.fn_forget_table({}, {}, {});", lease_.source_id(),
                         target::Literal(name.schema()), target::Literal(name.table()));
    }
    for (const auto& [from, to] : source_.options.schema_mappings()) {
      sql += fmt::format("DROP SCHEMA {} CASCADE;", Identifier(LoadingSchema(to)));
    }
    return sql;
  }

  // What users have built on the old tables is told before, and made again behind the swap; what
  // cannot be is named in the log and in the operation's result.
  absl::Status Swap(const std::string& swap) {
    notes_.clear();
    auto begun = session_->Execute("BEGIN; SET LOCAL lock_timeout = '2s'");
    if (!begun.ok()) return begun.status();
    if (!source_.keep_existing_schema) {
      auto saved = session_->Execute(SaveDependents());
      if (!saved.ok()) return saved.status();
      for (size_t i = 0; i < saved->size(); ++i) {
        spdlog::warn("built on a table that is replaced src={} object={}", source_.name,
                     saved->Text(i, 0));
      }
    }
    auto swapped = session_->Execute(swap);
    if (!swapped.ok()) return swapped.status();
    auto left = session_->Execute(
        source_.keep_existing_schema
            ? fmt::format("SELECT * FROM sch_chameleon.fn_broken_keys(ARRAY[{}]::text[])",
                          TableNames())
            : "SELECT * FROM sch_chameleon.fn_restore_dependents()");
    if (!left.ok()) return left.status();
    for (size_t i = 0; i < left->size(); ++i) notes_.push_back(left->Text(i, 0));
    auto committed = session_->Execute("COMMIT");
    if (!committed.ok()) return committed.status();
    for (const std::string& note : notes_) {
      spdlog::warn("not as it was src={}: {}", source_.name, note);
    }
    return absl::OkStatus();
  }

  std::string SaveDependents() const {
    std::vector<std::string> schemas;
    if (!MovesTables()) {
      for (const auto& [from, to] : source_.options.schema_mappings()) {
        schemas.push_back(target::Literal(to));
      }
    }
    return fmt::format(
        "SELECT * FROM sch_chameleon.fn_save_dependents(ARRAY[{}]::text[], ARRAY[{}]::text[])",
        fmt::join(schemas, ", "), TableNames());
  }

  // Of the tables that were loaded, as SQL.
  std::string TableNames() const {
    std::vector<std::string> tables;
    for (const auto& [id, table] : tables_) {
      tables.push_back(fmt::format("ARRAY[{}, {}]", target::Literal(table.plan.target_schema()),
                                   target::Literal(table.plan.target_table())));
    }
    return fmt::format("{}", fmt::join(tables, ", "));
  }

  // Tables that stay keep their privileges.
  void Grant() {
    if (source_.keep_existing_schema) return;
    for (const std::string& role : source_.grant_select_to) {
      auto exists = session_->Query("SELECT FROM pg_catalog.pg_roles WHERE rolname = $1", {role});
      if (exists.ok() && exists->empty()) {
        spdlog::error("role does not exist, select is not granted src={} role={}", source_.name,
                      role);
        continue;
      }
      for (const auto& [from, to] : source_.options.schema_mappings()) {
        auto granted = session_->Execute(fmt::format(
            "GRANT USAGE ON SCHEMA {0} TO {1}; GRANT SELECT ON ALL TABLES IN SCHEMA {0} TO {1}",
            Identifier(to), Identifier(role)));
        if (!granted.ok()) {
          spdlog::error("select is not granted src={} schema={} role={} error={}", source_.name, to,
                        role, Text(granted.status()));
        }
      }
    }
  }

  uint32_t FillFactorOf(const v1::TableName& name) const {
    uint32_t percent = 100;
    const std::string full = name.schema() + "." + name.table();
    for (const FillFactor& f :
         source_.fillfactor) {  // the last one that matches, as the manual says
      for (const std::string& t : f.tables) {
        if (t == full || t == "*") percent = f.percent;
      }
    }
    return percent;
  }

  std::string EpochGuard() const {
    return fmt::format("SELECT sch_chameleon.fn_check_epoch({}, {})", lease_.source_id(),
                       lease_.epoch());
  }
  absl::Status CheckEpoch() { return Fenced(session_->Execute(EpochGuard()).status()); }

  absl::Status Fenced(const absl::Status& status) const {
    if (pg::SqlState(status) != "CH001") return status;
    return Error(absl::StatusCode::kAborted, "LEASE_LOST", source_.name, Text(status), "");
  }

  absl::Status Prepared(const absl::Status& status) const {
    const std::string text = Text(status);
    return Error(absl::StatusCode::kFailedPrecondition, "XA_PREPARED", source_.name,
                 text.substr(0, text.find('\n')),
                 "Commit or roll back what XA RECOVER lists on the source, let start_replica come "
                 "past it, and run this command again.");
  }

  absl::Status InUse() const {
    return Error(absl::StatusCode::kFailedPrecondition, "TARGET_IN_USE", source_.name,
                 fmt::format("the target schemas of source {} were in use for {} s", source_.name,
                             source_.lock_timeout_ms / 1000),
                 "End the transactions that read them, or raise lock_timeout, and run "
                 "init_replica again.");
  }

  static std::string NameOf(const LoadingTable& table) {
    return fmt::format("{}.{}", table.def.name().schema(), table.def.name().table());
  }
  static absl::Status UnknownTable(uint64_t id) {
    return absl::InternalError(fmt::format("table {} was not planned", id));
  }
  target::NamePool& Pool(const std::string& schema) { return names_[schema]; }

  const LoadOptions options_;
  const TargetConnection target_;
  const std::vector<TypeOverride> overrides_;
  const SourceConfig source_;
  const v1::Lease lease_;
  std::string postgis_, pgvector_;  // their schemas
  std::mutex mutex_;
  std::unique_ptr<Session> session_;  // from here on guarded by mutex_
  std::map<uint64_t, LoadingTable> tables_;
  std::map<std::pair<std::string, std::string>, uint64_t> ids_;
  std::map<std::string, target::NamePool> names_;  // by loading schema
  std::set<std::string> targets_read_;
  ExistingTables existing_;         // keep_existing_schema
  std::vector<std::string> notes_;  // of the swap
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
