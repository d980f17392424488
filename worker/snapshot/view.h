// One consistent view of all tables: connections whose transactions see the same commit, that
// commit's position, and the table definitions as of it.
//
// Lock, views, position, schema, unlock: see design section 4 and facts section 2. Everything on
// the source is released when a View is destroyed.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"
#include "chameleon/v1/worker.pb.h"
#include "worker/source/connection.h"
#include "worker/source/table_filter.h"

namespace chameleon::worker::snapshot {

struct ViewRequest {
  const v1::SourceConnection* connection;
  const v1::SourceOptions* options;
  const source::TableFilter* filter;
  uint32_t lanes = 1;
  // Few tables: lock these instead of the whole server where that is allowed.
  bool prefer_table_lock = false;
  const std::atomic<bool>* stop;
};

struct View {
  v1::ServerInfo server;
  v1::Position position;
  std::vector<v1::TableDef> tables;
  std::vector<std::unique_ptr<source::Connection>> lanes;
  // Reads definitions; holds no view. Its results are utf8mb4.
  std::unique_ptr<source::Connection> catalogue;
  // Holds the locks of non-transactional tables until they are copied; may be null.
  std::unique_ptr<source::Connection> table_lock;
};

// FAILED_PRECONDITION: a lock is not allowed or not to be had in time, or XA transactions are
// prepared. `log`-worthy facts are logged here.
absl::StatusOr<View> OpenView(const ViewRequest& request);

// The savepoint that each lane sets at its beginning. Rolling back to it after a table releases the
// table's metadata lock and keeps the view, so that nobody's ALTER waits for the whole copy.
absl::Status ReleaseMetadataLocks(source::Connection* lane);

}  // namespace chameleon::worker::snapshot
