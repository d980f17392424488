// Netting: what a sequence of row changes amounts to, per key.
//
//   insert+update = insert   insert+delete = nothing   update+update = update
//   update+delete = delete   delete+insert = update    key change    = delete + insert
//
// Anything else (insert of a key that is there, update of one that is gone) cannot come from a
// correct log and is DATA_LOSS: never applied, never skipped. Keys compare bytewise.
// Keeps raw row images; encoding happens once, for the survivors. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "worker/binlog/row_image.h"
#include "worker/stream/arena.h"
#include "worker/stream/table_registry.h"

namespace chameleon::worker::stream {

// One row change as read. Views point into the arena of whoever holds it.
struct RowChange {
  std::shared_ptr<MappedTable> mapped;
  binlog::RowKind kind;
  std::string_view before, after;          // raw images
  std::string_view key_before, key_after;  // bytes of TableCodec::AppendKey
  uint32_t event = 0;                      // which event of its transaction it came from
};

// The net effect on one key.
struct NetChange {
  enum State : uint8_t { kGone, kInsert, kUpdate, kDelete };
  State state;
  std::shared_ptr<MappedTable> mapped;  // of `image`
  std::string_view image;               // insert, update: after; delete: before
};

class ChangeSet {
 public:
  // `change`'s views must stay valid as long as this set: see Absorb of Arena.
  absl::Status Add(const RowChange& change);

  struct TableChanges {
    std::shared_ptr<TableState> table;
    absl::flat_hash_map<std::string_view, uint32_t> by_key;
    std::vector<NetChange> net;  // in the order of each key's first change
  };
  const std::vector<TableChanges>& tables() const { return tables_; }
  std::vector<TableChanges>& tables() { return tables_; }

  void Clear() { tables_.clear(); }

 private:
  TableChanges& ChangesOf(const std::shared_ptr<TableState>& table);
  static absl::Status Merge(TableChanges* changes, binlog::RowKind kind, std::string_view key,
                            std::string_view image, const std::shared_ptr<MappedTable>& mapped);

  std::vector<TableChanges> tables_;
  size_t last_ = 0;  // the table of the previous change: runs are long
};

}  // namespace chameleon::worker::stream
