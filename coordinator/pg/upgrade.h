// A pg_chameleon catalogue becomes ours: 2.0.x, and 1.7, which is that of pg_chameleon 1.8.
//
// One transaction: what the old program has logged and not replayed is replayed by its own function,
// the old schema gets another name, ours is installed and filled. Any error: nothing has changed.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "coordinator/config/config.h"
#include "coordinator/pg/session.h"

namespace chameleon::coordinator::pg {

// Whose version the database's catalogue has.
enum class CatalogueKind { kOurs, kV2, kV1, kOther };
CatalogueKind KindOf(const std::string& version);

// The answer says what was done. FAILED_PRECONDITION, each with what to do: sources that run, rows
// that cannot be replayed, schema_mappings that are not as stored, a source that is not in the
// configuration, a schema of the new name.
absl::StatusOr<std::string> UpgradeCatalogue(Session* session, const Config& config,
                                             const std::string& version);

}  // namespace chameleon::coordinator::pg
