// One private server of each kind per test program, and a connection configuration for it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "chameleon/v1/worker.pb.h"
#include "tests/support/servers.h"

namespace chameleon::worker::source {

class ServerTest : public testing::TestWithParam<test::SourceKind> {
 protected:
  void SetUp() override {
    if (GetParam() == test::SourceKind::kMysql && !test::MysqlServer::Wanted()) {
      GTEST_SKIP() << "without MySQL (CHAMELEON_WITHOUT_MYSQL)";
    }
  }
  // Started once; tests must not depend on what others left in it beyond their own databases.
  test::SourceServer& Server() {
    auto& server = servers()[GetParam()];
    if (!server) {
      std::vector<std::string> args = {"--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1"};
      if (!IsMariadb()) {
        args.insert(args.end(), {"--gtid-mode=ON", "--enforce-gtid-consistency=ON"});
      }
      server = test::StartSource(GetParam(), {args});
    }
    return *server;
  }
  bool IsMariadb() { return GetParam() == test::SourceKind::kMariadb; }

  static v1::SourceConnection Config(test::SourceServer& server, const std::string& user = "repl",
                                     const std::string& password = "repl") {
    v1::SourceConnection c;
    c.set_host("127.0.0.1");
    c.set_port(static_cast<uint32_t>(server.port()));
    c.set_user(user);
    c.set_password(password);
    c.set_connect_timeout_s(5);
    return c;
  }
  v1::SourceConnection Config() { return Config(Server()); }

  static v1::SourceOptions Options(const std::string& schema) {
    v1::SourceOptions o;
    (*o.mutable_schema_mappings())[schema] = "target";
    o.set_my_server_id(4711);
    o.set_replica_uuid("11111111-2222-3333-4444-555555555555");
    return o;
  }
  // A fresh database.
  void MakeDatabase(const std::string& name) {
    auto root = Server().Connect();
    root.Exec("DROP DATABASE IF EXISTS " + name);
    root.Exec("CREATE DATABASE " + name + " CHARACTER SET utf8mb4");
  }

 public:
  static std::map<test::SourceKind, std::unique_ptr<test::SourceServer>>& servers() {
    static auto* all = new std::map<test::SourceKind, std::unique_ptr<test::SourceServer>>;
    return *all;
  }
};

// Stops the shared servers before the process ends.
class StopServers : public testing::Environment {
  void TearDown() override { ServerTest::servers().clear(); }
};

inline std::string KindName(const testing::TestParamInfo<test::SourceKind>& info) {
  return test::Name(info.param);
}

#define INSTANTIATE_ON_SERVERS(suite)                                                              \
  INSTANTIATE_TEST_SUITE_P(                                                                        \
      Servers, suite,                                                                              \
      testing::Values(chameleon::test::SourceKind::kMariadb, chameleon::test::SourceKind::kMysql), \
      chameleon::worker::source::KindName)

}  // namespace chameleon::worker::source
