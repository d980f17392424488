// Rows of MariaDB's system-versioned tables: the log holds history and present alike, the target
// holds what a SELECT shows, the rows whose period has not ended.
#pragma once

#include "absl/status/status.h"
#include "worker/binlog/row_image.h"
#include "worker/stream/change_set.h"

namespace chameleon::worker::stream {

// What the change means for the present: sets change->kind (an UPDATE that ends a period deletes
// the row), and *ignored for changes of history. FAILED_PRECONDITION: the image does not tell.
absl::Status ToPresent(const binlog::RowSlices& before, const binlog::RowSlices& after,
                       RowChange* change, bool* ignored);

}  // namespace chameleon::worker::stream
