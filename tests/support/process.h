// Child processes, temporary directories and free ports for tests.
//
// A ChildProcess dies with the test: it is killed by the destructor, and by the kernel
// (PR_SET_PDEATHSIG) when the thread that started it ends. So start servers from the main thread.
// What a child leaves behind, daemons say, ends with the test, too: see watchdog.h.
// Failures of the test machinery itself are std::runtime_error.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace chameleon::test {

using Millis = std::chrono::milliseconds;

// A new directory under $TMPDIR or /tmp, removed with all it holds unless $CHAMELEON_KEEP is set.
// It can be entered by every user, so that PostgreSQL may live in it when the tests run as root.
class TempDir {
 public:
  explicit TempDir(const std::string& prefix = "cham");
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// What a child is started with. Output goes to `log` (appended), or is inherited if empty.
struct Spawn {
  std::vector<std::string> argv;
  std::vector<std::string> env;  // "NAME=value", added to the test's own environment
  std::string log;
  std::string directory;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  bool own_session = false;  // signals to the test's terminal do not reach it
};

class ChildProcess {
 public:
  ChildProcess() = default;
  explicit ChildProcess(const Spawn& spawn);
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  pid_t pid() const { return pid_; }
  // True until the child has ended; reaps it.
  bool Running();
  // Sends the signal; false if there is no such child any more.
  bool Signal(int signal);
  // Exit code (128 + signal if killed); nullopt when it still runs after `timeout`.
  std::optional<int> Wait(Millis timeout);
  // SIGTERM, then SIGKILL after `grace`; returns the exit code.
  int Terminate(Millis grace);

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
};

struct RunResult {
  int exit_code = 0;
  std::string out;
  std::string err;
};

// Runs to the end (killed after `timeout`, exit code 137) and returns all output.
// `input`: a file for standard input, /dev/null if empty.
RunResult RunProgram(const Spawn& spawn, Millis timeout = std::chrono::minutes(10),
                     const std::string& input = "");
// The same, but a non-zero exit is a std::runtime_error with the output.
std::string MustRun(const Spawn& spawn, const std::string& input = "");

// A TCP port on 127.0.0.1 that nobody listened on a moment ago; never the same twice in a process.
int FreePort();

// ${CHAMELEON_CACHE:-$HOME/.cache/chameleon}, created.
std::filesystem::path CacheDir();

std::string ReadFile(const std::filesystem::path& path);
void WriteFile(const std::filesystem::path& path, const std::string& text);
// The last `lines` lines, for error messages.
std::string Tail(const std::filesystem::path& path, int lines = 20);

}  // namespace chameleon::test
