// The servers' own test suites (Debian's packages, read in place): every statement ends in an
// outcome of the parser, and what a real server made of them is what we make of them.
//
//   CHAMELEON_SUITE_FILES=substring   only files whose path has it
//   CHAMELEON_SUITE_SECONDS=600       time for the statements that are run, per server
//   CHAMELEON_SUITE_SHARD=i/n         every n-th file, from the i-th on (0/1: all of them)
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <utility>

#include "tests/integration/ddl_shadow.h"
#include "tests/integration/live_player.h"
#include "tests/support/both_servers.h"
#include "tests/support/mtr_script.h"
#include "tests/support/process.h"
#include "worker/ddl/lexer.h"
#include "worker/ddl/names.h"
#include "worker/ddl/parser.h"

namespace chameleon::test {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Errors of the client library: the connection is not there any more.
constexpr unsigned kGone = 2006, kLost = 2013;

std::string Setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

std::vector<fs::path> SuiteFiles(SourceKind kind) {
  const fs::path root = CacheDir() / (kind == SourceKind::kMysql ? "mysql-tests" : "mariadb-tests");
  std::vector<fs::path> files;
  if (!fs::exists(root / "root")) return files;
  const std::string only = Setting("CHAMELEON_SUITE_FILES", "");
  for (const auto& entry : fs::recursive_directory_iterator(root / "root")) {
    const std::string extension = entry.path().extension();
    if (extension != ".test" && extension != ".inc") continue;
    if (entry.path().string().find(only) == std::string::npos) continue;
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

#define SKIP_WITHOUT_SUITE(files) \
  if ((files).empty()) GTEST_SKIP() << "the suite is not here: tests/support/fetch_suites.sh"

ddl::SessionContext ContextFor(SourceKind kind) {
  ddl::SessionContext context;
  const bool mariadb = kind != SourceKind::kMysql;
  context.server = mariadb ? ddl::ServerKind::kMariadb : ddl::ServerKind::kMysql;
  context.server_version = kind == SourceKind::kMariadb11 ? 110806 : mariadb ? 101119 : 90704;
  context.default_database = "test";
  return context;
}

class ServerSuites : public BothServers {};

// No crash, no hang; each statement by what becomes of it.
TEST_P(ServerSuites, EveryStatementIsRead) {
  const auto files = SuiteFiles(GetParam());
  SKIP_WITHOUT_SUITE(files);
  const auto context = ContextFor(GetParam());
  std::map<std::string, int> counts;
  int translated = 0, benign = 0, rows = 0, refused = 0, statements = 0;
  for (const auto& file : files) {
    for (const std::string& statement : SplitMtr(ReadFile(file))) {
      ++statements;
      const auto began = Clock::now();
      const ddl::Statement parsed = ddl::Parse(statement, context);
      EXPECT_LT(Clock::now() - began, std::chrono::seconds(2)) << file << ": " << statement;
      if (std::holds_alternative<ddl::Unparsed>(parsed)) {
        ++refused;
        if (std::getenv("CHAMELEON_SHOW_REFUSED")) {
          std::cout << file.filename().string() << ": " << std::get<ddl::Unparsed>(parsed).reason
                    << ": " << statement.substr(0, 300) << "\n";
        }
        continue;
      }
      const std::string name = ddl::Describe(parsed);
      ++counts[name];
      if (std::holds_alternative<ddl::Dml>(parsed)) {
        ++rows;
      } else if (std::holds_alternative<ddl::Benign>(parsed)) {
        ++benign;
      } else {
        ++translated;
      }
      // Cut anywhere, a statement must end in some outcome, too.
      for (size_t n = 1; n < std::min<size_t>(statement.size(), 1000); n += 97) {
        ddl::Parse(statement.substr(0, n), context);
      }
    }
  }
  std::cout << fmt::format(
      "{} files, {} statements: definitions and transactions {}, benign by name {}, rows {}, "
      "not understood {}\n",
      files.size(), statements, translated, benign, rows, refused);
  for (const auto& [name, n] : counts) std::cout << "  " << n << "  " << name << "\n";
  EXPECT_GT(translated, 10'000);
}

// What would stop, block or reconfigure the server, or leave the binary log.
bool IsForAServer(const std::string& statement, const ddl::SessionContext& context,
                  bool with_rows = false) {
  static const std::set<std::string> kRows = {"INSERT", "UPDATE", "DELETE",   "REPLACE",
                                              "BEGIN",  "COMMIT", "ROLLBACK", "SAVEPOINT"};
  static const std::set<std::string> kFirst = {
      "SHUTDOWN", "KILL",    "RESET",     "PURGE",    "CHANGE", "START",    "STOP",      "FLUSH",
      "LOCK",     "INSTALL", "UNINSTALL", "GRANT",    "REVOKE", "BACKUP",   "CLONE",     "RESTART",
      "SHOW",     "SELECT",  "EXPLAIN",   "DESCRIBE", "DESC",   "INSERT",   "UPDATE",    "DELETE",
      "REPLACE",  "LOAD",    "HANDLER",   "HELP",     "CHECK",  "ANALYZE",  "OPTIMIZE",  "REPAIR",
      "CHECKSUM", "BINLOG",  "XA",        "BEGIN",    "COMMIT", "ROLLBACK", "SAVEPOINT", "DO",
      "CACHE",    "WITH",    "VALUES",    "TABLE",    "IMPORT", "GET",      "SIGNAL",    "UNLOCK"};
  static const std::set<std::string> kAnywhere = {"SQL_LOG_BIN",
                                                  "BINLOG_FORMAT",
                                                  "GLOBAL",
                                                  "PERSIST",
                                                  "PERSIST_ONLY",
                                                  "MYSQL",
                                                  "SLEEP",
                                                  "GET_LOCK",
                                                  "BENCHMARK",
                                                  "GTID_NEXT",
                                                  "PSEUDO_SLAVE_MODE",
                                                  "PSEUDO_REPLICA_MODE",
                                                  "TABLESPACE",
                                                  "LOGFILE",
                                                  "INFORMATION_SCHEMA",
                                                  "PERFORMANCE_SCHEMA",
                                                  "PUBLIC_SCHEMA",
                                                  "TRANSACTION_WRITE_SET_EXTRACTION",
                                                  "SKIP_REPLICATION",
                                                  "SQL_REQUIRE_PRIMARY_KEY_",
                                                  "TIMESTAMP_",
                                                  "AUTOCOMMIT"};
  // Also names of columns.
  static const std::set<std::string> kObjects = {"SERVER",   "USER",    "ROLE", "EVENT",
                                                 "SYS",      "DEBUG",   "UNDO", "RESOURCE",
                                                 "INSTANCE", "PASSWORD"};
  // Its results never end.
  const std::string text = ddl::UpperAscii(statement);
  if (text.find("WHILE 1") != text.npos || text.find("WHILE TRUE") != text.npos) return true;
  ddl::Lexer lexer(statement, context);
  bool first = true, of_table = false;
  for (auto token = lexer.Next();
       token.kind != ddl::TokenKind::kEnd && token.kind != ddl::TokenKind::kError;
       token = lexer.Next()) {
    if (token.kind == ddl::TokenKind::kVariable) {
      const std::string name = ddl::UpperAscii(token.text);
      for (const char* word :
           {"GLOBAL", "SQL_LOG_BIN", "BINLOG_FORMAT", "PERSIST", "DEBUG", "GTID"}) {
        if (name.find(word) != std::string::npos) return true;
      }
    }
    if (token.kind != ddl::TokenKind::kWord && token.kind != ddl::TokenKind::kQuotedName) continue;
    const std::string upper = ddl::UpperAscii(token.text);
    if (first && kFirst.contains(upper) && !(with_rows && kRows.contains(upper))) return true;
    of_table |= upper == "TABLE" || (first && kRows.contains(upper));
    if (!of_table && kObjects.contains(upper)) return true;
    if (kAnywhere.contains(upper)) return true;
    first = false;
  }
  return false;
}

// Statements are run by this; a server that is gone is started again.
class Player {
 public:
  explicit Player(SourceKind kind)
      : server_(StartSource(kind, {.args = {"--lock-wait-timeout=2", "--innodb-lock-wait-timeout=2",
                                            "--max-binlog-size=1G", "--innodb-file-per-table=1"}})),
        context_(ContextFor(kind)) {
    Connect();
    sql_->TryExec("SET GLOBAL log_bin_trust_function_creators=1");
    shadow_ = std::make_unique<DdlShadow>(server_.get());
  }

  void Play(const fs::path& file) {
    const std::string name = file.filename();
    Clean(name);
    for (const std::string& statement : SplitMtr(ReadFile(file))) {
      if (IsForAServer(statement, context_)) continue;
      ++ran_;
      unsigned error = sql_->TryExec(statement);
      if (error == kInsideCreateSelect) {
        sql_->TryExec("COMMIT");
        error = sql_->TryExec(statement);
      }
      if (error != 0) ++failed_;
      if (error == kGone || error == kLost) {
        Recover(name + ": " + statement.substr(0, 300));
        return;
      }
      shadow_->Follow(name);
    }
    shadow_->CompareAll(name);
  }

  void Report(size_t files) const {
    const auto& c = shadow_->counts();
    std::cout << fmt::format(
        "{} files: ran {}, refused by the server {}, logged {}, changes {}, compared {}, not "
        "understood {}, different {}, server started again {}\n",
        files, ran_, failed_, c.statements, c.changes, c.compared, c.not_understood, c.different,
        restarts_);
    for (const auto& [reason, n] : c.stops) std::cout << "  " << n << "  " << reason << "\n";
    for (const auto& [reason, n] : c.benign) std::cout << "  " << n << "  " << reason << "\n";
  }

 private:
  static constexpr unsigned kInsideCreateSelect = 3977;
  static constexpr unsigned kReadTimeoutS = 20;

  void Connect() {
    MysqlAddress address = server_->Address();
    address.read_timeout_s = kReadTimeoutS;
    sql_ = std::make_unique<Mysql>(address);
    if (server_->is_mariadb()) sql_->TryExec("SET max_statement_time=5");
  }

  // A fresh session in an empty database `test`; nothing left of the file before.
  void Clean(const std::string& name) {
    Connect();
    sql_->TryExec("SET foreign_key_checks=0");
    for (int again = 0; again < 3; ++again) {
      const Rows databases = sql_->Query(
          "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ('mysql', "
          "'sys', 'information_schema', 'performance_schema')");
      if (databases.empty()) break;
      for (const Row& row : databases) sql_->TryExec("DROP DATABASE " + MysqlName(*row[0]));
    }
    sql_->TryExec("SET foreign_key_checks=1");
    sql_->TryExec("CREATE DATABASE test");
    sql_->TryExec("USE test");
    shadow_->Follow("before " + name);
  }

  void Recover(const std::string& where) {
    std::cout << "connection lost: " << where << "\n";
    if (server_->Running()) {
      try {
        Mysql other = server_->Connect();
        other.TryExec(fmt::format("KILL {}", sql_->thread_id()));
        Connect();
        shadow_->Reconnect();
        return;
      } catch (const std::exception&) {
      }
    }
    ++restarts_;
    server_->Kill9();
    server_->Start();
    Connect();
    sql_->TryExec("SET GLOBAL log_bin_trust_function_creators=1");
    shadow_->Reconnect();
  }

  std::unique_ptr<SourceServer> server_;
  const ddl::SessionContext context_;
  std::unique_ptr<Mysql> sql_;
  std::unique_ptr<DdlShadow> shadow_;
  int ran_ = 0, failed_ = 0, restarts_ = 0;
};

// Neighbours are alike: the order is mixed, always in the same way.
std::vector<fs::path> Mixed(std::vector<fs::path> files) {
  std::sort(files.begin(), files.end(), [](const fs::path& a, const fs::path& b) {
    const auto key = [](const fs::path& p) { return std::hash<std::string>()(p.string()); };
    return std::pair(key(a), a) < std::pair(key(b), b);
  });
  return files;
}

size_t First() { return std::stoul(Setting("CHAMELEON_SUITE_SHARD", "0/1")); }
size_t Step() {
  const std::string shard = Setting("CHAMELEON_SUITE_SHARD", "0/1");
  return std::stoul(shard.substr(shard.find('/') + 1));
}

TEST_P(ServerSuites, DefinitionsAreTheServers) {
  const auto files = Mixed(SuiteFiles(GetParam()));
  SKIP_WITHOUT_SUITE(files);
  const auto until =
      Clock::now() + std::chrono::seconds(std::stoi(Setting("CHAMELEON_SUITE_SECONDS", "600")));
  auto player = std::make_unique<Player>(GetParam());
  size_t played = 0, since = 0;
  for (size_t i = First(); i < files.size() && Clock::now() < until; i += Step()) {
    if (std::getenv("CHAMELEON_SHOW_FILES")) std::cout << files[i].string() << std::endl;
    try {
      player->Play(files[i]);
    } catch (const std::exception& error) {
      // Some files leave a server that nobody can use.
      std::cout << files[i] << ": a new server: " << error.what() << "\n";
      player->Report(std::exchange(since, 0));
      player = std::make_unique<Player>(GetParam());
    }
    ++played, ++since;
  }
  std::cout << played << " of " << files.size() << " files were played\n";
  player->Report(since);
}

// The statements with their rows through a running replica; before tables are dropped, and at the
// end of a file, everything must be equal.
TEST_P(ServerSuites, TablesAreEqualLive) {
  const auto files = Mixed(SuiteFiles(GetParam()));
  SKIP_WITHOUT_SUITE(files);
  constexpr int kStatementsBetween = 15;
  const auto context = ContextFor(GetParam());
  const auto until =
      Clock::now() + std::chrono::seconds(std::stoi(Setting("CHAMELEON_SUITE_SECONDS", "600")));
  LivePlayer player(GetParam());
  player.GiveKeys();
  player.Begin({"test"});
  size_t played = 0;
  for (size_t i = First(); i < files.size() && Clock::now() < until; i += Step()) {
    const auto statements = SplitMtr(ReadFile(files[i]));
    const bool makes = std::any_of(statements.begin(), statements.end(), [&](const auto& s) {
      return std::holds_alternative<ddl::CreateTable>(ddl::Parse(s, context));
    });
    if (!makes) continue;
    const std::string name = files[i].filename();
    if (std::getenv("CHAMELEON_SHOW_FILES")) std::cout << files[i].string() << std::endl;
    ++played;
    auto session = player.Session("test");
    player.Run(session.get(), "SET foreign_key_checks=0");
    player.Run(session.get(), "DROP DATABASE test");
    session = player.Session("test");
    int since = 0;
    for (const std::string& statement : statements) {
      if (IsForAServer(statement, context, /*with_rows=*/true)) continue;
      const auto parsed = ddl::Parse(statement, context);
      const bool drops = std::holds_alternative<ddl::DropTable>(parsed) ||
                         std::holds_alternative<ddl::DropDatabase>(parsed);
      if (drops && since >= kStatementsBetween) {
        player.Run(session.get(), "COMMIT");
        player.Settle(name + " before " + statement.substr(0, 100));
        since = 0;
      }
      const unsigned error = player.Run(session.get(), statement);
      if (error == kGone || error == kLost) session = player.Session("test");
      ++since;
    }
    player.Run(session.get(), "COMMIT");
    player.Settle(name);
    if (HasFatalFailure()) break;
  }
  std::cout << played << " files were played\n";
  player.Report(Name(GetParam()));
}

ON_BOTH_SERVERS(ServerSuites)
ON_MARIADB11(ServerSuites);

}  // namespace
}  // namespace chameleon::test
