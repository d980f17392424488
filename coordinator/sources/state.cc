#include "coordinator/sources/state.h"

#include <fmt/format.h>

#include "proto/wire/error.h"

namespace chameleon::coordinator::sources {
namespace {

// What a command does in a state. A refusal says what to do instead.
enum Rule {
  kOk,          // allowed
  kInitFirst,   // never copied: init_replica first
  kBusy,        // an operation owns the source
  kStopFirst,   // the stream owns the source
  kEnable,      // it ended in error: enable_replica first
  kNotRunning,  // nothing to stop
};

constexpr v1::SourceState kSame = v1::SOURCE_STATE_UNSPECIFIED;

// One line per command, one column per state, in the order of v1::SourceState.
//
// `error` keeps what was copied: init_replica makes it new, enable_replica goes on from the last
// position. A source without any position that is enabled becomes `ready` (see SourceActor).
struct Line {
  Command command;
  const char* name;
  v1::SourceState during, after;  // kSame: unchanged
  Rule rules[8];
};
constexpr Line kTable[] = {
    // clang-format off
    //                                              during            after              ready       initialising initialised syncing synced running      stopped      error
    {Command::kInitReplica,   "init_replica",       v1::INITIALISING, v1::INITIALISED, {kOk,         kBusy,       kOk,        kBusy,  kOk,   kStopFirst,  kOk,         kOk}},
    {Command::kCopySchema,    "copy_schema",        kSame,            v1::READY,         {kOk,         kBusy,       kOk,        kBusy,  kOk,   kStopFirst,  kOk,         kOk}},
    {Command::kRefreshSchema, "refresh_schema",     v1::SYNCING,      v1::SYNCED,      {kInitFirst,  kBusy,       kOk,        kBusy,  kOk,   kOk,         kOk,         kEnable}},
    {Command::kSyncTables,    "sync_tables",        v1::SYNCING,      v1::SYNCED,      {kInitFirst,  kBusy,       kOk,        kBusy,  kOk,   kOk,         kOk,         kEnable}},
    {Command::kStartReplica,  "start_replica",      v1::RUNNING,      v1::RUNNING,     {kInitFirst,  kBusy,       kOk,        kBusy,  kOk,   kStopFirst,  kOk,         kEnable}},
    {Command::kStopReplica,   "stop_replica",       v1::RUNNING,      v1::STOPPED,     {kNotRunning, kBusy,       kNotRunning,kBusy,  kNotRunning, kOk,   kNotRunning, kNotRunning}},
    {Command::kEnableReplica, "enable_replica",     v1::STOPPED,      v1::STOPPED,     {kInitFirst,  kBusy,       kOk,        kBusy,  kOk,   kStopFirst,  kOk,         kOk}},
    {Command::kUpdateSchemaMappings, "update_schema_mappings", kSame, kSame,           {kOk,         kBusy,       kOk,        kBusy,  kOk,   kStopFirst,  kOk,         kOk}},
    {Command::kDetachReplica, "detach_replica",     kSame,            v1::READY,       {kInitFirst,  kBusy,       kOk,        kBusy,  kOk,   kOk,         kOk,         kOk}},
    {Command::kRunMaintenance, "run_maintenance",   kSame,            kSame,           {kOk,         kBusy,       kOk,        kBusy,  kOk,   kOk,         kOk,         kOk}},
    {Command::kDropSource,    "drop_source",        kSame,            kSame,           {kOk,         kBusy,       kOk,        kBusy,  kOk,   kStopFirst,  kOk,         kOk}},
    // clang-format on
};

const Line& LineOf(Command command) {
  for (const Line& line : kTable) {
    if (line.command == command) return line;
  }
  return kTable[0];  // unreachable: every command has a line (a test counts them)
}

std::string HintFor(Rule rule, Command command, std::string_view source) {
  switch (rule) {
    case kInitFirst:
      return fmt::format("Run chamctl init_replica --source {} first.", source);
    case kBusy:
      return "Wait for the operation to end, or cancel it; chamctl operations list shows it.";
    case kStopFirst:
      return command == Command::kStartReplica
                 ? fmt::format("See chamctl show_status --source {}.", source)
                 : fmt::format("Run chamctl stop_replica --source {} first.", source);
    case kEnable:
      return fmt::format(
          "See chamctl show_errors for the cause; then run chamctl enable_replica --source {}.",
          source);
    case kNotRunning:
      return fmt::format("Run chamctl start_replica --source {} to start it.", source);
    case kOk:
      break;
  }
  return "";
}

}  // namespace

absl::StatusOr<Transition> Next(Command command, v1::SourceState from, std::string_view source) {
  const Line& line = LineOf(command);
  if (from < v1::READY || from > v1::ERROR) {
    return Error(absl::StatusCode::kInternal, "STATE_UNKNOWN", source,
                 fmt::format("source \"{}\" has an unknown state", source), "");
  }
  const Rule rule = line.rules[from - v1::READY];
  if (rule != kOk) {
    return Error(
        absl::StatusCode::kFailedPrecondition, "STATE_FORBIDS", source,
        fmt::format("{} is not possible: source \"{}\" is {}", line.name, source, StateName(from)),
        HintFor(rule, command, source));
  }
  return Transition{line.during == kSame ? from : line.during,
                    line.after == kSame ? from : line.after};
}

std::string_view CommandName(Command command) { return LineOf(command).name; }

std::string_view StateName(v1::SourceState state) {
  switch (state) {
    case v1::READY:
      return "ready";
    case v1::INITIALISING:
      return "initialising";
    case v1::INITIALISED:
      return "initialised";
    case v1::SYNCING:
      return "syncing";
    case v1::SYNCED:
      return "synced";
    case v1::RUNNING:
      return "running";
    case v1::STOPPED:
      return "stopped";
    case v1::ERROR:
      return "error";
    default:
      return "unknown";
  }
}

}  // namespace chameleon::coordinator::sources
