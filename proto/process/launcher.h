// Worker processes on this host: the coordinator's own, and those of a host that joined one.
//
// A worker dies with this process (PR_SET_PDEATHSIG), even after kill -9: the signal follows the
// thread that forked, so one thread, which lives as long as the Launcher, forks them all. What a
// worker prints goes line by line into our log, prefixed by its label. No secret is passed in
// arguments; extra environment is.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"

namespace chameleon {

struct LaunchSpec {
  std::string program;
  std::vector<std::string> arguments;    // without the program's name
  std::vector<std::string> environment;  // "KEY=VALUE", added to ours
  std::string label;                     // "src=shop"
  // Called once when the process has ended, from a thread of its own: "exited with status 1".
  std::function<void(const std::string&)> on_exit;
};

// A worker process, here or on another host. The destructor ends it.
class ProcessHandle {
 public:
  virtual ~ProcessHandle() = default;
  // False: it still runs after that time. True: it is gone, and on_exit was called.
  virtual bool WaitGone(double seconds) = 0;
  // Asks it to end, and after `grace_s` ends it.
  virtual void Stop(double grace_s) = 0;
};

class WorkerProcess final : public ProcessHandle {
 public:
  WorkerProcess(pid_t pid, int output, LaunchSpec spec);
  ~WorkerProcess() override;  // Stop(0)
  pid_t pid() const { return pid_; }
  bool WaitGone(double seconds) override;
  // SIGTERM, after `grace_s` SIGKILL; returns when the process is gone and reaped.
  void Stop(double grace_s) override;
  // Does not wait.
  void Signal(int signal);

 private:
  void Relay(int output);

  const pid_t pid_;
  LaunchSpec spec_;
  std::mutex mutex_;
  std::condition_variable gone_changed_;
  bool gone_ = false;  // under mutex_; once true, pid_ may belong to another process
  std::thread relay_;
};

class Launcher {
 public:
  Launcher();
  ~Launcher();
  absl::StatusOr<std::unique_ptr<WorkerProcess>> Launch(LaunchSpec spec);

 private:
  struct Request {
    LaunchSpec* spec;
    pid_t pid = -1;
    int output = -1;
    int error = 0;
    bool done = false;
  };
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  Request* request_ = nullptr;  // under mutex_
  bool stop_ = false;           // under mutex_
  std::thread thread_;
};

// The directory of the running program.
std::string ProgramDirectory();

}  // namespace chameleon
