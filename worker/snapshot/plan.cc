#include "worker/snapshot/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "worker/source/sql_text.h"

namespace chameleon::worker::snapshot {
namespace {

using source::QuoteName;
using source::QuoteText;
using Wide = __int128;  // signed and unsigned 64-bit keys alike

constexpr uint64_t kChunkBytesMin = 8ull << 20;
constexpr uint64_t kChunkBytesMax = 64ull << 20;
constexpr uint32_t kChunksPerLane = 8;

bool IsInteger(v1::BaseType type) { return type >= v1::TINYINT && type <= v1::BIGINT; }

bool IsString(v1::BaseType type) {
  return type == v1::CHAR || type == v1::VARCHAR || type == v1::BINARY || type == v1::VARBINARY;
}

bool IsSplittable(const v1::ColumnDef& c) {
  if (c.nullable()) return false;
  switch (c.base_type()) {
    case v1::DECIMAL:
    case v1::YEAR:
    case v1::DATE:
    case v1::DATETIME:
    case v1::TIMESTAMP:
    case v1::TIME:
    case v1::UUID:
    case v1::INET4:
    case v1::INET6:
      return true;
    default:
      return IsInteger(c.base_type()) || IsString(c.base_type());
  }
}

int FindColumn(const v1::TableDef& def, const std::string& name) {
  for (int i = 0; i < def.columns_size(); ++i) {
    if (def.columns(i).name() == name) return i;
  }
  return -1;
}

SplitKey KeyOf(const v1::TableDef& def, const v1::IndexDef& index) {
  SplitKey key;
  for (const v1::IndexPart& part : index.parts()) {
    int column = part.column().empty() ? -1 : FindColumn(def, part.column());
    // Mixed directions would need a sort; a prefix does not order the whole value.
    if (column < 0 || part.prefix_length() != 0 || part.descending()) break;
    if (!IsSplittable(def.columns(column))) break;
    key.columns.push_back(column);
  }
  if (key.columns.empty()) return key;
  key.index = index.name();
  key.by_range = IsInteger(def.columns(key.columns[0]).base_type());
  return key;
}

std::optional<Wide> ParseWide(const std::string& text) {
  bool negative = text.starts_with("-");
  uint64_t value = 0;
  const char* begin = text.data() + (negative ? 1 : 0);
  auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return negative ? -static_cast<Wide>(value) : static_cast<Wide>(value);
}

std::string WideText(Wide value) {
  return value < 0 ? fmt::format("-{}", static_cast<uint64_t>(-value))
                   : fmt::format("{}", static_cast<uint64_t>(value));
}

// (a, b) > (x, y) spelled out, because neither server's optimizer uses an index for row
// comparisons: a > x OR (a = x AND b > y).
std::string Compare(const v1::TableDef& def, const SplitKey& key, const Bound& bound,
                    std::string_view strict, std::string_view last) {
  std::string out;
  for (size_t i = key.columns.size(); i-- > 0;) {
    const v1::ColumnDef& c = def.columns(key.columns[i]);
    std::string name = QuoteName(c.name()), value = Literal(c, bound[i]);
    std::string_view op = i + 1 == key.columns.size() ? last : strict;
    if (out.empty()) {
      out = fmt::format("{} {} {}", name, op, value);
    } else {
      out = fmt::format("{0} {1} {2} OR ({0} = {2} AND ({3}))", name, op, value, out);
    }
  }
  return out;
}

}  // namespace

SplitKey ChooseKey(const v1::TableDef& def) {
  SplitKey best;
  for (const v1::IndexDef& index : def.indexes()) {
    if (index.kind() != v1::IndexDef::PRIMARY && index.kind() != v1::IndexDef::UNIQUE) continue;
    SplitKey key = KeyOf(def, index);
    if (key.columns.empty()) continue;
    // Rows are stored in the order of the primary key: nothing reads faster.
    if (index.kind() == v1::IndexDef::PRIMARY) return key;
    if (best.columns.empty() || (key.by_range && !best.by_range)) best = std::move(key);
  }
  return best;
}

uint64_t ChunkBytes(uint64_t bytes_total, uint64_t copy_max_memory_bytes, uint32_t lanes) {
  lanes = std::max(lanes, 1u);
  uint64_t max = kChunkBytesMax;
  if (copy_max_memory_bytes > 0) max = std::min(max, copy_max_memory_bytes / lanes);
  return std::clamp(bytes_total / (uint64_t{lanes} * kChunksPerLane), std::min(kChunkBytesMin, max),
                    max);
}

uint32_t ChunkCount(const v1::TableDef& def, const PlanLimits& limits) {
  uint64_t chunk = std::max<uint64_t>(limits.chunk_bytes, 1);
  uint64_t chunks = (def.bytes_estimate() + chunk - 1) / chunk;
  return static_cast<uint32_t>(std::clamp<uint64_t>(chunks, 1, limits.chunks_max));
}

std::optional<std::vector<std::string>> RangePredicates(const v1::ColumnDef& column,
                                                        const std::string& min,
                                                        const std::string& max, uint32_t chunks) {
  std::optional<Wide> low = ParseWide(min), high = ParseWide(max);
  if (chunks <= 1 || !low || !high || *high <= *low) return std::vector<std::string>{""};
  Wide values = *high - *low + 1;
  if (values < static_cast<Wide>(chunks)) return std::nullopt;
  std::string name = QuoteName(column.name());
  std::vector<std::string> predicates;
  std::string previous;
  for (uint32_t i = 1; i <= chunks; ++i) {
    std::string next = i < chunks ? WideText(*low + values * i / chunks) : "";
    std::string text;
    if (!previous.empty()) text = fmt::format("{} >= {}", name, previous);
    if (!next.empty()) text += fmt::format("{}{} < {}", text.empty() ? "" : " AND ", name, next);
    predicates.push_back(std::move(text));
    previous = next;
  }
  return predicates;
}

std::string BoundQuery(const v1::TableDef& def, const SplitKey& key, const Bound* previous,
                       uint64_t rows) {
  std::string list;
  for (int column : key.columns) {
    if (!list.empty()) list += ", ";
    list += QuoteName(def.columns(column).name());
  }
  std::string where =
      previous == nullptr ? "" : fmt::format(" WHERE {}", Compare(def, key, *previous, ">", ">"));
  return fmt::format("SELECT {0} FROM {1}{2} ORDER BY {0} LIMIT 1 OFFSET {3}", list,
                     QuoteName(def.name().schema(), def.name().table()), where, rows);
}

std::vector<std::string> BoundPredicates(const v1::TableDef& def, const SplitKey& key,
                                         const std::vector<Bound>& bounds) {
  std::vector<std::string> predicates;
  for (size_t i = 0; i <= bounds.size(); ++i) {
    std::string low = i > 0 ? Compare(def, key, bounds[i - 1], ">", ">") : "";
    std::string high = i < bounds.size() ? Compare(def, key, bounds[i], "<", "<=") : "";
    if (low.empty() || high.empty()) {
      predicates.push_back(low + high);
    } else {
      predicates.push_back(fmt::format("({}) AND ({})", low, high));
    }
  }
  return predicates;
}

std::string Literal(const v1::ColumnDef& column, const std::string& value) {
  if (IsInteger(column.base_type()) || column.base_type() == v1::DECIMAL ||
      column.base_type() == v1::YEAR) {
    return value;
  }
  if (!IsString(column.base_type())) return QuoteText(value);
  bool binary = column.base_type() == v1::BINARY || column.base_type() == v1::VARBINARY;
  return QuoteText(value, binary ? "binary" : column.charset());
}

}  // namespace chameleon::worker::snapshot
