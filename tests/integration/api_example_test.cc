// A program in another language: the example of docs/api.md, against a real coordinator over TLS.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/both_servers.h"
#include "tests/support/replica.h"
#include "tests/support/tls_files.h"

namespace chameleon::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ApiExampleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    port_ = FreePort();
    tls_.Certificate("server");
    client_token_ = tls_.Token("client");
    join_token_ = tls_.Token("join");
    postgres_.Start();
    source_ = StartSource(SourceKind::kMariadb);
    source_->Connect().Exec("CREATE DATABASE shop");
    replica_ = std::make_unique<Replica>(&postgres_);
    replica_->SetGlobal(
        "listen",
        fmt::format("{{address: \"127.0.0.1:{}\", tls_cert: {}, tls_key: {}, "
                    "client_token_file: {}, join_token_file: {}}}",
                    port_, tls_.Pem("server"), tls_.Key("server"), client_token_, join_token_));
    replica_->AddSource(
        {.name = "shop", .server = source_.get(), .schema_mappings = {{"shop", "shop"}}});
    // As the how-to of docs/api.md says.
    const std::string proto = std::string(CHAMELEON_SOURCE_DIR) + "/proto";
    MustRun({.argv = {"/usr/bin/python3", "-m", "grpc_tools.protoc", "-I", proto,
                      "--python_out=" + generated_.path().string(),
                      "--grpc_python_out=" + generated_.path().string(), "chameleon/v1/types.proto",
                      "chameleon/v1/status.proto", "chameleon/v1/control.proto"}});
  }
  RunResult Example(const std::string& token_file, const std::string& source = "shop") {
    return RunProgram(
        {.argv = {"/usr/bin/python3", CHAMELEON_SOURCE_DIR "/docs/examples/replicate.py",
                  "--address", Address(), "--tls-ca", tls_.Pem("ca"), "--token-file", token_file,
                  "--config", "test", "--source", source},
         .env = {"PYTHONPATH=" + generated_.path().string(), "PYTHONDONTWRITEBYTECODE=1"}});
  }
  std::string Address() const { return fmt::format("127.0.0.1:{}", port_); }
  // chamctl from elsewhere: nothing of this home is read.
  RunResult Remote(std::vector<std::string> arguments, std::vector<std::string> env) {
    Spawn spawn{.argv = {ProgramPath("chamctl")}, .env = std::move(env)};
    spawn.argv.insert(spawn.argv.end(), arguments.begin(), arguments.end());
    spawn.env.push_back("CHAMELEON_HOME=/nonexistent");
    return RunProgram(spawn);
  }
  static std::string Show(const RunResult& result) {
    return fmt::format("{}\n{}{}", result.exit_code, result.out, result.err);
  }

  TlsFiles tls_;
  TempDir generated_{"cham-python"};
  int port_ = 0;
  std::string client_token_, join_token_;
  PostgresServer postgres_;
  std::unique_ptr<SourceServer> source_;
  std::unique_ptr<Replica> replica_;
};

TEST_F(ApiExampleTest, AddsCopiesFollowsAndStops) {
  Workload workload(source_->Address(), "shop", {.seed = Seed(), .bulk_rows = 0});
  workload.Prepare();
  replica_->MustCtl({"set_configuration_files"});
  replica_->WriteConfiguration();
  replica_->MustCtl({"create_replica_schema"});
  workload.RunFor(std::chrono::seconds(1));

  const RunResult result = Example(client_token_);
  EXPECT_EQ(result.exit_code, 0) << Show(result) << replica_->Logs();
  EXPECT_THAT(
      result.out,
      AllOf(StartsWith("coordinator "), HasSubstr("source \"shop\" added\n"),
            HasSubstr("init_replica: succeeded"), HasSubstr("source \"shop\" initialised: "),
            HasSubstr("replica of source \"shop\" started\n"), HasSubstr("running: read lag "),
            HasSubstr("replica of source \"shop\" stopped\n")));
  replica_->Start("shop");
  EXPECT_EQ(replica_->Differences("shop"), "");
  replica_->Stop("shop");

  // Errors come with a reason that a program can read.
  const RunResult unknown = Example(client_token_, "crm");
  EXPECT_EQ(Show(unknown),
            "1\ncoordinator " + unknown.out.substr(12, unknown.out.find('\n') - 12) +
                "\nerror: NOT_FOUND SOURCE_NOT_FOUND: configuration \"test\" has no source "
                "\"crm\"\nHINT: There are: shop.\n");
  EXPECT_EQ(Show(Example(join_token_)),
            "1\nerror: PERMISSION_DENIED TOKEN_OF_OTHER_ROLE: a worker's join token does not "
            "admit a client\nHINT: Use the token in the coordinator's client_token_file.\n");
}

TEST_F(ApiExampleTest, ChamctlFromAnotherHost) {
  replica_->MustCtl({"set_configuration_files"});
  replica_->WriteConfiguration();
  replica_->MustCtl({"create_replica_schema"});
  const std::vector<std::string> command = {"show_status", "--config", "test", "--address",
                                            Address()};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = command;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const std::string ca = tls_.Pem("ca");
  const std::string nothing = "0\nno source was added yet: chamctl add_source\n";
  EXPECT_EQ(Show(Remote(with({"--tls-ca", ca, "--token-file", client_token_}), {})), nothing);
  EXPECT_EQ(Show(Remote({"show_status", "--config", "test"},
                        {"CHAMELEON_ADDRESS=" + Address(), "CHAMELEON_TLS_CA=" + ca,
                         "CHAMELEON_TOKEN_FILE=" + client_token_})),
            nothing);
  std::string token = ReadFile(client_token_);
  token.pop_back();
  EXPECT_EQ(Show(Remote(with({"--tls-ca", ca}), {"CHAMELEON_TOKEN=" + token})), nothing);

  EXPECT_EQ(Show(Remote(with({"--tls-ca", ca}), {})),
            "1\nerror: a client token is required\n"
            "HINT: Name its file with --token-file or CHAMELEON_TOKEN_FILE.\n");
  EXPECT_EQ(Show(Remote(with({"--tls-ca", ca, "--token-file", tls_.Token("guess")}), {})),
            "1\nerror: the client token is wrong\n"
            "HINT: Use the token in the coordinator's client_token_file.\n");
  EXPECT_EQ(Show(Remote(with({"--token-file", client_token_}), {})),
            fmt::format("4\nerror: no coordinator answers in plain text at {}\n"
                        "HINT: If it listens with TLS, give --tls-ca.\n",
                        Address()));
  chmod(client_token_.c_str(), 0644);
  EXPECT_EQ(Show(Remote(with({"--tls-ca", ca, "--token-file", client_token_}), {})),
            fmt::format("3\nerror: the token file {0} can be read by other users\n"
                        "HINT: Run: chmod 600 {0}\n",
                        client_token_));
  // Neither token is in a log, in what is shown, or among the arguments of a process.
  EXPECT_THAT(replica_->Logs(1000), testing::Not(HasSubstr(token)));
  const std::string shown = replica_->MustCtl({"show_config"});
  EXPECT_THAT(shown, AllOf(HasSubstr(client_token_), testing::Not(HasSubstr(token))));
}

}  // namespace
}  // namespace chameleon::test
