#include "coordinator/ingest/schema_changer.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/ingest/copy_text.h"
#include "coordinator/ingest/loading_schema.h"
#include "coordinator/pg/session.h"
#include "coordinator/target/alter_writer.h"
#include "coordinator/target/ddl_writer.h"
#include "coordinator/target/names.h"
#include "coordinator/target/quote.h"
#include "coordinator/target/type_map.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::ingest {
namespace {

using pg::Session;
using target::Identifier;
using target::Literal;
using target::TableState;
using v1::TableChange;

class Changer {
 public:
  Changer(const Config& config, const SourceConfig& source, const v1::Lease& lease,
          std::unique_ptr<Session> session)
      : config_(config), source_(source), lease_(lease), session_(std::move(session)) {}

  absl::StatusOr<v1::ChangeSchemaResponse> Run(const v1::ChangeSchemaRequest& request) {
    if (absl::Status status = Prepare(); !status.ok()) return status;
    for (const TableChange& change : request.changes()) {
      absl::Status status = Apply(change, response_.add_plans());
      if (!status.ok()) return status;
    }
    return std::move(response_);
  }

 private:
  using Key = std::pair<std::string, std::string>;
  static Key KeyOf(const v1::TableName& name) { return {name.schema(), name.table()}; }
  static std::string NameOf(const v1::TableName& name) {
    return fmt::format("{}.{}", name.schema(), name.table());
  }

  absl::Status Prepare() {
    auto current = session_->Execute(fmt::format("SELECT sch_chameleon.fn_check_epoch({}, {})",
                                                 lease_.source_id(), lease_.epoch()));
    if (pg::SqlState(current.status()) == "CH001") {
      return Error(absl::StatusCode::kAborted, "LEASE_LOST", source_.name, Text(current.status()),
                   "");
    }
    if (!current.ok()) return current.status();
    auto extensions = session_->Execute(
        "SELECT e.extname, n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n"
        " ON n.oid = e.extnamespace WHERE e.extname IN ('postgis', 'vector')");
    if (!extensions.ok()) return extensions.status();
    for (size_t i = 0; i < extensions->size(); ++i) {
      (extensions->Text(i, 0) == "postgis" ? postgis_ : pgvector_) = extensions->Text(i, 1);
    }
    return absl::OkStatus();
  }

  absl::Status Apply(const TableChange& change, v1::TablePlan* plan) {
    switch (change.kind()) {
      case TableChange::CREATE:
        return Create(change, plan);
      case TableChange::STOP:
      case TableChange::RECOPY:
        return Leave(change, plan);
      default:
        break;
    }
    std::optional<TableState> before = Known(change);
    if (!before && change.kind() == TableChange::DROP) return DropLeft(change, plan);
    if (!before) {
      return absl::InternalError(
          fmt::format("table {} changes, and its plan was not sent", NameOf(change.name())));
    }
    switch (change.kind()) {
      case TableChange::ALTER:
        return Alter(change, *before, plan);
      case TableChange::RENAME:
        return Rename(change, *before, plan);
      case TableChange::DROP:
        return Drop(change, *before, plan);
      case TableChange::TRUNCATE:
        *plan = before->plan;
        Line(plan->table_id(), "truncate",
             "TRUNCATE TABLE " + Identifier(plan->target_schema(), plan->target_table()));
        return absl::OkStatus();
      default:
        return absl::InternalError("a schema change of an unknown kind");
    }
  }

  // The table as the statement's earlier changes left it, or as the worker has it.
  std::optional<TableState> Known(const TableChange& change) const {
    const auto found = known_.find(KeyOf(change.name()));
    if (found != known_.end()) return found->second;
    if (change.plan().table_id() == 0 || !change.has_before()) return std::nullopt;
    return TableState{change.before(), change.plan()};
  }

  absl::Status Create(const TableChange& change, v1::TablePlan* plan) {
    const std::string schema = SchemaFor(change.name(), change.reason());
    auto table = Map(change.after(), schema);
    absl::Status status = table.status();
    if (status.ok()) status = ReadTypes(&*table);
    // Nobody has the table yet, so nobody else would say that it is missing.
    if (absl::IsFailedPrecondition(status)) return NeverFollowed(change.name(), Text(status), plan);
    if (!status.ok()) return status;
    auto id = NextId();
    if (!id.ok()) return id.status();
    table->plan.set_table_id(*id);
    Hide(change.name(), table->plan, change.reason());
    MakeRoom(table->plan);
    Lines(*id, target::CreateStatements(*table, OptionsFor(change.name(), change.reason())));
    DetachNotes(nullptr, *table);
    *plan = table->plan;
    known_[KeyOf(change.name())] = *std::move(table);
    return absl::OkStatus();
  }

  absl::Status Alter(const TableChange& change, const TableState& before, v1::TablePlan* plan) {
    auto after = Map(change.after(), before.plan.target_schema());
    if (!after.ok()) return after.status();
    after->plan.set_table_id(before.plan.table_id());
    target::KeepTypes(before, change.renames(), &*after);
    if (absl::Status status = ReadTypes(&*after); !status.ok()) return status;
    auto statements =
        target::AlterStatements(before, *after, change.renames(), OptionsFor(change.name()));
    if (!statements.ok()) return statements.status();
    Lines(before.plan.table_id(), *statements);
    DetachNotes(&before, *after);
    *plan = after->plan;
    known_[KeyOf(change.name())] = *std::move(after);
    return absl::OkStatus();
  }

  absl::Status Rename(const TableChange& change, const TableState& before, v1::TablePlan* plan) {
    auto after = Map(change.after(), SchemaFor(change.new_name(), change.reason()));
    if (!after.ok()) return after.status();
    after->plan.set_table_id(before.plan.table_id());
    target::KeepTypes(before, {}, &*after);
    Hide(change.new_name(), after->plan, change.reason());
    MakeRoom(after->plan);
    Lines(before.plan.table_id(),
          target::RenameStatements(before, *after, OptionsFor(change.new_name())));
    DetachNotes(&before, *after);
    *plan = after->plan;
    known_[KeyOf(change.name())] = std::nullopt;
    known_[KeyOf(change.new_name())] = *std::move(after);
    LeaveHidden(before);
    return absl::OkStatus();
  }

  absl::Status Drop(const TableChange& change, const TableState& before, v1::TablePlan* plan) {
    if (!change.reason().empty()) {
      spdlog::warn("table leaves the replica src={} tbl={}: {}", source_.name,
                   NameOf(change.name()), change.reason());
    }
    const uint64_t id = before.plan.table_id();
    for (const std::string& statement :
         target::DropStatements(before.def, before.plan, before.plan.target_schema())) {
      Line(id, "ddl", statement);
    }
    LeaveHidden(before);
    Line(id, "ddl",
         fmt::format("SELECT sch_chameleon.fn_forget_table({}, {})", lease_.source_id(), id));
    DropLine(id);  // it may have left when this is replayed
    plan->set_table_id(id);
    *plan->mutable_source() = change.name();
    plan->set_reason("it was dropped on the source");
    known_[KeyOf(change.name())] = std::nullopt;
    return absl::OkStatus();
  }

  // Its copy goes, too: what takes its name later is followed.
  absl::Status DropLeft(const TableChange& change, v1::TablePlan* plan) {
    const uint64_t id = change.plan().table_id();
    plan->set_table_id(id);
    *plan->mutable_source() = change.name();
    plan->set_reason("it was dropped on the source");
    known_[KeyOf(change.name())] = std::nullopt;
    if (id != 0) DropLine(id);
    return absl::OkStatus();
  }

  // Lines of a table that has left are not replayed: this one is nobody's.
  void DropLine(uint64_t id) {
    Line(0, "ddl",
         fmt::format("SELECT sch_chameleon.fn_drop_left({}, {})", lease_.source_id(), id));
  }

  // A table that the worker has is stopped by the worker. One that nobody has must be told about
  // here, or it would be missing without a word.
  absl::Status Leave(const TableChange& change, v1::TablePlan* plan) {
    if (Known(change)) return absl::OkStatus();
    const bool dropped = known_.contains(KeyOf(change.name()));  // by this statement
    const uint64_t id = dropped ? 0 : change.plan().table_id();
    if (id == 0) {
      auto left = LeftBefore(change.name());
      if (!left.ok()) return left.status();
      if (*left != 0) return absl::OkStatus();
      return NeverFollowed(change.name(), change.reason(), plan);
    }
    if (change.kind() != TableChange::RECOPY || change.plan().reason() != target::kNoKey) {
      return absl::OkStatus();
    }
    *plan = NotFollowed(change.name(), id, change.reason());
    Line(id, "stop", change.reason());
    return absl::OkStatus();
  }

  absl::Status NeverFollowed(const v1::TableName& name, const std::string& reason,
                             v1::TablePlan* plan) {
    auto id = NextId();
    if (!id.ok()) return id.status();
    *plan = NotFollowed(name, *id, reason);
    Line(*id, "stop", reason);
    return absl::OkStatus();
  }

  v1::TablePlan NotFollowed(const v1::TableName& name, uint64_t id, std::string_view reason) const {
    v1::TablePlan plan;
    plan.set_table_id(id);
    *plan.mutable_source() = name;
    const auto mapping = source_.options.schema_mappings().find(name.schema());
    if (mapping != source_.options.schema_mappings().end()) {
      plan.set_target_schema(mapping->second);
    }
    plan.set_target_table(target::ShortName(name.table()));
    plan.set_reason(std::string(reason));
    return plan;
  }

  // Where a table of this name goes; empty: its schema is not mapped.
  std::string SchemaFor(const v1::TableName& name, const std::string& shadow_of) const {
    const auto mapping = source_.options.schema_mappings().find(name.schema());
    if (mapping == source_.options.schema_mappings().end()) return {};
    return shadow_of.empty() ? mapping->second : HiddenSchema(mapping->second);
  }

  void Hide(const v1::TableName& name, const v1::TablePlan& plan, const std::string& shadow_of) {
    if (shadow_of.empty()) return;
    spdlog::info(
        "working copy of an online schema change of {}: followed in schema {} src={} tbl={}",
        shadow_of, plan.target_schema(), source_.name, NameOf(name));
    Line(plan.table_id(), "ddl", "CREATE SCHEMA IF NOT EXISTS " + Identifier(plan.target_schema()));
  }

  // The last one takes the schema with it.
  void LeaveHidden(const TableState& before) {
    const auto mapping = source_.options.schema_mappings().find(before.def.name().schema());
    if (mapping == source_.options.schema_mappings().end() ||
        before.plan.target_schema() != HiddenSchema(mapping->second)) {
      return;
    }
    Line(before.plan.table_id(), "ddl",
         fmt::format("SELECT sch_chameleon.fn_leave_schema({})",
                     Literal(before.plan.target_schema())));
  }

  absl::StatusOr<TableState> Map(const v1::TableDef& def, const std::string& schema) const {
    if (schema.empty()) {
      return absl::InternalError(
          fmt::format("schema {} is not in schema_mappings", def.name().schema()));
    }
    auto plan = target::MapTable(def, {.target_schema = schema,
                                       .overrides = config_.type_overrides,
                                       .postgis_schema = postgis_,
                                       .pgvector_schema = pgvector_});
    if (absl::IsInvalidArgument(plan.status())) {
      return absl::FailedPreconditionError(Text(plan.status()));
    }
    if (!plan.ok()) return plan.status();
    return TableState{def, *std::move(plan)};
  }

  // The types as replay has to name them; see SnapshotLoader. FAILED_PRECONDITION: the target does
  // not know one.
  absl::Status ReadTypes(TableState* table) {
    std::string columns;
    std::vector<v1::ColumnPlan*> read;
    for (v1::ColumnPlan& column : *table->plan.mutable_columns()) {
      if (column.omitted() || target::HasOwnEnum(table->plan, column)) continue;
      columns +=
          fmt::format("{}c{} {}", read.empty() ? "" : ", ", read.size(), column.target_type());
      read.push_back(&column);
    }
    if (read.empty()) return absl::OkStatus();
    auto rows = session_->Execute(fmt::format(
        "BEGIN; CREATE TEMPORARY TABLE chameleon_types ({}); SET LOCAL search_path = pg_catalog;"
        " SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = 'pg_temp.chameleon_types'::regclass AND attnum > 0 ORDER BY attnum",
        columns));
    session_->Abandon();
    if (!rows.ok()) {
      return WithContext(rows.status(), "table " + NameOf(table->def.name()));
    }
    if (rows->size() != read.size()) return absl::InternalError("types were not read");
    for (size_t i = 0; i < read.size(); ++i) read[i]->set_target_type(rows->Text(i, 0));
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> NextId() {
    auto rows = session_->Execute(
        "SELECT nextval(pg_get_serial_sequence('sch_chameleon.t_replica_tables', 'i_id_table'))");
    if (!rows.ok()) return rows.status();
    return rows->Uint(0, 0);
  }

  // The number of a table of this name that is known but not followed, or 0.
  absl::StatusOr<uint64_t> LeftBefore(const v1::TableName& name) {
    if (known_.contains(KeyOf(name))) return 0;
    auto rows = session_->Query(
        "SELECT i_id_table FROM sch_chameleon.t_replica_tables WHERE i_id_source = $1"
        " AND t_source_schema = $2 AND t_source_table = $3 AND NOT b_dropped"
        " AND NOT b_replica_enabled",
        {std::to_string(lease_.source_id()), name.schema(), name.table()});
    if (!rows.ok()) return rows.status();
    return rows->empty() ? 0 : rows->Uint(0, 0);
  }

  void MakeRoom(const v1::TablePlan& plan) {
    Line(plan.table_id(), "ddl",
         fmt::format("SELECT sch_chameleon.fn_drop_leftover({}, {}, {})", lease_.source_id(),
                     Literal(plan.target_schema()), Literal(plan.target_table())));
  }

  void DetachNotes(const TableState* before, const TableState& after) {
    const std::map<std::string, std::string> mappings(source_.options.schema_mappings().begin(),
                                                      source_.options.schema_mappings().end());
    const auto notes = target::DetachNotes(after.def, after.plan, mappings);
    const bool had =
        before != nullptr && !target::DetachNotes(before->def, before->plan, mappings).empty();
    if (notes.empty() && !had) return;
    std::vector<std::string> kinds, statements;
    for (const auto& note : notes) {
      kinds.push_back(Literal(note.kind));
      statements.push_back(Literal(note.statement));
    }
    Line(after.plan.table_id(), "ddl",
         fmt::format("SELECT sch_chameleon.fn_set_detach_notes({}, {}, ARRAY[{}]::text[],"
                     " ARRAY[{}]::text[])",
                     lease_.source_id(), after.plan.table_id(), fmt::join(kinds, ", "),
                     fmt::join(statements, ", ")));
  }

  // A working copy has what the table has that it will become.
  target::TableOptions OptionsFor(v1::TableName name, const std::string& shadow_of = {}) const {
    if (!shadow_of.empty()) name.set_table(shadow_of);
    target::TableOptions options;
    options.has_postgis = !postgis_.empty();
    options.grant_select_to = source_.grant_select_to;
    const std::string full = NameOf(name);
    bool exact = false;
    for (const FillFactor& f : source_.fillfactor) {
      for (const std::string& table : f.tables) {
        if (table != full && (table != "*" || exact)) continue;
        options.fillfactor = f.percent;
        exact |= table == full;
      }
    }
    return options;
  }

  void Lines(uint64_t id, const target::Statements& statements) {
    for (const std::string& sql : statements.sql) Line(id, "ddl", sql);
    if (statements.exclusive) response_.set_exclusive(true);
  }

  void Line(uint64_t id, std::string_view operation, std::string_view text) {
    std::string* out = response_.mutable_log_data();
    // A table does not keep its rows in the order of COPY.
    *out += fmt::format("{}\t{}\t\\N\t{{\"line\":{}}}\t", id, operation, response_.log_rows());
    AppendCopyText(text, out);
    *out += '\n';
    response_.set_log_rows(response_.log_rows() + 1);
  }

  const Config& config_;
  const SourceConfig& source_;
  const v1::Lease lease_;
  std::unique_ptr<Session> session_;
  std::string postgis_, pgvector_;                  // their schemas
  std::map<Key, std::optional<TableState>> known_;  // what this statement has changed
  v1::ChangeSchemaResponse response_;
};

}  // namespace

absl::StatusOr<v1::ChangeSchemaResponse> ChangeSchema(const Config& config,
                                                      const SourceConfig& source,
                                                      const v1::ChangeSchemaRequest& request) {
  auto session = Session::Connect(config.target, "chameleon schema " + source.name);
  if (!session.ok()) return session.status();
  return Changer(config, source, request.lease(), *std::move(session)).Run(request);
}

}  // namespace chameleon::coordinator::ingest
