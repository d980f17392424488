#include "coordinator/target/table_state.h"

#include <map>
#include <string>

namespace chameleon::coordinator::target {

std::vector<int> ContinuedColumns(const v1::TableDef& before, const v1::TableDef& after,
                                  const ColumnRenames& renames) {
  std::map<std::string, std::string> now;  // old name → new name
  for (const v1::ColumnRename& rename : renames) now[rename.from()] = rename.to();
  std::map<std::string, int> by_new_name;
  for (int i = 0; i < before.columns_size(); ++i) {
    const std::string& name = before.columns(i).name();
    const auto renamed = now.find(name);
    if (renamed != now.end()) {
      by_new_name[renamed->second] = i;
    } else {
      by_new_name.emplace(name, i);  // CHANGE e d, DROP d: another column has the name now
    }
  }
  std::vector<int> out;
  for (const v1::ColumnDef& column : after.columns()) {
    const auto found = by_new_name.find(column.name());
    out.push_back(found == by_new_name.end() ? -1 : found->second);
  }
  return out;
}

}  // namespace chameleon::coordinator::target
