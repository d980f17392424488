#include "tests/support/terminal.h"

#include <fmt/format.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <vector>

#include "tests/support/watchdog.h"

namespace chameleon::test {

RunResult RunOnTerminal(const Spawn& spawn, const std::string& input, Millis timeout) {
  std::vector<std::string> words = {"env", WatchdogMark()};
  words.insert(words.end(), spawn.env.begin(), spawn.env.end());
  words.insert(words.end(), spawn.argv.begin(), spawn.argv.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int terminal = -1;
  const pid_t pid = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (pid < 0) throw std::runtime_error("no pseudo terminal");
  if (pid == 0) {
    execvp("env", argv.data());
    _exit(127);
  }
  RunResult result;
  bool typed = false;
  const auto end = std::chrono::steady_clock::now() + timeout;
  while (true) {
    pollfd ready{terminal, POLLIN, 0};
    if (poll(&ready, 1, 100) > 0) {
      char buffer[4096];
      const ssize_t n = read(terminal, buffer, sizeof buffer);
      if (n <= 0) break;  // EIO: the last one has closed it
      for (ssize_t i = 0; i < n; ++i) {
        if (buffer[i] != '\r') result.out += buffer[i];
      }
    }
    if (!typed && result.out.find('?') != std::string::npos) {
      typed = true;
      (void)!write(terminal, input.data(), input.size());
    }
    if (std::chrono::steady_clock::now() > end) kill(pid, SIGKILL);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  close(terminal);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace chameleon::test
