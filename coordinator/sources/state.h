// The life of a source: one table says which command is allowed in which state.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"

namespace chameleon::coordinator::sources {

enum class Command {
  kInitReplica,
  kCopySchema,
  kRefreshSchema,
  kSyncTables,
  kStartReplica,
  kStopReplica,
  kEnableReplica,
  kUpdateSchemaMappings,
  kDetachReplica,
  kRunMaintenance,
  kDropSource,
};

struct Transition {
  v1::SourceState during;  // while the command works
  v1::SourceState after;   // when it has succeeded; a failed one leaves `error`
};

// FAILED_PRECONDITION (reason STATE_FORBIDS) with the command that helps.
absl::StatusOr<Transition> Next(Command command, v1::SourceState from, std::string_view source);

// "init_replica"
std::string_view CommandName(Command command);
// "initialised", as the manuals and the catalogue spell it.
std::string_view StateName(v1::SourceState state);

}  // namespace chameleon::coordinator::sources
