// Every case that needs a source runs on MariaDB and on MySQL. Derive the fixture from BothServers,
// write TEST_P, and end the file with ON_BOTH_SERVERS(Fixture): it instantiates the suite and adds
// a test that fails if any case of the program is not there for both.
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
    if (GetParam() == SourceKind::kMysql && !MysqlServer::Wanted()) {
      GTEST_SKIP() << "not shown on MySQL: CHAMELEON_WITHOUT_MYSQL=1";
    }
  }
  static SourceKind Other(SourceKind kind) {
    return kind == SourceKind::kMariadb && MysqlServer::Wanted() ? SourceKind::kMysql
                                                                 : SourceKind::kMariadb;
  }
};

// Cases of parametrised suites that are not instantiated for every kind of source.
inline std::string CasesNotOnBoth() {
  std::string missing;
  const auto& unit = *::testing::UnitTest::GetInstance();
  for (int s = 0; s < unit.total_test_suite_count(); ++s) {
    const auto& suite = *unit.GetTestSuite(s);
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

#define ON_BOTH_SERVERS(Fixture)                                                                  \
  INSTANTIATE_TEST_SUITE_P(Both, Fixture,                                                         \
                           ::testing::Values(::chameleon::test::SourceKind::kMariadb,             \
                                             ::chameleon::test::SourceKind::kMysql),              \
                           [](const auto& info) { return ::chameleon::test::Name(info.param); }); \
  TEST(Every##Fixture, CaseRunsOnMariadbAndMysql) {                                               \
    EXPECT_EQ(::chameleon::test::CasesNotOnBoth(), "");                                           \
  }

}  // namespace chameleon::test
