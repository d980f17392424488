// The replicated tables as of the reader's position: name → definition, plan and codecs.
//
// A TABLE_MAP is matched against the definition that is valid at its position, never against what
// the server says today. Used by the reader thread; TableState is shared with the uplink thread.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"
#include "chameleon/v1/worker.pb.h"
#include "worker/binlog/row_image.h"
#include "worker/encode/table_codec.h"
#include "worker/source/table_filter.h"
#include "worker/stream/log_position.h"

namespace chameleon::worker::stream {

// The coordinator copies tables again that left for a reason that begins so.
inline constexpr std::string_view kRecopyReason = "it must be copied again: ";

// One version of one table.
struct TableState {
  v1::TableVersion version;
  std::unique_ptr<encode::TableCodec> reader_codec;  // reader thread: keys and checks
  std::unique_ptr<encode::TableCodec> uplink_codec;  // uplink thread: JSON
  bool lenient = false;  // some of its events are skipped: a change may find any state of its row
  // Made in this stream, and no row has come since. Reader thread.
  bool empty = false;
  std::atomic<bool> stopped = false;  // left the replica: changes are ignored
  bool stopped_to_be_copied = false;  // for such a reason. Reader thread.

  uint64_t id() const { return version.plan().table_id(); }
  std::string FullName() const;  // "schema.table" of the source
  // From here on its changes are ignored. Reader thread.
  void Leave(std::string_view reason) {
    stopped = true;
    stopped_to_be_copied = reason.starts_with(kRecopyReason);
  }
  // It has left, and comes back by itself.
  bool IsToBeCopied() const {
    return stopped_to_be_copied || version.plan().reason().starts_with(kRecopyReason);
  }
};

// A table as one TABLE_MAP event described it.
struct CascadeRule;
struct MappedTable {
  MappedTable();
  ~MappedTable();

  std::shared_ptr<TableState> table;  // null: changes are ignored by name
  bool not_yet = false;  // holds only here: a copy of it, or of a child, has changes already
  std::shared_ptr<TableState>
      copied;  // not null: its changes are ignored because its copy has them
  binlog::TableMap map;
  std::vector<CascadeRule> cascades;  // of its children

  // The bitmap, at a place that stays as long as the table does. Reader thread.
  const std::string* PresentColumns(const std::string& bitmap);

 private:
  std::set<std::string> bitmaps_;  // one per form of incomplete row image
};

enum class Wanted {
  kNo,       // not in a mapped schema, or excluded: see TableFilter
  kKnown,    // replicated
  kIgnored,  // known, but its changes are not followed (no key, stopped)
  kUnknown,  // should be here, but nobody has told us its definition
};

class TableRegistry {
 public:
  TableRegistry(const v1::SourceOptions& options, bool is_mariadb,
                uint32_t lower_case_table_names = 0);

  // Replaces the version of a table, or adds it. INVALID_ARGUMENT: def and plan do not fit.
  absl::Status Put(const v1::TableVersion& version);
  void Remove(const v1::TableName& name);

  // Is the table inside the mapped schemas and the limit and skip lists?
  bool Covers(const std::string& schema, const std::string& table) const;
  bool CoversSchema(const std::string& schema) const;
  bool SameName(const v1::TableName& name, const std::string& schema,
                const std::string& table) const {
    return Key(name.schema(), name.table()) == Key(schema, table);
  }
  bool SameSchema(const std::string& a, const std::string& b) const {
    return filter_.Key(a) == filter_.Key(b);
  }
  // kKnown and kIgnored come with the state; *state is left alone otherwise.
  Wanted Find(const std::string& schema, const std::string& table,
              std::shared_ptr<TableState>* state) const;

  // Where the reader is: see NotYet. `position` outlives the registry's use.
  void SetReader(const LogPosition* position, bool by_gtid) {
    position_ = position;
    by_gtid_ = by_gtid;
  }
  // What the reader has just seen is in the table's copy already: a table that was copied again has
  // its place after the stream's.
  bool NotYet(const TableState& state) const {
    return position_ != nullptr && state.version.has_valid_from() &&
           position_->IsIn(state.version.valid_from(), by_gtid_);
  }

  bool is_mariadb() const { return is_mariadb_; }
  // By schema and table, as the server compares names.
  using Tables = std::map<std::pair<std::string, std::string>, std::shared_ptr<TableState>>;
  const Tables& tables() const { return tables_; }

 private:
  Tables::key_type Key(const std::string& schema, const std::string& table) const {
    return {filter_.Key(schema), filter_.Key(table)};
  }

  const source::TableFilter filter_;
  const v1::SkipEvents skip_;
  const bool is_mariadb_;
  const LogPosition* position_ = nullptr;
  bool by_gtid_ = false;
  Tables tables_;
};

}  // namespace chameleon::worker::stream
