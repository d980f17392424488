// The harness itself, on the real servers: what the other tests rely on.
#include "tests/support/servers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

namespace chameleon::test {
namespace {

class SourceServerTest : public ::testing::TestWithParam<SourceKind> {
 protected:
  void SetUp() override {
    if (!Wanted(GetParam())) GTEST_SKIP() << "CHAMELEON_WITHOUT_MYSQL=1";
  }
};

TEST_P(SourceServerTest, StartsWithRowBinlogAndAReplicationUser) {
  auto server = StartSource(GetParam());
  Mysql root = server->Connect();
  EXPECT_EQ(
      root.One("SELECT CONCAT(@@log_bin+0, @@binlog_format, @@binlog_row_image, @@server_id)"),
      "1ROWFULL1");
  EXPECT_EQ(server->is_mariadb(),
            root.One("SELECT version()").find("MariaDB") != std::string::npos);
  Mysql repl({.port = server->port(), .user = "repl", .password = "repl"});
  EXPECT_EQ(repl.One("SELECT 1+1"), "2");
  EXPECT_EQ(repl.TryExec("CREATE DATABASE nope"), 1044u);
}

TEST_P(SourceServerTest, CommittedRowsSurviveKill9) {
  auto server = StartSource(GetParam());
  {
    Mysql root = server->Connect();
    root.Exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v VARBINARY(9))");
    EXPECT_EQ(root.Exec("INSERT INTO d.t VALUES (1, NULL), (2, x'00ff00')"), 2u);
  }
  server->Kill9();
  EXPECT_FALSE(server->Running());
  server->Start();
  Rows rows = server->Connect("d").Query("SELECT * FROM t ORDER BY id");
  EXPECT_EQ(rows, (Rows{{"1", std::nullopt}, {"2", std::string("\0\xff\0", 3)}}));
  server->Restart();
  EXPECT_EQ(server->Connect().One("SELECT COUNT(*) FROM d.t"), "2");
}

TEST_P(SourceServerTest, LoadTextUnderstandsDelimiter) {
  auto server = StartSource(GetParam());
  server->LoadText(
      "CREATE DATABASE d; USE d;\nCREATE TABLE t (i INT PRIMARY KEY);\nDELIMITER ;;\n"
      "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.i = NEW.i + 1; END;;\n"
      "DELIMITER ;\nINSERT INTO t VALUES (1);\n");
  EXPECT_EQ(server->Connect("d").One("SELECT i FROM t"), "2");
}

TEST_P(SourceServerTest, ServerOptionsOfTheCallerWin) {
  auto server = StartSource(GetParam(), {.args = {"--server-id=77", "--skip-log-bin"}});
  EXPECT_EQ(server->Connect().One("SELECT CONCAT(@@server_id, ' ', @@log_bin+0)"), "77 0");
}

INSTANTIATE_TEST_SUITE_P(Both, SourceServerTest,
                         ::testing::Values(SourceKind::kMariadb, SourceKind::kMysql,
                                           SourceKind::kMariadb11),
                         [](const auto& info) { return Name(info.param); });

TEST(PostgresServer, RunsAndSurvivesKill9) {
  PostgresServer server;
  server.Start();
  server.CreateDatabase("db_replica");
  {
    Pg pg = server.Connect("db_replica");
    pg.Exec("CREATE TABLE t (id int PRIMARY KEY, v text)");
    pg.CopyIn("COPY t FROM STDIN", "1\ta\\tb\n2\t\\N\n");
    EXPECT_EQ(pg.Query("SELECT * FROM t ORDER BY id"), (Rows{{"1", "a\tb"}, {"2", std::nullopt}}));
    std::string lines;
    pg.CopyOut("SELECT * FROM t ORDER BY id",
               [&](const char* line, size_t size) { lines += std::string(line, size) + "|"; });
    EXPECT_EQ(lines, "1\ta\\tb|2\t\\N|");
    EXPECT_EQ(pg.TryExec("SELECT 1/0"), "22012");
  }
  server.Kill9();
  server.Start();
  EXPECT_EQ(server.Connect("db_replica").One("SELECT count(*) FROM t"), "2");
}

TEST(ChildProcess, EndsWithTheObject) {
  pid_t pid = 0;
  {
    ChildProcess sleeper({.argv = {"sleep", "1000"}});
    pid = sleeper.pid();
    EXPECT_TRUE(sleeper.Running());
  }
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST(RunProgram, GivesOutputAndExitCode) {
  RunResult result =
      RunProgram({.argv = {"sh", "-c", "echo out; echo $X >&2; exit 3"}, .env = {"X=err"}});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
}

}  // namespace
}  // namespace chameleon::test
