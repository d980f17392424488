#include "worker/source/preflight_rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>

#include "proto/wire/error.h"
#include "worker/source/sql_text.h"

namespace chameleon::worker::source {
namespace {

constexpr uint32_t kMysqlMin = 50500;
constexpr uint32_t kMariadbMin = 100000;
constexpr uint64_t kShortExpirySeconds = 24 * 3600;
constexpr size_t kNamesShown = 5;

std::string Upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - ('a' - 'A'));
  }
  return out;
}

std::string Trim(std::string_view text) {
  size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  return first == std::string_view::npos ? "" : std::string(text.substr(first, last - first + 1));
}

// Splits at commas outside parentheses (column lists).
std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> parts;
  size_t begin = 0, depth = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '(') ++depth;
    if (i < text.size() && text[i] == ')' && depth > 0) --depth;
    if (i == text.size() || (text[i] == ',' && depth == 0)) {
      if (std::string part = Trim(text.substr(begin, i - begin)); !part.empty()) {
        parts.push_back(std::move(part));
      }
      begin = i + 1;
    }
  }
  return parts;
}

// LIKE as grants use it: % and _ with backslash escapes.
bool Matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '%') {
    for (size_t skip = 0; skip <= text.size(); ++skip) {
      if (Matches(pattern.substr(1), text.substr(skip))) return true;
    }
    return false;
  }
  bool any = pattern[0] == '_';
  if (pattern[0] == '\\' && pattern.size() > 1) pattern.remove_prefix(1);
  return !text.empty() && (any || pattern[0] == text[0]) &&
         Matches(pattern.substr(1), text.substr(1));
}

std::string Value(const Facts& facts, const std::string& name) {
  auto it = facts.variables.find(name);
  return it == facts.variables.end() ? "" : it->second;
}

uint64_t Number(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }

bool IsMariadb(const Facts& facts) { return facts.server.kind() == v1::ServerInfo::MARIADB; }

void JudgeBinlog(const Facts& facts, std::vector<Condition>* out) {
  std::string log_bin = Value(facts, "log_bin");
  if (log_bin == "OFF" || log_bin == "0") {
    out->push_back({"BINLOG_OFF", "log_bin", "log_bin is OFF: the server writes no binary log",
                    "Start the server with log_bin and a server_id."});
    return;
  }
  if (std::string format = Value(facts, "binlog_format"); format != "ROW") {
    out->push_back(
        {"BINLOG_FORMAT_NOT_ROW", "binlog_format",
         fmt::format("binlog_format is {}: it must be ROW", format),
         "Run SET GLOBAL binlog_format = 'ROW', set it in the server's configuration, and "
         "let the applications connect anew."});
  }
  std::string image = Value(facts, "binlog_row_image");  // absent before 5.6: always full
  if (!image.empty() && image != "FULL") {
    out->push_back(
        {"BINLOG_ROW_IMAGE_NOT_FULL", "binlog_row_image",
         fmt::format("binlog_row_image is {}: it must be FULL", image),
         "Run SET GLOBAL binlog_row_image = 'FULL', set it in the server's configuration, "
         "and let the applications connect anew."});
  }
}

void JudgeReplica(const Facts& facts, std::vector<Condition>* out) {
  if (!facts.is_replica || !LogsOwnChangesOnly(facts)) return;
  out->push_back({"REPLICA_NOT_LOGGING", "log_slave_updates",
                  "the server is a replica and log_slave_updates is OFF: changes that it receives "
                  "are not in its binary log",
                  "Set log_slave_updates in the server's configuration and restart it, or follow "
                  "the server that it replicates from."});
}

bool IsFiltered(const Facts& facts, const std::string& schema) {
  auto has = [&](const std::string& list) {
    auto names = SplitList(list);
    return std::find(names.begin(), names.end(), schema) != names.end();
  };
  return (!facts.status.do_db.empty() && !has(facts.status.do_db)) || has(facts.status.ignore_db);
}

void JudgeFilters(const Facts& facts, std::vector<Condition>* out) {
  for (const std::string& schema : facts.schemas) {
    if (!IsFiltered(facts, schema)) continue;
    bool by_do = !facts.status.do_db.empty();
    out->push_back({"BINLOG_FILTERED", schema,
                    fmt::format("{} is set ({}): changes of database {} are not in the binary log",
                                by_do ? "binlog_do_db" : "binlog_ignore_db",
                                by_do ? facts.status.do_db : facts.status.ignore_db, schema),
                    "Remove binlog_do_db and binlog_ignore_db from the server's configuration and "
                    "restart it."});
  }
}

bool SameSchema(const Facts& facts, const std::string& a, const std::string& b) {
  return facts.server.lower_case_table_names() != 0 ? LowerAscii(a) == LowerAscii(b) : a == b;
}

bool IsAmong(const Facts& facts, const std::vector<std::string>& schemas, const std::string& name) {
  return std::any_of(schemas.begin(), schemas.end(),
                     [&](const auto& schema) { return SameSchema(facts, schema, name); });
}

// What is copied must be there. A stream goes on without: the source may drop a database, and make
// it again.
void JudgeSchemas(const Facts& facts, const v1::SourceOptions& options,
                  std::vector<Condition>* out) {
  if (!facts.for_snapshot) return;
  for (const std::string& schema : MissingSchemas(facts, options)) {
    if (!facts.only.empty() && !IsAmong(facts, facts.only, schema)) continue;
    out->push_back(
        {"DATABASE_MISSING", schema,
         fmt::format("database {} does not exist or {} may not see it", schema, facts.account),
         "Correct schema_mappings, or grant SELECT on the database."});
  }
}

// Privileges on *.* that are missing, in the order of the GRANT statement.
std::vector<std::string> MissingGlobal(const Facts& facts) {
  std::vector<std::string> missing;
  if (!facts.grants.Has("REPLICATION SLAVE")) missing.push_back("REPLICATION SLAVE");
  bool new_name = IsMariadb(facts) && ParseVersion(facts.server.version()).number >= 100502;
  if (!facts.may_read_status) {
    missing.push_back(new_name ? "BINLOG MONITOR" : "REPLICATION CLIENT");
  }
  return missing;
}

bool MayLockGlobally(const Facts& facts) {
  return facts.grants.Has("RELOAD") || facts.grants.Has("FLUSH_TABLES");
}

void JudgePrivileges(const Facts& facts, const v1::SourceOptions& options,
                     std::vector<Condition>* out) {
  auto add = [&](const std::string& privilege, const std::string& on) {
    out->push_back(
        {"PRIVILEGE_MISSING", privilege,
         fmt::format("privilege {} on {} is missing for {}", privilege, on, facts.account),
         fmt::format("Run GRANT {} ON {} TO {}.", privilege, on, facts.account)});
  };
  for (const std::string& privilege : MissingGlobal(facts)) add(privilege, "*.*");
  for (const std::string& schema : facts.schemas) {
    // With limit_tables single tables may be granted: reading them will tell.
    bool limited = std::any_of(options.limit_tables().begin(), options.limit_tables().end(),
                               [&](const auto& name) { return name.schema() == schema; });
    if (!limited && !facts.grants.HasOn("SELECT", schema)) add("SELECT", QuoteName(schema) + ".*");
  }
  if (!facts.for_snapshot || MayLockGlobally(facts) || IsMariadb(facts)) return;
  for (const std::string& schema : facts.schemas) {
    if (!facts.grants.HasOn("LOCK TABLES", schema)) return add("RELOAD", "*.*");
  }
}

void JudgeIdentity(const Facts& facts, const v1::SourceOptions& options,
                   std::vector<Condition>* out) {
  uint32_t id = options.my_server_id();
  if (id == 0) {
    out->push_back({"SERVER_ID_INVALID", "my_server_id", "my_server_id is 0: no stream can be kept",
                    "Set my_server_id to a number that no server of this replication uses."});
  } else if (std::to_string(id) == Value(facts, "server_id")) {
    out->push_back(
        {"SERVER_ID_IN_USE", "my_server_id",
         fmt::format("my_server_id is {}: that is the server_id of the source itself", id),
         "Set my_server_id to a number that no server of this replication uses."});
  }
  if (options.gtid_enable() && !facts.server.gtid_on()) {
    out->push_back(
        {"GTID_OFF", "gtid_mode",
         fmt::format("gtid_mode is {}: gtid_enable needs it ON",
                     Value(facts, "gtid_mode").empty() ? "absent" : Value(facts, "gtid_mode")),
         "Set gtid_mode on the server, or gtid_enable to false."});
  }
}

void WarnAboutDurability(const Facts& facts, std::vector<std::string>* out) {
  if (std::string sync = Value(facts, "sync_binlog"); !sync.empty() && sync != "1") {
    out->push_back(
        fmt::format("sync_binlog is {}: after a crash the source may have lost transactions that "
                    "are replicated",
                    sync));
  }
  if (std::string flush = Value(facts, "innodb_flush_log_at_trx_commit");
      !flush.empty() && flush != "1") {
    out->push_back(
        fmt::format("innodb_flush_log_at_trx_commit is {}: after a crash the source may have lost "
                    "transactions that are replicated",
                    flush));
  }
  uint64_t expiry = Number(Value(facts, "binlog_expire_logs_seconds"));
  if (expiry == 0) expiry = Number(Value(facts, "expire_logs_days")) * 24 * 3600;
  if (expiry > 0 && expiry <= kShortExpirySeconds) {
    out->push_back(fmt::format(
        "binary logs expire after {} seconds: a replica that stands still for longer must be "
        "initialised again",
        expiry));
  }
}

}  // namespace

void Grants::AddLine(std::string_view grant) {
  constexpr std::string_view kGrant = "GRANT ";
  if (!grant.starts_with(kGrant)) return;
  grant.remove_prefix(kGrant.size());
  size_t on = grant.find(" ON ");
  if (on == std::string_view::npos) return;  // a role
  Entry entry;
  entry.privileges = SplitList(Upper(grant.substr(0, on)));
  std::string_view object = grant.substr(on + 4);
  if (object.starts_with("*.*")) {
    entry.schema = "*";
  } else if (object.starts_with("`")) {
    size_t i = 1;
    for (; i < object.size(); ++i) {
      if (object[i] == '`' && (i + 1 >= object.size() || object[i + 1] != '`')) break;
      if (object[i] == '`') ++i;
      entry.schema += object[i];
    }
    if (!object.substr(std::min(i + 1, object.size())).starts_with(".*")) return;  // one table
  } else {
    return;  // PROXY, FUNCTION …
  }
  entries_.push_back(std::move(entry));
}

bool Grants::Has(std::string_view privilege) const {
  for (const Entry& entry : entries_) {
    if (entry.schema != "*") continue;
    for (const std::string& p : entry.privileges) {
      if (p == privilege || p == "ALL PRIVILEGES" || p == "ALL") return true;
    }
  }
  return false;
}

bool Grants::HasOn(std::string_view privilege, std::string_view schema) const {
  if (Has(privilege)) return true;
  for (const Entry& entry : entries_) {
    if (entry.schema == "*" || !Matches(entry.schema, schema)) continue;
    for (const std::string& p : entry.privileges) {
      if (p == privilege || p == "ALL PRIVILEGES" || p == "ALL") return true;
    }
  }
  return false;
}

bool LogsOwnChangesOnly(const Facts& facts) {
  const std::string old_name = Value(facts, "log_slave_updates");
  return (old_name.empty() ? Value(facts, "log_replica_updates") : old_name) == "OFF";
}

std::vector<std::string> MissingSchemas(const Facts& facts, const v1::SourceOptions& options) {
  std::vector<std::string> missing;
  for (const auto& [schema, target] : options.schema_mappings()) {
    if (!IsAmong(facts, facts.schemas, schema)) missing.push_back(schema);
  }
  std::sort(missing.begin(), missing.end());  // a protobuf map has no order
  return missing;
}

const std::vector<std::string_view>& PreflightVariables() {
  static const std::vector<std::string_view> names = {"log_bin",
                                                      "server_id",
                                                      "binlog_format",
                                                      "binlog_row_image",
                                                      "gtid_mode",
                                                      "log_slave_updates",
                                                      "log_replica_updates",
                                                      "sync_binlog",
                                                      "innodb_flush_log_at_trx_commit",
                                                      "binlog_expire_logs_seconds",
                                                      "expire_logs_days"};
  return names;
}

std::vector<Condition> JudgeVersion(std::string_view version) {
  VersionNumber v = ParseVersion(version);
  if (v.kind == v1::ServerInfo::KIND_UNSPECIFIED) {
    return {{"SERVER_NOT_SUPPORTED", std::string(version),
             fmt::format("server version is {}: it is neither MySQL nor MariaDB", version),
             "Point the source at a MySQL or MariaDB server, not at a proxy or another database."}};
  }
  bool mariadb = v.kind == v1::ServerInfo::MARIADB;
  if (v.number >= (mariadb ? kMariadbMin : kMysqlMin)) return {};
  return {{"SERVER_TOO_OLD", std::string(version),
           fmt::format("server version is {}: at least {} is needed", version,
                       mariadb ? "MariaDB 10.0" : "MySQL 5.5"),
           "Upgrade the server, or replicate from a newer replica of it."}};
}

std::vector<Condition> Judge(const Facts& facts, const v1::SourceOptions& options) {
  std::vector<Condition> out;
  JudgeBinlog(facts, &out);
  JudgeReplica(facts, &out);
  JudgeFilters(facts, &out);
  JudgeSchemas(facts, options, &out);
  JudgePrivileges(facts, options, &out);
  JudgeIdentity(facts, options, &out);
  if (facts.for_snapshot && facts.prepared_xa > 0) {
    out.push_back({"XA_PREPARED", "XA RECOVER",
                   fmt::format("{} XA transaction{} prepared: a copy would miss the rows",
                               facts.prepared_xa, facts.prepared_xa == 1 ? " is" : "s are"),
                   "See XA RECOVER and commit or roll back what it lists."});
  }
  return out;
}

std::vector<std::string> Warn(const Facts& facts) {
  std::vector<std::string> out;
  WarnAboutDurability(facts, &out);
  if (!facts.for_snapshot) return out;
  if (!facts.non_transactional.empty()) {
    size_t shown = std::min(facts.non_transactional.size(), kNamesShown);
    std::vector<std::string> names(facts.non_transactional.begin(),
                                   facts.non_transactional.begin() + static_cast<long>(shown));
    size_t more = facts.non_transactional.size() - shown;
    out.push_back(fmt::format("non-transactional tables are locked while they are copied: {}{}",
                              fmt::join(names, ", "),
                              more == 0 ? "" : fmt::format(" and {} more", more)));
  }
  if (!facts.may_see_xa) {
    out.push_back("privilege XA_RECOVER_ADMIN is missing: prepared XA transactions cannot be seen");
  }
  if (!MayLockGlobally(facts)) {
    out.push_back(IsMariadb(facts)
                      ? "privilege RELOAD is missing: the copy uses one connection"
                      : "privilege RELOAD is missing: the copy begins with LOCK TABLES");
  }
  return out;
}

absl::Status ToStatus(const std::vector<Condition>& conditions) {
  std::string text, hints;
  for (const Condition& c : conditions) {
    if (!text.empty()) text += "\n";
    text += c.text;
    if (hints.find(c.hint) != std::string::npos) continue;
    if (!hints.empty()) hints += " ";
    hints += c.hint;
  }
  return Error(absl::StatusCode::kFailedPrecondition, conditions.front().reason,
               conditions.front().object, text, hints);
}

}  // namespace chameleon::worker::source
