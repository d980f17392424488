#include "coordinator/target/index_changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "coordinator/target/quote.h"

namespace chameleon::coordinator::target {
namespace {

// A JSON string; names hold no U+0000.
std::string JsonText(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::string JsonArray(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  for (const std::string& text : texts) quoted.push_back(JsonText(text));
  return fmt::format("[{}]", fmt::join(quoted, ","));
}

// As an argument of format().
std::string Percent(std::string text) {
  for (size_t at = 0; (at = text.find('%', at)) != std::string::npos; at += 2) text.insert(at, "%");
  return text;
}

std::string DropIndexStatement(const IndexPlan& index, const v1::TablePlan& plan) {
  return fmt::format("SELECT sch_chameleon.fn_drop_index({}, {}, {})",
                     Literal(plan.target_schema()), Literal(plan.target_table()),
                     TextArray(index.Names()));
}

// The old indexes as they would be described now: columns carry their new names.
IndexPlans OldIndexes(const TableState& before, const TableState& after,
                      const std::vector<int>& continues, bool has_postgis) {
  TableState renamed = before;
  std::map<std::string, std::string> now;
  for (size_t i = 0; i < continues.size(); ++i) {
    if (continues[i] < 0) continue;
    const int old = continues[i];
    now[before.def.columns(old).name()] = after.def.columns(static_cast<int>(i)).name();
    renamed.plan.mutable_columns(old)->set_target_name(
        after.plan.columns(static_cast<int>(i)).target_name());
  }
  for (v1::ColumnDef& column : *renamed.def.mutable_columns()) {
    const auto found = now.find(column.name());
    // A dropped column may have left its name to another.
    column.set_name(found == now.end() ? column.name() + "\n(dropped)" : found->second);
  }
  for (v1::IndexDef& index : *renamed.def.mutable_indexes()) {
    for (v1::IndexPart& part : *index.mutable_parts()) {
      const auto found = now.find(part.column());
      part.set_column(found == now.end() ? part.column() + "\n(dropped)" : found->second);
    }
  }
  for (int i = 0; i < before.def.columns_size(); ++i) {
    if (now.contains(before.def.columns(i).name())) continue;
    renamed.plan.mutable_columns(i)->set_target_name(before.plan.columns(i).target_name() +
                                                     "\n(dropped)");
  }
  return PlanIndexes(renamed.def, renamed.plan, has_postgis);
}

bool SameIndex(const IndexPlan& a, const IndexPlan& b) {
  return a.kind == b.kind && a.method == b.method && a.columns == b.columns &&
         a.primary == b.primary;
}

}  // namespace

std::string CreateIndexStatement(const IndexPlan& index, const v1::TablePlan& plan) {
  const std::string table = Percent(Identifier(plan.target_schema(), plan.target_table()));
  const std::string columns = Percent(index.columns);
  const std::string statement =
      index.primary
          ? fmt::format("ALTER TABLE {} ADD CONSTRAINT %1$I PRIMARY KEY ({})", table, columns)
          : fmt::format("CREATE {} %1$I ON {}{} ({})", index.kind, table, index.method, columns);
  return fmt::format("SELECT sch_chameleon.fn_create_index({}, {}, {})",
                     Literal(plan.target_schema()), TextArray(index.Names()), Literal(statement));
}

IndexChanges ChangeIndexes(const TableState& before, const TableState& after,
                           const std::vector<int>& continues, bool has_postgis) {
  IndexChanges changes;
  std::vector<IndexPlan> old = OldIndexes(before, after, continues, has_postgis).indexes;
  std::vector<IndexPlan> now = PlanIndexes(after.def, after.plan, has_postgis).indexes;
  // The same index under the same name stays; then the same under another name is renamed.
  std::erase_if(now, [&](const IndexPlan& index) {
    const auto same = std::find_if(old.begin(), old.end(), [&](const IndexPlan& o) {
      return o.name == index.name && SameIndex(o, index);
    });
    if (same == old.end()) return false;
    old.erase(same);
    return true;
  });
  std::vector<std::string> renames;
  std::erase_if(now, [&](const IndexPlan& index) {
    const auto same = std::find_if(old.begin(), old.end(),
                                   [&](const IndexPlan& o) { return SameIndex(o, index); });
    if (same == old.end()) return false;
    renames.push_back(fmt::format(
        "SELECT sch_chameleon.fn_rename_index({}, {}, {}, {})", Literal(after.plan.target_schema()),
        Literal(after.plan.target_table()), TextArray(same->Names()), TextArray(index.Names())));
    old.erase(same);
    return true;
  });
  for (const IndexPlan& index : old) changes.first.push_back(DropIndexStatement(index, after.plan));
  for (std::string& rename : renames) changes.first.push_back(std::move(rename));
  for (const IndexPlan& index : now)
    changes.last.push_back(CreateIndexStatement(index, after.plan));
  return changes;
}

std::string IndexRenames(const TableState& before, const TableState& after, bool has_postgis) {
  const IndexPlans old = PlanIndexes(before.def, before.plan, has_postgis);
  const IndexPlans now = PlanIndexes(after.def, after.plan, has_postgis);
  std::vector<std::string> indexes;
  for (size_t i = 0; i < old.indexes.size() && i < now.indexes.size(); ++i) {
    indexes.push_back(fmt::format("{{\"from\":{},\"to\":{}}}", JsonArray(old.indexes[i].Names()),
                                  JsonArray(now.indexes[i].Names())));
  }
  return fmt::format("[{}]", fmt::join(indexes, ","));
}

}  // namespace chameleon::coordinator::target
