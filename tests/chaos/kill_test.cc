// kill -9 at seeded random moments under load: equal afterwards, nothing lost, nothing twice, no
// repair by hand, and no broken sum in between.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <future>

#include "tests/support/both_servers.h"
#include "tests/support/replica.h"

namespace chameleon::test {
namespace {

using ::testing::Gt;

constexpr int kKills = 10;

class KillTest : public BothServers {
 protected:
  void SetUp() override {
    BothServers::SetUp();
    if (IsSkipped()) return;
    postgres_.Start();
    source_ = StartSource(GetParam());
    source_->Connect().Exec("CREATE DATABASE shop");
    replica_ = std::make_unique<Replica>(&postgres_);
    replica_->AddSource(
        {.name = "shop", .server = source_.get(), .schema_mappings = {{"shop", "shop"}}});
    random_.seed(Seed());
  }

  // Runs the load, calls kill_one kKills times at random moments, then compares.
  void Run(const std::function<bool()>& kill_one) {
    Workload workload(source_->Address(), "shop", {.seed = Seed(), .bulk_rows = 50000});
    workload.Prepare();
    replica_->Setup();
    replica_->Init("shop");
    replica_->Start("shop");
    InvariantReader reader(replica_->target(), workload.SumQuery("shop"), Workload::ExpectedSum());
    workload.Start();
    for (int kills = 0; kills < kKills; ++kills) {
      std::this_thread::sleep_for(Millis(200 + random_() % 2000));
      auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
      // There may be none at this very moment: it was killed and is not back yet.
      while (!kill_one()) {
        ASSERT_LT(std::chrono::steady_clock::now(), end) << "nothing to kill:\n"
                                                         << replica_->Logs();
        std::this_thread::sleep_for(Millis(50));
      }
    }
    workload.Stop();
    EXPECT_EQ(replica_->Differences("shop"), "");
    std::string violation;
    EXPECT_THAT(reader.Stop(&violation), Gt(10u));
    EXPECT_EQ(violation, "");
  }

  bool Kill9(const std::string& program) {
    auto pids = replica_->Pids(program);
    if (pids.empty()) return false;
    return kill(pids[random_() % pids.size()], SIGKILL) == 0;
  }

  std::mt19937_64 random_;
  PostgresServer postgres_;
  std::unique_ptr<SourceServer> source_;
  std::unique_ptr<Replica> replica_;
};

TEST_P(KillTest, Worker) {
  Run([this] { return Kill9("chameleon-worker"); });
}

TEST_P(KillTest, Coordinator) {
  Run([this] {
    bool killed = Kill9("chameleon-coordinator");
    // Any command starts the next one, which goes on with the running sources.
    if (killed) replica_->MustCtl({"show_status"});
    return killed;
  });
}

TEST_P(KillTest, PostgresBackend) {
  Run([this] {
    std::string pid;
    try {
      pid = Pg(replica_->target())
                .One(
                    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND "
                    "application_name <> 'chameleon-test' ORDER BY random() LIMIT 1");
    } catch (const PgError&) {
      return false;  // still recovering from the last one
    }
    return !pid.empty() && kill(std::stoi(pid), SIGKILL) == 0;
  });
}

// The servers themselves: the source's own crash, and PostgreSQL's.
TEST_P(KillTest, SourceServer) {
  Workload workload(source_->Address(), "shop", {.seed = Seed(), .bulk_rows = 20000});
  workload.Prepare();
  replica_->Setup();
  replica_->Init("shop");
  replica_->Start("shop");
  for (int kills = 0; kills < 2; ++kills) {
    workload.RunFor(Millis(1000 + random_() % 1000));
    source_->Kill9();
    source_->Start();
  }
  workload.RunFor(Millis(500));
  EXPECT_EQ(replica_->Differences("shop"), "");
}

TEST_P(KillTest, PostgresServer) {
  Workload workload(source_->Address(), "shop", {.seed = Seed(), .bulk_rows = 20000});
  workload.Prepare();
  replica_->Setup();
  replica_->Init("shop");
  replica_->Start("shop");
  workload.Start();
  for (int kills = 0; kills < 2; ++kills) {
    std::this_thread::sleep_for(Millis(1000 + random_() % 1000));
    postgres_.Kill9();
    std::this_thread::sleep_for(Millis(random_() % 3000));
    postgres_.Start();
  }
  workload.Stop();
  EXPECT_EQ(replica_->Differences("shop"), "");
}

// init_replica killed halfway: no half copy is ever visible, nothing is left behind, and the next
// init_replica works.
TEST_P(KillTest, InitReplica) {
  source_->LoadFile(CHAMELEON_SOURCE_DIR "/tests/support/shop.sql");
  Workload workload(source_->Address(), "shop", {.seed = Seed(), .bulk_rows = 0});
  workload.Prepare();
  replica_->Setup();
  InvariantReader reader(replica_->target(), workload.SumQuery("shop"), Workload::ExpectedSum());
  workload.Start();
  for (const char* program : {"chameleon-worker", "chameleon-coordinator"}) {
    for (int i = 0; i < 3; ++i) {
      auto init = std::async(std::launch::async, [this] {
        return replica_->Ctl({"init_replica", "--source", "shop"});
      });
      std::this_thread::sleep_for(Millis(50 + random_() % 1500));
      Kill9(program);
      init.wait();
    }
  }
  replica_->Init("shop");
  EXPECT_EQ(Pg(replica_->target())
                .Query("SELECT nspname::text FROM pg_namespace WHERE nspname LIKE '%shop%'"),
            (Rows{{"shop"}}));
  replica_->Start("shop");
  workload.Stop();
  EXPECT_EQ(replica_->Differences("shop"), "");
  std::string violation;
  EXPECT_THAT(reader.Stop(&violation), Gt(0u));
  EXPECT_EQ(violation, "");
}

ON_BOTH_SERVERS(KillTest)

}  // namespace
}  // namespace chameleon::test
