// A test that is killed leaves nothing behind.
#include "tests/support/watchdog.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "tests/support/process.h"

namespace chameleon::test {
namespace {

// Run by the test below, in a process of its own: starts what a coordinator is, and waits.
TEST(Watchdog, DISABLED_Victim) {
  TempDir dir("cham-victim");
  const std::string note = std::getenv("VICTIM_NOTE");
  // A daemon: another session, another parent, nothing inherited but the environment.
  MustRun({.argv = {"sh", "-c",
                    "setsid sh -c 'echo $$ > " + note +
                        ".pid; exec sleep 600' "
                        ">/dev/null 2>&1 </dev/null &"}});
  WriteFile(note + ".dir", dir.path().string());
  std::this_thread::sleep_for(std::chrono::minutes(5));
}

TEST(Watchdog, WhatAKilledTestStartedEnds) {
  TempDir dir;
  const std::string note = dir.path() / "note";
  ChildProcess victim({.argv = {"/proc/self/exe", "--gtest_also_run_disabled_tests",
                                "--gtest_filter=Watchdog.DISABLED_Victim"},
                       .env = {"VICTIM_NOTE=" + note},
                       .log = dir.path() / "log"});
  const auto wait = [](const std::function<bool()>& done) {
    for (int i = 0; i < 400 && !done(); ++i) std::this_thread::sleep_for(Millis(50));
    return done();
  };
  ASSERT_TRUE(wait([&] { return !ReadFile(note + ".dir").empty(); }))
      << ReadFile(dir.path() / "log");
  ASSERT_TRUE(wait([&] { return !ReadFile(note + ".pid").empty(); }));
  const pid_t daemon = std::atoi(ReadFile(note + ".pid").c_str());
  const std::string left = ReadFile(note + ".dir");
  ASSERT_EQ(kill(daemon, 0), 0);
  ASSERT_TRUE(std::filesystem::exists(left));
  victim.Signal(SIGKILL);
  EXPECT_TRUE(wait([&] { return kill(daemon, 0) != 0; })) << "process " << daemon;
  EXPECT_TRUE(wait([&] { return !std::filesystem::exists(left); })) << left;
}

}  // namespace
}  // namespace chameleon::test
