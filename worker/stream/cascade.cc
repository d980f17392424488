#include "worker/stream/cascade.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "worker/ddl/names.h"
#include "worker/encode/escape.h"

namespace chameleon::worker::stream {
namespace {

using binlog::RowSlices;
using binlog::Slice;

bool Acts(const std::string& action) { return action == "CASCADE" || action == "SET NULL"; }

int ColumnIndex(const v1::TableDef& def, const std::string& name) {
  for (int i = 0; i < def.columns_size(); ++i) {
    if (ddl::LowerName(def.columns(i).name()) == ddl::LowerName(name)) return i;
  }
  return -1;
}

bool SameValue(const Slice& a, const Slice& b) {
  return a.state == b.state &&
         (a.state != Slice::kValue || (a.size == b.size && memcmp(a.data, b.data, a.size) == 0));
}

}  // namespace

std::vector<CascadeRule> CascadeRulesOf(const std::string& schema, const std::string& table,
                                        const v1::TableDef* parent, const TableRegistry& tables) {
  std::vector<CascadeRule> rules;
  for (const auto& [_, child] : tables.tables()) {
    const auto& def = child->version.def();
    const auto& plan = child->version.plan();
    if (!plan.replicated()) continue;
    for (const auto& key : def.foreign_keys()) {
      if (!tables.SameName(key.referenced(), schema, table)) continue;
      CascadeRule rule{.child = child,
                       .referenced = {},
                       .columns = {},
                       .deletes = Acts(key.on_delete()),
                       .delete_sets_null = key.on_delete() == "SET NULL",
                       .updates = Acts(key.on_update()),
                       .update_sets_null = key.on_update() == "SET NULL"};
      if (!rule.deletes && !rule.updates) continue;
      const int columns = std::min(key.columns_size(), key.referenced_columns_size());
      for (int i = 0; parent != nullptr && i < columns; ++i) {
        const int from = ColumnIndex(*parent, key.referenced_columns(i));
        const int to = ColumnIndex(def, key.columns(i));
        if (from < 0 || to < 0) break;
        rule.referenced.push_back(static_cast<size_t>(from));
        rule.columns.push_back(plan.columns(to).target_name());
      }
      if (rule.columns.size() != static_cast<size_t>(key.columns_size())) rule.columns.clear();
      rules.push_back(std::move(rule));
    }
  }
  return rules;
}

bool Cascade::Add(const CascadeRule& rule, TableState* parent, const binlog::TableMap& map,
                  const RowSlices& before, const RowSlices* after) {
  if (rule.columns.empty()) return false;
  bool changed = after == nullptr, refers = true;
  for (const size_t column : rule.referenced) {
    if (before[column].state == Slice::kAbsent) {
      // Not in either image: it does not change, but then neither tells which children.
      if (after == nullptr || (*after)[column].state != Slice::kAbsent) return false;
      continue;
    }
    if (before[column].state == Slice::kNull) refers = false;
    if (after != nullptr && !SameValue(before[column], (*after)[column])) changed = true;
  }
  if (!changed || !refers) return true;
  const bool sets_null = after == nullptr ? rule.delete_sets_null : rule.update_sets_null;
  std::string old_key, new_key;
  for (size_t i = 0; i < rule.columns.size(); ++i) {
    std::string name;
    encode::AppendText(rule.columns[i], encode::Escape::kJsonInCopy, &name);
    const char* const separator = i == 0 ? "{\"" : ",\"";
    old_key += separator + name + "\":";
    new_key += separator + name + "\":";
    const size_t column = rule.referenced[i];
    if (before[column].state == Slice::kAbsent) return false;
    if (!parent->reader_codec->AppendJsonValue(map, before, column, &old_key).ok()) return false;
    if (sets_null || after == nullptr) {
      new_key += "null";
    } else if (!parent->reader_codec->AppendJsonValue(map, *after, column, &new_key).ok()) {
      return false;
    }
  }
  old_key += '}';
  new_key += '}';
  const std::string child = fmt::format("{}\t", rule.child->id());
  if (groups_.empty() || new_keys_.contains(child + old_key)) {
    groups_.emplace_back();
    new_keys_.clear();
  }
  const bool deletes = after == nullptr && !sets_null;
  if (!deletes) new_keys_.insert(child + new_key);
  auto& group = groups_.back();
  const size_t size = group.lines.size();
  group.lines += fmt::format("{}cascade\t{}\t{}\t\\N\n", child, old_key, deletes ? "\\N" : new_key);
  ++group.rows;
  bytes_ += group.lines.size() - size;
  return true;
}

std::vector<Cascade::Group> Cascade::Take() {
  new_keys_.clear();
  bytes_ = 0;
  return std::exchange(groups_, {});
}

}  // namespace chameleon::worker::stream
