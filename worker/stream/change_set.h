// Netting: what a sequence of row changes amounts to, per key.
//
//   insert+update = insert   insert+delete = nothing   update+update = update
//   update+delete = delete   delete+insert = update    key change    = delete + insert
//
// Anything else (insert of a key that is there, update of one that is gone) cannot come from a
// correct log and is DATA_LOSS: never applied, never skipped. Keys compare bytewise.
// Incomplete images are laid over the older ones of their key. An incomplete update that changes
// the key can become neither: it stays an update, and nothing else in its set touches its keys.
// Keeps raw row images; encoding happens once, for the survivors. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "worker/binlog/row_image.h"
#include "worker/stream/arena.h"
#include "worker/stream/table_registry.h"

namespace chameleon::worker::stream {

// One row change as read. Views point into the arena of whoever holds it.
struct RowChange {
  std::shared_ptr<MappedTable> mapped;
  binlog::RowKind kind;
  // Raw images. `before` of what is deleted holds the key; its other columns may be missing (NULL).
  std::string_view before, after;
  std::string_view key_before, key_after;  // bytes of TableCodec::AppendKey
  uint32_t event = 0;                      // which event of its transaction it came from
  // Columns in `after`; null: all. Lives as long as `mapped`.
  const std::string* present = nullptr;

  // Cannot be taken apart into a delete and an insert.
  bool MovesIncompleteRow() const {
    return present != nullptr && kind == binlog::RowKind::kUpdate && key_before != key_after;
  }
};

// The net effect on one key.
struct NetChange {
  enum State : uint8_t { kGone, kInsert, kUpdate, kDelete };
  State state;
  bool whole = true;   // columns in no image have their DEFAULT, not their old value
  uint32_t layer = 0;  // 0: `image` is all; else 1 + index of the newest layer
  std::shared_ptr<MappedTable> mapped;  // of `image`
  std::string_view image;               // insert, update: after; delete: before
};

class ChangeSet {
 public:
  // `change`'s views must stay valid as long as this set: see Absorb of Arena.
  absl::Status Add(const RowChange& change);
  // False: `change` must go into a set after this one.
  bool Fits(const RowChange& change) const;

  // An image of a row that is incomplete, or lies below one that is.
  struct Layer {
    std::shared_ptr<MappedTable> mapped;
    const std::string* present;  // null: all columns
    std::string_view image;
    std::string_view before;  // the old key, when it changes; else empty
    uint32_t older;           // as NetChange::layer
  };
  struct TableChanges {
    std::shared_ptr<TableState> table;
    absl::flat_hash_map<std::string_view, uint32_t> by_key;
    std::vector<NetChange> net;  // in the order of each key's first change
    std::vector<Layer> layers;
    absl::flat_hash_set<std::string_view> moved;  // keys that incomplete updates left or took
  };
  const std::vector<TableChanges>& tables() const { return tables_; }
  std::vector<TableChanges>& tables() { return tables_; }

  void Clear() { tables_.clear(); }

 private:
  struct Image {
    std::string_view bytes;
    const std::string* present = nullptr;
    std::string_view before = {};
  };
  TableChanges& ChangesOf(const std::shared_ptr<TableState>& table);
  static absl::Status Merge(TableChanges* changes, binlog::RowKind kind, std::string_view key,
                            const Image& image, const std::shared_ptr<MappedTable>& mapped);
  static void LayOver(TableChanges* changes, const Image& image,
                      const std::shared_ptr<MappedTable>& mapped, NetChange* net);

  std::vector<TableChanges> tables_;
  size_t last_ = 0;  // the table of the previous change: runs are long
};

}  // namespace chameleon::worker::stream
