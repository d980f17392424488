// Schemas and upgrade scripts of real applications, as Debian packages them: through a running
// replica with rows in every table, as a backlog, and beside information_schema.
//
//   CHAMELEON_APPLICATIONS=a,b   only these
#include "tests/integration/applications.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <iostream>

#include "tests/integration/ddl_shadow.h"
#include "tests/integration/live_player.h"
#include "tests/integration/row_maker.h"
#include "tests/support/both_servers.h"
#include "worker/ddl/parser.h"

namespace chameleon::test {
namespace {

constexpr int kRowsAtFirst = 4;
// Of one replica: each comparison is of all their tables.
constexpr size_t kApplicationsTogether = 5;
// More than the attempts that MakeRoom may need for one statement.
constexpr int kAttempts = 16;
// So that a table of today's is met by years of changes: names are found in any case.
constexpr char kSession[] =
    "SET sql_mode='', foreign_key_checks=0, lock_wait_timeout=20, innodb_lock_wait_timeout=20";

ddl::SessionContext ContextFor(SourceKind kind) {
  ddl::SessionContext context;
  const bool mysql = kind == SourceKind::kMysql;
  context.server = mysql ? ddl::ServerKind::kMysql : ddl::ServerKind::kMariadb;
  context.server_version = mysql ? 90704 : kind == SourceKind::kMariadb ? 101119 : 110806;
  return context;
}

// About databases, users and the server: not an application's own tables.
bool IsLeftOut(const std::string& statement, const ddl::SessionContext& context) {
  const std::string name = ddl::Describe(ddl::Parse(statement, context));
  for (const char* start :
       {"benign: user", "benign: grant", "benign: flush", "benign: use", "benign: lock",
        "benign: shutdown", "benign: kill", "benign: reset", "benign: plugin", "benign: role",
        "benign: purge", "CREATE DATABASE", "DROP DATABASE", "ALTER DATABASE"}) {
    if (name.starts_with(start)) return true;
  }
  return statement.find("lobal ") != std::string::npos &&
         statement.find("SET ") != std::string::npos;
}

class ApplicationsTest : public BothServers {
 protected:
  void SetUp() override {
    BothServers::SetUp();
    if (IsSkipped()) return;
    applications_ = Applications();
    if (applications_.empty()) {
      GTEST_SKIP() << "no applications here: tests/support/fetch_applications.sh";
    }
    context_ = ContextFor(GetParam());
  }

  // Runs one statement, making room for it where it is refused; `after` follows each that ran.
  template <typename RunOne, typename After>
  void Take(Mysql* session, const std::string& statement, RunOne run, After after) {
    if (IsLeftOut(statement, context_)) return;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const unsigned error = run(statement);
      if (error == 0) ++taken_;
      if (std::getenv("CHAMELEON_SHOW_STATEMENTS")) {
        std::cout << error << " " << statement.substr(0, 300) << "\n";
      }
      after();
      if (error == 0 || !MakeRoom(session, statement, error)) break;
      ++made_room_;
    }
  }

  size_t Rounds() const {
    size_t rounds = 0;
    for (const auto& application : applications_) {
      rounds = std::max(rounds, application.steps.size());
    }
    return rounds;
  }

  std::set<std::string> Databases() const {
    std::set<std::string> names;
    for (const auto& application : applications_) names.insert(application.name);
    return names;
  }

  std::vector<Application> applications_;
  ddl::SessionContext context_;
  int taken_ = 0, made_room_ = 0;
};

class ApplicationsLive : public ApplicationsTest {
 protected:
  // A replica of some of the applications, then of the next.
  template <typename Body>
  void ForEachGroup(Body body) {
    std::vector<Application> all;
    all.swap(applications_);
    for (size_t at = 0; at < all.size(); at += kApplicationsTogether) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(at);
      const auto n = std::min(kApplicationsTogether, all.size() - at);
      applications_.assign(begin, begin + static_cast<std::ptrdiff_t>(n));
      taken_ = made_room_ = rows_ran_ = rows_refused_ = 0;
      Begin();
      body();
      player_.reset();
      if (HasFatalFailure()) return;
    }
  }

  void Begin() {
    player_ = std::make_unique<LivePlayer>(GetParam());
    for (const auto& application : applications_) {
      auto session = player_->Session(application.name);
      session->Exec(kSession);
      for (const auto& statement : application.schema) TakeStep(session.get(), statement);
      RowMaker rows(session.get(), std::hash<std::string>()(application.name));
      rows.Fill(application.name, kRowsAtFirst);
    }
    player_->Begin(Databases());
  }

  void TakeStep(Mysql* session, const std::string& statement) {
    Take(
        session, statement, [&](const std::string& sql) { return player_->Run(session, sql); },
        [] {});
  }

  // Step `round` of every application, with changes of rows before, between and after.
  void PlayRound(size_t round) {
    for (const auto& application : applications_) {
      if (round >= application.steps.size()) continue;
      auto session = player_->Session(application.name);
      session->Exec(kSession);
      RowMaker rows(session.get(), round * 1000 + std::hash<std::string>()(application.name));
      std::set<std::string> tables;
      const auto& statements = application.steps[round].statements;
      for (const auto& statement : statements) {
        for (const auto& table : TablesOf(statement)) tables.insert(table);
      }
      rows.Change(application.name, tables);
      for (size_t i = 0; i < statements.size(); ++i) {
        TakeStep(session.get(), statements[i]);
        if (i % 12 == 5) rows.Change(application.name, tables);
      }
      rows.Change(application.name, tables);
      rows_ran_ += rows.ran();
      rows_refused_ += rows.refused();
    }
  }

  void Report(const std::string& what) const {
    player_->Report(what);
    std::string names;
    for (const auto& application : applications_) names += application.name + " ";
    std::cout << fmt::format(
        "{}: statements that ran {}, room was made {} times; statements of rows {}, "
        "refused {}\n",
        names, taken_, made_room_, rows_ran_, rows_refused_);
  }

  std::unique_ptr<LivePlayer> player_;
  int rows_ran_ = 0, rows_refused_ = 0;
};

// Followed as they come; the worker is killed now and then.
TEST_P(ApplicationsLive, UpgradesAreFollowed) {
  ForEachGroup([this] {
    const size_t rounds = Rounds();
    for (size_t round = 0; round < rounds; ++round) {
      PlayRound(round);
      if (round % 4 == 1) player_->KillWorker();
      if (round % 8 == 7 || round + 1 == rounds) player_->Settle(fmt::format("round {}", round));
    }
    Report(fmt::format("live, {}", Name(GetParam())));
  });
}

// All of them happen while nobody looks; each row is read with the columns of its time.
TEST_P(ApplicationsLive, UpgradesAreABacklog) {
  ForEachGroup([this] {
    player_->Stop();
    for (size_t round = 0; round < Rounds(); ++round) PlayRound(round);
    player_->Start();
    player_->KillWorker();
    player_->Settle("the backlog");
    Report(fmt::format("backlog, {}", Name(GetParam())));
  });
}

// What a statement made of the definitions is what information_schema says.
TEST_P(ApplicationsTest, DefinitionsAreTheServers) {
  const auto server = StartSource(GetParam());
  Mysql sql = server->Connect();
  sql.TryExec("SET GLOBAL log_bin_trust_function_creators=1");
  sql.Exec(kSession);
  DdlShadow shadow(server.get());
  for (const auto& application : applications_) {
    sql.Exec("CREATE DATABASE " + MysqlName(application.name));
    sql.Exec("USE " + MysqlName(application.name));
    const auto take = [&](const std::string& statement, const std::string& where) {
      Take(
          &sql, statement, [&](const std::string& text) { return sql.TryExec(text); },
          [&] { shadow.Follow(where); });
    };
    for (const auto& statement : application.schema) take(statement, application.name);
    for (const auto& step : application.steps) {
      for (const auto& statement : step.statements) {
        take(statement, application.name + " " + step.name);
      }
    }
    shadow.CompareAll(application.name);
  }
  const auto& c = shadow.counts();
  std::cout << fmt::format(
      "{} applications, {}: statements that ran {}, room was made {} times, logged {}, changes {}, "
      "compared {}, not understood {}, different {}\n",
      applications_.size(), Name(GetParam()), taken_, made_room_, c.statements, c.changes,
      c.compared, c.not_understood, c.different);
  for (const auto& [reason, n] : c.stops) std::cout << "  " << n << "  " << reason << "\n";
}

// Each statement by what becomes of it; no crash.
TEST_P(ApplicationsTest, EveryStatementIsRead) {
  std::map<std::string, int> counts;
  int statements = 0, refused = 0;
  const auto read = [&](const std::string& where, const std::string& statement) {
    ++statements;
    const ddl::Statement parsed = ddl::Parse(statement, context_);
    if (const auto* unparsed = std::get_if<ddl::Unparsed>(&parsed)) {
      ++refused;
      std::cout << where << ": " << unparsed->reason << ": " << statement.substr(0, 200) << "\n";
    } else {
      ++counts[ddl::Describe(parsed).substr(0, ddl::Describe(parsed).find(' '))];
    }
  };
  for (const auto& application : applications_) {
    for (const auto& statement : application.schema) read(application.name, statement);
    for (const auto& step : application.steps) {
      for (const auto& statement : step.statements) {
        read(application.name + " " + step.name, statement);
      }
    }
  }
  std::cout << fmt::format("{} applications: {} statements, not understood {}\n",
                           applications_.size(), statements, refused);
  for (const auto& [name, n] : counts) std::cout << "  " << n << "  " << name << "\n";
  EXPECT_GT(statements, 0);
}

ON_BOTH_SERVERS(ApplicationsLive)
ON_MARIADB11(ApplicationsLive);
ON_BOTH_SERVERS(ApplicationsTest)
ON_MARIADB11(ApplicationsTest);

}  // namespace
}  // namespace chameleon::test
