// Preflight against real servers: the exact text that a user reads.
#include <gmock/gmock.h>

#include "proto/wire/error.h"
#include "tests/unit/source/server_fixture.h"
#include "worker/source/preflight.h"

namespace chameleon::worker::source {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

[[maybe_unused]] auto* const kStop = testing::AddGlobalTestEnvironment(new StopServers);

class PreflightTest : public ServerTest {
 protected:
  // The message without hints.
  std::string Run(const v1::SourceConnection& config, const v1::SourceOptions& options,
                  bool for_snapshot = true) {
    auto result = Preflight(config, options, for_snapshot);
    if (result.ok()) return "fit";
    std::string text = Text(result.status());
    EXPECT_NE(text.find("\nHINT: "), std::string::npos) << text;
    return text.substr(0, text.find("\nHINT: "));
  }
};

TEST_P(PreflightTest, Fit) {
  MakeDatabase("shop");
  auto result = Preflight(Config(), Options("shop"), true);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->server.server_id(), testing::Not(IsEmpty()));
  EXPECT_EQ(result->server.kind() == v1::ServerInfo::MARIADB, IsMariadb());
  if (IsMariadb()) {
    EXPECT_THAT(result->warnings, IsEmpty());
  } else {
    EXPECT_THAT(result->warnings, ElementsAre("privilege XA_RECOVER_ADMIN is missing: prepared XA "
                                              "transactions cannot be seen"));
  }
}

TEST_P(PreflightTest, ReplicaThatDoesNotLogWhatItReceives) {
  auto server = test::StartSource(
      GetParam(), {{IsMariadb() ? "--log-slave-updates=OFF" : "--log-replica-updates=OFF"}});
  auto root = server->Connect();
  root.Exec("CREATE DATABASE shop");
  EXPECT_EQ(Run(Config(*server), Options("shop")), "fit");
  if (IsMariadb()) {  // to see replicas that do not run
    root.Exec("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1");
    root.Exec("GRANT REPLICA MONITOR ON *.* TO repl");
  } else {
    root.Exec("CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=1");
  }
  EXPECT_EQ(Run(Config(*server), Options("shop")),
            "the server is a replica and log_slave_updates is OFF: changes that it receives are "
            "not in its binary log");
}

TEST_P(PreflightTest, Unreachable) {
  auto config = Config();
  config.set_port(1);
  auto result = Preflight(config, Options("shop"), true);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(
      Text(result.status()),
      "cannot connect to 127.0.0.1:1 as 'repl': Can't connect to server on '127.0.0.1' (error "
      "2002)");
}

TEST_P(PreflightTest, WrongPassword) {
  auto result = Preflight(Config(Server(), "repl", "s3cret"), Options("shop"), true);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  std::string text = Text(result.status());
  EXPECT_THAT(text, HasSubstr("as 'repl': Access denied for user 'repl'@"));
  EXPECT_THAT(text, HasSubstr("an anonymous account ''@'localhost' may hide 'repl'@'%'"));
  EXPECT_THAT(text, testing::Not(HasSubstr("s3cret")));
}

TEST_P(PreflightTest, FormatImageAndMissingDatabase) {
  auto root = Server().Connect();
  root.Exec("SET GLOBAL binlog_format='MIXED'");
  root.Exec("SET GLOBAL binlog_row_image='MINIMAL'");
  std::string text = Run(Config(), Options("nosuch"));
  root.Exec("SET GLOBAL binlog_format='ROW'");
  root.Exec("SET GLOBAL binlog_row_image='FULL'");
  EXPECT_EQ(text,
            "binlog_format is MIXED: it must be ROW\n"
            "binlog_row_image is MINIMAL: it must be FULL\n"
            "database nosuch does not exist or 'repl'@'%' may not see it");
}

TEST_P(PreflightTest, MissingPrivileges) {
  MakeDatabase("shop");
  auto root = Server().Connect();
  root.Exec("DROP USER IF EXISTS poor");
  root.Exec("CREATE USER poor@'%' IDENTIFIED BY 'poor'");
  root.Exec("GRANT SHOW DATABASES ON *.* TO poor@'%'");
  std::string status = IsMariadb() ? "BINLOG MONITOR" : "REPLICATION CLIENT";
  std::string expected =
      "privilege REPLICATION SLAVE on *.* is missing for 'poor'@'%'\n"
      "privilege " +
      status +
      " on *.* is missing for 'poor'@'%'\n"
      "privilege SELECT on `shop`.* is missing for 'poor'@'%'";
  if (!IsMariadb()) expected += "\nprivilege RELOAD on *.* is missing for 'poor'@'%'";
  EXPECT_EQ(Run(Config(Server(), "poor", "poor"), Options("shop")), expected);
  // The statements of the hints are what is needed, and no more.
  root.Exec("GRANT REPLICATION SLAVE ON *.* TO poor@'%'");
  root.Exec("GRANT " + status + " ON *.* TO poor@'%'");
  root.Exec("GRANT SELECT ON `shop`.* TO poor@'%'");
  root.Exec("GRANT RELOAD ON *.* TO poor@'%'");
  EXPECT_EQ(Run(Config(Server(), "poor", "poor"), Options("shop")), "fit");
}

TEST_P(PreflightTest, PrivilegesFromARole) {
  MakeDatabase("shop");
  auto root = Server().Connect();
  root.Exec("DROP USER IF EXISTS member");
  root.Exec("DROP ROLE IF EXISTS reader");
  root.Exec("CREATE ROLE reader");
  root.Exec("CREATE USER member@'%' IDENTIFIED BY 'member'");
  root.Exec("GRANT SELECT, RELOAD, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO reader");
  root.Exec("GRANT reader TO member@'%'");
  root.Exec(IsMariadb() ? "SET DEFAULT ROLE reader FOR member@'%'"
                        : "SET DEFAULT ROLE reader TO member@'%'");
  EXPECT_EQ(Run(Config(Server(), "member", "member"), Options("shop")), "fit");
}

TEST_P(PreflightTest, ServerIdOfTheServer) {
  MakeDatabase("shop");
  auto options = Options("shop");
  options.set_my_server_id(1);
  EXPECT_EQ(Run(Config(), options),
            "my_server_id is 1: that is the server_id of the source itself");
}

TEST_P(PreflightTest, PreparedXa) {
  MakeDatabase("shop");
  auto root = Server().Connect("shop");
  root.Exec("CREATE TABLE t (id INT PRIMARY KEY)");
  root.Exec("XA START 'x1'");
  root.Exec("INSERT INTO t VALUES (1)");
  root.Exec("XA END 'x1'");
  root.Exec("XA PREPARE 'x1'");
  auto config = Config(Server(), "root", "");
  config.set_unix_socket(Server().socket());
  std::string text = Run(config, Options("shop"));
  std::string stream = Run(config, Options("shop"), false);
  root.Exec("XA ROLLBACK 'x1'");
  EXPECT_EQ(text, "1 XA transaction is prepared: a copy would miss the rows");
  EXPECT_EQ(stream, "fit");
}

TEST_P(PreflightTest, NonTransactionalTables) {
  MakeDatabase("shop");
  auto root = Server().Connect("shop");
  root.Exec("CREATE TABLE log (id INT) ENGINE=MyISAM");
  auto result = Preflight(Config(), Options("shop"), true);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->warnings,
              testing::Contains(
                  "non-transactional tables are locked while they are copied: shop.log (MyISAM)"));
}

TEST_P(PreflightTest, BinaryLogOff) {
  auto server =
      test::StartSource(GetParam(), {{IsMariadb() ? "--skip-log-bin" : "--disable-log-bin"}});
  server->Connect().Exec("CREATE DATABASE shop");
  EXPECT_EQ(Run(Config(*server), Options("shop")),
            "log_bin is OFF: the server writes no binary log");
}

TEST_P(PreflightTest, FiltersAndGtid) {
  auto server = test::StartSource(GetParam(), {{"--binlog-do-db=other"}});
  server->Connect().Exec("CREATE DATABASE shop");
  auto options = Options("shop");
  options.set_gtid_enable(true);
  std::string expected =
      "binlog_do_db is set (other): changes of database shop are not in the binary log";
  std::string mode = IsMariadb() ? "" : server->Connect().One("SELECT @@gtid_mode");
  if (mode == "OFF") expected += "\ngtid_mode is OFF: gtid_enable needs it ON";
  EXPECT_EQ(Run(Config(*server), options), expected);
}

INSTANTIATE_ON_SERVERS(PreflightTest);

}  // namespace
}  // namespace chameleon::worker::source
