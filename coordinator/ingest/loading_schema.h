// Where a snapshot is loaded before the swap: _<schema>_tmp beside each target schema.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "coordinator/config/config.h"

namespace chameleon::coordinator::ingest {

std::string LoadingSchema(const std::string& target_schema);
// Where the working copies of online schema changes are followed, unseen: _<schema>_online. It is
// made with the first and goes with the last of them.
std::string HiddenSchema(const std::string& target_schema);
// Those of all mapped schemas, with what is in them.
absl::Status DropLoadingSchemas(const TargetConnection& target, const SourceConfig& source);

}  // namespace chameleon::coordinator::ingest
