// Every line that a preflight can print, judged from facts.
#include "worker/source/preflight_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/wire/error.h"

namespace chameleon::worker::source {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A MySQL that is fit.
Facts GoodFacts() {
  Facts f;
  f.server.set_kind(v1::ServerInfo::MYSQL);
  f.server.set_version("9.7.4-2");
  f.server.set_gtid_on(true);
  f.variables = {{"log_bin", "ON"},
                 {"server_id", "11"},
                 {"binlog_format", "ROW"},
                 {"binlog_row_image", "FULL"},
                 {"gtid_mode", "ON"},
                 {"sync_binlog", "1"},
                 {"innodb_flush_log_at_trx_commit", "1"},
                 {"binlog_expire_logs_seconds", "2592000"}};
  f.grants.AddLine("GRANT SELECT, RELOAD, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `u`@`%`");
  f.account = "'u'@'%'";
  f.schemas = {"shop"};
  f.for_snapshot = true;
  return f;
}

v1::SourceOptions GoodOptions() {
  v1::SourceOptions o;
  (*o.mutable_schema_mappings())["shop"] = "shop";
  o.set_my_server_id(100);
  return o;
}

// The messages, one string each: text | hint.
std::vector<std::string> Lines(const Facts& f, const v1::SourceOptions& o = GoodOptions()) {
  std::vector<std::string> lines;
  for (const Condition& c : Judge(f, o)) lines.push_back(c.text + " | " + c.hint);
  return lines;
}

TEST(PreflightRules, FitServer) {
  EXPECT_THAT(Lines(GoodFacts()), IsEmpty());
  EXPECT_THAT(Warn(GoodFacts()), IsEmpty());
}

TEST(PreflightRules, ReplicaThatDoesNotLogWhatItReceives) {
  Facts f = GoodFacts();
  f.variables["log_replica_updates"] = "OFF";
  EXPECT_THAT(Lines(f), IsEmpty());
  f.is_replica = true;
  EXPECT_THAT(
      Lines(f),
      ElementsAre("the server is a replica and log_slave_updates is OFF: changes that it receives "
                  "are not in its binary log | Set log_slave_updates in the server's configuration "
                  "and restart it, or follow the server that it replicates from."));
  f.variables["log_slave_updates"] = "ON";
  EXPECT_THAT(Lines(f), IsEmpty());
}

TEST(PreflightRules, BinaryLogOff) {
  Facts f = GoodFacts();
  f.variables["log_bin"] = "OFF";
  f.variables["binlog_format"] = "MIXED";  // of no interest then
  EXPECT_THAT(Lines(f), ElementsAre("log_bin is OFF: the server writes no binary log | Start the "
                                    "server with log_bin and a server_id."));
}

TEST(PreflightRules, FormatAndImage) {
  Facts f = GoodFacts();
  f.variables["binlog_format"] = "MIXED";
  f.variables["binlog_row_image"] = "MINIMAL";
  EXPECT_THAT(
      Lines(f),
      ElementsAre("binlog_format is MIXED: it must be ROW | Run SET GLOBAL binlog_format = "
                  "'ROW', set it in the server's configuration, and let the applications "
                  "connect anew.",
                  "binlog_row_image is MINIMAL: it must be FULL | Run SET GLOBAL "
                  "binlog_row_image = 'FULL', set it in the server's configuration, and let "
                  "the applications connect anew."));
  f.variables["binlog_format"] = "ROW";
  f.variables.erase("binlog_row_image");  // a server before 5.6
  EXPECT_THAT(Lines(f), IsEmpty());
}

TEST(PreflightRules, Filters) {
  Facts f = GoodFacts();
  f.status.do_db = "other,shop";
  EXPECT_THAT(Lines(f), IsEmpty());
  f.status.do_db = "other";
  EXPECT_THAT(Lines(f), ElementsAre("binlog_do_db is set (other): changes of database shop are not "
                                    "in the binary log | Remove binlog_do_db and binlog_ignore_db "
                                    "from the server's configuration and restart it."));
  f.status.do_db = "";
  f.status.ignore_db = "logs,shop";
  EXPECT_THAT(
      Lines(f),
      ElementsAre("binlog_ignore_db is set (logs,shop): changes of database shop are not in "
                  "the binary log | Remove binlog_do_db and binlog_ignore_db from the "
                  "server's configuration and restart it."));
}

TEST(PreflightRules, DatabaseMissing) {
  Facts f = GoodFacts();
  f.schemas = {};
  EXPECT_THAT(Lines(f), ElementsAre("database shop does not exist or 'u'@'%' may not see it | "
                                    "Correct schema_mappings, or grant SELECT on the database."));
  f.only = {"other"};
  EXPECT_THAT(Lines(f), IsEmpty());
  f.only = {"other", "shop"};
  EXPECT_EQ(Lines(f).size(), 1);
  f.only = {"SHOP"};
  EXPECT_THAT(Lines(f), IsEmpty());
  f.server.set_lower_case_table_names(1);
  EXPECT_EQ(Lines(f).size(), 1);
  f.for_snapshot = false;
  EXPECT_THAT(Lines(f), IsEmpty());
  EXPECT_THAT(MissingSchemas(f, GoodOptions()), ElementsAre("shop"));
}

TEST(PreflightRules, LetterCaseOfDatabase) {
  Facts f = GoodFacts();
  auto o = GoodOptions();
  o.mutable_schema_mappings()->clear();
  (*o.mutable_schema_mappings())["Shop"] = "shop";
  EXPECT_EQ(Lines(f, o).size(), 1);
  f.server.set_lower_case_table_names(1);
  EXPECT_THAT(Lines(f, o), IsEmpty());
}

TEST(PreflightRules, Privileges) {
  Facts f = GoodFacts();
  f.grants = Grants();
  f.grants.AddLine("GRANT USAGE ON *.* TO `u`@`%`");
  f.may_read_status = false;
  EXPECT_THAT(
      Lines(f),
      ElementsAre(
          "privilege REPLICATION SLAVE on *.* is missing for 'u'@'%' | Run GRANT REPLICATION SLAVE "
          "ON *.* TO 'u'@'%'.",
          "privilege REPLICATION CLIENT on *.* is missing for 'u'@'%' | Run GRANT REPLICATION "
          "CLIENT ON *.* TO 'u'@'%'.",
          "privilege SELECT on `shop`.* is missing for 'u'@'%' | Run GRANT SELECT ON `shop`.* TO "
          "'u'@'%'.",
          "privilege RELOAD on *.* is missing for 'u'@'%' | Run GRANT RELOAD ON *.* TO 'u'@'%'."));
}

TEST(PreflightRules, PrivilegesOnTheDatabaseSuffice) {
  Facts f = GoodFacts();
  f.grants = Grants();
  f.grants.AddLine("GRANT REPLICATION SLAVE ON *.* TO `u`@`%`");
  f.grants.AddLine("GRANT SELECT, LOCK TABLES ON `sh%`.* TO `u`@`%`");
  EXPECT_THAT(Lines(f), IsEmpty());
  EXPECT_THAT(Warn(f),
              ElementsAre("privilege RELOAD is missing: the copy begins with LOCK TABLES"));
  f.server.set_kind(v1::ServerInfo::MARIADB);
  f.server.set_version("10.11.19-MariaDB");
  EXPECT_THAT(Warn(f), ElementsAre("privilege RELOAD is missing: the copy uses one connection"));
}

TEST(PreflightRules, MariadbNamesThePrivilegeOtherwise) {
  Facts f = GoodFacts();
  f.server.set_kind(v1::ServerInfo::MARIADB);
  f.server.set_version("10.11.19-MariaDB-0+deb12u1-log");
  f.may_read_status = false;
  EXPECT_THAT(Lines(f), ElementsAre("privilege BINLOG MONITOR on *.* is missing for 'u'@'%' | Run "
                                    "GRANT BINLOG MONITOR ON *.* TO 'u'@'%'."));
}

TEST(PreflightRules, Identity) {
  Facts f = GoodFacts();
  auto o = GoodOptions();
  o.set_my_server_id(11);
  EXPECT_THAT(Lines(f, o),
              ElementsAre("my_server_id is 11: that is the server_id of the source itself | Set "
                          "my_server_id to a number that no server of this replication uses."));
  o.set_my_server_id(0);
  EXPECT_THAT(Lines(f, o),
              ElementsAre("my_server_id is 0: no stream can be kept | Set my_server_id to a number "
                          "that no server of this replication uses."));
}

TEST(PreflightRules, GtidOff) {
  Facts f = GoodFacts();
  f.server.set_gtid_on(false);
  f.variables["gtid_mode"] = "OFF_PERMISSIVE";
  auto o = GoodOptions();
  EXPECT_THAT(Lines(f, o), IsEmpty());
  o.set_gtid_enable(true);
  EXPECT_THAT(Lines(f, o), ElementsAre("gtid_mode is OFF_PERMISSIVE: gtid_enable needs it ON | Set "
                                       "gtid_mode on the server, or gtid_enable to false."));
}

TEST(PreflightRules, PreparedXa) {
  Facts f = GoodFacts();
  f.prepared_xa = 1;
  EXPECT_THAT(Lines(f),
              ElementsAre("1 XA transaction is prepared: a copy would miss the rows | See "
                          "XA RECOVER and commit or roll back what it lists."));
  f.prepared_xa = 2;
  EXPECT_THAT(Lines(f), ElementsAre("2 XA transactions are prepared: a copy would miss the rows | "
                                    "See XA RECOVER and commit or roll back what it lists."));
  f.for_snapshot = false;
  EXPECT_THAT(Lines(f), IsEmpty());
}

TEST(PreflightRules, Versions) {
  auto line = [](std::string_view version) {
    auto bad = JudgeVersion(version);
    return bad.empty() ? std::string("good") : bad[0].text;
  };
  EXPECT_EQ(line("9.7.4-2"), "good");
  EXPECT_EQ(line("5.5.62-log"), "good");
  EXPECT_EQ(line("10.11.19-MariaDB-0+deb12u1-log"), "good");
  EXPECT_EQ(line("5.5.5-10.4.2-MariaDB"), "good");
  EXPECT_EQ(line("5.1.73"), "server version is 5.1.73: at least MySQL 5.5 is needed");
  EXPECT_EQ(line("5.5.68-MariaDB"),
            "server version is 5.5.68-MariaDB: at least MariaDB 10.0 is needed");
  EXPECT_EQ(line("8.0.11-TiDB-v7.5.0"),
            "server version is 8.0.11-TiDB-v7.5.0: it is neither MySQL nor MariaDB");
}

TEST(PreflightRules, Warnings) {
  Facts f = GoodFacts();
  f.variables["sync_binlog"] = "0";
  f.variables["innodb_flush_log_at_trx_commit"] = "2";
  f.variables["binlog_expire_logs_seconds"] = "3600";
  f.may_see_xa = false;
  f.non_transactional = {"shop.a (MyISAM)", "shop.b (MyISAM)", "shop.c (Aria)", "shop.d (Aria)",
                         "shop.e (Aria)",   "shop.f (Aria)",   "shop.g (Aria)"};
  EXPECT_THAT(
      Warn(f),
      ElementsAre(
          "sync_binlog is 0: after a crash the source may have lost transactions that are "
          "replicated",
          "innodb_flush_log_at_trx_commit is 2: after a crash the source may have lost "
          "transactions "
          "that are replicated",
          "binary logs expire after 3600 seconds: a replica that stands still for longer must be "
          "initialised again",
          "non-transactional tables are locked while they are copied: shop.a (MyISAM), shop.b "
          "(MyISAM), shop.c (Aria), shop.d (Aria), shop.e (Aria) and 2 more",
          "privilege XA_RECOVER_ADMIN is missing: prepared XA transactions cannot be seen"));
}

TEST(PreflightRules, OneStatusForAll) {
  auto status = ToStatus({{"A", "x", "first is bad", "Mend it."},
                          {"B", "y", "second is bad", "Mend it."},
                          {"C", "z", "third is bad", "Mend that."}});
  EXPECT_EQ(Text(status), "first is bad\nsecond is bad\nthird is bad\nHINT: Mend it. Mend that.");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailOf(status).reason(), "A");
}

TEST(Grants, Patterns) {
  Grants g;
  g.AddLine("GRANT SELECT (a, b), INSERT ON `one`.`table` TO `u`@`%`");
  g.AddLine("GRANT SELECT ON `my\\_shop`.* TO `u`@`%`");
  g.AddLine("GRANT ALL PRIVILEGES ON `a``b`.* TO `u`@`%` WITH GRANT OPTION");
  g.AddLine("GRANT PROXY ON ``@`` TO `root`@`localhost` WITH GRANT OPTION");
  g.AddLine("GRANT `role`@`%` TO `u`@`%`");
  EXPECT_FALSE(g.HasOn("SELECT", "one"));
  EXPECT_TRUE(g.HasOn("SELECT", "my_shop"));
  EXPECT_FALSE(g.HasOn("SELECT", "myxshop"));
  EXPECT_TRUE(g.HasOn("SELECT", "a`b"));
  EXPECT_FALSE(g.Has("SELECT"));
  g.AddLine("GRANT BACKUP_ADMIN,FLUSH_TABLES ON *.* TO `u`@`%`");
  EXPECT_TRUE(g.Has("FLUSH_TABLES"));
}

}  // namespace
}  // namespace chameleon::worker::source
