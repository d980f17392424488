// chamctl: the manual's commands, sent to a coordinator. START HERE, then commands.cc.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "client/client.h"
#include "client/commands.h"
#include "proto/process/signals.h"
#include "proto/process/version.h"
#include "proto/wire/channel.h"
#include "proto/wire/error.h"

namespace chameleon::client {
namespace {

std::string Footer() {
  std::string codes;
  for (const ExitCodeText& code : ExitCodeTexts()) {
    codes += fmt::format("{}{} {}", codes.empty() ? "" : ", ", code.code, code.meaning);
  }
  return fmt::format(
      "Exit codes: {}.\n"
      "First steps: set_configuration_files, create_replica_schema, add_source, init_replica,\n"
      "start_replica, show_status.",
      codes);
}

// The manual takes every option with every command; help shows those that matter.
void AddOptions(CLI::App* app, unsigned takes, Options* options) {
  for (const OptionSpec& spec : OptionSpecs()) {
    if (spec.positional && !ShownFor(spec, takes)) continue;
    std::string name = spec.positional ? spec.name : fmt::format("--{}", spec.name);
    if (spec.letter != 0) name += fmt::format(",-{}", spec.letter);
    CLI::Option* option = std::visit(
        [&](auto member) -> CLI::Option* {
          if constexpr (std::is_same_v<decltype(member), bool Options::*>) {
            return app->add_flag(name, options->*member, spec.help);
          } else {
            return app->add_option(name, options->*member, spec.help)->capture_default_str();
          }
        },
        spec.member);
    if (!spec.positional) option->group(ShownFor(spec, takes) ? "Options" : "");
    if (!spec.choices.empty()) option->check(CLI::IsMember(spec.choices));
    if (*spec.value != '\0') option->type_name(spec.value);
    if (*spec.env != '\0') option->envname(spec.env);
    option->required(spec.required);
  }
}

int Usage(const std::string& text, const std::string& hint) {
  fmt::print(stderr, "error: {}\nHINT: {}\n", text, hint);
  return kExitUsage;
}

int UnknownCommand(const std::string& name) {
  const std::string nearest = NearestCommand(name);
  std::string names;
  for (const Command& command : Commands()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", command.name);
  }
  return Usage(fmt::format("there is no command \"{}\"", name),
               nearest.empty() ? fmt::format("There are: {}.", names)
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
  if (command.takes & kLocal) {
    const absl::Status status = command.run(nullptr, options);
    return status.ok() ? kExitOk : kExitPrecondition;
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
  auto connected = Client::Connect(address, options);
  if (!connected.ok()) {
    fmt::print(stderr, "error: {}\n", Text(connected.status()));
    return ExitCodeOf(connected.status());
  }
  Client* const client = connected->get();
  OnStopSignal([client](int) { client->Interrupt(); });
  if (options.debug) client->ShowLog(options);
  const absl::Status status = command.run(client, options);
  std::fflush(stdout);
  if (status.ok()) return kExitOk;
  if (client->interrupted()) return kExitInterrupted;
  fmt::print(stderr, "error: {}\n", Text(client->Explain(status)));
  return ExitCodeOf(status);
}

int Main(int argc, char** argv) {
  BlockSignals();
  TameGrpcLog([](const std::string&) {});  // errors are told in words of our own
  Options options;
  CLI::App app("chamctl: keeps PostgreSQL equal to MySQL and MariaDB.", "chamctl");
  app.set_version_flag("--version", fmt::format("chameleon {}", kVersion));
  app.footer(Footer());
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
  options.json = options.output == "json";
  return Run(*FindCommand(app.get_subcommands().front()->get_name()), options);
}

}  // namespace
}  // namespace chameleon::client

int main(int argc, char** argv) { return chameleon::client::Main(argc, argv); }
