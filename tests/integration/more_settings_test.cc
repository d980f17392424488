// Settings of the manual about connections, the copy, files and messages, each shown by what it
// does. Their siblings of the stream and of the target are in settings_test.cc.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "tests/support/both_servers.h"
#include "tests/support/http_server.h"
#include "tests/support/replica.h"
#include "tests/support/tls_files.h"

namespace chameleon::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class MoreSettingsTest : public BothServers {
 protected:
  void Prepare(std::map<std::string, std::string> settings = {},
               std::map<std::string, std::string> connection = {},
               std::vector<std::string> server = {}, PostgresOptions postgres = {}) {
    postgres_ = std::make_unique<PostgresServer>(std::move(postgres));
    postgres_->Start();
    replica_ = std::make_unique<Replica>(postgres_.get());
    source_ = StartSource(GetParam(), {std::move(server)});
    source_->LoadText(
        "CREATE DATABASE d; USE d;"
        "CREATE TABLE w_marker (id INT PRIMARY KEY, n BIGINT); INSERT INTO w_marker VALUES (1, 0);"
        "CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(200), t TEXT CHARACTER SET"
        " latin1);"
        "INSERT INTO a (v, t) VALUES ('one', 'ä'), ('two', 'ß'), ('three', NULL);"
        "CREATE TABLE b (id INT PRIMARY KEY, v INT); INSERT INTO b VALUES (1, 1), (2, 2);"
        "CREATE TABLE c (id INT PRIMARY KEY, v INT); INSERT INTO c VALUES (1, 1);");
    replica_->AddSource({.name = "d",
                         .server = source_.get(),
                         .schema_mappings = {{"d", "d"}},
                         .settings = std::move(settings),
                         .connection = std::move(connection)});
  }
  static bool IsMariadb() { return GetParam() == SourceKind::kMariadb; }
  // Where the binary log ends now.
  static std::pair<std::string, std::string> Begin(SourceServer& server) {
    const Row row =
        server.Connect().Query(IsMariadb() ? "SHOW MASTER STATUS" : "SHOW BINARY LOG STATUS")[0];
    return {*row[0], *row[1]};
  }
  void Source(const std::string& sql) { source_->LoadText(sql, "d"); }
  std::string Target(const std::string& sql) { return Pg(replica_->target()).One(sql); }
  std::string Tables() {
    return Target(
        "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE"
        " relnamespace = 'd'::regnamespace AND relkind = 'r'");
  }
  static bool WaitFor(const std::function<bool()>& done, int seconds = 60) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(Millis(50));
    }
    return true;
  }
  // The coordinator's log file of today.
  std::string Journal() const {
    for (const auto& entry : fs::directory_iterator(replica_->home() / "journal")) {
      if (entry.path().filename().string().starts_with("chameleon_")) {
        return "there: " + ReadFile(entry.path());
      }
    }
    return "";
  }
  void StopCoordinator() {
    for (pid_t pid : replica_->Pids("chameleon-coordinator")) kill(pid, SIGTERM);
    EXPECT_TRUE(WaitFor([&] { return replica_->Pids("chameleon-coordinator").empty(); }));
  }

  std::unique_ptr<PostgresServer> postgres_;
  std::unique_ptr<SourceServer> source_;
  std::unique_ptr<Replica> replica_;  // ends before the servers
};

// ---- connections ----

// A source that admits only TLS with a certificate, copied and followed.
TEST_P(MoreSettingsTest, DbConnTls) {
  TlsFiles tls;
  tls.Certificate("server");
  tls.Certificate("client");
  Prepare({},
          {{"user", "x509"},
           {"password", "x509"},
           {"ssl_mode", "verify_ca"},
           {"ssl_ca", tls.Pem("ca")},
           {"ssl_cert", tls.Pem("client")},
           {"ssl_key", tls.Key("client")}},
          {"--ssl-ca=" + tls.Pem("ca"), "--ssl-cert=" + tls.Pem("server"),
           "--ssl-key=" + tls.Key("server")});
  source_->LoadText(
      "CREATE USER x509@'%' IDENTIFIED BY 'x509' REQUIRE X509;"
      "GRANT ALL ON *.* TO x509@'%';");
  replica_->Setup();
  replica_->Init("d");
  replica_->Start("d");
  Source("INSERT INTO b VALUES (3, 3)");
  EXPECT_EQ(replica_->Differences("d"), "");
  replica_->Stop("d");
  replica_->SetConnection("d", "ssl_ca", tls.Authority("other"));
  const RunResult refused = replica_->Ctl({"init_replica", "--source", "d"});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("certificate"));
  EXPECT_THAT(refused.err, HasSubstr("HINT: Check ssl_mode"));
}

TEST_P(MoreSettingsTest, PgConnTls) {
  TlsFiles tls;
  tls.Certificate("server");
  // The server runs as postgres when the test is root.
  if (const passwd* user = getpwnam("postgres"); geteuid() == 0 && user != nullptr) {
    ASSERT_EQ(chown(tls.Key("server").c_str(), user->pw_uid, user->pw_gid), 0);
  }
  fs::permissions(tls.Key("server"), fs::perms(0600));
  Prepare({}, {}, {},
          {{"ssl=on", "ssl_cert_file=" + tls.Pem("server"), "ssl_key_file=" + tls.Key("server")}});
  replica_->SetTarget("sslmode", "verify-full");
  replica_->SetTarget("sslrootcert", tls.Authority("other"));
  replica_->MustCtl({"set_configuration_files"});
  replica_->WriteConfiguration();
  const RunResult refused = replica_->Ctl({"create_replica_schema"});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, HasSubstr("certificate verify failed"));
  replica_->SetTarget("sslrootcert", tls.Pem("ca"));
  replica_->Setup();
  replica_->Init("d");
  replica_->Start("d");
  EXPECT_EQ(replica_->Differences("d"), "");
  EXPECT_EQ(Target("SELECT bool_and(s.ssl) AND count(*) > 1 FROM pg_stat_ssl s JOIN"
                   " pg_stat_activity a USING (pid) WHERE a.application_name LIKE 'chameleon%'"),
            "t");
}

// Accepted as the manual has them; neither can bend a value.
TEST_P(MoreSettingsTest, CharsetsOfConnections) {
  Prepare({}, {{"charset", "latin1"}});
  replica_->SetTarget("charset", "LATIN1");
  replica_->Setup();
  replica_->Init("d");
  replica_->Start("d");
  Source("INSERT INTO a (v, t) VALUES ('€ 𝄞', 'ÿ')");
  EXPECT_EQ(replica_->Differences("d"), "");
  EXPECT_EQ(Target("SELECT v || t FROM d.a WHERE id = 4"), "€ 𝄞ÿ");
}

// ---- what is copied and how ----

TEST_P(MoreSettingsTest, LimitAndSkipTables) {
  Prepare({{"limit_tables", "[d.a, d.b, d.w_marker]"}, {"skip_tables", "[d.b]"}});
  replica_->Setup();
  replica_->Init("d");
  replica_->Start("d");
  EXPECT_EQ(Tables(), "a w_marker");
  Source(
      "INSERT INTO a (v) VALUES ('four'); INSERT INTO b VALUES (9, 9); INSERT INTO c VALUES (9, 9);"
      "CREATE TABLE e (id INT PRIMARY KEY); INSERT INTO e VALUES (1)");
  replica_->WaitCaughtUp("d", std::chrono::seconds(60));
  EXPECT_EQ(Target("SELECT count(*) FROM d.a"), "4");
  EXPECT_EQ(Tables(), "a w_marker");
  EXPECT_THAT(replica_->MustCtl({"show_status", "--source", "d"}),
              HasSubstr("2 replicated, 0 not replicated, 0 disabled"));
}

TEST_P(MoreSettingsTest, CopyModeFileNeedsOutDirAndLeavesNothingThere) {
  Prepare({{"copy_mode", "'file'"}, {"out_dir", "/nonexistent/out"}});
  replica_->Setup();
  const RunResult refused = replica_->Ctl({"init_replica", "--source", "d"});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, HasSubstr("/nonexistent/out"));
  const fs::path out = replica_->home() / "out";
  replica_->SetSetting("d", "out_dir", out.string());
  replica_->Init("d");
  EXPECT_TRUE(fs::is_empty(out));
  // The same directory is no matter of a direct copy.
  replica_->SetSetting("d", "out_dir", "/nonexistent/out");
  replica_->SetSetting("d", "copy_mode", "'direct'");
  replica_->Init("d");
  replica_->Start("d");
  EXPECT_EQ(replica_->Differences("d"), "");
}

// The smallest amount still copies rows, in more pieces; k, M and G are read.
TEST_P(MoreSettingsTest, CopyMaxMemory) {
  Prepare({{"copy_max_memory", "64k"}});
  Source(
      "INSERT INTO a (v, t) SELECT REPEAT('x', 190), REPEAT('y', 500) FROM information_schema."
      "collations c1 LIMIT 250; INSERT INTO a (v, t) SELECT x.v, x.t FROM a x JOIN a y ON y.id < "
      "20");
  replica_->Setup();
  for (const char* memory : {"64k", "1M", "1G"}) {
    replica_->SetSetting("d", "copy_max_memory", memory);
    replica_->Init("d");
    EXPECT_EQ(CompareSchemas(source_->Address(), "d", replica_->target(), "d").differences, "")
        << memory;
  }
  replica_->SetSetting("d", "copy_max_memory", "1k");
  const RunResult small = replica_->Ctl({"init_replica", "--source", "d"});
  EXPECT_EQ(small.exit_code, 1);
  EXPECT_THAT(small.err, HasSubstr("\"1k\" is not an amount of memory from 64k"));
}

// A transaction larger than a batch comes in parts of that size and is seen at once.
TEST_P(MoreSettingsTest, ReplicaBatchSize) {
  Prepare({{"replica_batch_size", "10"}, {"replay_max_rows", "10"}});
  replica_->Setup();
  replica_->Init("d");
  replica_->Start("d");
  replica_->WaitCaughtUp("d", std::chrono::seconds(60));
  std::string rows = "INSERT INTO c VALUES (100, 0)";
  for (int i = 101; i < 200; ++i) rows += fmt::format(", ({}, 0)", i);
  Source(rows);
  EXPECT_EQ(replica_->Differences("d"), "");
  EXPECT_EQ(Target("SELECT max(i_rows) <= 10 AND count(*) FILTER (WHERE b_more) >= 9 FROM"
                   " sch_chameleon.t_replica_batch"),
            "t");
}

TEST_P(MoreSettingsTest, SkipEventsOfASchema) {
  Prepare({{"skip_events", "{delete: [d], insert: , update: }"}});
  replica_->Setup();
  replica_->Init("d");
  replica_->Start("d");
  Source("DELETE FROM b; DELETE FROM c; INSERT INTO c VALUES (7, 7); UPDATE a SET v = 'x'");
  replica_->WaitCaughtUp("d", std::chrono::seconds(60));
  EXPECT_EQ(Target("SELECT (SELECT count(*) FROM d.b) || ' ' || (SELECT count(*) FROM d.c) || ' '"
                   " || (SELECT count(*) FROM d.a WHERE v = 'x')"),
            "2 2 3");
}

// The source is itself a replica, of a server that chameleon knows nothing of.
TEST_P(MoreSettingsTest, CascadingReplica) {
  Prepare({}, {},
          {"--server-id=7", IsMariadb() ? "--log-slave-updates=ON" : "--log-replica-updates=ON"});
  auto primary = StartSource(GetParam());
  primary->LoadText("CREATE DATABASE d");
  const std::string where = fmt::format(
      "{0}_HOST='127.0.0.1', {0}_PORT={1}, {0}_USER='repl', {0}_PASSWORD='repl', "
      "{0}_LOG_FILE='{2}',"
      " {0}_LOG_POS={3}",
      IsMariadb() ? "MASTER" : "SOURCE", primary->port(), Begin(*primary).first,
      Begin(*primary).second);
  source_->LoadText(IsMariadb() ? "CHANGE MASTER TO " + where + "; START SLAVE"
                                : "CHANGE REPLICATION SOURCE TO " + where +
                                      ", GET_SOURCE_PUBLIC_KEY=1; START REPLICA");
  replica_->Setup();
  replica_->Init("d");
  replica_->Start("d");
  // The primary has other tables; these come through both logs.
  primary->LoadText(
      "USE d; CREATE TABLE far (id INT PRIMARY KEY, v VARCHAR(20));"
      "INSERT INTO far VALUES (1, 'one'), (2, 'two'); UPDATE far SET v = 'zwei' WHERE id = 2;"
      "ALTER TABLE far ADD w INT DEFAULT 5; INSERT INTO far (id, v) VALUES (3, 'three')");
  EXPECT_TRUE(WaitFor([&] {
    return Pg(replica_->target()).TryExec("SELECT 1 FROM d.far") == "" &&
           Target("SELECT count(*) FROM d.far") == "3";
  })) << replica_->Logs();
  EXPECT_EQ(replica_->Differences("d"), "");
}

// ---- files and messages ----

TEST_P(MoreSettingsTest, PidDirLogDirLogLevelLogDest) {
  Prepare();
  const fs::path home = replica_->home();
  replica_->SetGlobal("pid_dir", (home / "run").string());
  replica_->SetGlobal("log_dir", (home / "journal").string());
  replica_->SetGlobal("log_level", "error");
  replica_->Setup();
  EXPECT_TRUE(fs::exists(home / "run/chameleon.pid"));
  EXPECT_TRUE(fs::exists(home / "run/chameleon.sock"));
  StopCoordinator();
  EXPECT_FALSE(fs::exists(home / "run/chameleon.pid"));
  // It is all written when the process has ended.
  EXPECT_EQ(Journal(), "there: ") << "nothing was an error";
  replica_->SetGlobal("log_level", "info");
  replica_->MustCtl({"show_status"});
  StopCoordinator();
  EXPECT_THAT(Journal(), HasSubstr("coordinator 0.1.0 serves unix:"));
  fs::remove_all(home / "journal");
  replica_->SetGlobal("log_dest", "stdout");
  replica_->MustCtl({"show_status"});
  StopCoordinator();
  EXPECT_EQ(Journal(), "");
  EXPECT_THAT(ReadFile(home / "journal/chameleon.out"),
              HasSubstr("coordinator 0.1.0 serves unix:"));
}

// --rollbar-level of the command that starts the coordinator decides what is posted.
TEST_P(MoreSettingsTest, RollbarLevel) {
  Prepare();
  HttpServer server(true);
  setenv("CHAMELEON_ROLLBAR_URL", server.url().c_str(), 1);
  replica_->SetGlobal("rollbar_key", "key-1");
  replica_->SetGlobal("rollbar_env", "production");
  replica_->Setup();
  replica_->Init("d");
  EXPECT_TRUE(WaitFor([&] { return !server.requests().empty(); }));
  EXPECT_THAT(server.requests(),
              Contains(AllOf(HasSubstr("\"level\":\"info\""), HasSubstr("init_replica"))));
  StopCoordinator();
  const size_t before = server.requests().size();
  replica_->MustCtl({"start_replica", "--source", "d", "--rollbar-level", "error"});
  Pg(replica_->target()).Exec("DELETE FROM d.b WHERE id = 1");
  Source("UPDATE b SET v = 77 WHERE id = 1");
  EXPECT_TRUE(WaitFor([&] { return server.requests().size() > before; }));
  const auto requests = server.requests();
  for (size_t i = before; i < requests.size(); ++i) {
    EXPECT_THAT(requests[i], HasSubstr("\"level\":\"error\""));
    EXPECT_THAT(requests[i], HasSubstr("\"environment\":\"production\""));
  }
  unsetenv("CHAMELEON_ROLLBAR_URL");
}

ON_BOTH_SERVERS(MoreSettingsTest)

}  // namespace
}  // namespace chameleon::test
