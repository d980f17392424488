#include "tests/integration/live_player.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <iostream>
#include <thread>

#include "worker/ddl/parser.h"

namespace chameleon::test {
namespace {

// The first by name: Replica::WaitCaughtUp uses it.
constexpr char kMarkerSchema[] = "00_marker";
constexpr char kRecopy[] = "it must be copied again: ";
constexpr char kKeyless[] = "no primary key and no unique key without nullable columns";
// Two keys may become one: declared in docs/types-and-ddl.md, and copying it again changes nothing.
constexpr char kKeyNotHeld[] = "holds a value that PostgreSQL cannot keep";
constexpr unsigned kInsideCreateSelect = 3977;
constexpr unsigned kReadTimeoutS = 60;
constexpr std::chrono::seconds kPatience{120};

// Nothing to do with tables, and bad for whoever reads the binary log or for the test.
bool IsLeftOut(const std::string& statement, SourceKind kind) {
  worker::ddl::SessionContext context;
  context.server = kind == SourceKind::kMariadb ? worker::ddl::ServerKind::kMariadb
                                                : worker::ddl::ServerKind::kMysql;
  context.server_version = kind == SourceKind::kMariadb ? 101119 : 90704;
  const std::string name = worker::ddl::Describe(worker::ddl::Parse(statement, context));
  for (const char* word : {"shutdown", "kill", "reset", "plugin", "purge"}) {
    if (name == std::string("benign: ") + word) return true;
  }
  return false;
}

}  // namespace

LivePlayer::LivePlayer(SourceKind kind) : server_(StartSource(kind)) {
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
  return error;
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

Rows LivePlayer::TablesThatLeft() {
  return Pg(replica_->target())
      .Query(
          "SELECT t_source_schema, t_source_table, coalesce(t_reason, '') FROM "
          "sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled AND NOT b_dropped");
}

// Those that the coordinator copies again by itself.
void LivePlayer::WaitForCopies() {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    replica_->WaitCaughtUp("s", kPatience);
    bool waits = false;
    for (const Row& row : TablesThatLeft()) waits |= row[2]->starts_with(kRecopy);
    if (!waits) return;
    std::this_thread::sleep_for(Millis(300));
  }
}

std::string LivePlayer::Differences() {
  std::map<std::string, EqualityOptions> options;
  for (const Row& row : TablesThatLeft()) {
    const bool key_not_held = row[2]->find(kKeyNotHeld) != std::string::npos;
    if (*row[2] != kKeyless && !key_not_held) continue;
    options[*row[0]].skip_tables.insert(*row[1]);
    (key_not_held ? key_not_held_ : keyless_).insert(*row[0] + "." + *row[1]);
  }
  std::string differences;
  for (const std::string& schema : schemas_) {
    differences +=
        CompareSchemas(server_->Address(), schema, replica_->target(), schema, options[schema])
            .differences;
  }
  return differences;
}

void LivePlayer::Repair(const std::string& where) {
  std::string tables;
  for (const Row& row : TablesThatLeft()) {
    if (*row[2] == kKeyless || row[2]->find(kKeyNotHeld) != std::string::npos) continue;
    EXPECT_NE(*row[2], "") << where << ": " << *row[0] << "." << *row[1] << " left without a word";
    ++counts_.repaired[*row[2]];
    std::cout << where << ": " << *row[0] << "." << *row[1] << ": " << row[2]->substr(0, 300)
              << "\n";
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
    std::string differences = Differences();
    if (differences.empty()) return;
    ADD_FAILURE() << where << ":\n"
                  << differences.substr(0, 6000) << replica_->Ctl({"show_errors"}).out;
  } catch (const std::exception& error) {
    FAIL() << where << ": " << error.what();
  }
}

void LivePlayer::Report(const std::string& what) const {
  std::cout << fmt::format(
      "{}: ran {}, refused by the server {}, compared {} times, tables without a key {}, with a "
      "key "
      "that PostgreSQL cannot hold {}\n",
      what, counts_.ran, counts_.refused, counts_.settled, keyless_.size(), key_not_held_.size());
  for (const auto& [reason, n] : counts_.repaired) {
    std::cout << "  repaired " << n << "  " << reason.substr(0, 400) << "\n";
  }
}

}  // namespace chameleon::test
