#include "coordinator/ingest/existing_tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "coordinator/target/quote.h"
#include "coordinator/target/type_map.h"

namespace chameleon::coordinator::ingest {

absl::Status ExistingTables::Read(pg::Session* session, const std::string& schema) {
  auto columns = session->Execute(
      fmt::format("BEGIN; SET LOCAL search_path = pg_catalog;"
                  "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,"
                  " t.typtype = 'e' AND t.typnamespace = n.oid,"
                  " ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid"
                  " ORDER BY e.enumsortorder)"
                  " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                  " JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid"
                  " WHERE n.nspname = {} AND c.relkind IN ('r', 'p') AND a.attnum > 0"
                  " AND NOT a.attisdropped",
                  target::Literal(schema)));
  session->Abandon();  // the block was only for the search path
  if (!columns.ok()) return columns.status();
  for (size_t i = 0; i < columns->size(); ++i) {
    tables_[{schema, columns->Text(i, 0)}].columns[columns->Text(i, 1)] = {
        columns->Text(i, 2), columns->Bool(i, 3), columns->Bool(i, 4), columns->Array(i, 5)};
  }
  auto keys = session->Execute(fmt::format(
      "SELECT c.relname, ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a"
      " WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]::int2[]))"
      " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid"
      " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
      " WHERE n.nspname = {} AND i.indisunique AND i.indisvalid AND i.indpred IS NULL"
      " AND i.indexprs IS NULL",
      target::Literal(schema)));
  if (!keys.ok()) return keys.status();
  for (size_t i = 0; i < keys->size(); ++i) {
    const std::vector<std::string> names = keys->Array(i, 1);
    tables_[{schema, keys->Text(i, 0)}].keys.emplace_back(names.begin(), names.end());
  }
  return absl::OkStatus();
}

std::optional<std::string> ExistingTables::Fit(const v1::TableDef& def, v1::TablePlan* plan,
                                               bool rows_are_ours) const {
  const auto found = tables_.find({plan->target_schema(), plan->target_table()});
  const std::string name = fmt::format("{}.{}", plan->target_schema(), plan->target_table());
  if (found == tables_.end()) return fmt::format("target table {} does not exist", name);
  std::set<std::string> key;
  for (int i = 0; i < plan->columns_size(); ++i) {
    v1::ColumnPlan* column = plan->mutable_columns(i);
    if (column->omitted()) continue;
    if (column->is_key()) key.insert(column->target_name());
    const auto existing = found->second.columns.find(column->target_name());
    if (existing == found->second.columns.end()) {
      return fmt::format("target table {} has no column {}", name, column->target_name());
    }
    if (auto misfit = target::FitColumn(def.columns(i), existing->second, rows_are_ours, column)) {
      return fmt::format(
          "column {} of target table {} does not hold the source's values exactly: "
          "{}",
          column->target_name(), name, *misfit);
    }
  }
  if (rows_are_ours || !plan->replicated()) return std::nullopt;
  const auto& keys = found->second.keys;
  if (std::find(keys.begin(), keys.end(), key) != keys.end()) return std::nullopt;
  return fmt::format("target table {} has no unique index on its key ({})", name,
                     fmt::join(key, ", "));
}

}  // namespace chameleon::coordinator::ingest
