#include "worker/ddl/online_change.h"

#include <algorithm>
#include <cctype>

namespace chameleon::worker::ddl {
namespace {

constexpr size_t kUnderscoresMax = 10;
constexpr size_t kTimestampDigits = 14;

// "t_20251120143000" → "t"; anything else as it is.
std::string_view WithoutTimestamp(std::string_view name) {
  if (name.size() <= kTimestampDigits + 1) return name;
  const std::string_view digits = name.substr(name.size() - kTimestampDigits);
  const bool all = std::all_of(digits.begin(), digits.end(),
                               [](char c) { return std::isdigit(static_cast<unsigned char>(c)); });
  if (!all || name[name.size() - kTimestampDigits - 1] != '_') return name;
  return name.substr(0, name.size() - kTimestampDigits - 1);
}

// The tables of which `table` may be the working copy; nothing: no such name. `made`: it is being
// made, not renamed from another: the tools never make a _t_old.
std::vector<std::string> OriginalsOf(std::string_view table, bool made) {
  std::vector<std::string> names;
  if (!table.starts_with('_')) return names;
  for (std::string_view suffix : {"_gho", "_ghc", "_del"}) {
    if (!table.ends_with(suffix) || table.size() <= suffix.size() + 1) continue;
    const std::string_view name = table.substr(1, table.size() - suffix.size() - 1);
    names.emplace_back(name);
    if (suffix == "_del" && WithoutTimestamp(name) != name) {
      names.emplace_back(WithoutTimestamp(name));
    }
  }
  for (std::string_view suffix : {"_new", "_old"}) {
    if (!table.ends_with(suffix) || (made && suffix == "_old")) continue;
    std::string_view name = table.substr(0, table.size() - suffix.size());
    for (size_t i = 0; i < kUnderscoresMax && name.size() > 1 && name[0] == '_'; ++i) {
      name.remove_prefix(1);
      names.emplace_back(name);
    }
  }
  return names;
}

// The names that the new table of a change of `table` may have.
std::vector<std::string> NewTablesOf(std::string_view table) {
  std::vector<std::string> names;
  names.push_back("_" + std::string(table) + "_gho");
  for (size_t i = 1; i <= kUnderscoresMax; ++i) {
    names.push_back(std::string(i, '_') + std::string(table) + "_new");
  }
  return names;
}

}  // namespace

std::string ShadowOf(const TableRef& table, const std::function<bool(const TableRef&)>& is_known) {
  for (const std::string& original : OriginalsOf(table.table, /*made=*/true)) {
    if (is_known({table.schema, original})) return original;
  }
  return {};
}

std::string ShadowOfRenamed(const TableRef& from, const TableRef& to, bool swapped,
                            const std::function<bool(const TableRef&)>& is_known) {
  for (const std::string& original : OriginalsOf(to.table, /*made=*/false)) {
    if (from != TableRef{to.schema, original}) {
      if (is_known({to.schema, original})) return original;
      continue;
    }
    const std::vector<std::string> names = NewTablesOf(original);
    if (swapped || std::any_of(names.begin(), names.end(), [&](const std::string& name) {
          return is_known({to.schema, name});
        })) {
      return original;
    }
  }
  return {};
}

}  // namespace chameleon::worker::ddl
