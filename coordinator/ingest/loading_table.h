// What one snapshot loads, and a table on its way into its loading schema.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "chameleon/v1/worker.pb.h"
#include "coordinator/config/config.h"
#include "coordinator/ingest/snapshot_loader.h"

namespace chameleon::coordinator::ingest {

// The same for all parts of the loader.
struct Load {
  LoadOptions options;
  SourceConfig source;
  v1::Lease lease;

  // Do single tables move into schemas that have others? Else whole schemas change places.
  bool MovesTables() const {
    return options.kind == LoadOptions::kTables || source.keep_existing_schema;
  }
  // A statement that fails when the lease is over; Fenced() makes its error ABORTED.
  std::string EpochGuard() const;
  absl::Status Fenced(const absl::Status& status) const;
};

// What has been committed of one table.
struct Chunks {
  std::mutex mutex;
  uint64_t rows = 0;      // guarded by mutex, as all below
  bool in_doubt = false;  // a commit was not answered: count
  std::set<uint32_t> done;
};

struct LoadingTable {
  v1::TableDef def;
  v1::TablePlan plan;
  v1::Position valid_from;
  std::string loading_schema;
  google::protobuf::RepeatedPtrField<v1::LedgerEntry> ledger;
  bool finished = false;
  // Shared with its open copies, which may outlive the loader.
  std::shared_ptr<Chunks> chunks = std::make_shared<Chunks>();
};

// By table id.
using LoadingTables = std::map<uint64_t, LoadingTable>;

std::string NameOf(const LoadingTable& table);

}  // namespace chameleon::coordinator::ingest
