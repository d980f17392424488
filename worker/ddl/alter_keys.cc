#include "worker/ddl/alter_keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "worker/ddl/names.h"

namespace chameleon::worker::ddl {
namespace {

bool IsForeignKey(const v1::TableDef& table, std::string_view name) {
  return std::any_of(table.foreign_keys().begin(), table.foreign_keys().end(),
                     [&](const auto& key) { return SameName(key.name(), name); });
}

}  // namespace

bool DropsIndex(const AlterTable& alter, const v1::TableDef& before, const v1::IndexDef& index) {
  const bool primary = index.kind() == v1::IndexDef::PRIMARY;
  for (const AlterAction& action : alter.actions) {
    if (const auto* drop = std::get_if<DropIndex>(&action)) {
      if (SameName(drop->name, index.name())) return true;
    } else if (std::holds_alternative<DropPrimaryKey>(action)) {
      if (primary) return true;
    } else if (const auto* constraint = std::get_if<DropConstraint>(&action)) {
      const bool is_unique = primary || index.kind() == v1::IndexDef::UNIQUE;
      if (is_unique && SameName(constraint->name, index.name()) &&
          !IsForeignKey(before, constraint->name)) {
        return true;
      }
    }
  }
  return false;
}

bool DropsForeignKey(const AlterTable& alter, const v1::ForeignKeyDef& key) {
  for (const AlterAction& action : alter.actions) {
    if (const auto* drop = std::get_if<DropForeignKey>(&action)) {
      if (SameName(drop->name, key.name())) return true;
    } else if (const auto* constraint = std::get_if<DropConstraint>(&action)) {
      if (SameName(constraint->name, key.name())) return true;
    }
  }
  return false;
}

std::string IndexNameAfter(const AlterTable& alter, const std::string& name) {
  for (const AlterAction& action : alter.actions) {
    const auto* rename = std::get_if<RenameIndex>(&action);
    if (rename != nullptr && SameName(rename->from, name)) return rename->to;
  }
  return name;
}

std::string ForeignKeyDoubt(const AlterTable& alter, const v1::TableDef& before,
                            const SessionContext& context) {
  if (before.engine() != "InnoDB") return {};
  for (const AlterAction& action : alter.actions) {
    if (const auto* drop = std::get_if<DropForeignKey>(&action)) {
      if (drop->if_exists || IsForeignKey(before, drop->name)) continue;
      return fmt::format("foreign key {} is not known by that name", drop->name);
    }
    const auto* add = std::get_if<AddForeignKey>(&action);
    if (add == nullptr || !context.mariadb() || context.foreign_key_checks) continue;
    // MariaDB takes the one name if it alters in place, and the other if it copies the table.
    const ForeignKeySpec& key = add->foreign_key;
    if (key.name.empty() || key.index_name.empty() || SameName(key.name, key.index_name)) continue;
    return fmt::format("its foreign key may be named {} or {}", key.name, key.index_name);
  }
  return {};
}

}  // namespace chameleon::worker::ddl
