// chamctl: the manual's commands, sent to a coordinator. START HERE, then commands.cc.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "client/client.h"
#include "client/commands.h"
#include "proto/process/signals.h"
#include "proto/process/version.h"
#include "proto/wire/error.h"

namespace chameleon::client {
namespace {

constexpr char kFooter[] =
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found or not possible now, 4 a server is\n"
    "away, 5 not implemented, 130 interrupted.\n"
    "First steps: set_configuration_files, create_replica_schema, add_source, init_replica,\n"
    "start_replica, show_status.";

// The manual takes every option with every command; help shows those that matter.
void AddOptions(CLI::App* app, unsigned takes, Options* options) {
  const auto group = [](bool shown) { return shown ? "Options" : ""; };
  app->add_option("--config", options->config, "configuration: the file's name without .yml")
      ->capture_default_str()
      ->group(group(takes & kConfig));
  app->add_option("--source", options->source,
                  "source of the configuration; may be left out when there is only one")
      ->group(group(takes & kSource));
  app->add_option("--schema", options->schema, "schema of the source")
      ->group(group(takes & kSchema));
  app->add_option("--tables", options->tables, "schema.table[,schema.table …] or disabled")
      ->group(group(takes & kTables));
  app->add_option("--logid", options->log_id, "number of an error")->group(group(takes & kLogId));
  app->add_flag("--full", options->full, "VACUUM FULL")->group(group(takes & kFull));
  app->add_flag("--no-wait", options->no_wait, "return at once; see chamctl operations")
      ->group(group(takes & kWaits));
  app->add_flag("--yes,-y", options->yes, "do not ask")->group(group(takes & kAsks));
  app->add_flag("--debug", options->debug, "print the coordinator's log while the command runs");
  app->add_option("--rollbar-level", options->rollbar_level, "least level of messages to rollbar")
      ->check(CLI::IsMember({"critical", "error", "warning", "info"}))
      ->group("");
  app->add_option_function<std::string>(
         "--output", [options](const std::string& format) { options->json = format == "json"; },
         "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  app->add_option("--address", options->address,
                  "coordinator to use, for example 127.0.0.1:7070; else the local one");
  app->add_option("--home", options->home, "directory with configuration/ (CHAMELEON_HOME)");
  if (takes & kOperation) {
    app->add_option("action", options->action, "list, watch or cancel")
        ->check(CLI::IsMember({"list", "watch", "cancel"}))
        ->required();
    app->add_option("id", options->id, "operation, as listed");
  }
}

int Usage(const std::string& text, const std::string& hint) {
  fmt::print(stderr, "error: {}\nHINT: {}\n", text, hint);
  return kExitUsage;
}

int UnknownCommand(const std::string& name) {
  const std::string nearest = NearestCommand(name);
  return Usage(fmt::format("there is no command \"{}\"", name),
               nearest.empty() ? "chamctl --help lists the commands."
                               : fmt::format("Did you mean {}?", nearest));
}

// Scripts and pipes are never asked: the manual's commands work there as they always did.
bool Confirmed(const Command& command, const Options& options) {
  if ((command.takes & kAsks) == 0 || options.yes) return true;
  if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) return true;
  fmt::print(stderr, "{}: {}{}.\nContinue? [y/N] ", command.name, command.summary,
             options.source.empty() ? "" : fmt::format(" (source {})", options.source));
  std::fflush(stderr);
  char answer[16] = {};
  return std::fgets(answer, sizeof answer, stdin) != nullptr &&
         (answer[0] == 'y' || answer[0] == 'Y');
}

int Run(const Command& command, const Options& options) {
  if (std::string_view(command.name) == "set_configuration_files" && options.address.empty()) {
    return RunSetConfigurationFiles(options);
  }
  if ((command.takes & kOperation) && options.action != "list" && options.id.empty()) {
    return Usage(fmt::format("{} needs an operation", options.action),
                 "chamctl operations list shows them.");
  }
  if (!Confirmed(command, options)) {
    fmt::print(stderr, "nothing was done\n");
    return kExitFailed;
  }
  std::string address = options.address;
  if (address.empty()) {
    int exit_code = 0;
    address = EnsureCoordinator(options, &exit_code);
    if (exit_code != 0) return exit_code;
  }
  Client client(address, options);
  OnStopSignal([&client](int) { client.Interrupt(); });
  if (options.debug) client.ShowLog(options);
  const absl::Status status = command.run(&client, options);
  std::fflush(stdout);
  if (status.ok()) return kExitOk;
  if (client.interrupted()) return kExitInterrupted;
  fmt::print(stderr, "error: {}\n", Text(status));
  return ExitCodeOf(status);
}

int Main(int argc, char** argv) {
  BlockSignals();
  Options options;
  CLI::App app("chamctl: keeps PostgreSQL equal to MySQL and MariaDB.", "chamctl");
  app.set_version_flag("--version", fmt::format("chameleon {}", kVersion));
  app.footer(kFooter);
  app.require_subcommand(1);
  for (const Command& command : Commands()) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    sub->footer(fmt::format("{}\n\nExample:\n  {}", command.text, command.example));
    AddOptions(sub, command.takes, &options);
  }
  if (argc == 1) {
    fmt::print("{}", app.help());
    return kExitUsage;
  }
  if (argv[1][0] != '-' && FindCommand(argv[1]) == nullptr) return UnknownCommand(argv[1]);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    return Usage(e.what(), fmt::format("chamctl {} --help shows the options.",
                                       argv[1][0] == '-' ? "" : argv[1]));
  }
  return Run(*FindCommand(app.get_subcommands().front()->get_name()), options);
}

}  // namespace
}  // namespace chameleon::client

int main(int argc, char** argv) { return chameleon::client::Main(argc, argv); }
