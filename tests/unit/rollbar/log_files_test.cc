// log_days_keep: files of more days than that go, others stay.
#include <gtest/gtest.h>
#include <spdlog/fmt/chrono.h>

#include <filesystem>
#include <fstream>

#include "proto/process/logging.h"
#include "tests/support/process.h"

namespace chameleon {
namespace {

TEST(LogFiles, OlderThanLogDaysKeepAreRemoved) {
  test::TempDir directory("cham-logs");
  const auto file = [&](const std::string& name, int days_ago) {
    const std::time_t time = std::time(nullptr) - days_ago * 86400;
    const auto path = directory.path() / fmt::format("{}_{:%Y-%m-%d}.log", name, *gmtime(&time));
    std::ofstream(path) << "x\n";
    return path;
  };
  const auto old = file("chameleon", 40), edge = file("chameleon", 3), kept = file("chameleon", 1),
             other = file("other", 40);
  ASSERT_TRUE(InitLogging({.level = "info",
                           .directory = directory.path().string(),
                           .name = "chameleon",
                           .days_keep = 3})
                  .ok());
  EXPECT_FALSE(std::filesystem::exists(old));
  EXPECT_FALSE(std::filesystem::exists(edge));
  EXPECT_TRUE(std::filesystem::exists(kept));
  EXPECT_TRUE(std::filesystem::exists(other));
}

}  // namespace
}  // namespace chameleon
