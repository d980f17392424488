// chameleon-worker: joins a coordinator and runs the sources that it is given, each in a process of
// its own; or is such a process, started by a coordinator or by a host that joined one.
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <thread>
#include <utility>

#include "proto/process/launcher.h"
#include "proto/process/logging.h"
#include "proto/process/program_page.h"
#include "proto/process/signals.h"
#include "proto/process/version.h"
#include "proto/wire/channel.h"
#include "proto/wire/error.h"
#include "proto/wire/token.h"
#include "worker/host.h"
#include "worker/session.h"

namespace chameleon::worker {
namespace {

constexpr std::chrono::seconds kDialAgainMax{5};

struct Arguments {
  Endpoint endpoint;
  std::string token_file;
  std::string config;  // for people who look at the process list
  LogOptions log;
  SessionOptions session;
  HostOptions host;
  bool allow_root = false;
  bool man_page = false;
};

std::string CheckLabel(const std::string& label) {
  const bool word =
      !label.empty() && label.size() <= 63 &&
      label.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == std::string::npos;
  if (!word) return "a label has letters, digits, dots, dashes and underscores";
  return label == "local" || label == "any" ? "local and any are no labels" : "";
}

void Define(CLI::App* app, Arguments* arguments) {
  Endpoint& endpoint = arguments->endpoint;
  app->set_version_flag("--version", fmt::format("chameleon {}", kVersion));
  app->add_option("--coordinator", endpoint.address, "Address: host:port or unix:/path")
      ->envname("CHAMELEON_ADDRESS")
      ->required();
  app->add_option("--label", arguments->host.labels,
                  "Label to offer to sources that ask for one; may be repeated")
      ->check(CheckLabel);
  app->add_option("--capacity", arguments->host.capacity, "How many sources it runs at most")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  app->add_option("--name", arguments->session.name, "Name of this host; default: its host name");
  app->add_option(
         "--tls-ca", endpoint.tls_ca,
         "Authority (PEM) that signed the coordinator's certificate; default: the system's")
      ->envname("CHAMELEON_TLS_CA");
  app->add_option("--tls-cert", endpoint.tls_cert, "Our certificate, if the coordinator wants one")
      ->envname("CHAMELEON_TLS_CERT");
  app->add_option("--tls-key", endpoint.tls_key, "Its key")->envname("CHAMELEON_TLS_KEY");
  app->add_option("--token-file", arguments->token_file,
                  "File with the join token (mode 0600); or the token itself in CHAMELEON_TOKEN")
      ->envname("CHAMELEON_TOKEN_FILE");
  app->add_option("--log-dir", arguments->log.directory, "Directory of the log; default: stdout");
  app->add_option("--log-name", arguments->log.name, "Log file name without .log");
  app->add_option("--log-level", arguments->log.level, "debug, info, warning or error");
  app->add_option("--log-days-keep", arguments->log.days_keep, "Days of log files to keep");
  app->add_flag("--man-page", arguments->man_page, "Print the manual page, then exit");
  app->add_flag("--allow-root", arguments->allow_root, "Run although the user is root");
  app->add_option("--config", arguments->config, "Configuration that this process serves")
      ->group("");
  app->add_option("--launched-for", arguments->session.launched_for_source,
                  "Id of the source it was started for (set by a coordinator)")
      ->group("");
}

int PrintManPage(const CLI::App& app) {
  ManPage page{.name = "chameleon-worker",
               .section = 8,
               .summary = "read MySQL and MariaDB for a chameleon coordinator",
               .synopsis = {"--coordinator ADDRESS [OPTION]..."}};
  page.sections.push_back(
      {.title = "DESCRIPTION",
       .text =
           "The worker joins a coordinator and starts a process of its own for each source that\n"
           "it is given, up to its capacity: preflight, snapshot and binary log. It is told all\n"
           "that it must know and has no configuration of its own. It dials again when the\n"
           "connection is lost. A coordinator starts workers on its own host by itself; run it by\n"
           "hand or by a service manager on another host."});
  page.sections.push_back(OptionsOf(app));
  page.sections.push_back({.title = "ENVIRONMENT",
                           .entries = {{"CHAMELEON_TOKEN",
                                        "the join token itself, instead of --token-file; never "
                                        "given as an argument"}}});
  page.see_also = {"chamctl(1)", "chameleon-coordinator(8)"};
  std::cout << ManText(page);
  return 0;
}

// A worker process belongs to one coordinator process: it ends with the stream.
int ServeSource(const Arguments& arguments, std::shared_ptr<grpc::Channel> channel) {
  Session session(std::move(channel), arguments.session);
  OnStopSignal([&session](int) { session.Shutdown(); });
  const auto status = session.Run();
  if (status.ok() || absl::IsCancelled(status)) return 0;
  spdlog::warn("the coordinator is gone: {}", Text(Explained(arguments.endpoint, status)));
  return 1;
}

// What the children need to reach the coordinator as we do. The token is not among the arguments;
// its file may be, where they find the one of today.
void InheritEndpoint(Arguments* arguments) {
  const Endpoint& endpoint = arguments->endpoint;
  std::vector<std::string>& given = arguments->host.arguments;
  given = {"--coordinator", endpoint.address, "--name", arguments->session.name};
  for (const auto& [name, value] :
       {std::pair("--tls-ca", &endpoint.tls_ca), std::pair("--tls-cert", &endpoint.tls_cert),
        std::pair("--tls-key", &endpoint.tls_key)}) {
    if (!value->empty()) given.insert(given.end(), {name, *value});
  }
  if (arguments->allow_root) given.push_back("--allow-root");
  if (!arguments->token_file.empty()) {
    given.insert(given.end(), {"--token-file", arguments->token_file});
  } else if (!endpoint.token.empty()) {
    arguments->host.environment.push_back("CHAMELEON_TOKEN=" + endpoint.token);
  }
}

int Fail(const absl::Status& status) {
  std::cerr << "error: " << Text(status) << "\n";
  return 2;
}

// Dials again and again; the same trouble is logged once.
class Joiner {
 public:
  explicit Joiner(const Arguments& arguments)
      : arguments_(arguments), endpoint_(arguments.endpoint) {}

  int Run() {
    OnStopSignal([this](int) { Stop(); });
    std::chrono::seconds delay(1);
    std::string last;
    for (;;) {
      // A channel of its own each time: one that could not connect goes on to answer with that
      // failure.
      RefreshToken();
      auto channel = OpenChannel(endpoint_);
      if (!channel.ok()) return Fail(channel.status());
      Host host(*std::move(channel), arguments_.host, &launcher_);
      {
        std::lock_guard lock(mutex_);
        if (stopping_) return 0;
        current_ = &host;
      }
      const auto status = host.Run();
      std::unique_lock lock(mutex_);
      current_ = nullptr;
      if (stopping_) {
        stopped_.wait(lock, [this] { return !in_shutdown_; });
        return 0;
      }
      lock.unlock();
      if (host.joined()) {
        delay = std::chrono::seconds(1);
        last.clear();
      }
      const std::string text = Text(Explained(endpoint_, status));
      if (text != last) {
        spdlog::warn("not joined, dialling again: {}", text);
        last = text;
      }
      lock.lock();
      stopped_.wait_for(lock, delay, [this] { return stopping_; });
      delay = std::min(delay * 2, kDialAgainMax);
    }
  }

 private:
  // It may have been replaced since the last call; while its file is replaced, the last one counts.
  void RefreshToken() {
    if (arguments_.token_file.empty()) return;
    auto token = ReadTokenFile(arguments_.token_file);
    if (token.ok()) endpoint_.token = *std::move(token);
  }

  void Stop() {
    Host* host = nullptr;
    {
      std::lock_guard lock(mutex_);
      if (std::exchange(stopping_, true)) return;
      host = current_;
      in_shutdown_ = host != nullptr;
      stopped_.notify_all();
    }
    if (host == nullptr) return;
    host->Shutdown();
    std::lock_guard lock(mutex_);
    in_shutdown_ = false;
    stopped_.notify_all();
  }

  const Arguments& arguments_;
  Endpoint endpoint_;
  Launcher launcher_;
  std::mutex mutex_;  // all below
  std::condition_variable stopped_;
  Host* current_ = nullptr;
  bool stopping_ = false;
  bool in_shutdown_ = false;  // current_ is in use by Stop()
};

int Main(int argc, char** argv) {
  BlockSignals();
  Arguments arguments;
  arguments.log.name = "chameleon-worker";
  CLI::App app("Reads MySQL and MariaDB sources for a chameleon coordinator.", "chameleon-worker");
  Define(&app, &arguments);
  // Before parsing: what is required to work is not required to explain.
  if (argc == 2 && std::string_view(argv[1]) == "--man-page") return PrintManPage(app);
  CLI11_PARSE(app, argc, argv);
  const char* allow_root = getenv("CHAMELEON_ALLOW_ROOT");
  if (geteuid() == 0 && !arguments.allow_root && (allow_root == nullptr || *allow_root != '1')) {
    return Fail(Error(absl::StatusCode::kFailedPrecondition, "ROOT_REFUSED", "root",
                      "chameleon-worker refuses to run as root",
                      "Run it as another user, or pass --allow-root."));
  }
  if (auto status = InitLogging(arguments.log); !status.ok()) return Fail(status);
  // Secrets come by file or environment: arguments are visible to every user of the host.
  if (const char* token = getenv("CHAMELEON_LAUNCH_TOKEN")) {
    arguments.session.join_token = token;
    unsetenv("CHAMELEON_LAUNCH_TOKEN");
  }
  auto token = TokenFrom(arguments.token_file);
  if (!token.ok()) return Fail(token.status());
  arguments.endpoint.token = *token;
  if (arguments.session.name.empty()) {
    char name[256] = {};
    arguments.session.name = gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
  }
  arguments.host.name = arguments.session.name;
  TameGrpcLog([](const std::string& text) { spdlog::debug("{}", text); });
  if (arguments.session.launched_for_source != 0) {
    auto channel = OpenChannel(arguments.endpoint);
    return channel.ok() ? ServeSource(arguments, *channel) : Fail(channel.status());
  }
  InheritEndpoint(&arguments);
  return Joiner(arguments).Run();
}

}  // namespace
}  // namespace chameleon::worker

int main(int argc, char** argv) { return chameleon::worker::Main(argc, argv); }
