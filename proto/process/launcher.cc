#include "proto/process/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string_view>

#include "proto/wire/error.h"

namespace chameleon {
namespace {

constexpr size_t kLineBytesMax = 64 << 10;

// "2026-11-20 10:46:00.123 WARNING text": the worker's own stamp gives the level and goes.
void LogLine(const std::string& label, std::string_view line) {
  auto level = spdlog::level::info;
  constexpr size_t kStamp = 24;
  if (line.size() > kStamp && line[4] == '-' && line[10] == ' ' && line[19] == '.') {
    std::string_view rest = line.substr(kStamp);
    const size_t end = rest.find(' ');
    const std::string_view name = rest.substr(0, end);
    if (name == "debug" || name == "DEBUG") level = spdlog::level::debug;
    if (name == "warning" || name == "WARNING" || name == "WARN") level = spdlog::level::warn;
    if (name == "error" || name == "ERROR" || name == "critical") level = spdlog::level::err;
    const size_t text = end == std::string_view::npos ? end : rest.find_first_not_of(' ', end);
    if (text != std::string_view::npos) line = rest.substr(text);
  }
  spdlog::log(level, "worker: {} {}", line, label);
}

std::string ExitText(const siginfo_t& info) {
  return fmt::format("{} {}",
                     info.si_code == CLD_EXITED ? "exited with status" : "was killed by signal",
                     info.si_status);
}

// Between fork and exec: only async-signal-safe calls.
[[noreturn]] void Child(const char* program, char* const* argv, char* const* envp, int output,
                        pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // it died before prctl
  setpgid(0, 0);                        // Ctrl-C at a foreground coordinator is ours to pass on
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  const int null = open("/dev/null", O_RDONLY);
  if (null >= 0) dup2(null, STDIN_FILENO);
  close_range(3, ~0U, 0);
  execve(program, argv, envp);
  _exit(127);
}

pid_t Fork(const LaunchSpec& spec, int* output) {
  std::vector<std::string> texts = {spec.program};
  texts.insert(texts.end(), spec.arguments.begin(), spec.arguments.end());
  std::vector<char*> argv;
  for (std::string& text : texts) argv.push_back(text.data());
  argv.push_back(nullptr);
  std::vector<std::string> added = spec.environment;
  std::vector<char*> envp;
  for (char** entry = environ; *entry != nullptr; ++entry) envp.push_back(*entry);
  for (std::string& entry : added) envp.push_back(entry.data());
  envp.push_back(nullptr);

  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  const pid_t self = getpid();
  const pid_t pid = fork();
  if (pid == 0) Child(spec.program.c_str(), argv.data(), envp.data(), ends[1], self);
  const int error = errno;
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    errno = error;
    return -1;
  }
  *output = ends[0];
  return pid;
}

}  // namespace

WorkerProcess::WorkerProcess(pid_t pid, int output, LaunchSpec spec)
    : pid_(pid), spec_(std::move(spec)), relay_([this, output] { Relay(output); }) {}

WorkerProcess::~WorkerProcess() {
  Stop(0);
  relay_.join();
}

void WorkerProcess::Relay(int output) {
  std::string pending;
  char buffer[8192];
  for (;;) {
    const ssize_t n = read(output, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    pending.append(buffer, static_cast<size_t>(n));
    size_t begin = 0;
    for (size_t end; (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1) {
      LogLine(spec_.label, std::string_view(pending).substr(begin, end - begin));
    }
    pending.erase(0, begin);
    if (pending.size() > kLineBytesMax) {
      LogLine(spec_.label, pending);
      pending.clear();
    }
  }
  close(output);
  if (!pending.empty()) LogLine(spec_.label, pending);
  // The end of its output is the end of the process, or very near to it. Wait without reaping
  // first, so that Stop never signals a process id that has been given to another.
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  if (spec_.on_exit) spec_.on_exit(ExitText(info));
  std::lock_guard lock(mutex_);
  waitpid(pid_, nullptr, 0);
  gone_ = true;
  gone_changed_.notify_all();
}

bool WorkerProcess::WaitGone(double seconds) {
  std::unique_lock lock(mutex_);
  return gone_changed_.wait_for(lock, std::chrono::duration<double>(seconds),
                                [this] { return gone_; });
}

void WorkerProcess::Stop(double grace_s) {
  std::unique_lock lock(mutex_);
  if (gone_) return;
  if (grace_s > 0) {
    kill(pid_, SIGTERM);
    gone_changed_.wait_for(lock, std::chrono::duration<double>(grace_s), [this] { return gone_; });
  }
  if (!gone_) kill(pid_, SIGKILL);
  gone_changed_.wait(lock, [this] { return gone_; });
}

void WorkerProcess::Signal(int signal) {
  std::lock_guard lock(mutex_);
  if (!gone_) kill(pid_, signal);
}

Launcher::Launcher() : thread_([this] { Run(); }) {}

Launcher::~Launcher() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void Launcher::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || (request_ != nullptr && !request_->done); });
    if (request_ != nullptr && !request_->done) {
      request_->pid = Fork(*request_->spec, &request_->output);
      request_->error = errno;
      request_->done = true;
      changed_.notify_all();
    } else if (stop_) {
      return;
    }
  }
}

absl::StatusOr<std::unique_ptr<WorkerProcess>> Launcher::Launch(LaunchSpec spec) {
  if (access(spec.program.c_str(), X_OK) != 0) {
    return Error(absl::StatusCode::kFailedPrecondition, "WORKER_MISSING", spec.program,
                 fmt::format("cannot run {}: {}", spec.program, strerror(errno)),
                 "Install chameleon-worker beside chameleon-coordinator.");
  }
  Request request{&spec};
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return request_ == nullptr; });
    request_ = &request;
    changed_.notify_all();
    changed_.wait(lock, [&] { return request.done; });
    request_ = nullptr;
    changed_.notify_all();
  }
  if (request.pid < 0) {
    return absl::UnavailableError(
        fmt::format("cannot start a worker process: {}", strerror(request.error)));
  }
  return std::make_unique<WorkerProcess>(request.pid, request.output, std::move(spec));
}

std::string ProgramDirectory() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

}  // namespace chameleon
