#include "proto/process/launcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <thread>

#include "proto/process/logging.h"

namespace chameleon {
namespace {

LaunchSpec Shell(const std::string& script) {
  LaunchSpec spec;
  spec.program = "/bin/sh";
  spec.arguments = {"-c", script};
  spec.label = "src=shop";
  return spec;
}

class Lines {
 public:
  Lines() {
    EXPECT_TRUE(
        InitLogging({.level = "debug", .directory = testing::TempDir(), .name = "launcher"}).ok());
    tap_ = AddLogTap("debug", [this](int64_t, const std::string& level, const std::string& text) {
      std::lock_guard lock(mutex_);
      lines_.push_back(level + ": " + text);
    });
  }
  ~Lines() { RemoveLogTap(tap_); }
  std::vector<std::string> Get() {
    std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
  uint64_t tap_;
};

TEST(Launcher, OutputBecomesLogLinesAndTheEndIsReported) {
  Lines lines;
  Launcher launcher;
  std::promise<std::string> ended;
  LaunchSpec spec =
      Shell("echo plain; echo '2026-11-20 10:46:00.123 warning slow source'; echo $SECRET; exit 3");
  spec.environment = {"SECRET=from the environment"};
  spec.on_exit = [&](const std::string& how) { ended.set_value(how); };
  auto process = launcher.Launch(std::move(spec));
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_EQ(ended.get_future().get(), "exited with status 3");
  EXPECT_THAT(lines.Get(), testing::ElementsAre("info: worker: plain src=shop",
                                                "warning: worker: slow source src=shop",
                                                "info: worker: from the environment src=shop"));
}

TEST(Launcher, StopIsPoliteFirst) {
  Launcher launcher;
  std::promise<std::string> ended;
  LaunchSpec spec = Shell("trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done");
  spec.on_exit = [&](const std::string& how) { ended.set_value(how); };
  auto process = launcher.Launch(std::move(spec));
  ASSERT_TRUE(process.ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  (*process)->Stop(5);
  EXPECT_EQ(ended.get_future().get(), "exited with status 7");
}

TEST(Launcher, StopEndsOneThatDoesNotListen) {
  Launcher launcher;
  std::promise<std::string> ended;
  LaunchSpec spec = Shell("trap '' TERM; while :; do sleep 0.05; done");
  spec.on_exit = [&](const std::string& how) { ended.set_value(how); };
  auto process = launcher.Launch(std::move(spec));
  ASSERT_TRUE(process.ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  (*process)->Stop(0.3);
  EXPECT_EQ(ended.get_future().get(), "was killed by signal 9");
}

TEST(Launcher, AMissingProgramIsNamed) {
  Launcher launcher;
  LaunchSpec spec;
  spec.program = "/nowhere/chameleon-worker";
  auto process = launcher.Launch(std::move(spec));
  EXPECT_EQ(process.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::string(process.status().message()),
            "cannot run /nowhere/chameleon-worker: No such file or directory\n"
            "HINT: Install chameleon-worker beside chameleon-coordinator.");
}

TEST(Launcher, WorkersDieWithTheirCoordinator) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t coordinator = fork();
  if (coordinator == 0) {
    Launcher launcher;
    auto process = launcher.Launch(Shell("while :; do sleep 0.05; done"));
    const pid_t worker = process.ok() ? (*process)->pid() : -1;
    if (write(ends[1], &worker, sizeof worker) != sizeof worker) _exit(1);
    pause();
    _exit(0);
  }
  pid_t worker = -1;
  ASSERT_EQ(read(ends[0], &worker, sizeof worker), static_cast<ssize_t>(sizeof worker));
  ASSERT_GT(worker, 0);
  EXPECT_EQ(kill(worker, 0), 0);
  kill(coordinator, SIGKILL);
  waitpid(coordinator, nullptr, 0);
  // The orphan is reaped by init; where nobody reaps it, it stays a zombie, which is as dead.
  bool gone = false;
  for (int i = 0; i < 100 && !gone; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    char state = '?';
    if (FILE* file = fopen(("/proc/" + std::to_string(worker) + "/stat").c_str(), "r")) {
      if (fscanf(file, "%*d %*s %c", &state) != 1) state = '?';
      fclose(file);
      gone = state == 'Z' || state == 'X';
    } else {
      gone = true;
    }
  }
  EXPECT_TRUE(gone);
}

}  // namespace
}  // namespace chameleon
