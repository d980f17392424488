// A batch on its way from the reader to the uplink: net changes and where they end.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/worker.pb.h"
#include "worker/stream/arena.h"
#include "worker/stream/change_set.h"

namespace chameleon::worker::stream {

// A table that leaves the replica, and why.
struct TableStop {
  std::shared_ptr<TableState> table;
  std::string reason;
};

// What was read beside rows: it becomes known together with the position behind it.
struct Notes {
  std::vector<v1::LedgerEntry> ledger;         // one entry per table and kind
  std::vector<v1::DatabaseDefault> databases;  // defaults that changed, in order

  void Count(const v1::LedgerEntry& entry);
  // Adds those of `later`, and empties it.
  void Take(Notes* later);
};

// What has been read of a source transaction and not yet been handed on.
struct Transaction {
  std::vector<RowChange> changes;
  Arena arena;                // owns the bytes of `changes`
  uint64_t changes_read = 0;  // also those that a savepoint undid
  std::vector<TableStop> stops;
  bool moves_incomplete_rows = false;  // it may need more than one batch: see ChangeSet::Fits
  Notes notes;                         // travel with its end, as they would be read again before

  // Has it nothing that must move the position?
  bool empty() const { return changes_read == 0 && stops.empty() && notes.databases.empty(); }
};

struct Batch {
  Arena arena;                    // owns the bytes that `changes` points to
  std::shared_ptr<Arena> shared;  // or this one, with other batches of the transaction
  ChangeSet changes;
  uint64_t changes_read = 0;  // before netting
  v1::Position end;           // of the last commit in it; unset while `more`
  int64_t commit_time_us = 0;
  bool more = false;                             // the transaction goes on in the next batch
  uint64_t commits = 0;                          // source transactions that end in it
  bool advance = false;                          // moves the position although it has no changes
  std::chrono::steady_clock::time_point opened;  // of its first change
  Notes notes;
  std::vector<TableStop> stops;
  v1::XaStep xa;  // what becomes of a prepared transaction; none: KIND_UNSPECIFIED

  // DDL: log lines without their batch id, each with its newline. Such a batch has no changes.
  std::string ready_lines;
  uint32_t ready_rows = 0;
  bool exclusive = false;
  std::vector<v1::TableVersion> versions;
};

// Log lines (see docs/architecture.md) of `batch`, appended to `out`, deletes before updates before
// inserts, table by table. Fills rows, table_ids, ledger and databases of `header`; header.batch_id
// is read. A row that cannot be encoded stops its table: its changes are replaced by one `stop`
// line.
absl::Status EncodeBatch(Batch* batch, v1::BatchHeader* header, std::string* out);

}  // namespace chameleon::worker::stream
