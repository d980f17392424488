#include "worker/stream/schema_follower.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <variant>

#include "proto/wire/error.h"
#include "worker/ddl/names.h"
#include "worker/ddl/parser.h"
#include "worker/encode/charset.h"
#include "worker/encode/escape.h"

namespace chameleon::worker::stream {
namespace {

using Action = SchemaFollower::Action;
using ddl::TableRef;
using ddl::TransactionControl;

template <typename... Ts>
struct Visitor : Ts... {
  using Ts::operator()...;
};

// "9.7.4-2" → 90704, "10.11.19-MariaDB-log" → 101119.
uint32_t VersionNumber(const std::string& version) {
  unsigned major = 0, minor = 0, patch = 0;
  sscanf(version.c_str(), "%u.%u.%u", &major, &minor, &patch);
  return major * 10000 + minor * 100 + patch;
}

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
    default:
      return Named(Action::kXa);
  }
}

// Every table that the statement changes or drops.
std::vector<TableRef> Concerned(const ddl::Statement& statement, const TableRegistry& tables) {
  std::vector<TableRef> refs;
  std::visit(Visitor{
                 [&](const ddl::CreateTable& s) { refs.push_back(s.table); },
                 [&](const ddl::AlterTable& s) { refs.push_back(s.table); },
                 [&](const ddl::DropTable& s) { refs = s.tables; },
                 [&](const ddl::RenameTable& s) {
                   for (const auto& pair : s.pairs) {
                     refs.push_back(pair.from);
                     refs.push_back(pair.to);
                   }
                 },
                 [&](const ddl::TruncateTable& s) { refs.push_back(s.table); },
                 [&](const ddl::DropDatabase& s) {
                   for (const auto& [name, _] : tables.tables()) {
                     if (name.first == s.schema) refs.push_back({name.first, name.second});
                   }
                 },
                 [&](const ddl::Unparsed& s) { refs = s.tables; },
                 [](const auto&) {},
             },
             statement);
  return refs;
}

}  // namespace

SchemaFollower::SchemaFollower(const v1::Lease& lease, const v1::ServerInfo& server,
                               TableRegistry* tables, ChangeSchema change_schema)
    : lease_(lease), server_(server), tables_(tables), change_schema_(std::move(change_schema)) {}

absl::StatusOr<Action> SchemaFollower::Follow(const binlog::Query& query,
                                              const v1::Position& position) {
  ddl::SessionContext context;
  context.server = server_.kind() == v1::ServerInfo::MARIADB ? ddl::ServerKind::kMariadb
                                                             : ddl::ServerKind::kMysql;
  context.server_version = VersionNumber(server_.version());
  context.default_database = std::string(query.database);
  context.lower_case_table_names = server_.lower_case_table_names();
  if (query.sql_mode.has_value()) context.SetSqlMode(*query.sql_mode);
  if (query.explicit_defaults_for_timestamp.has_value()) {
    context.explicit_defaults_for_timestamp = *query.explicit_defaults_for_timestamp != 0;
  }
  std::string text;
  encode::AppendText(query.statement, encode::Escape::kNone, &text);
  const auto statement = ddl::Parse(text, context);

  if (const auto* control = std::get_if<TransactionControl>(&statement)) {
    return FromControl(*control);
  }
  if (const auto* benign = std::get_if<ddl::Benign>(&statement)) {
    return Named(Action::kBenign, benign->kind);
  }
  if (const auto* dml = std::get_if<ddl::Dml>(&statement)) {
    return Named(Action::kStatementDml, dml->kind);
  }
  return Change(statement, text, position);
}

absl::StatusOr<Action> SchemaFollower::Change(const ddl::Statement& statement,
                                              const std::string& text,
                                              const v1::Position& position) {
  auto batch = std::make_unique<Batch>();
  for (const auto& ref : Concerned(statement, *tables_)) {
    std::shared_ptr<TableState> state;
    if (tables_->Find(ref.schema, ref.table, &state) != Wanted::kKnown) continue;
    if (std::holds_alternative<ddl::TruncateTable>(statement)) {
      batch->ready_lines += fmt::format("{}\ttruncate\t\\N\t\\N\t\\N\n", state->id());
      ++batch->ready_rows;
      continue;
    }
    state->stopped = true;
    spdlog::error("table leaves the replica tbl={}: {}", state->FullName(), text);
    batch->stops.push_back({state, fmt::format("schema changes are not followed: {}", text)});
  }
  if (batch->ready_rows == 0 && batch->stops.empty()) {
    return Named(Action::kBenign, ddl::LowerName(ddl::Describe(statement)));
  }
  (void)position;
  Action action = Named(Action::kChange);
  action.batch = std::move(batch);
  return action;
}

}  // namespace chameleon::worker::stream
