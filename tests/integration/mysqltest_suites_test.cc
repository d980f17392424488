// The servers' own test suites, played by mysqltest against a source with a running replica: at
// DROPs, where tables are as full as they get, and after each file everything must be equal.
//
//   CHAMELEON_SUITE_FILES=substring   only files whose path has it
//   CHAMELEON_SUITE_LIST=file         these files, in this order; a path in the suite per line
//   CHAMELEON_SUITE_SECONDS=600       time in all, per server
//   CHAMELEON_SUITE_SHARD=i/n         every n-th file, from the i-th on
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <thread>

#include "tests/integration/live_player.h"
#include "tests/integration/mysqltest_player.h"
#include "tests/support/both_servers.h"

namespace chameleon::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kFileLimit{20};
constexpr int kGlancesMax = 20;          // per file
constexpr uint64_t kBytesBetween = 600;  // of the binary log

std::string Setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

// Databases that the suites make, and that are replicated.
const std::set<std::string>& Schemas() {
  static const std::set<std::string> kSchemas = {
      "test",        "db1",           "db2",           "d1",
      "d2",          "mysqltest",     "mysqltest1",    "mysqltest2",
      "mysqltest_1", "mysqltest_db1", "mysqltest_db2", "testdb",
      "test1",       "test2",         "priv_db",       "s1",
      "db_datadict", "events_test",   "gis_ogs",       "mysqldump_test_db",
      "foo",         "world"};
  return kSchemas;
}

// What a test leaves behind on the server goes with it: sessions, prepared transactions, settings,
// databases, accounts.
class Housekeeper {
 public:
  explicit Housekeeper(SourceServer* server) : server_(server) {
    Mysql sql = server_->Connect();
    settings_ = sql.Query("SHOW GLOBAL VARIABLES");
    users_ = Users(&sql);
  }

  // Before everything is compared at the end of a file.
  void EndSessions() {
    if (!server_->Running()) {
      std::cout << "the server is started again: " << Tail(server_->log_path(), 3) << "\n";
      server_->Start();
    }
    Mysql sql = server_->Connect();
    for (const Row& row : sql.Query("SHOW PROCESSLIST")) {
      const std::string user = row[1].value_or("");
      if (user == "repl" || user == "system user" || user == "event_scheduler") continue;
      if (*row[0] != std::to_string(sql.thread_id())) sql.TryExec("KILL " + *row[0]);
    }
    // A source that follows another one is refused.
    for (const char* name : {"SLAVE", "REPLICA"}) {
      sql.TryExec(std::string("STOP ") + name);
      sql.TryExec(std::string("RESET ") + name + " ALL");
    }
    Restore(&sql);
    RollBackPrepared(&sql);
  }

  void Clean() {
    try {
      RemoveEverything();
    } catch (const MysqlError& error) {
      std::cout << "the server is started again: " << error.what() << std::endl;
      server_->Kill9();
      server_->Start();
      EndSessions();
      RemoveEverything();
    }
  }

 private:
  void RemoveEverything() {
    Mysql sql = server_->Connect();
    sql.TryExec("SET foreign_key_checks=0");
    // Killed sessions may hold their locks a little longer.
    for (int again = 0; again < 10; ++again) {
      const Rows databases = sql.Query(
          "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN "
          "('mysql', 'sys', 'information_schema', 'performance_schema', '00_marker')");
      if (databases.empty()) break;
      for (const Row& row : databases) {
        // Files that a test left in its directory.
        if (sql.TryExec("DROP DATABASE " + MysqlName(*row[0])) != 0 && again > 5) {
          std::filesystem::remove_all(server_->directory() / "data" / *row[0]);
        }
      }
      if (again > 0) std::this_thread::sleep_for(Millis(200));
    }
    for (const std::string& user : Users(&sql)) {
      if (!users_.contains(user)) sql.TryExec("DROP USER " + user);
    }
    sql.TryExec("FLUSH PRIVILEGES");
    // MySQL may leave its directory after files that a test has put there.
    std::filesystem::remove_all(server_->directory() / "data" / "test");
    sql.Exec("CREATE DATABASE IF NOT EXISTS test");
  }

  static std::set<std::string> Users(Mysql* sql) {
    std::set<std::string> users;
    for (const Row& row : sql->Query("SELECT user, host FROM mysql.user")) {
      users.insert(MysqlName(row[0].value_or("")) + "@" + MysqlName(row[1].value_or("")));
    }
    return users;
  }

  void Restore(Mysql* sql) {
    std::map<std::string, Value> now;
    for (Row& row : sql->Query("SHOW GLOBAL VARIABLES")) now[*row[0]] = row[1];
    for (const Row& row : settings_) {
      const auto it = now.find(*row[0]);
      if (it == now.end() || it->second == row[1] || it->first.starts_with("gtid")) continue;
      const std::string set = "SET GLOBAL `" + *row[0] + "` = ";
      const std::string value = row[1].value_or("");
      if (sql->TryExec(set + "'" + value + "'") != 0) sql->TryExec(set + value);
    }
  }

  void RollBackPrepared(Mysql* sql) {
    for (int again = 0; again < 20; ++again) {  // their sessions may still be ending
      const Rows prepared =
          sql->Query(server_->is_mariadb() ? "XA RECOVER FORMAT='SQL'" : "XA RECOVER CONVERT XID");
      if (prepared.empty()) return;
      for (const Row& row : prepared) {
        std::string name = *row[3];
        if (!server_->is_mariadb()) {
          const size_t end = 2 + std::stoul(*row[1]) * 2;  // 0x…, two digits for a byte
          const std::string bqual = end < name.size() ? "0x" + name.substr(end) : "''";
          name = name.substr(0, end) + "," + bqual + "," + *row[0];
        }
        sql->TryExec("XA ROLLBACK " + name);
      }
      std::this_thread::sleep_for(Millis(100));
    }
  }

  SourceServer* server_;
  Rows settings_;
  std::set<std::string> users_;
};

uint64_t LogSize(SourceServer* server) {
  uint64_t bytes = 0;
  try {
    for (const Row& row : server->Connect().Query("SHOW BINARY LOGS"))
      bytes += std::stoull(*row[1]);
  } catch (const MysqlError&) {
  }
  return bytes;
}

std::vector<std::string> Chosen(const MysqltestPlayer& mysqltest) {
  std::vector<std::string> files;
  const std::string list = Setting("CHAMELEON_SUITE_LIST", "");
  if (!list.empty()) {
    std::ifstream in(list);
    for (std::string line; std::getline(in, line);) files.push_back(line);
    return files;
  }
  files = mysqltest.Files(Setting("CHAMELEON_SUITE_FILES", ""));
  // Neighbours are alike: the order is mixed, always in the same way.
  std::stable_sort(files.begin(), files.end(), [](const auto& a, const auto& b) {
    return std::hash<std::string>()(a) < std::hash<std::string>()(b);
  });
  const std::string shard = Setting("CHAMELEON_SUITE_SHARD", "0/1");
  const size_t step = std::stoul(shard.substr(shard.find('/') + 1));
  std::vector<std::string> ours;
  for (size_t i = std::stoul(shard); i < files.size(); i += step) ours.push_back(files[i]);
  return ours;
}

SourceOptions LikeTheSuites(SourceKind kind) {
  SourceOptions options{.args = {"--lock-wait-timeout=4", "--innodb-lock-wait-timeout=3",
                                 "--local-infile=1", "--event-scheduler=OFF"}};
  if (kind != SourceKind::kMysql) options.args.push_back("--character-set-server=latin1");
  return options;
}

class MysqltestSuites : public BothServers {};

TEST_P(MysqltestSuites, TablesAreEqualLive) {
  if (!MysqltestPlayer::Available(GetParam())) {
    GTEST_SKIP() << "the suite is not here: tests/support/fetch_suites.sh";
  }
  const auto until =
      Clock::now() + std::chrono::seconds(std::stoi(Setting("CHAMELEON_SUITE_SECONDS", "600")));
  LivePlayer player(GetParam(), LikeTheSuites(GetParam()));
  player.GiveKeys();
  player.Begin(Schemas());
  Housekeeper housekeeper(&player.server());
  const SourceKind kind = GetParam();
  MysqltestPlayer mysqltest(
      &player.server(), kind == SourceKind::kMysql
                            ? std::function<std::string(const std::string&)>()
                            : [kind](const auto& s) { return LivePlayer::KeyFor(s, kind); });
  std::map<MysqltestPlayer::Outcome, int> outcomes;
  for (const std::string& file : Chosen(mysqltest)) {
    if (Clock::now() > until) break;
    const auto began = Clock::now();
    housekeeper.Clean();
    uint64_t last = LogSize(&player.server());
    int glances = 0;
    const int compared = player.counts().tables;
    const auto result = mysqltest.Play(file, kFileLimit, [&] {
      const uint64_t now = LogSize(&player.server());
      if (now < last + kBytesBetween * (1 + glances / 5) || glances >= kGlancesMax) return;
      player.Glance(fmt::format("{}, hook {}", file, ++glances));
      last = LogSize(&player.server());
    });
    ++outcomes[result.outcome];
    housekeeper.EndSessions();
    player.Settle(file);
    static const char* const kOutcomes[] = {"played", "cut short", "ended early", "skipped"};
    std::cout << fmt::format(
                     "{}: {} in {} s, {} hooks, {} tables compared{}", file,
                     kOutcomes[static_cast<int>(result.outcome)],
                     std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - began).count(),
                     result.hooks, player.counts().tables - compared,
                     result.message.empty() ? "" : ": " + result.message)
              << std::endl;
    if (HasFatalFailure()) break;
  }
  std::cout << fmt::format("files played {}, cut short {}, ended early {}, skipped {}\n",
                           outcomes[MysqltestPlayer::Outcome::kPlayed],
                           outcomes[MysqltestPlayer::Outcome::kCutShort],
                           outcomes[MysqltestPlayer::Outcome::kEndedEarly],
                           outcomes[MysqltestPlayer::Outcome::kSkipped]);
  player.Report(Name(GetParam()));
}

ON_BOTH_SERVERS(MysqltestSuites)
ON_MARIADB11(MysqltestSuites);

}  // namespace
}  // namespace chameleon::test
