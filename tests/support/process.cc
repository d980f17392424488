#include "tests/support/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "tests/support/watchdog.h"

namespace chameleon::test {
namespace {

// Of directories that live as long as one call: too many to remember.
constexpr char kRunPrefix[] = "cham-run";

std::string Quoted(const std::vector<std::string>& argv) {
  std::string text;
  for (const auto& arg : argv) text += (text.empty() ? "" : " ") + arg;
  return text;
}

// In the child, between fork and exec: only async-signal-safe calls.
[[noreturn]] void ExecChild(const Spawn& spawn, char* const* argv, char* const* envp, int in,
                            int out, int err, pid_t parent) {
  if (spawn.own_session) setsid();
  if (spawn.gid && (setgroups(0, nullptr) != 0 || setgid(*spawn.gid) != 0)) _exit(126);
  if (spawn.uid && setuid(*spawn.uid) != 0) _exit(126);
  // After setuid, which clears it.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);
  if (!spawn.directory.empty() && chdir(spawn.directory.c_str()) != 0) _exit(126);
  if (in >= 0) dup2(in, 0);
  if (out >= 0) dup2(out, 1);
  if (err >= 0) dup2(err, 2);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  execvpe(argv[0], argv, envp);
  _exit(127);
}

pid_t Start(const Spawn& spawn, int in, int out, int err) {
  std::vector<std::string> env_texts;
  for (char** e = environ; *e != nullptr; ++e) env_texts.emplace_back(*e);
  env_texts.insert(env_texts.end(), spawn.env.begin(), spawn.env.end());
  env_texts.push_back(WatchdogMark());
  // A later entry wins, as in a shell's `NAME=value command`.
  std::vector<char*> envp;
  std::set<std::string> seen;
  for (auto it = env_texts.rbegin(); it != env_texts.rend(); ++it) {
    if (seen.insert(it->substr(0, it->find('='))).second) envp.push_back(it->data());
  }
  envp.push_back(nullptr);
  std::vector<char*> argv;
  for (const auto& arg : spawn.argv) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid < 0) throw std::runtime_error(fmt::format("fork: {}", std::strerror(errno)));
  if (pid == 0) ExecChild(spawn, argv.data(), envp.data(), in, out, err, parent);
  return pid;
}

int ExitCode(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

TempDir::TempDir(const std::string& prefix) {
  const char* base = std::getenv("TMPDIR");
  std::string name = fmt::format("{}/{}-XXXXXX", base != nullptr ? base : "/tmp", prefix);
  if (mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error(fmt::format("mkdtemp {}: {}", name, std::strerror(errno)));
  }
  path_ = name;
  if (prefix != kRunPrefix) WatchdogRemoves(name);
  std::filesystem::permissions(path_, std::filesystem::perms(0755));
}

TempDir::~TempDir() {
  if (std::getenv("CHAMELEON_KEEP") != nullptr) {
    fmt::print(stderr, "kept: {}\n", path_.string());
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

ChildProcess::ChildProcess(const Spawn& spawn) {
  int out = -1;
  if (!spawn.log.empty()) {
    out = open(spawn.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (out < 0) throw std::runtime_error(fmt::format("{}: {}", spawn.log, std::strerror(errno)));
  }
  int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
  pid_ = Start(spawn, in, out, out);
  close(in);
  if (out >= 0) close(out);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), status_(std::move(other.status_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    if (Signal(SIGKILL)) Wait(std::chrono::seconds(30));
    pid_ = std::exchange(other.pid_, -1);
    status_ = std::move(other.status_);
  }
  return *this;
}

ChildProcess::~ChildProcess() {
  if (Signal(SIGKILL)) Wait(std::chrono::seconds(30));
}

bool ChildProcess::Running() { return pid_ > 0 && !Wait(Millis(0)).has_value(); }

bool ChildProcess::Signal(int signal) { return Running() && kill(pid_, signal) == 0; }

std::optional<int> ChildProcess::Wait(Millis timeout) {
  auto end = std::chrono::steady_clock::now() + timeout;
  while (!status_) {
    if (pid_ <= 0) return -1;
    int status = 0;
    pid_t done = waitpid(pid_, &status, WNOHANG);
    if (done == pid_) {
      status_ = ExitCode(status);
    } else if (done < 0 && errno != EINTR) {
      status_ = -1;
    } else if (std::chrono::steady_clock::now() >= end) {
      return std::nullopt;
    } else {
      std::this_thread::sleep_for(Millis(5));
    }
  }
  return status_;
}

int ChildProcess::Terminate(Millis grace) {
  Signal(SIGTERM);
  if (auto code = Wait(grace)) return *code;
  Signal(SIGKILL);
  return Wait(std::chrono::seconds(30)).value_or(-1);
}

RunResult RunProgram(const Spawn& spawn, Millis timeout, const std::string& input) {
  TempDir dir(kRunPrefix);
  std::string out_name = dir.path() / "out", err_name = dir.path() / "err";
  int in = open(input.empty() ? "/dev/null" : input.c_str(), O_RDONLY | O_CLOEXEC);
  if (in < 0) throw std::runtime_error(fmt::format("{}: {}", input, std::strerror(errno)));
  int out = open(out_name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  int err = open(err_name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  pid_t pid = Start(spawn, in, out, err);
  close(in);
  close(out);
  close(err);
  auto end = std::chrono::steady_clock::now() + timeout;
  int status = 0;
  pid_t done = 0;
  while ((done = waitpid(pid, &status, WNOHANG)) == 0) {
    if (std::chrono::steady_clock::now() >= end) kill(pid, SIGKILL);
    std::this_thread::sleep_for(Millis(5));
  }
  return {done == pid ? ExitCode(status) : -1, ReadFile(out_name), ReadFile(err_name)};
}

std::string MustRun(const Spawn& spawn, const std::string& input) {
  RunResult result = RunProgram(spawn, std::chrono::minutes(10), input);
  if (result.exit_code != 0) {
    throw std::runtime_error(fmt::format("exit {}: {}\n{}{}", result.exit_code, Quoted(spawn.argv),
                                         result.out, result.err));
  }
  return result.out;
}

int FreePort() {
  static std::mutex mutex;
  static std::set<int> given;
  std::lock_guard lock(mutex);
  for (int i = 0; i < 1000; ++i) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                 getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
    close(fd);
    int port = ntohs(address.sin_port);
    if (bound && given.insert(port).second) return port;
  }
  throw std::runtime_error("no free TCP port on 127.0.0.1");
}

std::filesystem::path CacheDir() {
  const char* cache = std::getenv("CHAMELEON_CACHE");
  const char* home = std::getenv("HOME");
  std::filesystem::path path =
      cache != nullptr && *cache != '\0'
          ? std::filesystem::path(cache)
          : std::filesystem::path(home != nullptr ? home : "/tmp") / ".cache" / "chameleon";
  std::filesystem::create_directories(path);
  return path;
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void WriteFile(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  if (!file.flush()) throw std::runtime_error(fmt::format("cannot write {}", path.string()));
}

std::string Tail(const std::filesystem::path& path, int lines) {
  std::string text = ReadFile(path);
  size_t at = text.size();
  while (at > 0 && lines >= 0) {
    --at;
    if (text[at] == '\n') --lines;
  }
  return text.substr(lines < 0 ? at + 1 : 0);
}

}  // namespace chameleon::test
