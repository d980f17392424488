#include "tests/integration/live_player.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <iostream>
#include <regex>
#include <sstream>
#include <thread>

#include "worker/ddl/parser.h"

namespace chameleon::test {
namespace {

namespace ddl = worker::ddl;

// The first by name: Replica::WaitCaughtUp uses it.
constexpr char kMarkerSchema[] = "00_marker";
constexpr char kRecopy[] = "it must be copied again: ";
constexpr char kKeyless[] = "no primary key and no unique key without nullable columns";
// Two keys may become one: declared in docs/types-and-ddl.md, and copying it again changes nothing.
constexpr char kKeyNotHeld[] = "holds a value that PostgreSQL cannot keep";
constexpr unsigned kInsideCreateSelect = 3977;
constexpr unsigned kReadTimeoutS = 60;
constexpr std::chrono::seconds kPatience{120};

ddl::Statement Parsed(const std::string& statement, SourceKind kind) {
  const bool mysql = kind == SourceKind::kMysql;
  ddl::SessionContext context;
  context.server = mysql ? ddl::ServerKind::kMysql : ddl::ServerKind::kMariadb;
  context.server_version = mysql ? 90704 : 101119;
  return ddl::Parse(statement, context);
}

// Reasons without the names in them, to be counted.
std::string Kind(std::string reason) {
  reason = std::regex_replace(reason, std::regex("HINT:[^]*"), "");
  reason = std::regex_replace(reason, std::regex("(table|like|from|to) [^ ]+\\.[^ ,:]+"), "$1 T");
  reason = std::regex_replace(reason, std::regex("column [^ :]+"), "column C");
  reason = std::regex_replace(reason, std::regex("[a-z]+\\.[0-9]+:[0-9]+"), "POS");
  return reason.substr(0, 200);
}

// Nothing to do with tables, and bad for whoever reads the binary log or for the test.
bool IsLeftOut(const std::string& statement, SourceKind kind) {
  const std::string name = ddl::Describe(Parsed(statement, kind));
  for (const char* word : {"shutdown", "kill", "reset", "plugin", "purge"}) {
    if (name == std::string("benign: ") + word) return true;
  }
  return false;
}

}  // namespace

LivePlayer::LivePlayer(SourceKind kind, SourceOptions options)
    : server_(StartSource(kind, std::move(options))) {
  postgres_.Start();
  replica_ = std::make_unique<Replica>(&postgres_);
  Mysql sql = server_->Connect();
  sql.Exec("SET GLOBAL log_bin_trust_function_creators=1");
  const std::string marker = MysqlName(kMarkerSchema);
  sql.Exec(fmt::format("CREATE DATABASE {}", marker));
  sql.Exec(fmt::format("CREATE TABLE {}.w_marker (id INT PRIMARY KEY, n BIGINT NOT NULL)", marker));
  sql.Exec(fmt::format("INSERT INTO {}.w_marker VALUES (1, 0)", marker));
}

std::unique_ptr<Mysql> LivePlayer::Session(const std::string& database) {
  MysqlAddress address = server_->Address();
  address.read_timeout_s = kReadTimeoutS;
  auto sql = std::make_unique<Mysql>(address);
  sql->TryExec("CREATE DATABASE IF NOT EXISTS " + MysqlName(database));
  sql->TryExec("USE " + MysqlName(database));
  return sql;
}

unsigned LivePlayer::Run(Mysql* session, const std::string& statement) {
  ++counts_.ran;
  unsigned error = session->TryExec(statement);
  if (error == kInsideCreateSelect) {
    session->TryExec("COMMIT");
    error = session->TryExec(statement);
  }
  counts_.refused += error != 0;
  if (error == 0 && give_keys_) AddKey(session, statement);
  return error;
}

void LivePlayer::GiveKeys() {
  if (server_->is_mariadb()) {
    give_keys_ = true;
  } else {
    server_->Connect().Exec("SET GLOBAL sql_generate_invisible_primary_key=ON");
  }
}

void LivePlayer::AddKey(Mysql* session, const std::string& statement) {
  const std::string key = KeyFor(statement, server_->kind());
  if (!key.empty()) session->TryExec(key);
}

std::string LivePlayer::KeyFor(const std::string& statement, SourceKind kind) {
  const auto parsed = Parsed(statement, kind);
  const auto* create = std::get_if<ddl::CreateTable>(&parsed);
  if (create == nullptr || create->as_select || create->like) return "";
  const auto is_key = [](const ddl::IndexSpec& index) {
    return index.def.kind() == v1::IndexDef::PRIMARY || index.def.kind() == v1::IndexDef::UNIQUE;
  };
  if (std::any_of(create->columns.begin(), create->columns.end(),
                  [](const auto& c) { return c.primary || c.unique || c.type.serial; }) ||
      std::any_of(create->indexes.begin(), create->indexes.end(), is_key)) {
    return "";
  }
  std::string table = MysqlName(create->table.table);
  if (!create->table.schema.empty()) table = MysqlName(create->table.schema) + "." + table;
  return fmt::format(
      "ALTER TABLE {} ADD COLUMN chameleon_key BIGINT UNSIGNED NOT NULL DEFAULT (uuid_short()) "
      "INVISIBLE PRIMARY KEY",
      table);
}

void LivePlayer::Play(const std::string& database, const std::vector<std::string>& statements) {
  auto session = Session(database);
  for (const std::string& statement : statements) {
    if (!IsLeftOut(statement, server_->kind())) Run(session.get(), statement);
  }
}

void LivePlayer::Begin(const std::set<std::string>& schemas) {
  std::map<std::string, std::string> mappings = {{kMarkerSchema, kMarkerSchema}};
  Mysql sql = server_->Connect();
  for (const std::string& schema : schemas) {
    sql.Exec("CREATE DATABASE IF NOT EXISTS " + MysqlName(schema));
    mappings[schema] = schema;
    schemas_.insert(schema);
  }
  replica_->AddSource({.name = "s", .server = server_.get(), .schema_mappings = mappings});
  replica_->Setup();
  replica_->Init("s");
  replica_->Start("s");
}

void LivePlayer::KillWorker() {
  for (const pid_t pid : replica_->Pids("chameleon-worker")) ::kill(pid, SIGKILL);
}

Rows LivePlayer::TablesThatLeft() {
  return Pg(replica_->target())
      .Query(
          "SELECT t_source_schema, t_source_table, coalesce(t_reason, '') FROM "
          "sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled AND NOT b_dropped");
}

// A source that has stopped is not waited for.
void LivePlayer::CatchUp() {
  constexpr std::chrono::seconds kLook{5};
  for (auto waited = kLook;; waited += kLook) {
    try {
      replica_->WaitCaughtUp("s", kLook);
      return;
    } catch (const std::runtime_error&) {
      const std::string state =
          Pg(replica_->target()).One("SELECT enm_status FROM sch_chameleon.t_sources");
      if (state == "error" || waited >= kPatience) throw;
    }
  }
}

// Those that the coordinator copies again by itself.
void LivePlayer::WaitForCopies() {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    CatchUp();
    bool waits = false;
    for (const Row& row : TablesThatLeft()) waits |= row[2]->starts_with(kRecopy);
    if (!waits) return;
    std::this_thread::sleep_for(Millis(300));
  }
}

// On either side.
std::set<std::string> LivePlayer::SchemasWithTables() {
  std::set<std::string> found;
  for (const Row& row :
       server_->Connect().Query("SELECT DISTINCT table_schema FROM information_schema.tables")) {
    found.insert(*row[0]);
  }
  for (const Row& row : Pg(replica_->target())
                            .Query("SELECT DISTINCT nspname FROM pg_class c JOIN pg_namespace n ON "
                                   "n.oid = relnamespace WHERE relkind IN ('r', 'p')")) {
    found.insert(*row[0]);
  }
  return found;
}

std::string LivePlayer::Differences(bool all) {
  std::map<std::string, EqualityOptions> options;
  for (const Row& row : TablesThatLeft()) {
    const bool key_not_held = row[2]->find(kKeyNotHeld) != std::string::npos;
    const bool never = *row[2] == kKeyless || key_not_held;
    if (!never && all) continue;
    options[*row[0]].skip_tables.insert(*row[1]);
    if (!never) continue;
    (key_not_held ? key_not_held_ : keyless_).insert(*row[0] + "." + *row[1]);
  }
  for (const Row& row : Pg(replica_->target())
                            .Query("SELECT t_source_schema, t_source_table, v_table_name FROM "
                                   "sch_chameleon.t_replica_tables WHERE NOT b_dropped AND "
                                   "t_source_table <> v_table_name")) {
    options[*row[0]].pg_names[*row[1]] = *row[2];
  }
  std::string differences;
  const auto with_tables = SchemasWithTables();
  for (const std::string& schema : schemas_) {
    if (!with_tables.contains(schema)) continue;
    Equality found;
    try {
      found =
          CompareSchemas(server_->Address(), schema, replica_->target(), schema, options[schema]);
    } catch (const MysqlError& error) {
      std::cout << "not compared: the source cannot read it: " << error.what() << "\n";
      ++counts_.unreadable;
      continue;
    }
    counts_.tables += found.tables;
    counts_.rows += found.rows;
    differences += found.differences;
  }
  return differences;
}

void LivePlayer::Repair(const std::string& where) {
  CountLeft(where);
  std::string tables;
  for (const Row& row : TablesThatLeft()) {
    if (*row[2] == kKeyless || row[2]->find(kKeyNotHeld) != std::string::npos) continue;
    tables += (tables.empty() ? "" : ",") + *row[0] + "." + *row[1];
  }
  if (tables.empty()) return;
  replica_->MustCtl({"sync_tables", "--source", "s", "--tables", tables});
  replica_->WaitCaughtUp("s", kPatience);
}

void LivePlayer::Settle(const std::string& where) {
  ++counts_.settled;
  try {
    WaitForCopies();
    Repair(where);
    ShowDifferences(where, Differences(/*all=*/true));
  } catch (const std::exception& error) {
    BeginAgain(where, error.what());
  }
}

void LivePlayer::ShowDifferences(const std::string& where, const std::string& differences) {
  std::istringstream lines(differences);
  std::string fresh, line;
  while (std::getline(lines, line)) {
    if (shown_.insert(line).second) fresh += line + "\n";
  }
  if (fresh.empty()) return;
  ++counts_.different;
  ADD_FAILURE() << where << ":\n"
                << fresh.substr(0, 6000) << replica_->Ctl({"show_errors"}).out.substr(0, 3000);
}

void LivePlayer::Glance(const std::string& where) {
  constexpr std::chrono::seconds kSoon{8};
  constexpr int kAttempts = 3;  // what other sessions do meanwhile looks like a difference
  try {
    std::string differences;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      replica_->WaitCaughtUp("s", kSoon);
      const auto until = std::chrono::steady_clock::now() + kSoon;
      const auto copying = [&] {
        const Rows left = TablesThatLeft();
        return std::any_of(left.begin(), left.end(),
                           [](const Row& row) { return row[2]->starts_with(kRecopy); });
      };
      while (copying() && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(Millis(200));
        replica_->WaitCaughtUp("s", kSoon);
      }
      CountLeft(where);
      differences = Differences(/*all=*/false);
      if (differences.empty()) break;
      std::this_thread::sleep_for(Millis(300));
    }
    ++counts_.settled;
    ShowDifferences(where, differences);
  } catch (const std::exception& error) {
    std::cout << where << ": not compared: " << std::string(error.what()).substr(0, 300) << "\n";
    ++counts_.not_glanced;
  }
}

void LivePlayer::CountLeft(const std::string& where) {
  for (const Row& row : TablesThatLeft()) {
    if (*row[2] == kKeyless || row[2]->find(kKeyNotHeld) != std::string::npos ||
        row[2]->starts_with(kRecopy)) {
      continue;
    }
    if (!left_.insert(*row[0] + "." + *row[1] + ": " + *row[2]).second) continue;
    EXPECT_NE(*row[2], "") << where << ": " << *row[0] << "." << *row[1] << " left without a word";
    ++counts_.repaired[Kind(*row[2])];
    std::cout << where << ": " << *row[0] << "." << *row[1] << ": " << row[2]->substr(0, 300)
              << "\n";
  }
}

// After something that stops a source: statement-format DML, an incident. Anything else is a bug.
void LivePlayer::BeginAgain(const std::string& where, const std::string& why) {
  Pg pg(replica_->target());
  const Row error =
      pg.Query("SELECT enm_status, coalesce(t_last_error, '') FROM sch_chameleon.t_sources").at(0);
  ++counts_.stopped[Kind(*error[1])];
  if (*error[0] == "error") {
    std::cout << where << ": the source has stopped: " << *error[1] << "\n";
  } else {
    ADD_FAILURE() << where << ": " << why.substr(0, 4000);
  }
  replica_->Ctl({"stop_replica", "--source", "s"});
  Mysql sql = server_->Connect();
  for (const std::string& schema : schemas_) {
    sql.TryExec("DROP DATABASE " + MysqlName(schema));
    sql.TryExec("CREATE DATABASE " + MysqlName(schema));
  }
  replica_->Init("s");
  replica_->Start("s");
}

void LivePlayer::Report(const std::string& what) const {
  std::cout << fmt::format(
      "{}: ran {}, refused by the server {}, compared {} times: {} tables, {} rows, different {}; "
      "tables without a key {}, with a key that PostgreSQL cannot hold {}, not to be read from the "
      "source {}, no time to compare {}\n",
      what, counts_.ran, counts_.refused, counts_.settled, counts_.tables, counts_.rows,
      counts_.different, keyless_.size(), key_not_held_.size(), counts_.unreadable,
      counts_.not_glanced);
  std::map<std::string, int> copied;
  for (const Row& row : Pg(replica_->target())
                            .Query("SELECT t_error_message FROM sch_chameleon.t_error_log WHERE "
                                   "starts_with(t_error_message, " +
                                   PgLiteral(kRecopy) + ")")) {
    ++copied[Kind(*row[0])];
  }
  for (const auto& [reason, n] : copied) std::cout << "  " << n << "  " << reason << "\n";
  for (const Row& row :
       Pg(replica_->target())
           .Query("SELECT sum(i_count), split_part(t_kind, ':', 1), "
                  "min(t_kind) FROM sch_chameleon.t_ledger GROUP BY 2 ORDER BY 2")) {
    std::cout << "  ledger " << *row[0] << "  " << *row[1] << " (" << *row[2] << ")\n";
  }
  for (const auto& [reason, n] : counts_.stopped) {
    std::cout << "  the source stopped " << n << "  " << reason << "\n";
  }
  for (const auto& [reason, n] : counts_.repaired) {
    std::cout << "  repaired " << n << "  " << reason.substr(0, 400) << "\n";
  }
}

}  // namespace chameleon::test
