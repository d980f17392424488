// Which tables of a source are replicated: mapped schemas, limit_tables, skip_tables. Pure.
//
// As in pg_chameleon, limit_tables restricts only the schemas that it names; an entry without a
// table means the whole schema. Names are compared as the server compares them.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "chameleon/v1/types.pb.h"
#include "chameleon/v1/worker.pb.h"

namespace chameleon::worker::source {

class TableFilter {
 public:
  TableFilter(const v1::SourceOptions& options, uint32_t lower_case_table_names);
  bool HasSchema(std::string_view schema) const { return schemas_.count(Key(schema)) > 0; }
  bool Wants(std::string_view schema, std::string_view table) const;
  // A name as it is compared: in lower case where the server does not tell cases apart.
  std::string Key(std::string_view name) const;
  // Restricts further to these tables (sync_tables); nothing when the list is empty.
  template <typename Names>
  void RestrictTo(const Names& names) {
    for (const v1::TableName& name : names) only_[Key(name.schema())].insert(Key(name.table()));
  }
  void RestrictOnly(const v1::TableName& name) {
    only_.clear();
    only_[Key(name.schema())].insert(Key(name.table()));
  }

 private:
  using Names = std::map<std::string, std::set<std::string>>;
  static bool Contains(const Names& names, const std::string& schema, const std::string& table);

  bool fold_case_;
  std::set<std::string> schemas_;
  Names limit_, skip_, only_;
};

}  // namespace chameleon::worker::source
