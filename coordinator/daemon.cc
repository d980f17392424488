#include "coordinator/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "proto/wire/error.h"

namespace chameleon::coordinator {
namespace {

namespace fs = std::filesystem;

absl::Status MakeDirectory(const std::string& path, std::string_view key) {
  std::error_code error;
  if (fs::create_directories(path, error)) {
    fs::permissions(path, fs::perms::owner_all, error);
  }
  if (!error && access(path.c_str(), W_OK) == 0) return absl::OkStatus();
  return Error(
      absl::StatusCode::kFailedPrecondition, "CANNOT_WRITE", path,
      fmt::format("{} {} cannot be used: {}", key, path, error ? error.message() : strerror(errno)),
      fmt::format("Set {} to a directory that this user may write.", key));
}

// The message on the ready pipe: "ok\n", or code, a blank, and the text.
constexpr char kReady[] = "ok\n";

absl::Status FromReadyText(const std::string& text, const std::string& output_file) {
  if (text == kReady) return absl::OkStatus();
  const size_t blank = text.find(' ');
  if (blank == std::string::npos) {
    return absl::InternalError(
        fmt::format("the coordinator ended while starting; see {}", output_file));
  }
  return absl::Status(static_cast<absl::StatusCode>(std::atoi(text.c_str())),
                      text.substr(blank + 1));
}

[[noreturn]] void ExecDaemon(const std::vector<std::string>& arguments, int output, int ready) {
  setsid();
  if (const pid_t pid = fork(); pid != 0) _exit(pid > 0 ? 0 : 1);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  std::vector<std::string> texts = {"chameleon-coordinator"};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  texts.push_back("--ready-fd");
  texts.push_back(std::to_string(ready));
  std::vector<char*> argv;
  for (std::string& text : texts) argv.push_back(text.data());
  argv.push_back(nullptr);
  // Whatever the caller had open (a client's pipe, say) must not be kept open by a daemon.
  if (ready > 3) close_range(3, static_cast<unsigned>(ready) - 1, 0);
  close_range(static_cast<unsigned>(ready) + 1, ~0U, 0);
  if (chdir("/") != 0) _exit(127);
  // By its path, so that the process list shows its name; the link works even without the file.
  char path[4096] = {};
  if (readlink("/proc/self/exe", path, sizeof(path) - 1) > 0) execv(path, argv.data());
  execv("/proc/self/exe", argv.data());
  _exit(127);
}

}  // namespace

absl::StatusOr<ServerFiles> PrepareFiles(const Config& config) {
  if (auto status = MakeDirectory(config.pid_dir, "pid_dir"); !status.ok()) return status;
  if (auto status = MakeDirectory(config.log_dir, "log_dir"); !status.ok()) return status;
  ServerFiles files;
  files.directory = fs::absolute(config.pid_dir).string();
  files.socket = files.directory + "/chameleon.sock";
  files.lock = files.directory + "/chameleon.lock";
  files.pid = files.directory + "/chameleon.pid";
  files.configs = files.directory + "/chameleon.configs";
  if (files.socket.size() >= sizeof(sockaddr_un::sun_path)) {
    return Error(
        absl::StatusCode::kFailedPrecondition, "PID_DIR_TOO_LONG", files.directory,
        fmt::format("pid_dir {} is too long for a socket: {} bytes, at most {}", files.directory,
                    files.socket.size(), sizeof(sockaddr_un::sun_path) - 1),
        "Set pid_dir to a shorter path.");
  }
  return files;
}

absl::StatusOr<ServerLock> ServerLock::Take(const ServerFiles& files) {
  const int fd = open(files.lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return Error(absl::StatusCode::kFailedPrecondition, "CANNOT_WRITE", files.lock,
                 fmt::format("cannot open {}: {}", files.lock, strerror(errno)),
                 "Set pid_dir to a directory that this user may write.");
  }
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return ServerLock(fd);
  close(fd);
  std::string pid = "unknown";
  std::ifstream(files.pid) >> pid;
  return Error(absl::StatusCode::kAlreadyExists, "COORDINATOR_RUNNING", files.directory,
               fmt::format("a coordinator runs already on {} (process {})", files.directory, pid),
               "Use it, or stop it first.");
}

ServerLock::ServerLock(ServerLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

ServerLock::~ServerLock() {
  if (fd_ >= 0) close(fd_);
}

absl::Status StartDaemon(const std::vector<std::string>& arguments,
                         const std::string& output_file) {
  const int output = open(output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  int ready[2];
  if (output < 0 || pipe(ready) != 0) {
    return absl::FailedPreconditionError(
        fmt::format("cannot open {}: {}", output_file, strerror(errno)));
  }
  const pid_t pid = fork();
  if (pid == 0) ExecDaemon(arguments, output, ready[1]);
  close(output);
  close(ready[1]);
  if (pid < 0) {
    close(ready[0]);
    return absl::UnavailableError(fmt::format("cannot start a process: {}", strerror(errno)));
  }
  int child_status = 0;
  waitpid(pid, &child_status, 0);
  std::string text;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = read(ready[0], buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR)) {
    if (n > 0) text.append(buffer, static_cast<size_t>(n));
  }
  close(ready[0]);
  return FromReadyText(text, output_file);
}

void ReportReady(int fd, const absl::Status& status) {
  if (fd < 0) return;
  const std::string text =
      status.ok() ? kReady : fmt::format("{} {}", static_cast<int>(status.code()), Text(status));
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t n = write(fd, text.data() + sent, text.size() - sent);
    if (n < 0 && errno != EINTR) break;
    if (n > 0) sent += static_cast<size_t>(n);
  }
  close(fd);
}

absl::Status CheckNotRoot(bool allowed) {
  const char* variable = std::getenv("CHAMELEON_ALLOW_ROOT");
  if (geteuid() != 0 || allowed || (variable != nullptr && std::string(variable) == "1")) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kFailedPrecondition, "ROOT_REFUSED", "root",
               "chameleon does not run as root",
               "Run it as a user of its own, or set CHAMELEON_ALLOW_ROOT=1.");
}

}  // namespace chameleon::coordinator
