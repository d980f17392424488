// The whole snapshot against real servers, into memory.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <chrono>
#include <numeric>
#include <thread>

#include "proto/wire/error.h"
#include "tests/unit/snapshot/memory_target.h"
#include "tests/unit/source/server_fixture.h"

namespace chameleon::worker::snapshot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

[[maybe_unused]] auto* const kStop = testing::AddGlobalTestEnvironment(new source::StopServers);

constexpr int kAccounts = 6000;
constexpr long kBalance = 1000;

class SnapshotTest : public source::ServerTest {
 protected:
  v1::Assignment Assignment(const std::string& schema, const std::string& user = "repl") {
    v1::Assignment a;
    *a.mutable_connection() = Config(Server(), user, user);
    *a.mutable_options() = Options(schema);
    a.mutable_options()->set_copy_lanes(3);
    a.mutable_options()->set_copy_max_memory_bytes(3 * 64 << 10);  // many chunks
    a.mutable_options()->set_lock_timeout_s(3);
    a.mutable_snapshot();
    a.mutable_lease()->set_epoch(5);
    return a;
  }
  absl::Status Run(const v1::Assignment& assignment) {
    return RunSnapshot(assignment, &target_, &stop_);
  }
  // Three ways to be cut: by range, by sampling a string key, not at all.
  void MakeBank(const std::string& schema) {
    MakeDatabase(schema);
    auto root = Server().Connect(schema);
    root.Exec("CREATE TABLE a (id INT PRIMARY KEY, balance BIGINT NOT NULL, pad VARCHAR(200))");
    root.Exec(
        "CREATE TABLE b (code VARCHAR(20) NOT NULL, n INT NOT NULL, balance BIGINT NOT NULL, "
        "pad VARCHAR(200), PRIMARY KEY (code, n)) DEFAULT CHARSET=latin1");
    root.Exec("CREATE TABLE c (id INT, balance BIGINT NOT NULL, KEY (id))");
    root.Exec("CREATE TABLE ledger (id INT AUTO_INCREMENT PRIMARY KEY, amount INT)");
    root.Exec("CREATE TABLE empty_table (id INT PRIMARY KEY)");
    Fill(root, "a", [](int i) { return fmt::format("({},{},REPEAT('x',150))", i, kBalance); });
    Fill(root, "b", [](int i) {
      return fmt::format("('k\xc3\xa9y {}',{},{},REPEAT('y',150))", i % 97, i, kBalance);
    });
    Fill(root, "c", [](int i) { return fmt::format("({},{})", i, kBalance); });
    root.Exec("ANALYZE TABLE a, b, c");
  }
  template <typename F>
  void Fill(test::Mysql& root, const std::string& table, F row) {
    for (int i = 0; i < kAccounts; i += 1000) {
      std::string sql = "INSERT INTO " + table + " VALUES ";
      for (int j = i; j < i + 1000; ++j) sql += (j == i ? "" : ",") + row(j);
      root.Exec(sql);
    }
  }
  // Each transfer is one transaction that adds one row to the ledger.
  void Transfer(test::Mysql& db, unsigned n) {
    unsigned x = n * 2654435761u;
    int from = static_cast<int>(x % kAccounts), to = static_cast<int>((x >> 8) % kAccounts);
    db.Exec("BEGIN");
    db.Exec(fmt::format("UPDATE a SET balance = balance - 7 WHERE id = {}", from));
    db.Exec(
        fmt::format("UPDATE b SET balance = balance + 5 WHERE n = {0} AND code = 'k\xc3\xa9y {1}'",
                    to, to % 97));
    db.Exec(fmt::format("UPDATE c SET balance = balance + 2 WHERE id = {}", to));
    db.Exec("INSERT INTO ledger (amount) VALUES (7)");
    db.Exec("COMMIT");
  }
  // Transactions in the server's history, from a GTID position.
  long Sequence(const std::string& gtid) {
    return std::stol(gtid.substr(gtid.find_last_of(IsMariadb() ? "-" : ":-") + 1));
  }
  std::string ServerGtid() {
    return Server().Connect().One(IsMariadb() ? "SELECT @@gtid_binlog_pos"
                                              : "SELECT @@gtid_executed");
  }
  long Sum(const std::string& table, size_t column) {
    auto numbers = target_.Numbers(table, column);
    return std::accumulate(numbers.begin(), numbers.end(), 0L);
  }
  void ExpectBank() {
    EXPECT_EQ(target_.Get("a").lines.size(), static_cast<size_t>(kAccounts));
    EXPECT_EQ(target_.Get("b").lines.size(), static_cast<size_t>(kAccounts));
    EXPECT_EQ(target_.Get("c").lines.size(), static_cast<size_t>(kAccounts));
    EXPECT_EQ(Sum("a", 1) + Sum("b", 2) + Sum("c", 1), 3 * kAccounts * kBalance);
    EXPECT_EQ(kAccounts * kBalance - Sum("a", 1),
              7 * static_cast<long>(target_.Get("ledger").lines.size()));
  }

  MemoryTarget target_;
  std::atomic<bool> stop_{false};
};

// What an administrator has set for everybody's sessions must not cut or change what we read.
TEST_P(SnapshotTest, GlobalSettingsChooseNothing) {
  MakeDatabase("globals");
  auto root = Server().Connect("globals");
  root.Exec(
      "CREATE TABLE t (id INT PRIMARY KEY, e ENUM('\xc3\xa9','b') NOT NULL,"
      " at TIMESTAMP NOT NULL DEFAULT '2024-07-01 12:00:00')");
  root.Exec("INSERT INTO t (id, e) VALUES (1,1),(2,1),(3,1),(4,2),(5,2),(6,1)");
  root.Exec(
      "CREATE TABLE c (id INT PRIMARY KEY, CONSTRAINT to_t FOREIGN KEY (id) REFERENCES t (id)"
      " ON DELETE CASCADE)");
  for (const char* sql :
       {"SET GLOBAL sql_select_limit = 3", "SET GLOBAL init_connect = 'SET NAMES latin1'",
        "SET GLOBAL autocommit = 0", "SET GLOBAL time_zone = '+05:00'",
        "SET GLOBAL sql_quote_show_create = 0"}) {
    root.Exec(sql);
  }
  const absl::Status status = Run(Assignment("globals"));
  for (const char* sql :
       {"SET GLOBAL sql_select_limit = 18446744073709551615", "SET GLOBAL init_connect = ''",
        "SET GLOBAL autocommit = 1", "SET GLOBAL time_zone = 'SYSTEM'",
        "SET GLOBAL sql_quote_show_create = 1"}) {
    root.Exec(sql);
  }
  ASSERT_TRUE(status.ok()) << status;
  const auto& table = target_.Get("t");
  EXPECT_EQ(table.lines.size(), 6u);
  EXPECT_EQ(target_.Get("c").def.foreign_keys(0).on_delete(), "CASCADE");
  EXPECT_EQ(table.def.columns(1).labels(0), "\xc3\xa9");
  const std::string noon =
      root.One("SELECT CONVERT_TZ('2024-07-01 12:00:00', @@session.time_zone, '+00:00')");
  EXPECT_EQ(table.def.columns(2).default_value(), noon);
}

TEST_P(SnapshotTest, OneViewUnderWrites) {
  MakeBank("bank");
  std::string before = ServerGtid();
  std::atomic<bool> end{false};
  std::vector<std::thread> writers;
  for (unsigned w = 0; w < 3; ++w) {
    writers.emplace_back([&, w] {
      auto db = Server().Connect("bank");
      for (unsigned n = w; !end; n += 3) {
        try {
          Transfer(db, n);
        } catch (const test::MysqlError&) {  // deadlock: rolled back
          db.TryExec("ROLLBACK");
        }
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  absl::Status status = Run(Assignment("bank"));
  end = true;
  for (auto& w : writers) w.join();
  ASSERT_TRUE(status.ok()) << status;
  ExpectBank();
  EXPECT_GT(target_.Get("ledger").lines.size(), 10u);
  EXPECT_GT(target_.Get("a").chunks.size(), 3u);
  EXPECT_GT(target_.Get("b").chunks.size(), 3u);
  EXPECT_EQ(target_.Get("c").chunks.size(), 1u);
  // The position is the view's: as many transactions as ledger rows.
  const v1::Position& p = target_.finish.position();
  if (!before.empty()) {
    EXPECT_EQ(Sequence(p.gtid()) - Sequence(before),
              static_cast<long>(target_.Get("ledger").lines.size()));
  }
  EXPECT_FALSE(p.file().empty());
  EXPECT_GT(p.offset(), 4u);
  EXPECT_GT(p.file_created(), 1600000000u);
  EXPECT_FALSE(p.server_id().empty());
  EXPECT_EQ(target_.finish.lease().epoch(), 5u);
  EXPECT_THAT(target_.phases, ElementsAre("preflight", "lock", "copy", "swap"));
  EXPECT_EQ(target_.last.tables_done(), 5u);
  EXPECT_EQ(target_.last.rows(), target_.lines_total);
}

TEST_P(SnapshotTest, ThroughFiles) {
  MakeBank("bank");
  auto assignment = Assignment("bank");
  assignment.mutable_options()->set_copy_to_file(true);
  assignment.mutable_options()->set_out_dir(testing::TempDir());
  ASSERT_TRUE(Run(assignment).ok());
  ExpectBank();
}

TEST_P(SnapshotTest, SchemaOnly) {
  MakeBank("bank");
  auto assignment = Assignment("bank");
  assignment.mutable_snapshot()->set_schema_only(true);
  ASSERT_TRUE(Run(assignment).ok());
  EXPECT_EQ(target_.lines_total, 0u);
  EXPECT_TRUE(target_.swapped);
}

TEST_P(SnapshotTest, OnlySomeTables) {
  MakeBank("bank");
  auto assignment = Assignment("bank");
  auto* only = assignment.mutable_snapshot()->add_only();
  only->set_schema("bank");
  only->set_table("c");
  ASSERT_TRUE(Run(assignment).ok());
  EXPECT_EQ(target_.tables.size(), 1u);
  EXPECT_EQ(target_.Get("c").lines.size(), static_cast<size_t>(kAccounts));
}

TEST_P(SnapshotTest, WithoutReload) {
  MakeBank("bank");
  auto root = Server().Connect();
  root.Exec("DROP USER IF EXISTS small");
  root.Exec("CREATE USER small@'%' IDENTIFIED BY 'small'");
  root.Exec("GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO small@'%'");
  if (!IsMariadb()) root.Exec("GRANT LOCK TABLES ON bank.* TO small@'%'");
  std::string before = ServerGtid();
  std::atomic<bool> end{false};
  std::thread writer([&] {
    auto db = Server().Connect("bank");
    for (unsigned n = 0; !end; ++n) Transfer(db, n);
  });
  absl::Status status = Run(Assignment("bank", "small"));
  end = true;
  writer.join();
  ASSERT_TRUE(status.ok()) << status;
  ExpectBank();
  if (!before.empty()) {
    EXPECT_EQ(Sequence(target_.finish.position().gtid()) - Sequence(before),
              static_cast<long>(target_.Get("ledger").lines.size()));
  }
}

// The table is read again, alone, under a newer view; nobody waits for the copy's end.
TEST_P(SnapshotTest, DdlDuringTheCopy) {
  MakeBank("bank");
  auto root = Server().Connect();
  root.Exec("DROP USER IF EXISTS ddl");
  root.Exec("CREATE USER ddl@'%' IDENTIFIED BY 'ddl'");
  root.Exec("GRANT SELECT, RELOAD, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO ddl@'%'");
  if (IsMariadb()) root.Exec("GRANT BINLOG ADMIN ON *.* TO ddl@'%'");
  auto assignment = Assignment("bank", "ddl");
  assignment.mutable_options()->set_copy_lanes(1);
  std::atomic<int> chunks_of_b{0};
  auto db = Server().Connect("bank");
  db.Exec("SET SESSION lock_wait_timeout=2");
  unsigned altered = 99, dropped = 99, done_altered = 99;
  target_.on_chunk = [&](const std::string& table) {
    if (table != "b" || chunks_of_b++ != 1) return;
    altered = db.TryExec("ALTER TABLE c ADD COLUMN note VARCHAR(10) DEFAULT 'new'");
    dropped = db.TryExec("DROP TABLE empty_table");
    // `a` or the first part of it may have been read already.
    done_altered = db.TryExec("ALTER TABLE a ADD COLUMN note INT DEFAULT 1");
  };
  absl::Status status = Run(assignment);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(altered, 0u);
  EXPECT_EQ(dropped, 0u);
  EXPECT_EQ(done_altered, 0u);
  MemoryTarget::Table& c = target_.Get("c");
  EXPECT_EQ(c.plans, 2);
  EXPECT_EQ(c.def.columns_size(), 3);
  ASSERT_EQ(c.lines.size(), static_cast<size_t>(kAccounts));
  EXPECT_THAT(c.lines[0], HasSubstr("\tnew"));
  if (!c.position.gtid().empty()) {
    EXPECT_GT(Sequence(c.position.gtid()), Sequence(target_.finish.position().gtid()));
  }
  EXPECT_TRUE(target_.Get("empty_table").lines.empty());
  EXPECT_EQ(target_.Get("a").lines.size(), static_cast<size_t>(kAccounts));
  EXPECT_EQ(target_.Get("b").plans, 1);
}

TEST_P(SnapshotTest, NonTransactionalTableStaysLockedUntilItIsCopied) {
  MakeBank("bank");
  auto root = Server().Connect("bank");
  root.Exec("CREATE TABLE log (id INT PRIMARY KEY) ENGINE=MyISAM");
  root.Exec("INSERT INTO log VALUES (1),(2),(3)");
  root.Exec("DROP USER IF EXISTS locker");
  root.Exec("CREATE USER locker@'%' IDENTIFIED BY 'locker'");
  root.Exec(
      "GRANT SELECT, RELOAD, LOCK TABLES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO "
      "locker@'%'");
  auto db = Server().Connect("bank");
  db.Exec("SET SESSION lock_wait_timeout=1");
  unsigned during = 0, after = 99;
  target_.on_chunk = [&](const std::string& table) {
    if (table == "log") during = db.TryExec("INSERT INTO log VALUES (4)");
    if (table == "a" && after == 99) after = db.TryExec("INSERT INTO log VALUES (5)");
  };
  auto assignment = Assignment("bank", "locker");
  assignment.mutable_options()->set_copy_lanes(1);
  absl::Status status = Run(assignment);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(during, 1205u);
  EXPECT_EQ(after, 0u);
  EXPECT_THAT(target_.Get("log").lines, testing::UnorderedElementsAre("1", "2", "3"));
}

TEST_P(SnapshotTest, CancelReleasesEverything) {
  MakeBank("bank");
  target_.on_chunk = [&](const std::string&) {
    stop_ = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  };
  auto begin = std::chrono::steady_clock::now();
  absl::Status status = Run(Assignment("bank"));
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_FALSE(target_.swapped);
  auto db = Server().Connect("bank");
  db.Exec("SET SESSION lock_wait_timeout=2");
  EXPECT_EQ(db.TryExec("ALTER TABLE a ADD COLUMN x INT"), 0u);
}

TEST_P(SnapshotTest, TargetRefusesARow) {
  MakeBank("bank");
  struct Refusing : MemoryTarget {
    absl::StatusOr<std::unique_ptr<ChunkWriter>> OpenChunk(uint64_t id, uint32_t chunk) override {
      if (tables.at(id).def.name().table() == "c") return absl::FailedPreconditionError("no");
      return MemoryTarget::OpenChunk(id, chunk);
    }
  } target;
  absl::Status status = RunSnapshot(Assignment("bank"), &target, &stop_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Text(status), "table bank.c: no");
}

TEST_P(SnapshotTest, TablesCannotBeLocked) {
  MakeBank("bank");
  auto other = Server().Connect("bank");
  std::thread sleeper;
  if (IsMariadb()) {
    other.Exec("LOCK TABLES a WRITE");
  } else {
    sleeper = std::thread([&] { other.TryExec("SELECT id, SLEEP(15) FROM a LIMIT 1"); });
    std::this_thread::sleep_for(std::chrono::milliseconds(4200));
  }
  auto root = Server().Connect();
  root.Exec("GRANT PROCESS ON *.* TO repl@'%'");
  absl::Status status = Run(Assignment("bank"));
  if (sleeper.joinable()) {
    root.Exec(fmt::format("KILL {}", other.thread_id()));
    sleeper.join();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  if (IsMariadb()) {
    EXPECT_EQ(Text(status),
              "the tables could not be locked within 3 s\nHINT: Look for long statements and open "
              "transactions in SHOW PROCESSLIST and try again.");
  } else {
    EXPECT_THAT(Text(status), testing::MatchesRegex(
                                  "the tables cannot be locked while a long statement runs: "
                                  "connection [0-9]+ of root, SELECT for [0-9]+ s\nHINT: Let it "
                                  "end, or KILL it, and try again\\."));
  }
}

INSTANTIATE_ON_SERVERS(SnapshotTest);

}  // namespace
}  // namespace chameleon::worker::snapshot
