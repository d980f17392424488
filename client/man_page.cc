#include "client/man_page.h"

#include <fmt/format.h>

#include "client/commands.h"
#include "proto/process/man_page.h"

namespace chameleon::client {
namespace {

std::string Term(const OptionSpec& option) {
  if (option.positional) return option.value;
  std::string term = option.letter == 0 ? "" : fmt::format("-{}, ", option.letter);
  term += fmt::format("--{}", option.name);
  if (*option.value != '\0') term += fmt::format(" {}", option.value);
  return term;
}

std::string Usage(const Command& command) {
  std::string usage = command.name;
  for (const OptionSpec& option : OptionSpecs()) {
    if (option.takes == 0 || !ShownFor(option, command.takes)) continue;
    usage += option.required ? " " + Term(option) : fmt::format(" [{}]", Term(option));
  }
  return usage;
}

std::string Help(const OptionSpec& option) {
  std::string text = option.help;
  const Options defaults;
  if (const auto* member = std::get_if<std::string Options::*>(&option.member)) {
    if (!(defaults.**member).empty()) text += fmt::format(" (default: {})", defaults.**member);
  }
  if (*option.env != '\0') text += fmt::format(" (environment: {})", option.env);
  return text;
}

}  // namespace

std::string ChamctlManPage() {
  ManPage page{.name = "chamctl",
               .section = 1,
               .summary = "keep PostgreSQL equal to MySQL and MariaDB",
               .synopsis = {"COMMAND [OPTION]...", "COMMAND --help", "--version"}};
  page.sections.push_back(
      {.title = "DESCRIPTION",
       .text = "chamctl sends a command to a coordinator and prints its answer. Without --address\n"
               "it uses the local coordinator of the configuration and starts one if none "
               "answers.\n\n"
               "First steps: set_configuration_files, edit the configuration, "
               "create_replica_schema,\nadd_source, init_replica, start_replica, show_status."});
  page.sections.push_back({.title = "COMMANDS"});
  for (const Command& command : Commands()) {
    ManSection section{.title = command.name, .minor = true};
    section.text = fmt::format("{}\n\n{}.\n\n{}", Usage(command), command.summary, command.text);
    section.example = command.example;
    page.sections.push_back(std::move(section));
  }
  ManSection options{.title = "OPTIONS",
                     .text =
                         "Every command accepts every option; those of one command are named\n"
                         "with it above."};
  for (const OptionSpec& option : OptionSpecs()) {
    if (!option.positional) options.entries.emplace_back(Term(option), Help(option));
  }
  page.sections.push_back(std::move(options));
  ManSection codes{.title = "EXIT STATUS"};
  for (const ExitCodeText& code : ExitCodeTexts()) {
    codes.entries.emplace_back(fmt::format("{}", code.code), code.meaning);
  }
  page.sections.push_back(std::move(codes));
  page.sections.push_back(
      {.title = "ENVIRONMENT",
       .entries = {{"CHAMELEON_HOME",
                    "directory with configuration/, pid/ and logs/ (default: "
                    "~/.pg_chameleon)"},
                   {"CHAMELEON_TOKEN", "the token of --token-file itself"},
                   {"CHAMELEON_ALLOW_ROOT", "1: the coordinator that is started may run as root"},
                   {"CHAMELEON_COORDINATOR",
                    "program to start as coordinator (default: chameleon-coordinator beside "
                    "chamctl)"}}});
  page.sections.push_back({.title = "FILES",
                           .entries = {{"~/.pg_chameleon/configuration/NAME.yml",
                                        "a configuration; config-example.yml there explains it"}}});
  page.see_also = {"chameleon-coordinator(8)", "chameleon-worker(8)"};
  return ManText(page);
}

}  // namespace chameleon::client
