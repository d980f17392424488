// The sample database and the load: if they did less than they say, every test above would show
// less than it says.
#include "tests/support/workload.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/both_servers.h"

namespace chameleon::test {
namespace {

using ::testing::Gt;

class WorkloadTest : public BothServers {
 protected:
  void SetUp() override {
    BothServers::SetUp();
    if (IsSkipped()) return;
    server_ = StartSource(GetParam());
    server_->LoadFile(CHAMELEON_SOURCE_DIR "/tests/support/shop.sql");
  }

  std::map<std::string, std::string> Checksums() {
    std::map<std::string, std::string> sums;
    Mysql mysql = server_->Connect("shop");
    for (auto& row : mysql.Query("SHOW TABLES")) {
      sums[*row[0]] = *mysql.Query("CHECKSUM TABLE " + *row[0])[0][1];
    }
    return sums;
  }

  std::unique_ptr<SourceServer> server_;
};

TEST_P(WorkloadTest, ShopHasElevenTablesAnd230060Rows) {
  Mysql mysql = server_->Connect("shop");
  long rows = 0;
  auto tables = mysql.Query("SHOW TABLES");
  for (auto& row : tables) rows += std::stol(mysql.One("SELECT COUNT(*) FROM " + *row[0]));
  EXPECT_EQ(tables.size(), 11u);
  EXPECT_EQ(rows, 230060);
}

TEST_P(WorkloadTest, ChangesEveryTableAndKeepsTheSum) {
  Workload workload(server_->Address(), "shop", {.seed = Seed()});
  workload.Prepare();
  auto before = Checksums();
  workload.RunFor(std::chrono::seconds(3));
  auto after = Checksums();
  for (auto& [table, sum] : before) {
    bool changes = table != "w_digits" && table != "w_marker";
    EXPECT_EQ(sum != after[table], changes) << table;
  }
  Mysql mysql = server_->Connect("shop");
  EXPECT_EQ(mysql.One("SELECT SUM(balance) FROM w_accounts"), Workload::ExpectedSum());
  EXPECT_EQ(mysql.One("SELECT COUNT(*) FROM w_bulk"), "198000");
  EXPECT_THAT(std::stol(mysql.One("SELECT COUNT(*) FROM w_accounts WHERE moved > 0")), Gt(10));
  EXPECT_THAT(workload.transactions(), Gt(30u));
}

TEST_P(WorkloadTest, AnUnexpectedErrorIsReported) {
  Workload workload(server_->Address(), "shop", {.seed = Seed(), .other_tables = false});
  workload.Prepare();
  server_->Connect("shop").Exec("DROP TABLE w_items");
  EXPECT_THROW(workload.RunFor(std::chrono::milliseconds(300)), std::runtime_error);
}

ON_BOTH_SERVERS(WorkloadTest)

}  // namespace
}  // namespace chameleon::test
