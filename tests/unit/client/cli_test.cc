// The programs as a user runs them, against a real PostgreSQL: the first steps, the coordinator in
// the background, and what remains of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <thread>

#include "tests/support/servers.h"
#include "tests/support/terminal.h"

namespace chameleon::test {
namespace {

class CliTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    postgres_ = new PostgresServer();
    postgres_->Start();
  }
  static void TearDownTestSuite() {
    delete postgres_;
    postgres_ = nullptr;
  }
  void SetUp() override {
    postgres_->Connect().Exec("DROP DATABASE IF EXISTS db_replica");
    postgres_->CreateDatabase("db_replica");
    std::filesystem::create_directories(Home() / "configuration");
    Configure("");
  }
  void TearDown() override {
    if (const pid_t pid = CoordinatorPid(); pid > 0) kill(pid, SIGKILL);
  }
  void Configure(const std::string& more) {
    const auto path = Home() / "configuration" / "default.yml";
    WriteFile(path,
              "pid_dir: " + (Home() / "pid").string() + "\nlog_dir: " + (Home() / "logs").string() +
                  "\npg_conn: {host: 127.0.0.1, port: \"" + std::to_string(postgres_->port()) +
                  "\", user: postgres, password: x, database: db_replica}\nsources:\n  shop:\n"
                  "    db_conn: {host: 127.0.0.1, port: 1, user: u, password: y}\n"
                  "    schema_mappings: {shop: shop}\n" +
                  more);
    chmod(path.c_str(), 0600);
  }
  std::filesystem::path Home() const { return home_.path(); }
  pid_t CoordinatorPid() const {
    std::error_code error;
    const auto path = Home() / "pid" / "chameleon.pid";
    if (!std::filesystem::exists(path, error)) return -1;
    return std::atoi(ReadFile(path).c_str());
  }
  RunResult Ctl(std::vector<std::string> arguments, const std::string& allow_root = "1") {
    Spawn spawn{.argv = {std::string(CHAMELEON_BIN_DIR) + "/chamctl"},
                .env = {"CHAMELEON_HOME=" + Home().string(), "CHAMELEON_ALLOW_ROOT=" + allow_root}};
    spawn.argv.insert(spawn.argv.end(), arguments.begin(), arguments.end());
    return RunProgram(spawn, std::chrono::seconds(60));
  }
  static std::string Show(const RunResult& result) {
    return std::to_string(result.exit_code) + "\n" + result.out + result.err;
  }
  static bool Gone(pid_t pid) {
    for (int i = 0; i < 100; ++i) {
      if (kill(pid, 0) != 0) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return false;
  }

  static PostgresServer* postgres_;
  TempDir home_;
};
PostgresServer* CliTest::postgres_ = nullptr;

TEST_F(CliTest, TheFirstSteps) {
  const std::string port = std::to_string(postgres_->port());
  EXPECT_EQ(Show(Ctl({"create_replica_schema"})),
            "0\nreplica schema sch_chameleon created in db_replica on 127.0.0.1:" + port + "\n");
  EXPECT_EQ(Ctl({"create_replica_schema", "--debug"}).exit_code, 3);
  EXPECT_EQ(Show(Ctl({"show_status"})), "0\nno source was added yet: chamctl add_source\n");
  EXPECT_EQ(Show(Ctl({"add_source", "--config", "default"})), "0\nsource \"shop\" added\n");
  EXPECT_EQ(Show(Ctl({"show_sources"})),
            "0\n"
            "Source  Type   Server       Schemas       Added\n"
            "------  -----  -----------  ------------  -----\n"
            "shop    mysql  127.0.0.1:1  shop -> shop  yes\n");
  EXPECT_EQ(Show(Ctl({"start_replica"})),
            "3\nerror: start_replica is not possible: source \"shop\" is ready\n"
            "HINT: Run chamctl init_replica --source shop first.\n");
  EXPECT_THAT(Ctl({"show_status", "--output", "json"}).out,
              testing::HasSubstr("\"name\":\"shop\",\"type\":\"mysql\",\"state\":\"READY\""));
  EXPECT_EQ(Show(Ctl({"show_errors"})), "0\nthere are no errors in the log\n");
  EXPECT_EQ(Show(Ctl({"drop_source", "--source", "shop"})),
            "0\nsource \"shop\" dropped; its replicated tables were kept\n");
  EXPECT_EQ(Show(Ctl({"drop_replica_schema"})),
            "0\nreplica schema sch_chameleon dropped from db_replica on 127.0.0.1:" + port +
                "; the replicated tables were kept\n");
  EXPECT_EQ(Ctl({"show_status"}).exit_code, 3);
}

TEST_F(CliTest, UsageIsExplained) {
  EXPECT_EQ(Show(Ctl({"strat_replica"})),
            "2\nerror: there is no command \"strat_replica\"\nHINT: Did you mean start_replica?\n");
  EXPECT_EQ(Show(Ctl({"show_status", "--bogus"})),
            "2\nerror: The following argument was not expected: --bogus\n"
            "HINT: chamctl show_status --help shows the options.\n");
  EXPECT_EQ(Show(Ctl({"--version"})), "0\nchameleon 0.1.0\n");
  EXPECT_EQ(Show(Ctl({"show_config", "--config", "crm"})),
            "3\nerror: there is no configuration \"crm\": " + Home().string() +
                "/configuration/crm.yml does not exist\nHINT: There are: default.\n");
  EXPECT_EQ(CoordinatorPid(), -1) << "a mistyped command started a coordinator";
  Configure("pid_dri: x\n");
  EXPECT_EQ(Show(Ctl({"show_config"})), "1\nerror: " + Home().string() +
                                            "/configuration/default.yml:8: pid_dri: unknown key\n"
                                            "HINT: Did you mean \"pid_dir\"?\n");
}

TEST_F(CliTest, AnUnknownCommandIsAnsweredWithThoseThatExist) {
  const RunResult unknown = Ctl({"frobnicate"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, testing::StartsWith("error: there is no command \"frobnicate\"\n"
                                               "HINT: There are: set_configuration_files, "));
  EXPECT_THAT(unknown.err, testing::HasSubstr(", sync_tables, "));
}

// On a terminal a question, and only "y" goes on; --yes answers it. Elsewhere nothing is asked.
TEST_F(CliTest, DestructiveCommandsAskOnATerminal) {
  ASSERT_EQ(Ctl({"create_replica_schema"}).exit_code, 0);
  ASSERT_EQ(Ctl({"add_source"}).exit_code, 0);
  const auto on_terminal = [&](std::vector<std::string> arguments, const std::string& answer) {
    Spawn spawn{.argv = {std::string(CHAMELEON_BIN_DIR) + "/chamctl"},
                .env = {"CHAMELEON_HOME=" + Home().string(), "CHAMELEON_ALLOW_ROOT=1"}};
    spawn.argv.insert(spawn.argv.end(), arguments.begin(), arguments.end());
    return RunOnTerminal(spawn, answer);
  };
  for (const char* command : {"drop_source", "drop_replica_schema", "init_replica", "copy_schema",
                              "detach_replica", "upgrade_replica_schema"}) {
    const RunResult asked = on_terminal({command}, "n\n");
    EXPECT_EQ(asked.exit_code, 1) << command;
    EXPECT_THAT(asked.out, testing::StartsWith(std::string(command) + ": ")) << command;
    EXPECT_THAT(asked.out, testing::HasSubstr("Continue? [y/N] ")) << command;
    EXPECT_THAT(asked.out, testing::HasSubstr("nothing was done\n")) << command;
  }
  EXPECT_THAT(Ctl({"show_sources"}).out, testing::HasSubstr("yes\n")) << "it was not dropped";
  EXPECT_EQ(on_terminal({"show_status"}, "").exit_code, 0);
  const RunResult yes = on_terminal({"drop_source", "--source", "shop"}, "y\n");
  EXPECT_EQ(yes.exit_code, 0) << yes.out;
  EXPECT_THAT(yes.out, testing::HasSubstr("(source shop)"));
  const RunResult given = on_terminal({"drop_replica_schema", "--yes"}, "");
  EXPECT_EQ(given.exit_code, 0) << given.out;
  EXPECT_THAT(given.out, testing::Not(testing::HasSubstr("Continue?")));
}

TEST_F(CliTest, NamesAreReadFromTheFilesAlone) {
  EXPECT_EQ(Show(Ctl({"names", "configurations"})), "0\ndefault\n");
  EXPECT_EQ(Show(Ctl({"names", "sources"})), "0\nshop\n");
  EXPECT_EQ(Show(Ctl({"names", "schemas", "--source", "shop"})), "0\nshop\n");
  EXPECT_EQ(Ctl({"names", "sources", "--config", "crm"}).exit_code, 3);
  EXPECT_EQ(CoordinatorPid(), -1);
}

TEST_F(CliTest, OneCoordinatorHoweverManyAsk) {
  std::vector<RunResult> results(6);
  std::vector<std::thread> threads;
  for (RunResult& result : results) {
    threads.emplace_back([&] { result = Ctl({"show_sources"}); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const RunResult& result : results) EXPECT_EQ(result.exit_code, 0) << Show(result);
  struct stat info {};
  ASSERT_EQ(stat((Home() / "pid/chameleon.sock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(CliTest, AKilledCoordinatorIsReplacedAndAStoppedOneLeavesNoSocket) {
  ASSERT_EQ(Ctl({"show_sources"}).exit_code, 0);
  const pid_t killed = CoordinatorPid();
  kill(killed, SIGKILL);
  ASSERT_TRUE(Gone(killed));
  ASSERT_TRUE(std::filesystem::exists(Home() / "pid/chameleon.sock"));
  EXPECT_EQ(Ctl({"show_sources"}).exit_code, 0);
  const pid_t stopped = CoordinatorPid();
  EXPECT_NE(stopped, killed);
  kill(stopped, SIGTERM);
  ASSERT_TRUE(Gone(stopped));
  EXPECT_FALSE(std::filesystem::exists(Home() / "pid/chameleon.sock"));
  EXPECT_FALSE(std::filesystem::exists(Home() / "pid/chameleon.pid"));
}

TEST_F(CliTest, RootIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be refused";
  EXPECT_EQ(Show(Ctl({"show_sources"}, "0")),
            "3\nerror: chameleon does not run as root\n"
            "HINT: Run it as a user of its own, or set CHAMELEON_ALLOW_ROOT=1.\n");
}

TEST_F(CliTest, PostgresAwayIsUnavailable) {
  ASSERT_EQ(Ctl({"create_replica_schema"}).exit_code, 0);
  postgres_->Stop();
  const RunResult away = Ctl({"show_status"});
  postgres_->Start();
  EXPECT_EQ(away.exit_code, 4) << Show(away);
  EXPECT_EQ(Ctl({"show_status"}).exit_code, 0);
}

}  // namespace
}  // namespace chameleon::test
