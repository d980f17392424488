// Every case that needs a source runs on MariaDB 10.11 and on MySQL. Derive the fixture from
// BothServers, write TEST_P, and end the file with ON_BOTH_SERVERS(Fixture): it instantiates the
// suite and adds a test that fails if any case of the program is not there for both.
//
// MariaDB 11.8: ON_ALL_SERVERS(Fixture) runs every case there too; ON_MARIADB11(Fixture) runs a
// suite that repeats or adds what differs there, and there alone.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>

#include "tests/support/servers.h"

namespace chameleon::test {

class BothServers : public ::testing::TestWithParam<SourceKind> {
 protected:
  void SetUp() override {
    if (!Wanted(GetParam())) {
      GTEST_SKIP() << "not shown on " << Name(GetParam()) << ": CHAMELEON_WITHOUT_MYSQL=1";
    }
  }
  static SourceKind Other(SourceKind kind) {
    return kind == SourceKind::kMariadb && MysqlServer::Wanted() ? SourceKind::kMysql
                                                                 : SourceKind::kMariadb;
  }
  bool IsMysql() const { return GetParam() == SourceKind::kMysql; }
};

// Cases of parametrised suites that are not instantiated for every kind of source.
inline std::string CasesNotOnBoth() {
  std::string missing;
  const auto& unit = *::testing::UnitTest::GetInstance();
  for (int s = 0; s < unit.total_test_suite_count(); ++s) {
    const auto& suite = *unit.GetTestSuite(s);
    if (std::string(suite.name()).starts_with("Mariadb11/")) continue;
    std::map<std::string, std::set<std::string>> kinds;
    for (int t = 0; t < suite.total_test_count(); ++t) {
      std::string name = suite.GetTestInfo(t)->name();
      if (size_t slash = name.find('/'); slash != std::string::npos) {
        kinds[name.substr(0, slash)].insert(name.substr(slash + 1));
      }
    }
    for (const auto& [name, on] : kinds) {
      for (SourceKind kind : {SourceKind::kMariadb, SourceKind::kMysql}) {
        if (!on.contains(Name(kind))) {
          missing += std::string(suite.name()) + "." + name + " is not run on " + Name(kind) + "\n";
        }
      }
    }
  }
  return missing;
}

#define CHAMELEON_ON_SERVERS(Prefix, Fixture, ...)                          \
  INSTANTIATE_TEST_SUITE_P(Prefix, Fixture, ::testing::Values(__VA_ARGS__), \
                           [](const auto& info) { return ::chameleon::test::Name(info.param); })

#define CHAMELEON_EVERY_CASE_ON_BOTH(Fixture)           \
  TEST(Every##Fixture, CaseRunsOnMariadbAndMysql) {     \
    EXPECT_EQ(::chameleon::test::CasesNotOnBoth(), ""); \
  }

#define ON_BOTH_SERVERS(Fixture)                                               \
  CHAMELEON_ON_SERVERS(Both, Fixture, ::chameleon::test::SourceKind::kMariadb, \
                       ::chameleon::test::SourceKind::kMysql);                 \
  CHAMELEON_EVERY_CASE_ON_BOTH(Fixture)

#define ON_ALL_SERVERS(Fixture)                                               \
  CHAMELEON_ON_SERVERS(All, Fixture, ::chameleon::test::SourceKind::kMariadb, \
                       ::chameleon::test::SourceKind::kMysql,                 \
                       ::chameleon::test::SourceKind::kMariadb11);            \
  CHAMELEON_EVERY_CASE_ON_BOTH(Fixture)

#define ON_MARIADB11(Fixture) \
  CHAMELEON_ON_SERVERS(Mariadb11, Fixture, ::chameleon::test::SourceKind::kMariadb11)

}  // namespace chameleon::test
