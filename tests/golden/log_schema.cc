#include "tests/golden/log_schema.h"

#include <cstdio>

#include "proto/wire/error.h"
#include "worker/ddl/parser.h"
#include "worker/encode/charset.h"
#include "worker/encode/escape.h"

namespace chameleon::test {

using namespace worker;

namespace {

// Collation ids of the clients that wrote the logs we have; all else is read as UTF-8.
const char* CharsetOfClient(std::optional<uint16_t> collation) {
  switch (collation.value_or(0)) {
    case 8:
      return "latin1";
    case 28:
      return "gbk";
    default:
      return "utf8mb4";
  }
}

ddl::CharsetDefault WithCollation(const std::string& charset) {
  return {charset, charset == "latin1" ? "latin1_swedish_ci" : charset + "_general_ci"};
}

}  // namespace

LogSchema::LogSchema(const std::string& server_version, const std::string& default_charset)
    : default_charset_(WithCollation(default_charset)) {
  unsigned major = 0, minor = 0, patch = 0;
  sscanf(server_version.c_str(), "%u.%u.%u", &major, &minor, &patch);
  server_.server = server_version.find("MariaDB") != std::string::npos ? ddl::ServerKind::kMariadb
                                                                       : ddl::ServerKind::kMysql;
  server_.server_version = major * 10000 + minor * 100 + patch;
}

void LogSchema::Follow(const binlog::Query& query) {
  // MariaDB's two-phase ALTER is done when it is committed.
  constexpr uint8_t kStartAlter = 2, kRollbackAlter = 8;
  if ((query.gtid_flags3.value_or(0) & (kStartAlter | kRollbackAlter)) != 0) return;
  ddl::SessionContext context = server_;
  encode::AppendText(query.database, encode::Escape::kNone, &context.default_database);
  if (query.sql_mode.has_value()) context.SetSqlMode(*query.sql_mode);
  if (query.explicit_defaults_for_timestamp.has_value()) {
    context.explicit_defaults_for_timestamp = *query.explicit_defaults_for_timestamp != 0;
  } else if (context.mariadb() && query.flags2.has_value()) {
    context.explicit_defaults_for_timestamp = (*query.flags2 & 0x01000000) != 0;
  }
  std::string text;
  auto charset = encode::Charset::Find(CharsetOfClient(query.charset_client));
  (*charset)->Decode(query.statement, &text);
  Run(text, context);
}

void LogSchema::Run(std::string_view statement, const ddl::SessionContext& context) {
  const ddl::Statement parsed = ddl::Parse(statement, context);
  if (auto change = ddl::DatabaseChangeOf(parsed, *this, default_charset_, context)) {
    databases_.erase(change->schema);
    if (change->charset.has_value()) databases_[change->schema] = *change->charset;
  }
  auto changes = ddl::ApplyStatement(parsed, *this, context);
  if (!changes.ok()) return;
  for (const v1::TableChange& change : *changes) Apply(change);
}

void LogSchema::Apply(const v1::TableChange& change) {
  const Key key{change.name().schema(), change.name().table()};
  if (change.kind() == v1::TableChange::TRUNCATE) return;
  tables_.erase(key);
  if (change.has_after()) {
    v1::TableDef def = change.after();
    *def.mutable_name() =
        change.kind() == v1::TableChange::RENAME ? change.new_name() : change.after().name();
    Put(def);
  } else {
    why_not_[key] = change.reason().empty() ? "dropped" : change.reason();
  }
}

void LogSchema::Put(const v1::TableDef& def) {
  const Key key{def.name().schema(), def.name().table()};
  coordinator::target::TypeMapOptions options;
  options.target_schema = def.name().schema();
  auto plan = coordinator::target::MapTable(def, options);
  auto codec = plan.ok() ? encode::TableCodec::Create(def, *plan)
                         : absl::StatusOr<std::unique_ptr<encode::TableCodec>>(plan.status());
  if (!codec.ok()) {
    why_not_[key] = Text(codec.status());
    return;
  }
  tables_[key] = {def, *std::move(plan), *std::move(codec)};
}

LogSchema::Table* LogSchema::TableOf(const std::string& schema, const std::string& table) {
  const auto it = tables_.find({schema, table});
  return it == tables_.end() ? nullptr : &it->second;
}

std::string LogSchema::WhyNot(const std::string& schema, const std::string& table) const {
  const auto it = why_not_.find({schema, table});
  return it == why_not_.end() ? "no statement in the log creates it" : it->second;
}

const v1::TableDef* LogSchema::Find(const ddl::TableRef& table) const {
  const auto it = tables_.find({table.schema, table.table});
  return it == tables_.end() ? nullptr : &it->second.def;
}

bool LogSchema::Wants(const ddl::TableRef&) const { return true; }

std::vector<const v1::TableDef*> LogSchema::Tables() const {
  std::vector<const v1::TableDef*> all;
  for (const auto& [_, table] : tables_) all.push_back(&table.def);
  return all;
}

std::optional<ddl::CharsetDefault> LogSchema::Database(const std::string& schema) const {
  const auto it = databases_.find(schema);
  return it == databases_.end() ? default_charset_ : it->second;
}

std::string ServerVersionOf(const std::vector<std::string>& events) {
  binlog::EventParser parser;
  for (const std::string& raw : events) {
    if (parser.Parse(raw).ok() && !parser.format().server_version.empty()) break;
  }
  return parser.format().server_version;
}

std::string FittingCharset(const std::vector<std::string>& events,
                           const std::function<void(LogSchema*)>& learn) {
  using binlog::EventType;
  std::string best;
  int fewest = INT32_MAX;
  for (const char* charset : {"utf8mb4", "latin1", "utf8mb3"}) {
    LogSchema schema(ServerVersionOf(events), charset);
    learn(&schema);
    binlog::EventParser parser;
    int unfit = 0;
    for (const std::string& raw : events) {
      auto event = parser.Parse(raw);
      if (!event.ok()) continue;
      if (event->header.type == EventType::kQuery) {
        if (auto query = binlog::ParseQuery(*event); query.ok()) schema.Follow(*query);
      }
      if (event->header.type != EventType::kTableMap) continue;
      auto map = binlog::ParseTableMap(*event, parser.format());
      if (!map.ok()) continue;
      auto* table = schema.TableOf(map->schema, map->table);
      if (table == nullptr) continue;
      unfit += table->codec->CheckTableMap(*map, schema.server().mariadb()).ok() ? 0 : 1;
    }
    if (unfit < fewest) {
      best = charset;
      fewest = unfit;
    }
  }
  return best;
}

}  // namespace chameleon::test
