// chamctl's commands: one table. Help, completion of typing errors and dispatch come from it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace chameleon::client {

class Client;

// What the user typed.
struct Options {
  std::string config = "default";
  std::string source, schema, tables;
  uint64_t log_id = 0;
  std::string rollbar_level = "info";
  std::string id;      // operations: which
  std::string action;  // operations: list, watch, cancel
  std::string address, home;
  bool full = false;
  bool debug = false;
  bool json = false;
  bool no_wait = false;
  bool yes = false;
};

// Options beyond those of every command.
enum Takes : unsigned {
  kNothing = 0,
  kConfig = 1,
  kSource = 2,
  kSchema = 4,
  kTables = 8,
  kLogId = 16,
  kFull = 32,
  kWaits = 64,       // --no-wait
  kOperation = 128,  // list | watch ID | cancel ID
  kAsks = 256,       // destroys something: asks on a terminal, unless --yes
};

struct Command {
  const char* name;
  const char* summary;  // one line
  const char* text;     // what to know before using it, and what comes next
  const char* example;
  unsigned takes;
  absl::Status (*run)(Client* client, const Options& options);
};

const std::vector<Command>& Commands();
const Command* FindCommand(std::string_view name);
// The name nearest to a mistyped one, or "".
std::string NearestCommand(std::string_view name);

}  // namespace chameleon::client
