// chamctl's commands: one table. Help, man page, completion, typing errors and dispatch come from
// it, together with the table of options (options.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "client/options.h"

namespace chameleon::client {

class Client;

struct Command {
  const char* name;
  const char* summary;  // one line
  const char* text;     // what to know before using it, and what comes next
  const char* example;
  unsigned takes;
  // `client` is null for a command that is kLocal.
  absl::Status (*run)(Client* client, const Options& options);
};

const std::vector<Command>& Commands();
// The first steps and the exit codes: below the help of chamctl, in its man page.
struct ExitCodeText {
  int code;
  const char* meaning;
};
const std::vector<ExitCodeText>& ExitCodeTexts();
const Command* FindCommand(std::string_view name);
// The name nearest to a mistyped one, or "".
std::string NearestCommand(std::string_view name);

}  // namespace chameleon::client
