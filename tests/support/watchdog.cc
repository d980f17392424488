#include "tests/support/watchdog.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace chameleon::test {
namespace {

// $1: the mark. Directories come line by line; the end of input is the end of the test.
constexpr char kScript[] = R"sh(
dirs=
while IFS= read -r dir; do dirs="$dirs
$dir"; done
for round in 1 2 3 4 5 6 7 8 9 10; do
  pids=$(grep -lzsxF "$1" /proc/[0-9]*/environ | cut -d/ -f3)
  [ -n "$pids" ] || break
  kill -9 $pids 2>/dev/null
  sleep 0.1
done
[ -z "$CHAMELEON_KEEP" ] || exit 0
printf '%s\n' "$dirs" | while IFS= read -r dir; do
  [ -z "$dir" ] || rm -rf -- "$dir"
done
)sh";

struct Watchdog {
  std::string mark;
  int socket = -1;

  Watchdog() {
    mark = fmt::format("CHAMELEON_TEST_MARK={}-{}", getpid(),
                       std::chrono::steady_clock::now().time_since_epoch().count());
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      throw std::runtime_error(fmt::format("socketpair: {}", std::strerror(errno)));
    }
    // All that the child needs is made before fork: this process may have threads.
    std::vector<char*> environment;
    for (char** e = environ; *e != nullptr; ++e) {
      if (std::strncmp(*e, "CHAMELEON_TEST_MARK=", 20) != 0) environment.push_back(*e);
    }
    environment.push_back(nullptr);
    std::string script = kScript;
    char shell[] = "sh", option[] = "-c", name[] = "test-watchdog";
    char* argv[] = {shell, option, script.data(), name, mark.data(), nullptr};
    const pid_t pid = fork();
    if (pid == 0) {
      // Of a session of its own, and nobody's child: what kills the test's group or tree spares it.
      setsid();
      if (fork() != 0) _exit(0);
      dup2(ends[1], STDIN_FILENO);
      const int null = open("/dev/null", O_WRONLY);
      dup2(null, STDOUT_FILENO);
      dup2(null, STDERR_FILENO);
      close_range(3, ~0U, 0);
      sigset_t none;
      sigemptyset(&none);
      sigprocmask(SIG_SETMASK, &none, nullptr);
      execvpe("sh", argv, environment.data());
      _exit(127);
    }
    close(ends[1]);
    if (pid < 0) throw std::runtime_error(fmt::format("fork: {}", std::strerror(errno)));
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    socket = ends[0];
  }
};

Watchdog& Instance() {
  // Never destroyed: the kernel closes the socket when the process ends.
  static auto* watchdog = new Watchdog();
  return *watchdog;
}

}  // namespace

const std::string& WatchdogMark() { return Instance().mark; }

void WatchdogRemoves(const std::string& directory) {
  const std::string line = directory + "\n";
  // Without a watchdog any more (a machine that shuts down) the test goes on.
  (void)!send(Instance().socket, line.data(), line.size(), MSG_NOSIGNAL);
}

}  // namespace chameleon::test
