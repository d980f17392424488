// Every option and argument of chamctl: one table. Parsing, --help, the man page and the completion
// of three shells come from it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace chameleon::client {

// What the user typed.
struct Options {
  std::string config = "default";
  std::string source, schema, tables;
  uint64_t log_id = 0;
  std::string rollbar_level = "info";
  std::string action, id;   // operations: list, watch, cancel; which
  std::string shell, kind;  // completion; names
  std::string home;
  std::string address;  // empty: the local coordinator
  std::string tls_ca, tls_cert, tls_key, token_file;
  std::string output = "table";
  bool full = false;
  bool debug = false;
  bool json = false;  // output == "json"
  bool no_wait = false;
  bool yes = false;
};

// What a command takes beyond the options of every command.
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
  kShell = 512,      // bash | zsh | fish
  kKind = 1024,      // configurations | sources | schemas
  kLocal = 2048,     // answered by chamctl itself: needs no coordinator
};

// Where completion finds the values.
enum class Values { kNone, kChoices, kConfigurations, kSources, kSchemas, kDirectories };

struct OptionSpec {
  const char* name;   // "config" for --config; of an argument, what is bound
  char letter;        // 'y' for -y, or 0
  const char* value;  // how help writes the value: "NAME"; "" for a flag
  const char* help;
  unsigned takes;  // 0: of every command. Others accept it, too, as the manual's examples do
  Values values;
  std::vector<std::string> choices;  // allowed values, if only these
  std::variant<bool Options::*, uint64_t Options::*, std::string Options::*> member;
  bool positional = false;
  bool required = false;
  const char* env = "";  // variable that gives the value, too
};

const std::vector<OptionSpec>& OptionSpecs();
// Whether help, man page and completion of a command name this option or argument.
bool ShownFor(const OptionSpec& option, unsigned takes);

}  // namespace chameleon::client
