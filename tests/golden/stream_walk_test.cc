// Whole binary logs as a replica would take them (stream_walk.h). A log ends at its end, or in a
// refusal with a reason; every line that comes out is well-formed.
#include "tests/golden/stream_walk.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/golden/corpus.h"

namespace chameleon::test {
namespace {

TEST(StreamWalkTest, EveryLogOfTheCorpusEndsOrIsRefusedByName) {
  SKIP_WITHOUT_CORPUS();
  for (const auto& file : CorpusBinlogs()) {
    const auto outcome = WalkStream(file);
    fmt::print("{}:{}\n", file.name, outcome.Summary());
    EXPECT_EQ(outcome.malformed, "") << file.name;
    EXPECT_TRUE(outcome.status.ok() || IsRefusalByName(outcome.status))
        << file.name << ": " << outcome.status;
    // dolt's are pieces of transactions: without a commit nothing is told.
    if (file.name.starts_with("dolt/")) continue;
    for (const auto& table : outcome.silent) ADD_FAILURE() << file.name << ": " << table;
  }
}

TEST(StreamWalkTest, SakilaOfMysql55ArrivesWhole) {
  SKIP_WITHOUT_CORPUS();
  for (const auto& file : CorpusBinlogs()) {
    if (file.name.find("sakila") == std::string::npos) continue;
    auto outcome = WalkStream(file);
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    EXPECT_EQ(outcome.lines["insert"], 47273u);
    EXPECT_EQ(outcome.stopped, 0u) << outcome.first_stop;
  }
}

}  // namespace
}  // namespace chameleon::test
