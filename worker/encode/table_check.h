// Does a TABLE_MAP event fit the definition that the schema history holds?
#pragma once

#include "absl/status/status.h"
#include "chameleon/v1/types.pb.h"
#include "worker/binlog/row_image.h"

namespace chameleon::worker::encode {

// Count, types and dimensions; names and signedness when `metadata` has them. FAILED_PRECONDITION
// names the first difference. Tolerated, because servers differ: old temporal storage, MariaDB's
// VECTOR and JSON under their storage types, and
// the columns in which it keeps the hashes of long UNIQUE keys, behind all others.
absl::Status CheckTable(const v1::TableDef& def, const binlog::TableMap& map,
                        const binlog::TableMetadata& metadata, bool is_mariadb);

}  // namespace chameleon::worker::encode
