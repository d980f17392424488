#include "coordinator/ingest/swap.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "coordinator/ingest/loading_schema.h"
#include "coordinator/pg/message_json.h"
#include "coordinator/target/ddl_writer.h"
#include "coordinator/target/quote.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::ingest {

using target::Identifier;

absl::Status Swap::Run(const v1::FinishSnapshotRequest& request) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(load_.source.lock_timeout_ms);
  const std::string swap = Statements(request);
  while (true) {
    const absl::Status done = Attempt(swap);
    if (done.ok()) return done;
    session_->Abandon();
    if (pg::SqlState(done) == "CH016") return Prepared(done);
    if (pg::SqlState(done) != "55P03") return load_.Fenced(done);
    if (std::chrono::steady_clock::now() >= deadline) return InUse();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
}

std::string Swap::Statements(const v1::FinishSnapshotRequest& request) const {
  std::string sql;
  std::vector<v1::TableVersion> versions;
  std::string notes;
  const std::map<std::string, std::string> mappings(load_.source.options.schema_mappings().begin(),
                                                    load_.source.options.schema_mappings().end());
  for (const auto& [id, table] : *tables_) {
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
  sql += load_.MovesTables() ? MoveStatements() : ExchangeStatements();
  const pg::VersionsSql stored = pg::ToSql(versions);
  // json_build_array takes at most 100 arguments: an array of json has no such limit.
  const std::string life =
      fmt::format("({}, {}, {}, {}, {}, to_json(ARRAY[{}]::json[])); ", load_.lease.source_id(),
                  load_.lease.epoch(), target::Literal(pg::ToJson(request.position())),
                  versions.empty() ? "'[]'" : stored.versions, stored.definitions, notes);
  switch (load_.options.kind) {
    case LoadOptions::kAll:
      sql += "SELECT sch_chameleon.fn_start_life" + life + LedgerStatement() +
             DatabasesStatement(request.server());
      break;
    case LoadOptions::kTables:
      sql += "SELECT sch_chameleon.fn_finish_sync" + life + LedgerStatement();
      break;
    case LoadOptions::kSchemaOnly:
      sql += load_.EpochGuard() + fmt::format("; SELECT sch_chameleon.fn_end_life({}, false); ",
                                              load_.lease.source_id());
      break;
  }
  return sql;
}

// A copy begins the ledger of its tables anew.
std::string Swap::LedgerStatement() const {
  google::protobuf::RepeatedPtrField<v1::LedgerEntry> ledger;
  std::vector<std::string> ids;
  for (const auto& [id, table] : *tables_) {
    ids.push_back(std::to_string(id));
    for (const v1::LedgerEntry& entry : table.ledger) {
      v1::LedgerEntry* stored = ledger.Add();
      *stored = entry;
      stored->set_table_id(id);
      *stored->mutable_example_position() = table.valid_from;
    }
  }
  return fmt::format("SELECT sch_chameleon.fn_start_ledger({}, ARRAY[{}]::bigint[], {}); ",
                     load_.lease.source_id(), fmt::join(ids, ", "),
                     ledger.empty() ? "'[]'" : target::Literal(pg::ToJsonArray(ledger)));
}

std::string Swap::DatabasesStatement(const v1::ServerInfo& server) const {
  google::protobuf::RepeatedPtrField<v1::DatabaseDefault> databases;
  for (const auto& [name, charset] : server.databases()) {
    v1::DatabaseDefault* of = databases.Add();
    of->set_database(name);
    *of->mutable_charset() = charset;
  }
  return fmt::format("SELECT sch_chameleon.fn_start_databases({}, {}); ", load_.lease.source_id(),
                     databases.empty() ? "'[]'" : target::Literal(pg::ToJsonArray(databases)));
}

// Whole schemas change places.
std::string Swap::ExchangeStatements() const {
  std::string sql;
  for (const auto& [from, to] : load_.source.options.schema_mappings()) {
    sql += fmt::format(
        "DROP SCHEMA IF EXISTS {} CASCADE; DROP SCHEMA IF EXISTS {} CASCADE; "
        "ALTER SCHEMA {} RENAME TO {};",
        Identifier(to), Identifier(HiddenSchema(to)), Identifier(LoadingSchema(to)),
        Identifier(to));
  }
  return sql;
}

// Single tables do; with keep_existing_schema their rows.
std::string Swap::MoveStatements() const {
  std::string sql;
  std::set<std::pair<std::string, std::string>> planned;
  for (const auto& [from, to] : load_.source.options.schema_mappings()) {
    sql += fmt::format("CREATE SCHEMA IF NOT EXISTS {};", Identifier(to));
  }
  for (const auto& [id, table] : *tables_) {
    planned.insert({table.def.name().schema(), table.def.name().table()});
    sql += fmt::format("SELECT sch_chameleon.{}({}, {}, {});",
                       load_.source.keep_existing_schema ? "fn_reload_table" : "fn_swap_table",
                       target::Literal(table.loading_schema),
                       target::Literal(table.plan.target_schema()),
                       target::Literal(table.plan.target_table()));
  }
  for (const v1::TableName& name : load_.options.only) {
    if (!load_.options.missing_ok || name.table().empty() ||
        planned.count({name.schema(), name.table()}) != 0)
      continue;
    sql += fmt::format("SELECT sch_chameleon.fn_forget_table({}, {}, {});", load_.lease.source_id(),
                       target::Literal(name.schema()), target::Literal(name.table()));
  }
  for (const auto& [from, to] : load_.source.options.schema_mappings()) {
    sql += fmt::format("DROP SCHEMA {} CASCADE;", Identifier(LoadingSchema(to)));
  }
  return sql;
}

// What users have built on the old tables is told before, and made again behind the swap; what
// cannot be is named in the log and in the operation's result.
absl::Status Swap::Attempt(const std::string& swap) {
  notes_.clear();
  auto begun = session_->Execute("BEGIN; SET LOCAL lock_timeout = '2s'");
  if (!begun.ok()) return begun.status();
  if (!load_.source.keep_existing_schema) {
    auto saved = session_->Execute(SaveDependents());
    if (!saved.ok()) return saved.status();
    for (size_t i = 0; i < saved->size(); ++i) {
      spdlog::warn("built on a table that is replaced src={} object={}", load_.source.name,
                   saved->Text(i, 0));
    }
  }
  auto swapped = session_->Execute(swap);
  if (!swapped.ok()) return swapped.status();
  auto left = session_->Execute(
      load_.source.keep_existing_schema
          ? fmt::format("SELECT * FROM sch_chameleon.fn_broken_keys(ARRAY[{}]::text[])",
                        TableNames())
          : "SELECT * FROM sch_chameleon.fn_restore_dependents()");
  if (!left.ok()) return left.status();
  for (size_t i = 0; i < left->size(); ++i) notes_.push_back(left->Text(i, 0));
  auto committed = session_->Execute("COMMIT");
  if (!committed.ok()) return committed.status();
  for (const std::string& note : notes_) {
    spdlog::warn("not as it was src={}: {}", load_.source.name, note);
  }
  return absl::OkStatus();
}

std::string Swap::SaveDependents() const {
  std::vector<std::string> schemas;
  if (!load_.MovesTables()) {
    for (const auto& [from, to] : load_.source.options.schema_mappings()) {
      schemas.push_back(target::Literal(to));
    }
  }
  return fmt::format(
      "SELECT * FROM sch_chameleon.fn_save_dependents(ARRAY[{}]::text[], ARRAY[{}]::text[])",
      fmt::join(schemas, ", "), TableNames());
}

// Of the tables that were loaded, as SQL.
std::string Swap::TableNames() const {
  std::vector<std::string> tables;
  for (const auto& [id, table] : *tables_) {
    tables.push_back(fmt::format("ARRAY[{}, {}]", target::Literal(table.plan.target_schema()),
                                 target::Literal(table.plan.target_table())));
  }
  return fmt::format("{}", fmt::join(tables, ", "));
}

// Tables that stay keep their privileges.
void Swap::Grant() {
  if (load_.source.keep_existing_schema) return;
  for (const std::string& role : load_.source.grant_select_to) {
    auto exists = session_->Query("SELECT FROM pg_catalog.pg_roles WHERE rolname = $1", {role});
    if (exists.ok() && exists->empty()) {
      spdlog::error("role does not exist, select is not granted src={} role={}", load_.source.name,
                    role);
      continue;
    }
    for (const auto& [from, to] : load_.source.options.schema_mappings()) {
      auto granted = session_->Execute(fmt::format(
          "GRANT USAGE ON SCHEMA {0} TO {1}; GRANT SELECT ON ALL TABLES IN SCHEMA {0} TO {1}",
          Identifier(to), Identifier(role)));
      if (!granted.ok()) {
        spdlog::error("select is not granted src={} schema={} role={} error={}", load_.source.name,
                      to, role, Text(granted.status()));
      }
    }
  }
}

absl::Status Swap::Prepared(const absl::Status& status) const {
  const std::string text = Text(status);
  return Error(absl::StatusCode::kFailedPrecondition, "XA_PREPARED", load_.source.name,
               text.substr(0, text.find('\n')),
               "Commit or roll back what XA RECOVER lists on the source, let start_replica come "
               "past it, and run this command again.");
}

absl::Status Swap::InUse() const {
  return Error(absl::StatusCode::kFailedPrecondition, "TARGET_IN_USE", load_.source.name,
               fmt::format("the target schemas of source {} were in use for {} s",
                           load_.source.name, load_.source.lock_timeout_ms / 1000),
               "End the transactions that read them, or raise lock_timeout, and run "
               "init_replica again.");
}

}  // namespace chameleon::coordinator::ingest
