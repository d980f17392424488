// A private PostgreSQL per test program and a fresh database with a catalogue per test.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "coordinator/pg/catalogue.h"
#include "proto/wire/error.h"
#include "tests/support/servers.h"

namespace chameleon::coordinator {

using ::testing::HasSubstr;

#define EXPECT_OK(expression)      \
  do {                             \
    const auto& s_ = (expression); \
    EXPECT_TRUE(s_.ok()) << s_;    \
  } while (false)
#define ASSERT_OK(expression)      \
  do {                             \
    const auto& s_ = (expression); \
    ASSERT_TRUE(s_.ok()) << s_;    \
  } while (false)

inline std::ostream& operator<<(std::ostream& out, const absl::Status& status) {
  return out << status.ToString();
}

class TargetTest : public ::testing::Test {
 protected:
  static test::PostgresServer& Server() {
    static auto* server = [] {
      auto* s = new test::PostgresServer();
      s->Start();
      std::atexit([] { Server().Stop(); });
      return s;
    }();
    return *server;
  }

  void SetUp() override {
    static int number = 0;
    target_.database = fmt::format("t{}_{}", getpid(), ++number);
    Server().CreateDatabase(target_.database);
    const test::PgAddress address = Server().Address(target_.database);
    target_.host = address.host;
    target_.port = static_cast<uint32_t>(address.port);
    target_.user = address.user;
    target_.password = address.password;
    sql_ = std::make_unique<test::Pg>(address);
    catalogue_ = pg::Catalogue::Create(target_, "chameleon test");
  }

  // Registers a source whose received position is b.1:4 and starts its first lease.
  void CreateSource(const std::string& name = "shop") {
    ASSERT_OK(catalogue_->CreateReplicaSchema());
    auto source = catalogue_->AddSource(name, "mysql", {{"shop", "shop"}});
    ASSERT_TRUE(source.ok()) << source.status().ToString();
    lease_.set_source(name);
    lease_.set_source_id(source->id);
    auto epoch = catalogue_->NewEpoch(source->id, "host:1");
    ASSERT_TRUE(epoch.ok()) << epoch.status().ToString();
    lease_.set_epoch(*epoch);
    sql_->Exec(
        fmt::format("UPDATE sch_chameleon.t_sources SET t_binlog_name = 'b.1',"
                    " i_binlog_position = 4 WHERE i_id_source = {}",
                    source->id));
  }

  static v1::Position At(uint64_t offset) {
    v1::Position position;
    position.set_file("b.1");
    position.set_offset(offset);
    return position;
  }

  // Runs a query and joins its rows: "1|a;2|b". NULL: "-".
  std::string Get(const std::string& query) {
    std::string out;
    for (const auto& row : sql_->Query(query)) {
      if (!out.empty()) out += ";";
      for (size_t i = 0; i < row.size(); ++i) {
        if (i > 0) out += "|";
        out += row[i].value_or("-");
      }
    }
    return out;
  }

  TargetConnection target_;
  std::unique_ptr<test::Pg> sql_;
  std::unique_ptr<pg::Catalogue> catalogue_;
  v1::Lease lease_;
};

}  // namespace chameleon::coordinator
