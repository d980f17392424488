// Workers on other hosts, with network namespaces as hosts: cut off, killed, back again. Equal at
// the end, and no lease that ended writes anything.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "chameleon/v1/worker.grpc.pb.h"
#include "proto/wire/channel.h"
#include "proto/wire/token.h"
#include "tests/support/both_servers.h"
#include "tests/support/network_hosts.h"
#include "tests/support/replica.h"
#include "tests/support/tls_files.h"

namespace chameleon::test {
namespace {

using nlohmann::json;
using std::chrono::seconds;

struct Placed {
  std::string host;
  uint64_t epoch = 0;
};

class RemoteWorkersTest : public ::testing::Test {
 protected:
  static constexpr int kHosts = 3;

  void SetUp() override {
    port_ = FreePort();
    tls_.Certificate("server", {network_.gateway()});
    client_token_file_ = tls_.Token("client");
    join_token_file_ = tls_.Token("join");
    postgres_.Start();
    replica_ = std::make_unique<Replica>(&postgres_);
    replica_->SetGlobal(
        "listen", fmt::format("{{address: \"0.0.0.0:{}\", tls_cert: {}, tls_key: {}, "
                              "client_token_file: {}, join_token_file: {}}}",
                              port_, tls_.Pem("server"), tls_.Key("server"), client_token_file_,
                              join_token_file_));
    workers_.resize(kHosts);
  }
  std::string Address() const { return fmt::format("{}:{}", network_.gateway(), port_); }
  std::string Name(int host) const { return fmt::format("h{}", host); }
  std::string Log(int host) const { return (logs_.path() / Name(host)).string(); }

  void StartHost(int host, std::vector<std::string> more = {}, std::string token_file = "") {
    if (token_file.empty()) token_file = join_token_file_;
    Spawn spawn{.argv = {ProgramPath("chameleon-worker"), "--coordinator", Address(), "--tls-ca",
                         tls_.Pem("ca"), "--token-file", token_file, "--name", Name(host)},
                .env = {"CHAMELEON_ALLOW_ROOT=1"},
                .log = Log(host)};
    spawn.argv.insert(spawn.argv.end(), more.begin(), more.end());
    workers_[host] = ChildProcess(network_.On(host, spawn));
  }

  json Workers() {
    return json::parse(replica_->MustCtl({"show_workers", "--output", "json"}))["hosts"];
  }
  // Where the source's lease is; host "" when it has none.
  Placed PlaceOf(const std::string& source) {
    for (const auto& host : Workers()) {
      for (const auto& lease : host["leases"]) {
        if (lease["source"] == source) {
          return {host["name"], std::stoull(lease["epoch"].get<std::string>())};
        }
      }
    }
    return {};
  }
  std::vector<std::string> Joined() {
    std::vector<std::string> names;
    for (const auto& host : Workers()) {
      if (host["address"] != "") names.push_back(host["name"]);
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  template <typename Condition>
  bool Eventually(Condition condition, seconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(Millis(200));
    }
    return true;
  }
  bool MovedFrom(const std::string& source, const Placed& before, seconds limit) {
    return Eventually(
        [&] {
          const Placed now = PlaceOf(source);
          return !now.host.empty() && now.host != before.host && now.epoch > before.epoch;
        },
        limit);
  }
  std::string Everything() {
    std::string text = replica_->Logs(80);
    for (int host = 0; host < kHosts; ++host) {
      text += fmt::format("---- {}\n{}", Name(host), Tail(Log(host), 40));
    }
    return text;
  }

  // What a worker would send that still believes in its lease.
  std::string PushUnder(const std::string& source, uint64_t source_id, uint64_t epoch) {
    Endpoint endpoint{fmt::format("127.0.0.1:{}", port_), tls_.Pem("ca"), "", "", ""};
    endpoint.token = *ReadTokenFile(join_token_file_);
    auto stub = v1::WorkerService::NewStub(*OpenChannel(endpoint));
    grpc::ClientContext context;
    auto stream = stub->Push(&context);
    v1::BatchFrame frame;
    frame.mutable_lease()->set_config("test");
    frame.mutable_lease()->set_source(source);
    frame.mutable_lease()->set_source_id(source_id);
    frame.mutable_lease()->set_epoch(epoch);
    frame.mutable_header()->set_batch_id(1);
    frame.set_last(true);
    stream->Write(frame);
    stream->WritesDone();
    v1::BatchAck ack;
    if (stream->Read(&ack)) return "acknowledged";
    const grpc::Status status = stream->Finish();
    return fmt::format("{}: {}", static_cast<int>(status.error_code()), status.error_message());
  }

  TlsFiles tls_;
  TempDir logs_{"cham-hosts"};
  NetworkHosts network_{kHosts};
  int port_ = 0;
  std::string client_token_file_, join_token_file_;
  PostgresServer postgres_;
  std::unique_ptr<SourceServer> one_, two_;
  std::unique_ptr<Replica> replica_;
  std::vector<ChildProcess> workers_;
};

std::unique_ptr<SourceServer> StartOpen(SourceKind kind) {
  auto server = StartSource(kind, {.args = {"--bind-address=0.0.0.0"}});
  server->Connect().Exec("CREATE DATABASE shop");
  return server;
}

TEST_F(RemoteWorkersTest, OneCutOffOneKilledTwoSourcesUnderLoad) {
  one_ = StartOpen(SourceKind::kMariadb);
  two_ = StartOpen(MysqlServer::Wanted() ? SourceKind::kMysql : SourceKind::kMariadb);
  for (auto [name, server, schema] :
       {std::tuple("one", one_.get(), "s1"), {"two", two_.get(), "s2"}}) {
    replica_->AddSource({.name = name,
                         .server = server,
                         .schema_mappings = {{"shop", schema}},
                         .settings = {{"worker", "pool"}},
                         .connection = {{"host", network_.gateway()}}});
  }
  WorkloadOptions load{.seed = Seed(), .connections = 2, .bulk_rows = 20000};
  Workload first(one_->Address(), "shop", load);
  Workload second(two_->Address(), "shop", load);
  first.Prepare();
  second.Prepare();
  replica_->Setup();

  // Nobody is there yet: said so, and waited for.
  auto pending = std::async(std::launch::async, [this] { replica_->Init("one"); });
  EXPECT_TRUE(Eventually(
      [this] {
        return replica_->MustCtl({"show_status"})
                   .find("no worker with label \"pool\" has joined") != std::string::npos;
      },
      seconds(20)))
      << replica_->MustCtl({"show_status"});
  for (int host = 0; host < kHosts; ++host) {
    StartHost(host,
              {"--label", "pool", "--label", "zone" + std::to_string(host), "--capacity", "2"});
  }
  pending.get();
  replica_->Init("two");
  ASSERT_TRUE(Eventually([this] { return Joined().size() == kHosts; }, seconds(20)))
      << Everything();
  replica_->Start("one");
  replica_->Start("two");
  first.Start();
  second.Start();
  EXPECT_TRUE(replica_->Pids("chameleon-worker").empty()) << "a worker runs on this host";

  const Placed cut = PlaceOf("one");
  Placed killed = PlaceOf("two");
  EXPECT_NE(cut.host, killed.host) << Workers().dump(1);
  std::this_thread::sleep_for(seconds(2));

  const int cut_host = cut.host.back() - '0';
  network_.Cut(cut_host);
  // 10 s of silence end the lease.
  EXPECT_TRUE(MovedFrom("one", cut, seconds(25))) << Everything();
  killed = PlaceOf("two");
  ASSERT_TRUE(workers_[killed.host.back() - '0'].Signal(SIGKILL));
  EXPECT_TRUE(MovedFrom("two", killed, seconds(15))) << Everything();

  // The cut-off host has found out by itself, and ended what it ran.
  EXPECT_TRUE(Eventually(
      [&] {
        return ReadFile(Log(cut_host)).find("not joined, dialling again: ") != std::string::npos;
      },
      seconds(20)))
      << Everything();
  network_.Plug(cut_host);
  EXPECT_TRUE(Eventually([&] { return testing::Value(Joined(), testing::Contains(cut.host)); },
                         seconds(30)))
      << Everything();
  const std::string id = Pg(replica_->target())
                             .One(
                                 "SELECT i_id_source FROM sch_chameleon.t_sources "
                                 "WHERE t_source = 'one'");
  EXPECT_EQ(PushUnder("one", std::stoull(id), cut.epoch),
            fmt::format("10: epoch {} of source \"one\" is not the current lease", cut.epoch));
  EXPECT_THAT(replica_->Logs(5000), testing::HasSubstr(fmt::format(
                                        "refused: epoch {} of source \"one\" is not the current "
                                        "lease peer=127.0.0.1",
                                        cut.epoch)));

  first.Stop();
  second.Stop();
  EXPECT_EQ(replica_->Differences("one"), "");
  EXPECT_EQ(replica_->Differences("two"), "");
}

// Processes that were stopped for a while believe in their lease when they go on.
TEST_F(RemoteWorkersTest, AZombieChangesNothing) {
  one_ = StartOpen(SourceKind::kMariadb);
  replica_->AddSource({.name = "one",
                       .server = one_.get(),
                       .schema_mappings = {{"shop", "s1"}},
                       .settings = {{"worker", "any"}},
                       .connection = {{"host", network_.gateway()}}});
  Workload load(one_->Address(), "shop", {.seed = Seed(), .connections = 2, .bulk_rows = 0});
  load.Prepare();
  replica_->Setup();
  StartHost(0);
  ASSERT_TRUE(Eventually([this] { return Joined().size() == 1; }, seconds(20))) << Everything();
  replica_->Init("one");
  replica_->Start("one");
  load.Start();
  const Placed before = PlaceOf("one");
  EXPECT_EQ(before.host, "h0");
  StartHost(1);
  ASSERT_TRUE(Eventually([this] { return Joined().size() == 2; }, seconds(20))) << Everything();
  std::vector<pid_t> stopped = {workers_[0].pid()};
  for (const std::string& child :
       {ReadFile(fmt::format("/proc/{0}/task/{0}/children", workers_[0].pid()))}) {
    if (!child.empty()) stopped.push_back(std::stoi(child));
  }
  for (pid_t pid : stopped) kill(pid, SIGSTOP);
  EXPECT_TRUE(MovedFrom("one", before, seconds(25))) << Everything();
  for (pid_t pid : stopped) kill(pid, SIGCONT);
  std::this_thread::sleep_for(seconds(2));
  load.Stop();
  EXPECT_EQ(replica_->Differences("one"), "");
  // The host is back, empty.
  EXPECT_TRUE(Eventually([this] { return Joined().size() == 2; }, seconds(20))) << Everything();
  EXPECT_EQ(PlaceOf("one").host, "h1");
}

// Who may not join is told why, and both sides say so once, however often it is tried.
TEST_F(RemoteWorkersTest, WhoIsRefusedIsToldOnce) {
  one_ = StartOpen(SourceKind::kMariadb);
  replica_->AddSource({.name = "one", .server = one_.get(), .schema_mappings = {{"shop", "s1"}}});
  replica_->MustCtl({"set_configuration_files"});
  replica_->WriteConfiguration();
  tls_.Authority("other");
  const auto start = [this](int host, const std::string& ca, const std::string& token_file) {
    workers_[host] = ChildProcess(network_.On(
        host, {.argv = {ProgramPath("chameleon-worker"), "--coordinator", Address(), "--tls-ca",
                        tls_.Pem(ca), "--token-file", token_file, "--name", Name(host)},
               .env = {"CHAMELEON_ALLOW_ROOT=1"},
               .log = Log(host)}));
  };
  start(0, "ca", tls_.Token("wrong"));
  start(1, "ca", client_token_file_);
  start(2, "other", join_token_file_);
  // Nobody listens yet.
  EXPECT_TRUE(Eventually(
      [this] { return ReadFile(Log(2)).find("no coordinator answers") != std::string::npos; },
      seconds(20)));
  replica_->MustCtl({"create_replica_schema"});
  std::this_thread::sleep_for(seconds(15));  // two or three tries
  const auto count = [](const std::string& text, const std::string& what) {
    int found = 0;
    for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++found;
    return found;
  };
  const std::string say = "not joined, dialling again: ";
  const std::vector<std::string> texts = {
      "the join token is wrong\nHINT: Use the token in the coordinator's join_token_file.\n",
      "a client's token does not admit a worker\n"
      "HINT: Use the token in the coordinator's join_token_file.\n",
      fmt::format(
          "the certificate of {} is not accepted: unable to get local issuer certificate\n"
          "HINT: Check the coordinator's certificate, and that --tls-ca names the authority "
          "that signed it.\n",
          Address())};
  const std::string logs = replica_->Logs(5000);
  for (int host = 0; host < kHosts; ++host) {
    EXPECT_EQ(count(ReadFile(Log(host)), say + texts[host]), 1) << Everything();
  }
  EXPECT_EQ(count(logs, "refused: the join token is wrong peer=" + network_.address(0)), 1) << logs;
  EXPECT_EQ(
      count(logs, "refused: a client's token does not admit a worker peer=" + network_.address(1)),
      1)
      << logs;
  EXPECT_EQ(count(logs, "a TLS handshake failed: "), 1) << logs;
  EXPECT_THAT(Joined(), testing::IsEmpty());
}

// New files on both sides, no restart: what runs goes on or begins again, and the old token is
// void.
TEST_F(RemoteWorkersTest, ANewCertificateAndJoinTokenUnderLoad) {
  one_ = StartOpen(SourceKind::kMariadb);
  replica_->AddSource({.name = "one",
                       .server = one_.get(),
                       .schema_mappings = {{"shop", "s1"}},
                       .settings = {{"worker", "here"}},
                       .connection = {{"host", network_.gateway()}}});
  Workload load(one_->Address(), "shop", {.seed = Seed(), .connections = 2, .bulk_rows = 0});
  load.Prepare();
  replica_->Setup();
  StartHost(0, {"--label", "here"});
  ASSERT_TRUE(Eventually([this] { return Joined().size() == 1; }, seconds(20))) << Everything();
  replica_->Init("one");
  replica_->Start("one");
  load.Start();
  const Placed before = PlaceOf("one");
  EXPECT_EQ(before.host, "h0");

  const std::string old_token = tls_.Token("old-join", *ReadTokenFile(join_token_file_));
  tls_.Token("join");
  tls_.Certificate("server", {network_.gateway()});
  std::this_thread::sleep_for(seconds(7));
  // A schema change is a call of its own, which the old token does not admit.
  one_->Connect("shop").Exec("CREATE TABLE made_later (id INT PRIMARY KEY)");
  EXPECT_TRUE(Eventually([&] { return PlaceOf("one").epoch > before.epoch; }, seconds(30)))
      << Everything();
  load.Stop();
  EXPECT_EQ(replica_->Differences("one"), "");
  EXPECT_EQ(PlaceOf("one").host, "h0") << Everything();
  // The host dials again, with the token of today; another one has only yesterday's.
  StartHost(1, {}, old_token);
  EXPECT_TRUE(Eventually(
      [this] { return ReadFile(Log(1)).find("the join token is wrong") != std::string::npos; },
      seconds(20)))
      << Everything();
  EXPECT_THAT(Joined(), testing::ElementsAre("h0"));
  network_.Cut(0);
  EXPECT_TRUE(Eventually([this] { return Joined().empty(); }, seconds(40))) << Everything();
  network_.Plug(0);
  EXPECT_TRUE(
      Eventually([this] { return Joined() == std::vector<std::string>{"h0"}; }, seconds(40)))
      << Everything();
}

// A host that is shut down hands its sources over; when none is left, "any" means this host.
TEST_F(RemoteWorkersTest, AHostLeavesInOrderAndAnyComesHome) {
  one_ = StartOpen(SourceKind::kMariadb);
  replica_->AddSource({.name = "one",
                       .server = one_.get(),
                       .schema_mappings = {{"shop", "s1"}},
                       .settings = {{"worker", "any"}},
                       .connection = {{"host", network_.gateway()}}});
  Workload load(one_->Address(), "shop", {.seed = Seed(), .connections = 1, .bulk_rows = 0});
  load.Prepare();
  replica_->Setup();
  StartHost(0);
  ASSERT_TRUE(Eventually([this] { return Joined().size() == 1; }, seconds(20))) << Everything();
  replica_->Init("one");
  replica_->Start("one");
  load.Start();
  const Placed before = PlaceOf("one");
  EXPECT_EQ(before.host, "h0");
  EXPECT_EQ(workers_[0].Terminate(seconds(20)), 0) << Everything();
  EXPECT_TRUE(MovedFrom("one", before, seconds(10))) << Everything();
  EXPECT_EQ(replica_->Pids("chameleon-worker").size(), 1u);
  load.Stop();
  EXPECT_EQ(replica_->Differences("one"), "");
}

}  // namespace
}  // namespace chameleon::test
