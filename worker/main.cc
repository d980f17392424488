// chameleon-worker: reads one source at a time for a coordinator.
#include <grpcpp/grpcpp.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "proto/process/logging.h"
#include "proto/process/program_page.h"
#include "proto/process/signals.h"
#include "proto/process/version.h"
#include "proto/wire/error.h"
#include "worker/session.h"

namespace {

constexpr int kMessageBytesMax = 64 << 20;

struct Arguments {
  std::string coordinator;
  std::string config;  // for people who look at the process list
  chameleon::LogOptions log;
  chameleon::worker::SessionOptions session;
  bool allow_root = false;
  bool man_page = false;
};

void Define(CLI::App* app, Arguments* arguments) {
  app->set_version_flag("--version", chameleon::kVersion);
  app->add_option("--coordinator", arguments->coordinator, "Address: unix:/path or host:port")
      ->required();
  app->add_option("--config", arguments->config, "Configuration that this worker serves");
  app->add_option("--launched-for", arguments->session.launched_for_source,
                  "Id of the source it was started for (set by a coordinator)");
  app->add_option("--label", arguments->session.labels, "Label to offer; may be repeated");
  app->add_option("--log-dir", arguments->log.directory, "Directory of the log; default: stdout");
  app->add_option("--log-name", arguments->log.name, "Log file name without .log");
  app->add_option("--log-level", arguments->log.level, "debug, info, warning or error");
  app->add_option("--log-days-keep", arguments->log.days_keep, "Days of log files to keep");
  app->add_flag("--man-page", arguments->man_page, "Print the manual page, then exit");
  app->add_flag("--allow-root", arguments->allow_root, "Run although the user is root");
}

int PrintManPage(const CLI::App& app) {
  chameleon::ManPage page{.name = "chameleon-worker",
                          .section = 8,
                          .summary = "read MySQL and MariaDB for a chameleon coordinator",
                          .synopsis = {"--coordinator ADDRESS [OPTION]..."}};
  page.sections.push_back(
      {.title = "DESCRIPTION",
       .text =
           "The worker reads one source at a time: preflight, snapshot and binary log. It dials\n"
           "its coordinator and is told all that it must know; it has no configuration of its\n"
           "own. A coordinator starts local workers by itself; run it by hand or by a service\n"
           "manager on another host."});
  page.sections.push_back(chameleon::OptionsOf(app));
  page.sections.push_back({.title = "ENVIRONMENT",
                           .entries = {{"CHAMELEON_JOIN_TOKEN",
                                        "what proves to the coordinator that this worker may "
                                        "join; never given as an argument"}}});
  page.see_also = {"chamctl(1)", "chameleon-coordinator(8)"};
  std::cout << chameleon::ManText(page);
  return 0;
}

// A launched worker belongs to one coordinator process: it ends with the stream. One that joined
// from elsewhere dials again.
int Serve(const Arguments& arguments) {
  grpc::ChannelArguments channel_arguments;
  channel_arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  channel_arguments.SetMaxSendMessageSize(kMessageBytesMax);
  auto channel = grpc::CreateCustomChannel(arguments.coordinator,
                                           grpc::InsecureChannelCredentials(), channel_arguments);

  std::mutex mutex;
  chameleon::worker::Session* current = nullptr;
  bool stopping = false;
  chameleon::OnStopSignal([&](int) {
    std::lock_guard lock(mutex);
    stopping = true;
    if (current != nullptr) current->Shutdown();
  });
  auto delay = std::chrono::seconds(1);
  while (true) {
    chameleon::worker::Session session(channel, arguments.session);
    {
      std::lock_guard lock(mutex);
      if (stopping) return 0;
      current = &session;
    }
    const auto status = session.Run();
    {
      std::lock_guard lock(mutex);
      current = nullptr;
      if (stopping) return 0;
    }
    const bool launched = arguments.session.launched_for_source != 0;
    if (status.ok() || launched) {
      if (!status.ok()) spdlog::warn("the coordinator is gone: {}", chameleon::Text(status));
      return status.ok() ? 0 : 1;
    }
    spdlog::warn("cannot work for {}: {}; again in {} s", arguments.coordinator,
                 chameleon::Text(status), delay.count());
    std::this_thread::sleep_for(delay);
    delay = std::min(delay * 2, std::chrono::seconds(30));
  }
}

}  // namespace

int main(int argc, char** argv) {
  chameleon::BlockSignals();
  Arguments arguments;
  arguments.log.name = "chameleon-worker";
  CLI::App app("Reads MySQL and MariaDB sources for a chameleon coordinator.", "chameleon-worker");
  Define(&app, &arguments);
  // Before parsing: what is required to work is not required to explain.
  if (argc == 2 && std::string_view(argv[1]) == "--man-page") return PrintManPage(app);
  CLI11_PARSE(app, argc, argv);
  const char* allow_root = getenv("CHAMELEON_ALLOW_ROOT");
  if (geteuid() == 0 && !arguments.allow_root && (allow_root == nullptr || *allow_root != '1')) {
    std::cerr << "error: chameleon-worker refuses to run as root\n"
                 "HINT: Run it as another user, or pass --allow-root.\n";
    return 2;
  }
  if (auto status = chameleon::InitLogging(arguments.log); !status.ok()) {
    std::cerr << "error: " << chameleon::Text(status) << "\n";
    return 2;
  }
  // Secrets come by environment: arguments are visible to every user of the host.
  if (const char* token = getenv("CHAMELEON_JOIN_TOKEN")) {
    arguments.session.join_token = token;
    unsetenv("CHAMELEON_JOIN_TOKEN");
  }
  return Serve(arguments);
}
