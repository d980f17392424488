// gh-ost and pt-online-schema-change, by the statements that they send: the tables they work with
// are followed and not shown, and the swap is one transaction of the target.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "tests/support/live_fixture.h"

namespace chameleon::test {
namespace {

constexpr char kHidden[] = "_d_online";

class OnlineChange : public LiveFixture {
 protected:
  void SetUp() override {
    LiveFixture::SetUp();
    if (IsSkipped()) return;
    StartSource();
    source_->Connect().Exec("SET GLOBAL log_bin_trust_function_creators=1");
    Run(
        {"CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NOT NULL, n INT,"
         " kind ENUM('x','y') DEFAULT 'x', KEY k_name (name))",
         "INSERT INTO t (name, n, kind) VALUES ('one', 1, 'x'), ('two', 2, 'y'), ('three', 3, "
         "NULL)"});
  }

  // "d: t w_marker, _d_online: _t_gho"
  std::string Shown(const std::string& schema) {
    return Target(
        fmt::format("SELECT coalesce(string_agg(tablename, ' ' ORDER BY tablename), '') FROM "
                    "pg_tables WHERE schemaname = '{}'",
                    schema));
  }

  // `errors`: those that are expected; "*": any.
  void ExpectSwapped(const std::string& errors = "") {
    WaitForCopies();
    EXPECT_EQ(replica_->Differences("s", std::chrono::seconds(60)), "");
    EXPECT_EQ(Shown("d"), "t w_marker");
    EXPECT_EQ(Left(), "");
    if (errors != "*") {
      EXPECT_EQ(ErrorLog(), errors);
    }
    EXPECT_EQ(
        Target(fmt::format("SELECT count(*) FROM pg_namespace WHERE nspname = '{}'", kHidden)),
        "0");
    EXPECT_EQ(Target("SELECT string_agg(indexname, ',' ORDER BY indexname) FROM pg_indexes WHERE "
                     "schemaname = 'd' AND tablename = 't'"),
              "idx_t_k_name,pk_t");
    EXPECT_EQ(Target("SELECT count(*) FROM pg_type WHERE typname LIKE 'enum\\_%'"), "1");
  }
};

// Up to the moment before the swap. The change is one that could not be made in place if there were
// rows: the new table has none yet.
const std::vector<std::string>& GhostBefore() {
  static const std::vector<std::string> kStatements = {
      "create /* gh-ost */ table `d`.`_t_ghc` (id bigint unsigned auto_increment, last_update "
      "timestamp not null DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, hint varchar(64) "
      "charset ascii not null, value varchar(4096) charset ascii not null, primary key(id), unique "
      "key hint_uidx(hint)) auto_increment=256 comment='gh-ost'",
      "create /* gh-ost */ table `d`.`_t_gho` like `d`.`t`",
      "alter /* gh-ost */ table `d`.`_t_gho` add column made datetime not null default now(), "
      "modify "
      "n time, drop column kind, add column kind enum('y','z','x')",
      "insert /* gh-ost */ into `d`.`_t_ghc` (id, hint, value) values (NULLIF(2, 0), 'state', "
      "'GhostTableMigrated') on duplicate key update last_update=NOW(), value=VALUES(value)",
      "insert /* gh-ost `d`.`t` */ ignore into `d`.`_t_gho` (`id`, `name`, `n`, `kind`) (select "
      "`id`, `name`, `n`, `kind` from `d`.`t` where (`id` > 0 and `id` <= 3) lock in share mode)",
      "insert into t (name, n) values ('late', 4)",
      "replace /* gh-ost `d`.`_t_gho` */ into `d`.`_t_gho` (`id`, `name`, `n`, `kind`) values (4, "
      "'late', 4, 'x')",
      "delete from t where id = 2",
      "delete /* gh-ost */ from `d`.`_t_gho` where ((`id` = 2))",
      "create /* gh-ost */ table `d`.`_t_del` (id int auto_increment primary key) engine=InnoDB "
      "comment='ghost-cut-over-sentry'"};
  return kStatements;
}

const std::vector<std::string>& GhostSwap() {
  static const std::vector<std::string> kStatements = {
      "drop /* gh-ost */ table if exists `d`.`_t_del`",
      "rename /* gh-ost */ table `d`.`t` to `d`.`_t_del`, `d`.`_t_gho` to `d`.`t`",
      "insert into t (name, n, kind) values ('after', 5, 'z')",
      "drop /* gh-ost */ table if exists `d`.`_t_ghc`",
      "drop /* gh-ost */ table if exists `d`.`_t_del`"};
  return kStatements;
}

TEST_P(OnlineChange, GhostWhileRunning) {
  Follow();
  Run(GhostBefore());
  CatchUp();
  EXPECT_EQ(Shown("d"), "t w_marker");
  EXPECT_EQ(Shown(kHidden), "_t_del _t_ghc _t_gho");
  EXPECT_EQ(Target("SELECT string_agg(name || n, ',' ORDER BY id) FROM _d_online._t_gho"),
            "one00:00:01,three00:00:03,late00:00:04");
  Run({GhostSwap()[0], GhostSwap()[1], GhostSwap()[2]});
  CatchUp();
  EXPECT_EQ(Shown("d"), "t w_marker");
  EXPECT_EQ(Shown(kHidden), "_t_del _t_ghc");
  Run({GhostSwap()[3], GhostSwap()[4]});
  ExpectSwapped();
}

TEST_P(OnlineChange, GhostAsABacklogAndAcrossKills) {
  Follow();
  replica_->Stop("s");
  Run(GhostBefore());
  replica_->Start("s");
  for (pid_t pid : replica_->Pids("chameleon-worker")) kill(pid, SIGKILL);
  Run(GhostSwap());
  for (pid_t pid : replica_->Pids("chameleon-worker")) kill(pid, SIGKILL);
  ExpectSwapped("*");  // a worker that is new does not know that a table is empty, and copies it
}

// Tables that are there when the snapshot is taken are copied as they are; the swap is exact.
TEST_P(OnlineChange, GhostWithASnapshotInTheMiddle) {
  Run(GhostBefore());
  Follow();
  CatchUp();
  EXPECT_EQ(Shown("d"), "_t_del _t_ghc _t_gho t w_marker");
  Run(GhostSwap());
  ExpectSwapped();
}

// Rows come through triggers; names are taken, so there is one underscore more.
TEST_P(OnlineChange, PtOnlineSchemaChange) {
  Follow();
  Run(
      {"CREATE TABLE `d`.`__t_new` (`id` int NOT NULL AUTO_INCREMENT, `name` varchar(20) NOT NULL,"
       " `n` int DEFAULT NULL, `kind` enum('x','y') DEFAULT 'x', PRIMARY KEY (`id`),"
       " KEY `k_name` (`name`))",
       "ALTER TABLE `d`.`__t_new` ADD COLUMN added VARCHAR(10) NOT NULL DEFAULT 'd', MODIFY n "
       "BIGINT",
       "CREATE TRIGGER `pt_osc_d_t_del` AFTER DELETE ON `d`.`t` FOR EACH ROW DELETE IGNORE FROM "
       "`d`.`__t_new` WHERE `d`.`__t_new`.`id` <=> OLD.`id`",
       "CREATE TRIGGER `pt_osc_d_t_upd` AFTER UPDATE ON `d`.`t` FOR EACH ROW BEGIN DELETE IGNORE "
       "FROM "
       "`d`.`__t_new` WHERE !(OLD.`id` <=> NEW.`id`) AND `d`.`__t_new`.`id` <=> OLD.`id`; REPLACE "
       "INTO `d`.`__t_new` (`id`, `name`, `n`, `kind`) VALUES (NEW.`id`, NEW.`name`, NEW.`n`, "
       "NEW.`kind`); END",
       "CREATE TRIGGER `pt_osc_d_t_ins` AFTER INSERT ON `d`.`t` FOR EACH ROW REPLACE INTO "
       "`d`.`__t_new` (`id`, `name`, `n`, `kind`) VALUES (NEW.`id`, NEW.`name`, NEW.`n`, "
       "NEW.`kind`)",
       "UPDATE t SET n = 20 WHERE name = 'two'", "INSERT INTO t (name, n) VALUES ('during', 4)",
       "INSERT LOW_PRIORITY IGNORE INTO `d`.`__t_new` (`id`, `name`, `n`, `kind`) SELECT `id`, "
       "`name`, `n`, `kind` FROM `d`.`t` LOCK IN SHARE MODE",
       "DELETE FROM t WHERE name = 'one'", "UPDATE t SET id = 30 WHERE name = 'three'"});
  CatchUp();
  EXPECT_EQ(Shown("d"), "t w_marker");
  EXPECT_EQ(Shown(kHidden), "__t_new");
  EXPECT_EQ(Target("SELECT string_agg(id || name, ',' ORDER BY id) FROM _d_online.__t_new"),
            "2two,4during,30three");
  Run({"RENAME TABLE `d`.`t` TO `d`.`_t_old`, `d`.`__t_new` TO `d`.`t`"});
  CatchUp();
  EXPECT_EQ(Shown("d"), "t w_marker");
  EXPECT_EQ(Shown(kHidden), "_t_old");
  Run({"DROP TRIGGER IF EXISTS `d`.`pt_osc_d_t_del`", "DROP TRIGGER IF EXISTS `d`.`pt_osc_d_t_upd`",
       "DROP TRIGGER IF EXISTS `d`.`pt_osc_d_t_ins`",
       "INSERT INTO t (name, added) VALUES ('after', 'new')", "DROP TABLE IF EXISTS `d`.`_t_old`"});
  ExpectSwapped();
}

// The new table must be copied again on the way (a column that the source computes for rows that
// are there): it stays unseen, and so does the swap stay exact.
TEST_P(OnlineChange, ACopyThatIsMadeAgainStaysUnseen) {
  Follow();
  Run({"CREATE TABLE _t_new LIKE t", "INSERT INTO _t_new SELECT * FROM t",
       "ALTER TABLE _t_new ADD COLUMN made DATETIME NOT NULL DEFAULT now()"});
  WaitForCopies();
  EXPECT_EQ(Shown("d"), "t w_marker");
  EXPECT_EQ(Shown(kHidden), "_t_new");
  Run({"RENAME TABLE t TO _t_old, _t_new TO t", "INSERT INTO t (name) VALUES ('after')",
       "DROP TABLE _t_old"});
  ExpectSwapped(
      "it must be copied again: the source computes the new column of the rows that are there");
}

// A change that is given up, and a copy of the source made anew, leave nothing behind.
TEST_P(OnlineChange, NothingIsLeftBehind) {
  Follow();
  Run(GhostBefore());
  CatchUp();
  EXPECT_EQ(Shown(kHidden), "_t_del _t_ghc _t_gho");
  Run({"DROP TABLE _t_gho", "DROP TABLE _t_ghc", "DROP TABLE _t_del"});
  ExpectSwapped();
  Run({"CREATE TABLE _t_gho LIKE t"});
  CatchUp();
  EXPECT_EQ(Shown(kHidden), "_t_gho");
  replica_->Stop("s");
  replica_->Init("s");
  replica_->Start("s");
  EXPECT_EQ(replica_->Differences("s", std::chrono::seconds(60)), "");
  EXPECT_EQ(Shown("d"), "_t_gho t w_marker");
  EXPECT_EQ(Shown(kHidden), "");
}

ON_BOTH_SERVERS(OnlineChange)

}  // namespace
}  // namespace chameleon::test
