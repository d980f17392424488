// chameleon-coordinator: serves one pid directory until SIGTERM or SIGINT.
//
// --ensure starts one in the background when none answers, and prints its address: that is how
// chamctl finds its coordinator without reading configuration files itself.
#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <thread>

#include "coordinator/api/listener.h"
#include "coordinator/api/server.h"
#include "coordinator/coordinator.h"
#include "coordinator/daemon.h"
#include "coordinator/rollbar.h"
#include "proto/process/logging.h"
#include "proto/process/program_page.h"
#include "proto/process/signals.h"
#include "proto/process/version.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator {
namespace {

constexpr double kProbeS = 3;
constexpr std::chrono::seconds kEnsureWait{20};

struct Arguments {
  std::string config = "default";
  std::string home;
  ListenOptions listen;  // what is given here wins over the file
  bool foreground = false;
  bool ensure = false;
  bool set_configuration_files = false;
  bool json = false;
  bool man_page = false;
  std::string names, source;
  bool allow_root = false;
  std::string rollbar_level = "info";
  int ready_fd = -1;
};

// The exit codes of chamctl (docs/operations.md), so that it can pass ours on.
int ExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return 3;
    case absl::StatusCode::kUnavailable:
      return 4;
    default:
      return 1;
  }
}

int Fail(const absl::Status& status) {
  fmt::print(stderr, "error: {}\n", Text(status));
  return ExitCode(status);
}

int RunSetConfigurationFiles(const Arguments& arguments) {
  auto response = SetConfigurationFiles(arguments.home);
  if (!response.ok()) return Fail(response.status());
  if (arguments.json) {
    std::string json;
    google::protobuf::util::JsonPrintOptions options;
    options.always_print_primitive_fields = true;
    (void)google::protobuf::util::MessageToJsonString(*response, &json, options);
    fmt::print("{}\n", json);
    return 0;
  }
  for (const std::string& path : response->created()) fmt::print("created {}\n", path);
  for (const std::string& path : response->kept()) fmt::print("exists  {}\n", path);
  return 0;
}

// For completion: the names in the files, one per line. No server is asked.
int PrintNames(const Arguments& arguments) {
  if (arguments.names == "configurations") {
    for (const auto& name : ConfigurationNames(arguments.home)) fmt::print("{}\n", name);
    return 0;
  }
  auto config = LoadConfig(arguments.home, arguments.config);
  if (!config.ok()) return Fail(config.status());
  for (const auto& [name, source] : config->sources) {
    if (arguments.names == "sources") {
      fmt::print("{}\n", name);
    } else if (arguments.source.empty() || arguments.source == name) {
      for (const auto& [from, _] : source.options.schema_mappings()) fmt::print("{}\n", from);
    }
  }
  return 0;
}

int PrintManPage(const CLI::App& app) {
  ManPage page{.name = "chameleon-coordinator",
               .section = 8,
               .summary = "keep PostgreSQL equal to MySQL and MariaDB: catalogue and replay",
               .synopsis = {"[OPTION]..."}};
  page.sections.push_back(
      {.title = "DESCRIPTION",
       .text =
           "The coordinator owns the catalogue sch_chameleon, all positions and the replay. It\n"
           "serves commands of chamctl and batches of workers until SIGTERM or SIGINT; then "
           "it\nstops its workers at a commit. Sources that were running go on at its next "
           "start.\n\n"
           "chamctl starts one in the background when none answers; a service manager runs it "
           "in\nthe foreground."});
  page.sections.push_back(OptionsOf(app));
  page.see_also = {"chamctl(1)", "chameleon-worker(8)"};
  fmt::print("{}", ManText(page));
  return 0;
}

// A coordinator that answers at `address` must read the same configuration files as we do.
absl::Status CheckSameHome(const v1::GetVersionResponse& version, const std::string& address,
                           const std::string& home) {
  if (version.config_dir() == home) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "OTHER_HOME", address,
               fmt::format("the coordinator at {} serves the configurations in {}, not those in {}",
                           address, version.config_dir(), home),
               "Give each CHAMELEON_HOME a pid_dir of its own.");
}

// The command line's options as arguments again, for the daemon.
std::vector<std::string> ListenArguments(const ListenOptions& listen) {
  std::vector<std::string> arguments;
  for (const auto& [name, value] :
       {std::pair("--listen", &listen.address), std::pair("--tls-cert", &listen.tls_cert),
        std::pair("--tls-key", &listen.tls_key),
        std::pair("--tls-client-ca", &listen.tls_client_ca),
        std::pair("--client-token-file", &listen.client_token_file),
        std::pair("--join-token-file", &listen.join_token_file)}) {
    if (!value->empty()) arguments.insert(arguments.end(), {name, *value});
  }
  if (listen.plaintext_loopback) arguments.push_back("--plaintext-loopback");
  return arguments;
}

ListenOptions Merged(const ListenOptions& given, ListenOptions listen) {
  for (const auto& [from, to] :
       {std::pair(&given.address, &listen.address), std::pair(&given.tls_cert, &listen.tls_cert),
        std::pair(&given.tls_key, &listen.tls_key),
        std::pair(&given.tls_client_ca, &listen.tls_client_ca),
        std::pair(&given.client_token_file, &listen.client_token_file),
        std::pair(&given.join_token_file, &listen.join_token_file)}) {
    if (!from->empty()) *to = *from;
  }
  listen.plaintext_loopback = listen.plaintext_loopback || given.plaintext_loopback;
  return listen;
}

absl::StatusOr<std::string> Ensure(const Arguments& arguments) {
  auto config = LoadConfig(arguments.home, arguments.config);
  if (!config.ok()) return config.status();
  auto files = PrepareFiles(*config);
  if (!files.ok()) return files.status();
  const std::string address = files->address();
  const auto deadline = std::chrono::steady_clock::now() + kEnsureWait;
  for (;;) {
    auto version = api::Probe(address, kProbeS);
    if (version.ok()) {
      if (auto status = CheckSameHome(*version, address, arguments.home); !status.ok()) {
        return status;
      }
      return address;
    }
    if (auto status = CheckNotRoot(arguments.allow_root); !status.ok()) return status;
    std::vector<std::string> daemon = {"--config", arguments.config, "--home", arguments.home};
    if (arguments.allow_root) daemon.push_back("--allow-root");
    for (std::string& argument : ListenArguments(arguments.listen)) {
      daemon.push_back(std::move(argument));
    }
    daemon.insert(daemon.end(), {"--rollbar-level", arguments.rollbar_level});
    const absl::Status started = StartDaemon(daemon, config->log_dir + "/chameleon.out");
    if (started.ok()) return address;
    // Another one starts or stops just now: look again. Anything else is for the user.
    if (!absl::IsAlreadyExists(started) || std::chrono::steady_clock::now() > deadline) {
      return started;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

class StopEvent {
 public:
  void Set() {
    std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

absl::Status Serve(const Arguments& arguments) {
  if (auto status = CheckNotRoot(arguments.allow_root); !status.ok()) return status;
  if (arguments.allow_root) setenv("CHAMELEON_ALLOW_ROOT", "1", 1);  // our workers ask, too
  auto config = LoadConfig(arguments.home, arguments.config);
  if (!config.ok()) return config.status();
  auto listener = api::OpenListener(Merged(arguments.listen, config->listen));
  if (!listener.ok()) return listener.status();
  auto files = PrepareFiles(*config);
  if (!files.ok()) return files.status();
  auto lock = ServerLock::Take(*files);
  if (!lock.ok()) return lock.status();

  LogOptions log;
  log.level = config->log_level;
  log.name = "chameleon";
  log.days_keep = static_cast<uint16_t>(config->log_days_keep);
  if (config->log_dest == "file") log.directory = config->log_dir;
  if (auto status = InitLogging(log); !status.ok()) return status;
  for (const std::string& warning : config->warnings) spdlog::warn("{}", warning);

  std::unique_ptr<Rollbar> rollbar;
  if (!config->rollbar_key.empty() && !config->rollbar_env.empty()) {
    RollbarOptions to{.key = config->rollbar_key, .environment = config->rollbar_env};
    to.level = arguments.rollbar_level;
    if (const char* url = std::getenv("CHAMELEON_ROLLBAR_URL")) to.url = url;
    rollbar = std::make_unique<Rollbar>(to);
  }

  Coordinator::Options options;
  options.home = arguments.home;
  options.address = files->address();
  options.known_file = files->configs;
  const char* worker = std::getenv("CHAMELEON_WORKER");
  options.worker_program = worker != nullptr ? worker : ProgramDirectory() + "/chameleon-worker";
  Coordinator coordinator(options);

  StopEvent stop;
  unlink(files->socket.c_str());  // of one that was killed: the lock says that it is gone
  auto server =
      api::Server::Start(&coordinator, files->address(), *listener, [&stop] { stop.Set(); });
  if (!server.ok()) return server.status();
  chmod(files->socket.c_str(), 0600);
  std::ofstream(files->pid) << getpid() << "\n";
  spdlog::info("coordinator {} serves {}{} home={} pid={}", kVersion, files->address(),
               listener->address.empty() ? "" : " and " + listener->address, arguments.home,
               getpid());
  coordinator.Resume();
  OnStopSignal([&stop](int) { stop.Set(); });
  ReportReady(arguments.ready_fd, absl::OkStatus());

  stop.Wait();
  spdlog::info("stopping");
  // Workers first, while they can still reach us to end their batches.
  coordinator.Halt();
  (*server)->Stop();
  unlink(files->pid.c_str());
  unlink(files->socket.c_str());
  spdlog::info("stopped");
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  BlockSignals();
  umask(0077);
  Arguments arguments;
  arguments.home = HomeDirectory();
  CLI::App app(
      "chameleon-coordinator: keeps PostgreSQL equal to MySQL and MariaDB sources.\n"
      "Usually chamctl starts it; see docs/operations.md.");
  app.set_version_flag("--version", fmt::format("chameleon {}", kVersion));
  app.add_option("--config", arguments.config,
                 "configuration whose pid_dir and log settings are used")
      ->capture_default_str();
  app.add_option("--home", arguments.home,
                 "directory with configuration/ (default: $CHAMELEON_HOME or ~/.pg_chameleon)");
  app.add_option("--listen", arguments.listen.address,
                 "one more address, for example 0.0.0.0:7070; this and what follows may be set in "
                 "the file's section listen, too");
  app.add_option("--tls-cert", arguments.listen.tls_cert, "certificate (PEM) of --listen");
  app.add_option("--tls-key", arguments.listen.tls_key, "its key");
  app.add_option("--tls-client-ca", arguments.listen.tls_client_ca,
                 "require certificates of clients and workers, signed by this authority");
  app.add_option("--client-token-file", arguments.listen.client_token_file,
                 "file with the token that clients need (mode 0600)");
  app.add_option("--join-token-file", arguments.listen.join_token_file,
                 "file with the token that workers need (mode 0600)");
  app.add_flag("--plaintext-loopback", arguments.listen.plaintext_loopback,
               "allow --listen on the loopback interface without TLS: any local user can use it");
  app.add_flag("--foreground", arguments.foreground,
               "stay in the foreground (this is the default)");
  app.add_flag("--ensure", arguments.ensure,
               "start one in the background if none answers; print its address");
  app.add_flag("--set-configuration-files", arguments.set_configuration_files,
               "create the directories and the example, then exit");
  app.add_flag("--json", arguments.json, "with --set-configuration-files: print JSON");
  app.add_option("--names", arguments.names,
                 "print configurations, sources or schemas of the files, then exit")
      ->check(CLI::IsMember({"configurations", "sources", "schemas"}));
  app.add_option("--source", arguments.source, "with --names schemas: of this source only");
  app.add_flag("--man-page", arguments.man_page, "print the manual page, then exit");
  app.add_flag("--allow-root", arguments.allow_root, "run as root (CHAMELEON_ALLOW_ROOT=1)");
  app.add_option("--rollbar-level", arguments.rollbar_level,
                 "least level of messages to rollbar: critical, error, warning, info")
      ->check(CLI::IsMember({"critical", "error", "warning", "info"}))
      ->capture_default_str();
  app.add_option("--ready-fd", arguments.ready_fd)->group("");
  CLI11_PARSE(app, argc, argv);
  if (arguments.man_page) return PrintManPage(app);
  std::error_code error;
  const auto home = std::filesystem::absolute(arguments.home, error);
  if (!error) arguments.home = home.lexically_normal().string();
  while (arguments.home.size() > 1 && arguments.home.back() == '/') arguments.home.pop_back();

  if (!arguments.names.empty()) return PrintNames(arguments);
  if (arguments.set_configuration_files) return RunSetConfigurationFiles(arguments);
  if (arguments.ensure) {
    auto address = Ensure(arguments);
    if (!address.ok()) return Fail(address.status());
    fmt::print("{}\n", *address);
    return 0;
  }
  if (arguments.ready_fd >= 0) fcntl(arguments.ready_fd, F_SETFD, FD_CLOEXEC);
  const absl::Status status = Serve(arguments);
  if (status.ok()) return 0;
  ReportReady(arguments.ready_fd, status);
  return Fail(status);
}

}  // namespace
}  // namespace chameleon::coordinator

int main(int argc, char** argv) { return chameleon::coordinator::Main(argc, argv); }
