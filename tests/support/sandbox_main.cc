// sandbox [--mysql] [--no-postgres] ENV_FILE: starts a throwaway source and PostgreSQL, writes
// where they are to ENV_FILE as NAME=value lines for a shell, and runs until SIGTERM or SIGINT;
// then both servers and all their data are gone.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "tests/support/servers.h"

namespace chameleon::test {
namespace {

int Main(int argc, char** argv) {
  SourceKind kind = SourceKind::kMariadb;
  bool with_postgres = true;
  std::string env_file;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--mysql") == 0) {
      kind = SourceKind::kMysql;
    } else if (std::strcmp(argv[i], "--no-postgres") == 0) {
      with_postgres = false;
    } else {
      env_file = argv[i];
    }
  }
  if (env_file.empty()) {
    fmt::print(stderr, "usage: sandbox [--mysql] [--no-postgres] ENV_FILE\n");
    return 2;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);

  auto source = StartSource(kind);
  std::string text = fmt::format(
      "SANDBOX_PID={}\nSOURCE_KIND={}\nSOURCE_PORT={}\nSOURCE_SOCKET={}\nSOURCE_DIR={}\n", getpid(),
      Name(kind), source->port(), source->socket(), source->directory().string());
  std::unique_ptr<PostgresServer> postgres;
  if (with_postgres) {
    postgres = std::make_unique<PostgresServer>();
    postgres->Start();
    text +=
        fmt::format("PG_PORT={}\nPG_DIR={}\n", postgres->port(), postgres->directory().string());
  }
  // Appears complete: whoever waits for the file may read it at once.
  WriteFile(env_file + ".new", text);
  std::filesystem::rename(env_file + ".new", env_file);
  int signal = 0;
  sigwait(&signals, &signal);
  return 0;
}

}  // namespace
}  // namespace chameleon::test

int main(int argc, char** argv) {
  try {
    return chameleon::test::Main(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "sandbox: {}\n", error.what());
    return 1;
  }
}
