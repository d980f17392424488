#include "worker/source/table_filter.h"

#include "worker/source/sql_text.h"

namespace chameleon::worker::source {

TableFilter::TableFilter(const v1::SourceOptions& options, uint32_t lower_case_table_names)
    : fold_case_(lower_case_table_names != 0) {
  for (const auto& [schema, target] : options.schema_mappings()) schemas_.insert(Key(schema));
  for (const auto& name : options.limit_tables()) {
    limit_[Key(name.schema())].insert(Key(name.table()));
  }
  for (const auto& name : options.skip_tables()) {
    skip_[Key(name.schema())].insert(Key(name.table()));
  }
}

std::string TableFilter::Key(std::string_view name) const {
  return fold_case_ ? LowerAscii(name) : std::string(name);
}

bool TableFilter::Contains(const Names& names, const std::string& schema,
                           const std::string& table) {
  auto it = names.find(schema);
  return it != names.end() && (it->second.count(table) > 0 || it->second.count("") > 0);
}

bool TableFilter::Wants(std::string_view schema, std::string_view table) const {
  std::string s = Key(schema), t = Key(table);
  if (schemas_.count(s) == 0) return false;
  if (limit_.count(s) > 0 && !Contains(limit_, s, t)) return false;
  if (!only_.empty() && !Contains(only_, s, t)) return false;
  return !Contains(skip_, s, t);
}

}  // namespace chameleon::worker::source
