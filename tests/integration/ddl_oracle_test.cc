// The DDL room against the real servers: real schemas and migrations are run, the statements that
// the server wrote to its binary log are applied to our definitions, and after each one these must
// equal what information_schema says.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "proto/wire/error.h"
#include "tests/support/both_servers.h"
#include "tests/support/corpus.h"
#include "tests/support/sql_script.h"
#include "worker/ddl/column_type.h"
#include "worker/ddl/names.h"
#include "worker/ddl/parser.h"
#include "worker/ddl/schema_change.h"
#include "worker/source/schema_reader.h"
#include "worker/source/server.h"

namespace chameleon::test {
namespace {

namespace ddl = worker::ddl;
namespace source = worker::source;

bool IsReal(const v1::ColumnDef& c) {
  return c.base_type() == v1::FLOAT || c.base_type() == v1::DOUBLE;
}

std::string DefaultText(const v1::ColumnDef& c) {
  if (!c.has_default()) return "";
  // The server re-writes expressions; FLOAT defaults are shown with six digits.
  if (c.default_is_expression()) return " default expression";
  if (IsReal(c)) return fmt::format(" default {:.5g}", std::atof(c.default_value().c_str()));
  return fmt::format(" default [{}]", c.default_value());
}

std::string ColumnText(const v1::ColumnDef& c) {
  std::string out = fmt::format("  {} {}", c.name(), c.column_type());
  if (!c.charset().empty()) out += fmt::format(" {}/{}", c.charset(), c.collation());
  if (!c.nullable()) out += " not null";
  out += DefaultText(c);
  if (!c.on_update().empty()) out += " on update " + c.on_update();
  if (c.auto_increment()) out += " auto_increment";
  if (c.generated() != v1::GENERATED_NONE) out += fmt::format(" generated {}", int{c.generated()});
  if (c.invisible()) out += " invisible";
  if (c.has_srid() && c.srid() != 0) out += fmt::format(" srid {}", c.srid());
  out += fmt::format(" {}/{}/{}{}{}", c.length(), c.scale(), c.fsp(), c.is_unsigned() ? " u" : "",
                     c.zerofill() ? " z" : "");
  if (!c.comment().empty()) out += fmt::format(" comment [{}]", c.comment());
  return out + "\n";
}

std::string TableText(const v1::TableDef& t) {
  std::string out = fmt::format("{}.{} {} {}/{} [{}]{}{}\n", t.name().schema(), t.name().table(),
                                t.engine(), t.charset(), t.collation(), t.comment(),
                                t.system_versioned() ? " versioned " : "",
                                t.system_versioned() ? t.row_start_column() : "");
  for (const auto& c : t.columns()) out += ColumnText(c);
  for (const auto& i : t.indexes()) {
    out += fmt::format("  index {} {}", i.name(), v1::IndexDef::Kind_Name(i.kind()));
    for (const auto& p : i.parts()) {
      out += fmt::format(" {}({}){}", p.expression().empty() ? p.column() : "expression",
                         p.prefix_length(), p.descending() ? " desc" : "");
    }
    out += i.comment().empty() ? "\n" : fmt::format(" [{}]\n", i.comment());
  }
  for (const auto& k : t.foreign_keys()) {
    out += fmt::format("  foreign key {}", k.name());
    for (const auto& c : k.columns()) out += " " + c;
    out += fmt::format(" -> {}.{}", k.referenced().schema(), k.referenced().table());
    for (const auto& c : k.referenced_columns()) out += " " + c;
    out += fmt::format(" {} {}\n", k.on_delete(), k.on_update());
  }
  return out;
}

// Our side: definitions that only statements change.
class Shadow : public ddl::SchemaLookup {
 public:
  using Key = std::pair<std::string, std::string>;
  const v1::TableDef* Find(const ddl::TableRef& ref) const override {
    auto it = tables.find({ref.schema, ref.table});
    return it == tables.end() ? nullptr : &it->second;
  }
  bool Wants(const ddl::TableRef& ref) const override {
    return ref.schema != "mysql" && ref.schema != "sys";
  }
  std::vector<const v1::TableDef*> Tables() const override {
    std::vector<const v1::TableDef*> all;
    for (const auto& [_, def] : tables) all.push_back(&def);
    return all;
  }
  std::optional<ddl::CharsetDefault> Database(const std::string& schema) const override {
    auto it = databases.find(schema);
    if (it == databases.end()) return std::nullopt;
    return it->second;
  }

  std::map<Key, v1::TableDef> tables;
  std::map<std::string, ddl::CharsetDefault> databases;
  ddl::CharsetDefault server;
};

class DdlOracle : public BothServers {
 protected:
  void SetUp() override {
    BothServers::SetUp();
    if (IsSkipped()) return;
    corpus_ = CorpusDir();
    if (!corpus_) GTEST_SKIP() << "no corpus beside the repository";
    server_ = StartSource(GetParam());
    sql_ = std::make_unique<Mysql>(server_->Connect());
    Connect();
  }

  void Connect();
  void Play(const std::string& path);
  void Statement(const std::string& statement);
  void FollowLog(const std::string& statement);
  void Apply(const std::string& database, const std::string& statement, bool compare);
  void Compare(const std::set<Shadow::Key>& names, const std::string& statement);
  std::string ServerText(const Shadow::Key& name);
  void FreshContext();
  std::pair<std::string, std::string> Position() {
    const Rows rows = sql_->Query(position_query_);
    return {*rows[0][0], *rows[0][1]};
  }

  std::optional<std::filesystem::path> corpus_;
  std::unique_ptr<SourceServer> server_;
  std::unique_ptr<Mysql> sql_;
  std::unique_ptr<source::Connection> reader_;
  v1::ServerInfo info_;
  ddl::SessionContext context_;
  Shadow shadow_;
  std::string position_query_;
  int ran_ = 0, failed_ = 0, applied_ = 0, compared_ = 0, different_ = 0;
  std::map<std::string, int> stops_;
};

#define ASSERT_STATUS_OK(s) ASSERT_TRUE((s).ok()) << Text(s)

void DdlOracle::Connect() {
  v1::SourceConnection config;
  config.set_unix_socket(server_->socket());
  config.set_user("root");
  auto reader = source::Connection::Open(config);
  ASSERT_STATUS_OK(reader.status());
  reader_ = *std::move(reader);
  sql_->TryExec("SET GLOBAL log_bin_trust_function_creators=1");
  info_.set_kind(server_->is_mariadb() ? v1::ServerInfo::MARIADB : v1::ServerInfo::MYSQL);
  info_.set_version(sql_->One("SELECT version()"));
  context_.server = server_->is_mariadb() ? ddl::ServerKind::kMariadb : ddl::ServerKind::kMysql;
  context_.server_version = server_->is_mariadb() ? 101119 : 90704;
  position_query_ = server_->is_mariadb() ? "SHOW MASTER STATUS" : "SHOW BINARY LOG STATUS";
  shadow_.server = {sql_->One("SELECT @@global.character_set_server"),
                    sql_->One("SELECT @@global.collation_server")};
  sql_->Exec("CREATE DATABASE play");
  sql_->Exec("USE play");
  shadow_.databases["play"] = shadow_.server;
}

void DdlOracle::FreshContext() {
  // What CREATE DATABASE inherits is the session's, not the server's (QUERY status variable 4).
  shadow_.server = {sql_->One("SELECT @@session.character_set_server"),
                    sql_->One("SELECT @@session.collation_server")};
  context_.SetSqlMode(0);
  const std::string mode = sql_->One("SELECT @@session.sql_mode");
  auto has = [&](const char* word) { return mode.find(word) != std::string::npos; };
  context_.ansi_quotes = has("ANSI_QUOTES");
  context_.no_backslash_escapes = has("NO_BACKSLASH_ESCAPES");
  context_.pipes_as_concat = has("PIPES_AS_CONCAT");
  context_.real_as_float = has("REAL_AS_FLOAT");
  context_.oracle = server_->is_mariadb() && has("ORACLE");
  context_.no_auto_value_on_zero = has("NO_AUTO_VALUE_ON_ZERO");
  context_.explicit_defaults_for_timestamp =
      sql_->One("SELECT @@session.explicit_defaults_for_timestamp") == "1";
}

std::string DdlOracle::ServerText(const Shadow::Key& name) {
  v1::SourceOptions options;
  (*options.mutable_schema_mappings())[name.first] = name.first;
  source::TableFilter filter(options, 0);
  v1::TableName only;
  only.set_schema(name.first);
  only.set_table(name.second);
  filter.RestrictOnly(only);
  auto schema = source::ReadSchema(reader_.get(), info_, {name.first}, filter);
  if (!schema.ok()) return Text(schema.status());
  return schema->tables.empty() ? "" : TableText(schema->tables[0]);
}

void DdlOracle::Compare(const std::set<Shadow::Key>& names, const std::string& statement) {
  for (const auto& name : names) {
    const auto it = shadow_.tables.find(name);
    const std::string ours = it == shadow_.tables.end() ? "" : TableText(it->second);
    const std::string theirs = ServerText(name);
    ++compared_;
    if (ours == theirs) continue;
    ++different_;
    constexpr int kShownMax = 40;
    if (different_ <= kShownMax) {
      ADD_FAILURE() << name.first << "." << name.second << " after\n"
                    << statement.substr(0, 1500) << "\n--- server\n"
                    << theirs << "--- ours\n"
                    << ours;
    }
    shadow_.tables.erase(name);
  }
}

void DdlOracle::Apply(const std::string& database, const std::string& statement, bool compare) {
  context_.default_database = database;
  const ddl::Statement parsed = ddl::Parse(statement, context_);
  if (std::holds_alternative<ddl::Dml>(parsed)) return;
  if (const auto* unparsed = std::get_if<ddl::Unparsed>(&parsed)) {
    ADD_FAILURE() << unparsed->reason << "\n" << statement.substr(0, 1000);
    return;
  }
  auto changes = ddl::ApplyStatement(parsed, shadow_, context_);
  ASSERT_STATUS_OK(changes.status());
  if (auto change = ddl::DatabaseChangeOf(parsed, shadow_, shadow_.server, context_)) {
    shadow_.databases.erase(change->schema);
    if (change->charset) shadow_.databases[change->schema] = *change->charset;
  }
  std::set<Shadow::Key> touched;
  for (const v1::TableChange& change : *changes) {
    const Shadow::Key key{change.name().schema(), change.name().table()};
    touched.insert(key);
    ++applied_;
    switch (change.kind()) {
      case v1::TableChange::STOP:
        ++stops_[change.reason()];
        ADD_FAILURE() << "stopped: " << change.reason() << "\n" << statement.substr(0, 1000);
        shadow_.tables.erase(key);
        touched.erase(key);
        break;
      case v1::TableChange::RECOPY:
        ++stops_["recopy: " + change.reason()];
        [[fallthrough]];
      case v1::TableChange::CREATE:
      case v1::TableChange::ALTER:
        shadow_.tables.erase(key);
        if (change.has_after()) {
          shadow_.tables[key] = change.after();
        } else {
          touched.erase(key);
        }
        break;
      case v1::TableChange::DROP:
        shadow_.tables.erase(key);
        break;
      case v1::TableChange::RENAME: {
        const Shadow::Key to{change.new_name().schema(), change.new_name().table()};
        shadow_.tables.erase(key);
        shadow_.tables[to] = change.after();
        touched.insert(to);
        break;
      }
      default:
        break;
    }
  }
  if (compare) Compare(touched, statement);
}

// What the server logged since `before`, with the database of each.
void DdlOracle::FollowLog(const std::string& where) {
  const std::string file = where.substr(0, where.find(':'));
  const Rows events = sql_->Query(
      fmt::format("SHOW BINLOG EVENTS IN '{}' FROM {}", file, where.substr(where.find(':') + 1)));
  std::vector<std::pair<std::string, std::string>> logged;
  for (const Row& event : events) {
    if (event[2].value_or("") != "Query") continue;
    std::string text = event[5].value_or("");
    std::string database;
    if (text.starts_with("use `")) {
      size_t end = 5;
      while (end < text.size() && (text[end] != '`' || text.substr(end, 2) == "``")) {
        if (text[end] == '`') ++end;
        database += text[end++];
      }
      text = text.substr(end + 3);
    }
    // MariaDB shows the session's check variables in front.
    for (const char* prefix : {"set foreign_key_checks=", "set unique_checks="}) {
      if (text.starts_with(prefix)) text = text.substr(text.find("; ") + 2);
    }
    logged.emplace_back(database, text);
  }
  for (size_t i = 0; i < logged.size(); ++i) {
    Apply(logged[i].first, logged[i].second, logged.size() == 1);
  }
  if (logged.size() > 1) {
    std::set<Shadow::Key> all;
    for (const auto& [key, _] : shadow_.tables) all.insert(key);
    Compare(all, logged.back().second);
  }
}

void DdlOracle::Statement(const std::string& statement) {
  ++ran_;
  const auto [file, position] = Position();
  if (const unsigned error = sql_->TryExec(statement); error != 0) {
    ++failed_;
    if (std::getenv("CHAMELEON_SHOW_FAILED")) {
      std::cout << "failed " << error << ": " << statement.substr(0, 600) << "\n";
    }
  }
  if (Position().second == position) return;
  FreshContext();
  FollowLog(file + ":" + position);
}

void DdlOracle::Play(const std::string& path) {
  std::ifstream in(path);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  for (const std::string& statement : SplitScript(text)) {
    const ddl::Statement parsed = ddl::Parse(statement, context_);
    if (std::get_if<ddl::Dml>(&parsed) && std::get<ddl::Dml>(parsed).kind != "CALL") continue;
    const std::string kind = ddl::Describe(parsed);
    if (kind == "benign: shutdown" || kind == "benign: kill" || kind == "benign: user" ||
        kind == "benign: grant" || kind == "benign: reset" || kind == "benign: lock" ||
        kind == "benign: plugin" || kind == "benign: role" || kind == "DROP DATABASE mysql") {
      continue;
    }
    Statement(statement);
  }
}

// $CHAMELEON_DDL_FILES (separated by blanks), or the given folders of the corpus, by name.
std::vector<std::string> Files(const std::filesystem::path& corpus,
                               std::initializer_list<const char*> folders) {
  std::vector<std::string> files;
  if (const char* only = std::getenv("CHAMELEON_DDL_FILES")) {
    std::istringstream list(only);
    std::copy(std::istream_iterator<std::string>(list), {}, std::back_inserter(files));
    return files;
  }
  for (const char* folder : folders) {
    if (std::filesystem::is_regular_file(corpus / folder)) {
      files.push_back(corpus / folder);
      continue;
    }
    std::vector<std::string> inside;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(corpus / folder)) {
      const std::string extension = entry.path().extension();
      if (extension == ".sql" || extension == ".ddl") inside.push_back(entry.path());
    }
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

TEST_P(DdlOracle, SchemasCasesAndMigrations) {
  const std::vector<std::string> files =
      Files(*corpus_, {"schemas", "cases/debezium", "cases/maxwell/schema", "cases/tiflow-dm",
                       "migrations/shenyu", "migrations/sentry", "migrations/ranger/xa_core_db.sql",
                       "migrations/ranger/patches", "ddl"});
  for (const std::string& file : files) {
    Play(file);
    if (sql_->TryExec("SELECT 1") != 0) FAIL() << "the connection is gone after " << file;
    std::cout << fmt::format(
        "{}: ran {}, refused by the server {}, changes {}, compared {}, "
        "different {}\n",
        file, ran_, failed_, applied_, compared_, different_);
  }
  for (const auto& [reason, n] : stops_) std::cout << n << "  " << reason << "\n";
}

ON_BOTH_SERVERS(DdlOracle);

}  // namespace
}  // namespace chameleon::test
