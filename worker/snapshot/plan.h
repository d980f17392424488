// How a table is cut into chunks: statistics → SQL predicates. Pure; the server does all comparing.
//
// The predicates of a table's chunks partition its rows: every row satisfies exactly one of them,
// whatever happens between reading the bounds and reading the rows (the first and the last chunk
// are open-ended). All bounds are on columns that are NOT NULL.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "chameleon/v1/types.pb.h"

namespace chameleon::worker::snapshot {

// Leading columns of a unique key by which a table can be cut.
struct SplitKey {
  std::vector<int> columns;  // indexes into TableDef.columns; empty: the table is one chunk
  std::string index;         // name, for messages
  bool by_range = false;     // the first column is an integer: MIN and MAX suffice
};

// Primary key first, then other unique keys without nullable columns. Columns whose order cannot be
// expressed by a literal (FLOAT, ENUM, prefixes, …) end the key.
SplitKey ChooseKey(const v1::TableDef& def);

// Aimed at, from estimates: never trusted for correctness.
struct PlanLimits {
  uint64_t chunk_bytes = 0;
  uint32_t chunks_max = 4096;
};
// The chunk size for a whole snapshot: enough chunks for even lanes, bounded by memory.
uint64_t ChunkBytes(uint64_t bytes_total, uint64_t copy_max_memory_bytes, uint32_t lanes);
uint32_t ChunkCount(const v1::TableDef& def, const PlanLimits& limits);

// By integer range. `min` and `max` as the server printed them (64 bit, either sign).
// nullopt: the values are too few for so many chunks; cut by sampling instead.
std::optional<std::vector<std::string>> RangePredicates(const v1::ColumnDef& column,
                                                        const std::string& min,
                                                        const std::string& max, uint32_t chunks);

// By sampling. A bound is one value per key column, as a SELECT with character_set_results=NULL
// gives it; rows that follow it belong to the next chunk.
using Bound = std::vector<std::string>;
// The statement that finds the bound `rows` rows after `previous` (nullptr: from the beginning).
std::string BoundQuery(const v1::TableDef& def, const SplitKey& key, const Bound* previous,
                       uint64_t rows);
std::vector<std::string> BoundPredicates(const v1::TableDef& def, const SplitKey& key,
                                         const std::vector<Bound>& bounds);

// A value of the column as a literal that compares like the column itself.
std::string Literal(const v1::ColumnDef& column, const std::string& value);

}  // namespace chameleon::worker::snapshot
