// The product from the command line against real servers. One assertion matters: after any
// workload the source equals the target, row by row, and meanwhile no reader saw a broken sum.
#include "tests/support/replica.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "tests/support/both_servers.h"
#include "tests/support/corpus.h"

namespace chameleon::test {
namespace {

using ::testing::Gt;

class ReplicaTest : public BothServers {
 protected:
  void SetUp() override {
    BothServers::SetUp();
    if (IsSkipped()) return;
    postgres_.Start();
    replica_ = std::make_unique<Replica>(&postgres_);
  }

  std::unique_ptr<SourceServer> StartShop(SourceKind kind, SourceOptions options = {}) {
    auto server = StartSource(kind, std::move(options));
    server->LoadFile(CHAMELEON_SOURCE_DIR "/tests/support/shop.sql");
    return server;
  }

  void SnapshotUnderLoadThenMixedChangesWithAStopBetween(int seconds);

  WorkloadOptions Options() const { return {.seed = Seed()}; }

  PostgresServer postgres_;
  std::unique_ptr<SourceServer> source_;
  std::unique_ptr<SourceServer> other_source_;
  std::unique_ptr<Replica> replica_;  // ends before the servers
};

void Pause(int seconds) { std::this_thread::sleep_for(std::chrono::seconds(seconds)); }

void ReplicaTest::SnapshotUnderLoadThenMixedChangesWithAStopBetween(int seconds) {
  source_ = StartShop(GetParam());
  replica_->AddSource(
      {.name = "shop", .server = source_.get(), .schema_mappings = {{"shop", "sc"}}});
  Workload workload(source_->Address(), "shop", Options());
  workload.Prepare();
  replica_->Setup();
  InvariantReader reader(replica_->target(), workload.SumQuery("sc"), Workload::ExpectedSum());
  workload.Start();
  Pause(1);
  replica_->Init("shop");
  replica_->Start("shop");
  Pause(seconds / 3);
  replica_->Stop("shop");
  Pause(2);
  replica_->Start("shop");
  Pause(seconds - seconds / 3);
  workload.Stop();
  EXPECT_EQ(replica_->Differences("shop"), "");
  std::string violation;
  EXPECT_THAT(reader.Stop(&violation), Gt(100u));
  EXPECT_EQ(violation, "");
  EXPECT_THAT(workload.transactions(), Gt(100u));
}

TEST_P(ReplicaTest, SnapshotUnderLoadThenMixedChangesWithAStopBetween) {
  SnapshotUnderLoadThenMixedChangesWithAStopBetween(TestSeconds(60));
}

TEST_P(ReplicaTest, CopyModeFile) {
  source_ = StartShop(GetParam());
  replica_->AddSource({.name = "shop",
                       .server = source_.get(),
                       .schema_mappings = {{"shop", "shop"}},
                       .settings = {{"copy_mode", "'file'"}}});
  Workload workload(source_->Address(), "shop", Options());
  workload.Prepare();
  replica_->Setup();
  replica_->Init("shop");
  Equality snapshot = CompareSchemas(source_->Address(), "shop", replica_->target(), "shop");
  EXPECT_EQ(snapshot.differences, "");
  EXPECT_THAT(snapshot.rows, Gt(200000u));
  EXPECT_TRUE(std::filesystem::is_empty(replica_->home() / "out")) << "spool files are left";
  replica_->Start("shop");
  EXPECT_EQ(replica_->Differences("shop"), "");
}

TEST_P(ReplicaTest, FollowsByGtid) {
  SourceOptions options;
  if (GetParam() == SourceKind::kMysql) {
    options.args = {"--gtid-mode=ON", "--enforce-gtid-consistency=ON"};
  }
  source_ = StartShop(GetParam(), options);
  replica_->AddSource({.name = "shop",
                       .server = source_.get(),
                       .schema_mappings = {{"shop", "shop"}},
                       .settings = {{"gtid_enable", "true"}}});
  Workload workload(source_->Address(), "shop", {.seed = Seed(), .bulk_rows = 20000});
  workload.Prepare();
  replica_->Setup();
  replica_->Init("shop");
  replica_->Start("shop");
  workload.Start();
  Pause(TestSeconds(6) / 2);
  source_->Connect().Exec("FLUSH BINARY LOGS");
  replica_->Stop("shop");
  replica_->Start("shop");
  Pause(TestSeconds(6) / 2);
  workload.Stop();
  EXPECT_EQ(replica_->Differences("shop"), "");
}

// init_replica again, on a running system that has already a copy.
TEST_P(ReplicaTest, SecondInitReplacesTheFirst) {
  source_ = StartShop(GetParam());
  replica_->AddSource(
      {.name = "shop", .server = source_.get(), .schema_mappings = {{"shop", "shop"}}});
  Workload workload(source_->Address(), "shop", {.seed = Seed(), .bulk_rows = 0});
  workload.Prepare();
  replica_->Setup();
  replica_->Init("shop");
  replica_->Start("shop");
  workload.RunFor(std::chrono::seconds(2));
  replica_->Stop("shop");
  Pg(replica_->target()).Exec("UPDATE shop.w_slots SET hits = hits + 7; DELETE FROM shop.reviews");
  InvariantReader reader(replica_->target(), workload.SumQuery("shop"), Workload::ExpectedSum());
  workload.Start();
  replica_->Init("shop");
  replica_->Start("shop");
  workload.Stop();
  EXPECT_EQ(replica_->Differences("shop"), "");
  std::string violation;
  EXPECT_THAT(reader.Stop(&violation), Gt(0u));
  EXPECT_EQ(violation, "");
}

TEST_P(ReplicaTest, TwoSourcesIntoOneTarget) {
  source_ = StartShop(GetParam());
  other_source_ = StartShop(Other(GetParam()));
  replica_->AddSource(
      {.name = "one", .server = source_.get(), .schema_mappings = {{"shop", "s1"}}});
  replica_->AddSource(
      {.name = "two", .server = other_source_.get(), .schema_mappings = {{"shop", "s2"}}});
  Workload one(source_->Address(), "shop", {.seed = Seed()});
  Workload two(other_source_->Address(), "shop", {.seed = Seed() + 1});
  one.Prepare();
  two.Prepare();
  replica_->Setup();
  InvariantReader reader(replica_->target(), two.SumQuery("s2"), Workload::ExpectedSum());
  one.Start();
  two.Start();
  replica_->Init("one");
  replica_->Start("one");
  replica_->Init("two");
  replica_->Start("two");
  Pause(TestSeconds(15));
  one.Stop();
  two.Stop();
  EXPECT_EQ(replica_->Differences("one"), "");
  EXPECT_EQ(replica_->Differences("two"), "");
  std::string violation;
  EXPECT_THAT(reader.Stop(&violation), Gt(100u));
  EXPECT_EQ(violation, "");
}

TEST_P(ReplicaTest, SakilaAndChinookInOneSource) {
  auto corpus = CorpusDir();
  if (!corpus) GTEST_SKIP() << "the corpus is not there (set CHAMELEON_CORPUS)";
  source_ = StartSource(GetParam());
  source_->LoadFile(*corpus / "data/sakila/sakila-schema.sql");
  source_->LoadFile(*corpus / "data/sakila/sakila-data.sql");
  source_->LoadFile(*corpus / "data/chinook/Chinook_MySql.sql");
  replica_->AddSource({.name = "media",
                       .server = source_.get(),
                       .schema_mappings = {{"Chinook", "chinook"}, {"sakila", "sakila"}}});
  Workload chinook(source_->Address(), "Chinook", Options());
  Workload sakila(source_->Address(), "sakila", {.seed = Seed() + 1, .own_tables = false});
  chinook.Prepare();
  replica_->Setup();
  chinook.Start();
  sakila.Start();
  Pause(1);
  replica_->Init("media");
  replica_->Start("media");
  Pause(TestSeconds(15));
  chinook.Stop();
  sakila.Stop();
  EXPECT_EQ(replica_->Differences("media"), "");
}

// What a program reads of a healthy, idle replica.
TEST_P(ReplicaTest, StatusOfAnIdleReplicaAsJson) {
  source_ = StartSource(GetParam());
  source_->Connect().Exec(
      "CREATE DATABASE d; CREATE TABLE d.keyless (i INT); INSERT INTO d.keyless VALUES (1)");
  replica_->AddSource({.name = "d", .server = source_.get(), .schema_mappings = {{"d", "d"}}});
  Workload workload(source_->Address(), "d", {.seed = Seed(), .bulk_rows = 0});
  workload.Prepare();
  replica_->Setup();
  auto status = [&] {
    std::string text = replica_->MustCtl({"show_status", "--source", "d", "--output", "json"});
    return nlohmann::json::parse(text)["sources"][0];
  };
  EXPECT_EQ(status()["state"], "READY");
  replica_->Init("d");
  EXPECT_EQ(status()["state"], "INITIALISED");
  replica_->Start("d");
  workload.RunFor(std::chrono::seconds(1));
  replica_->WaitCaughtUp("d", std::chrono::seconds(60));
  // A quiet source: its heartbeats prove that there is nothing newer.
  Pause(5);
  auto idle = status();
  EXPECT_EQ(idle["name"], "d");
  EXPECT_EQ(idle["state"], "RUNNING");
  EXPECT_EQ(idle["received"], idle["replayed"]);
  EXPECT_EQ(idle["batchesPending"], "0");
  EXPECT_GE(idle["replayLagS"], 0.0);
  EXPECT_LT(idle["replayLagS"], 3.0);
  EXPECT_EQ(idle["tablesReplicated"], 7);
  EXPECT_EQ(idle["tablesNotReplicated"], 1) << "a table without a key is copied, not replicated";
  EXPECT_EQ(idle["lastError"], "");
  replica_->Stop("d");
  EXPECT_EQ(status()["state"], "STOPPED");
  EXPECT_EQ(Pg(replica_->target()).One("SELECT count(*) FROM d.keyless"), "1");
}

// A clean stop of the coordinator takes its workers along; the next one goes on by itself.
TEST_P(ReplicaTest, CoordinatorLeavesNoWorkerBehindAndGoesOnLater) {
  source_ = StartSource(GetParam());
  source_->Connect().Exec("CREATE DATABASE d");
  replica_->AddSource({.name = "d", .server = source_.get(), .schema_mappings = {{"d", "d"}}});
  Workload workload(source_->Address(), "d", {.seed = Seed(), .bulk_rows = 0});
  workload.Prepare();
  replica_->Setup();
  replica_->Init("d");
  replica_->Start("d");
  replica_->WaitCaughtUp("d", std::chrono::seconds(60));
  auto coordinators = replica_->Pids("chameleon-coordinator");
  ASSERT_EQ(coordinators.size(), 1u);
  EXPECT_EQ(replica_->Pids("chameleon-worker").size(), 1u);
  ASSERT_EQ(kill(coordinators[0], SIGTERM), 0);
  for (int i = 0; i < 200 && !replica_->Pids("chameleon-coordinator").empty(); ++i) {
    std::this_thread::sleep_for(Millis(50));
  }
  EXPECT_TRUE(replica_->Pids("chameleon-coordinator").empty());
  EXPECT_TRUE(replica_->Pids("chameleon-worker").empty());
  workload.RunFor(std::chrono::seconds(1));
  replica_->MustCtl({"show_status"});
  EXPECT_EQ(replica_->Differences("d"), "");
}

ON_BOTH_SERVERS(ReplicaTest)

class NewerMariadbReplicaTest : public ReplicaTest {};

TEST_P(NewerMariadbReplicaTest, SnapshotUnderLoadThenMixedChangesWithAStopBetween) {
  SnapshotUnderLoadThenMixedChangesWithAStopBetween(TestSeconds(20));
}

ON_MARIADB11(NewerMariadbReplicaTest);

}  // namespace
}  // namespace chameleon::test
