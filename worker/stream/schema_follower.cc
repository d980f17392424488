#include "worker/stream/schema_follower.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "proto/wire/error.h"
#include "worker/ddl/names.h"
#include "worker/ddl/online_change.h"
#include "worker/ddl/parser.h"
#include "worker/ddl/schema_change.h"
#include "worker/stream/query_context.h"
#include "worker/stream/registry_lookup.h"

namespace chameleon::worker::stream {
namespace {

using Action = SchemaFollower::Action;
using ddl::TransactionControl;
using v1::TableChange;

Action Named(Action::Kind kind, std::string name = {}) {
  Action action;
  action.kind = kind;
  action.name = std::move(name);
  return action;
}

Action FromControl(const TransactionControl& control) {
  using Kind = TransactionControl::Kind;
  switch (control.kind) {
    case Kind::kBegin:
      return Named(Action::kBegin);
    case Kind::kCommit:
      return Named(Action::kCommit);
    case Kind::kRollback:
      return Named(Action::kRollback);
    case Kind::kSavepoint:
      return Named(Action::kSavepoint, ddl::LowerName(control.savepoint));
    case Kind::kRollbackTo:
      return Named(Action::kRollbackTo, ddl::LowerName(control.savepoint));
    case Kind::kRelease:
      return Named(Action::kBenign, "release savepoint");
    case Kind::kXaStart:
      return Named(Action::kBegin);
    case Kind::kXaEnd:
      return Named(Action::kBenign, "xa end");
    case Kind::kXaCommit:
      // ONE PHASE needs no prepare: its rows precede it in the same group.
      return Named(control.one_phase ? Action::kCommit : Action::kXaCommit, control.xid);
    case Kind::kXaRollback:
      return Named(Action::kXaRollback, control.xid);
    case Kind::kXaPrepare:
      break;  // always an event of its own
  }
  return Named(Action::kStatementDml, "XA PREPARE");
}

// Rows of other engines come from elsewhere, unlogged.
bool KeepsItsRows(const v1::TableDef& def) {
  for (const char* engine : {"InnoDB", "MyISAM", "Aria", "ROCKSDB"}) {
    if (def.engine() == engine) return true;
  }
  return false;
}

}  // namespace

SchemaFollower::SchemaFollower(const v1::Lease& lease, const v1::ServerInfo& server,
                               const std::vector<v1::DatabaseDefault>& databases,
                               TableRegistry* tables, ChangeSchema change_schema, Source source)
    : lease_(lease),
      defaults_(server, databases, source.table_charset),
      tables_(tables),
      change_schema_(std::move(change_schema)),
      source_(std::move(source)) {}

absl::StatusOr<Action> SchemaFollower::Follow(const binlog::Query& query,
                                              const v1::Position& position) {
  const v1::ServerInfo& server = defaults_.server();
  auto context = ContextOf(query, server);
  context.default_engine = source_.default_engine;
  auto text = TextOf(query, server);
  if (!text.ok()) return text.status();
  const auto statement = ddl::Parse(*text, context);
  if (const auto* control = std::get_if<TransactionControl>(&statement)) {
    return FromControl(*control);
  }
  if (const auto* benign = std::get_if<ddl::Benign>(&statement)) {
    return Named(Action::kBenign, benign->kind);
  }
  if (const auto* dml = std::get_if<ddl::Dml>(&statement)) {
    if (!IsOutside(*dml, query)) return Named(Action::kStatementDml, dml->kind);
    return Named(Action::kOutside, fmt::format("{} of {}.{}", ddl::LowerAscii(dml->kind),
                                               dml->table->schema, dml->table->table));
  }
  const RegistryLookup lookup(*tables_, server);
  const auto database =
      ddl::DatabaseChangeOf(statement, lookup, InheritedCharset(query, server), context);
  std::vector<v1::DatabaseDefault> changed;
  if (database.has_value()) changed.push_back(defaults_.Follow(*database));
  auto action = FollowTables(statement, *text, query.error_code, context, position);
  if (action.ok()) action->databases = std::move(changed);
  return action;
}

absl::StatusOr<Action> SchemaFollower::CopyUnknown(
    const std::set<std::pair<std::string, std::string>>& tables, const v1::Position& position) {
  std::vector<TableChange> changes;
  for (const auto& [schema, table] : tables) {
    TableChange change;
    change.set_kind(TableChange::RECOPY);
    change.mutable_name()->set_schema(schema);
    change.mutable_name()->set_table(table);
    const auto now = source_.ask(change.name());
    if (!now.ok()) return now.status();
    if (!now->has_value() || !(*now)->KeepsRows()) continue;
    change.set_reason(std::string(kRecopyReason) +
                      "its rows are in the log, and no statement there made it");
    changes.push_back(std::move(change));
  }
  if (changes.empty()) return Named(Action::kBenign);
  return Change(changes, "", position);
}

absl::StatusOr<Action> SchemaFollower::FollowTables(const ddl::Statement& statement,
                                                    const std::string& text, uint16_t error_code,
                                                    const ddl::SessionContext& context,
                                                    const v1::Position& position) {
  const RegistryLookup lookup(*tables_, defaults_.server());
  auto changes = ddl::ApplyStatement(statement, lookup, context);
  if (!changes.ok()) return changes.status();
  std::erase_if(*changes, [&](const TableChange& change) { return IsInCopy(change); });
  if (auto status = CompareWithSource(statement, &*changes); !status.ok()) return status;
  if (auto status = defaults_.CheckImplied(statement, &*changes); !status.ok()) return status;
  for (auto& change : *changes) {
    if (change.kind() == TableChange::RECOPY) {
      change.set_reason(std::string(kRecopyReason) + change.reason());
      continue;
    }
    // The table that gets this name later is copied already: the one that has it now goes.
    std::shared_ptr<TableState> state;
    if (change.kind() != TableChange::RENAME ||
        tables_->Find(change.new_name().schema(), change.new_name().table(), &state) !=
            Wanted::kKnown ||
        !tables_->NotYet(*state)) {
      continue;
    }
    change.set_kind(TableChange::DROP);
    change.clear_new_name();
    change.clear_reason();
    change.clear_after();
  }
  if (changes->empty()) return Named(Action::kBenign, ddl::LowerAscii(ddl::Describe(statement)));
  if (error_code != 0) return Failed(*changes, text, error_code);
  return Change(*changes, text, position);
}

// Do rows of a replicated table go along with rows of this one?
bool SchemaFollower::HasChildren(const ddl::TableRef& parent) const {
  for (const auto& [_, child] : tables_->tables()) {
    for (const auto& key : child->version.def().foreign_keys()) {
      if (tables_->SameName(key.referenced(), parent.schema, parent.table)) return true;
    }
  }
  return false;
}

// Rows of a table that is not replicated, or not followed. What its triggers change in another
// database only MySQL says, together with the databases that the statement reads.
bool SchemaFollower::IsOutside(const ddl::Dml& dml, const binlog::Query& query) const {
  if (!dml.table) return false;
  std::shared_ptr<TableState> state;
  const Wanted wanted = tables_->Find(dml.table->schema, dml.table->table, &state);
  if (wanted == Wanted::kIgnored) {
    state->empty = false;  // it has rows now, perhaps
  } else if (wanted != Wanted::kNo) {
    return false;
  }
  if (HasChildren(*dml.table)) return false;
  if (ddl::UpperAscii(query.statement).find("SELECT") != std::string::npos) return true;
  return std::none_of(query.updated_databases.begin(), query.updated_databases.end(),
                      [&](std::string_view database) {
                        return tables_->CoversSchema(std::string(database)) &&
                               !tables_->SameSchema(dml.table->schema, std::string(database));
                      });
}

// CREATE TABLE IF NOT EXISTS is logged also where a view has the name, and does nothing. The engine
// of a table without an ENGINE clause, which its session may have chosen, is not logged: by it
// foreign keys are kept or forgotten, and rows are rolled back or not.
absl::Status SchemaFollower::CompareWithSource(const ddl::Statement& statement,
                                               std::vector<TableChange>* changes) const {
  const auto* create = std::get_if<ddl::CreateTable>(&statement);
  if (create == nullptr || create->like || (!create->if_not_exists && create->options.engine)) {
    return absl::OkStatus();
  }
  for (TableChange& change : *changes) {
    if (change.kind() != TableChange::CREATE) continue;
    const auto now = source_.ask(change.name());
    if (!now.ok()) return now.status();
    if (!now->has_value()) continue;
    if (!(*now)->is_table) {
      if (create->if_not_exists) changes->clear();
      return absl::OkStatus();
    }
    if (create->options.engine || ddl::SameName((*now)->engine, change.after().engine())) continue;
    change.set_kind(TableChange::RECOPY);
    change.clear_after();
    change.set_reason("it was created with the engine that its session had for new tables");
  }
  return absl::OkStatus();
}

// Made by a statement that its copy has behind it.
bool SchemaFollower::IsInCopy(const TableChange& change) const {
  std::shared_ptr<TableState> state;
  return tables_->Find(change.name().schema(), change.name().table(), &state) == Wanted::kKnown &&
         tables_->NotYet(*state);
}

// A statement that is logged with an error was partly executed: nobody knows how far.
absl::StatusOr<Action> SchemaFollower::Failed(const std::vector<TableChange>& changes,
                                              const std::string& text, uint16_t error_code) {
  Action action = Named(Action::kChange);
  action.batch = std::make_unique<Batch>();
  for (const auto& change : changes) {
    Stop(change.name(),
         fmt::format("{}the statement failed on the source (error {}): {}", kRecopyReason,
                     error_code, text),
         action.batch.get());
  }
  return action;
}

absl::StatusOr<Action> SchemaFollower::Change(const std::vector<TableChange>& changes,
                                              const std::string& text,
                                              const v1::Position& position) {
  Action action = Named(Action::kChange);
  action.batch = std::make_unique<Batch>();
  auto status = AskCoordinator(changes, text, position, action.batch.get());
  if (!status.ok()) return status;
  return action;
}

absl::StatusOr<v1::ChangeSchemaResponse> SchemaFollower::Ask(
    const std::vector<TableChange>& changes, const std::string& text,
    const v1::Position& position) {
  v1::ChangeSchemaRequest request;
  *request.mutable_lease() = lease_;
  *request.mutable_position() = position;
  request.set_statement(text);
  for (const auto& change : changes) {
    auto* asked = request.add_changes();
    *asked = change;
    std::shared_ptr<TableState> state;
    tables_->Find(change.name().schema(), change.name().table(), &state);
    if (state != nullptr) *asked->mutable_plan() = state->version.plan();
  }
  return change_schema_(request);
}

// The same with empty tables dropped and made as they shall be: no row has to be converted.
std::vector<TableChange> SchemaFollower::MadeAgain(const std::vector<TableChange>& changes) const {
  const RegistryLookup lookup(*tables_, defaults_.server());
  const auto is_known = [&](const ddl::TableRef& ref) { return lookup.Find(ref) != nullptr; };
  std::vector<TableChange> out;
  for (const auto& change : changes) {
    std::shared_ptr<TableState> state;
    const bool empty =
        change.kind() == TableChange::ALTER &&
        tables_->Find(change.name().schema(), change.name().table(), &state) == Wanted::kKnown &&
        state->empty;
    if (!empty) {
      out.push_back(change);
      continue;
    }
    TableChange& drop = out.emplace_back();
    drop.set_kind(TableChange::DROP);
    *drop.mutable_name() = change.name();
    *drop.mutable_before() = change.before();
    TableChange& create = out.emplace_back();
    create.set_kind(TableChange::CREATE);
    *create.mutable_name() = change.name();
    *create.mutable_after() = change.after();
    create.set_reason(ddl::ShadowOf({change.name().schema(), change.name().table()}, is_known));
  }
  return out;
}

// PostgreSQL would not get the rows that the source has now: the changed table is read again, under
// the name that the statement leaves it.
std::vector<TableChange> SchemaFollower::CopiedAgain(const std::vector<TableChange>& changes,
                                                     const std::string& reason) {
  const auto altered = std::find_if(changes.begin(), changes.end(), [](const auto& change) {
    return change.kind() == TableChange::ALTER;
  });
  const auto of = [](const TableChange& change, TableChange::Kind kind, const v1::TableName& name) {
    TableChange out;
    out.set_kind(kind);
    *out.mutable_name() = name;
    if (change.has_before()) *out.mutable_before() = change.before();
    return out;
  };
  std::vector<TableChange> out;
  bool renamed = false;
  for (auto change = changes.begin(); change != changes.end(); ++change) {
    const bool same = altered != changes.end() &&
                      change->name().schema() == altered->name().schema() &&
                      change->name().table() == altered->name().table();
    if (!same || change < altered) {
      out.push_back(*change);
    } else if (change->kind() == TableChange::RENAME) {
      out.push_back(of(*altered, TableChange::DROP, change->name()));
      out.push_back(of(TableChange(), TableChange::RECOPY, change->new_name()));
      renamed = true;
    }
  }
  if (altered != changes.end() && !renamed) {
    out.push_back(of(*altered, TableChange::RECOPY, altered->name()));
  }
  for (TableChange& change : out) {
    if (change.kind() != TableChange::RECOPY || !change.reason().empty()) continue;
    change.set_reason(std::string(kRecopyReason) + reason);
  }
  return out;
}

absl::Status SchemaFollower::AskCoordinator(std::vector<TableChange> changes,
                                            const std::string& text, const v1::Position& position,
                                            Batch* batch) {
  auto response = Ask(changes, text, position);
  if (absl::IsFailedPrecondition(response.status())) {
    auto again = MadeAgain(changes);
    if (again.size() != changes.size()) {
      changes = std::move(again);
      response = Ask(changes, text, position);
    }
  }
  if (absl::IsFailedPrecondition(response.status()) &&
      DetailOf(response.status()).reason() == "SCHEMA_CHANGE_NOT_EXACT") {
    changes = CopiedAgain(changes, Text(response.status()));
    response = Ask(changes, text, position);
  }
  if (absl::IsFailedPrecondition(response.status())) {
    // It cannot be translated exactly: the tables leave the replica, with the statement.
    for (const auto& change : changes) {
      Stop(change.name(), fmt::format("{}: {}", Text(response.status()), text), batch);
    }
    return absl::OkStatus();
  }
  if (!response.ok()) return response.status();
  if (response->plans_size() != static_cast<int>(changes.size())) {
    return absl::InternalError("the coordinator answered another number of schema changes");
  }
  batch->ready_lines = std::move(*response->mutable_log_data());
  batch->ready_rows = response->log_rows();
  batch->exclusive = response->exclusive();
  for (size_t i = 0; i < changes.size(); ++i) {
    auto status = UpdateRegistry(changes[i], response->plans(static_cast<int>(i)), position, batch);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SchemaFollower::UpdateRegistry(const TableChange& change, const v1::TablePlan& plan,
                                            const v1::Position& position, Batch* batch) {
  std::shared_ptr<TableState> before;
  tables_->Find(change.name().schema(), change.name().table(), &before);
  const bool stays_empty =
      before != nullptr && before->empty &&
      (change.kind() == TableChange::ALTER || change.kind() == TableChange::RENAME);
  v1::TableVersion version;
  *version.mutable_def() = change.after();
  *version.mutable_plan() = plan;
  *version.mutable_valid_from() = position;
  switch (change.kind()) {
    case TableChange::TRUNCATE:
      return absl::OkStatus();
    case TableChange::STOP:
    case TableChange::RECOPY:
      if (plan.table_id() == 0) {
        Stop(change.name(), change.reason(), batch);
        return absl::OkStatus();
      }
      // A table that could not be followed from its beginning: the coordinator wrote its stop line.
      *version.mutable_def()->mutable_name() = change.name();
      break;
    case TableChange::DROP:
      // A version that is not replicated and has no columns: the table is gone from here on.
      tables_->Remove(change.name());
      if (plan.table_id() == 0) return absl::OkStatus();
      *version.mutable_def()->mutable_name() = change.name();
      break;
    case TableChange::RENAME:
      tables_->Remove(change.name());
      *version.mutable_def()->mutable_name() = change.new_name();
      break;
    default:
      break;
  }
  batch->versions.push_back(version);
  if (change.kind() == TableChange::DROP) return absl::OkStatus();
  const auto& name = version.def().name();
  if (!tables_->Covers(name.schema(), name.table())) return absl::OkStatus();
  auto status = tables_->Put(version);
  std::shared_ptr<TableState> state;
  if (status.ok()) tables_->Find(name.schema(), name.table(), &state);
  if (state != nullptr) {
    state->empty =
        stays_empty || (change.kind() == TableChange::CREATE && KeepsItsRows(version.def()));
  }
  return status;
}

void SchemaFollower::Stop(const v1::TableName& name, const std::string& reason, Batch* batch) {
  std::shared_ptr<TableState> state;
  if (tables_->Find(name.schema(), name.table(), &state) != Wanted::kKnown) return;
  state->Leave(reason);
  spdlog::error("table leaves the replica tbl={}: {}", state->FullName(), reason);
  batch->stops.push_back({state, reason});
}

}  // namespace chameleon::worker::stream
