// What the statements have in common: schema_change.cc has what each of them means.
#include "worker/ddl/changer.h"

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>

#include "worker/ddl/build_column.h"
#include "worker/ddl/names.h"
#include "worker/ddl/online_change.h"
#include "worker/ddl/table_builder.h"

namespace chameleon::worker::ddl {

using google::protobuf::util::MessageDifferencer;
using v1::TableChange;

const v1::TableDef* Changer::Find(const TableRef& ref) const {
  if (auto it = known_.find(RefKey(ref)); it != known_.end()) {
    return it->second ? &*it->second : nullptr;
  }
  return lookup_.Find(ref);
}

std::vector<v1::TableDef> Changer::Tables() const {
  std::vector<v1::TableDef> tables;
  for (const v1::TableDef* def : lookup_.Tables()) {
    if (!known_.contains(RefKey(RefOf(def->name())))) tables.push_back(*def);
  }
  for (const auto& [key, def] : known_) {
    if (def) tables.push_back(*def);
  }
  return tables;
}

TableChange& Changer::Add(TableChange::Kind kind, const TableRef& ref) {
  TableChange& change = changes_.emplace_back();
  change.set_kind(kind);
  SetName(ref, change.mutable_name());
  if (const v1::TableDef* before = Find(ref)) *change.mutable_before() = *before;
  return change;
}

void Changer::Stop(const TableRef& ref, std::string_view reason) {
  Add(TableChange::STOP, ref).set_reason(std::string(reason));
  known_[RefKey(ref)] = std::nullopt;
}

void Changer::Recopy(const TableRef& ref, std::string_view reason, const v1::TableDef* after) {
  TableChange& change = Add(TableChange::RECOPY, ref);
  change.set_reason(std::string(reason));
  if (after != nullptr) {
    *change.mutable_after() = *after;
    Store(*after);
  }
}

void Changer::Drop(const TableRef& ref, std::string_view reason) {
  Add(TableChange::DROP, ref).set_reason(std::string(reason));
  known_[RefKey(ref)] = std::nullopt;
}

// Foreign keys of other tables name their parent and its columns.
void Changer::FollowParent(const TableRef& from, const TableRef& to,
                           const std::vector<v1::ColumnRename>& renames) {
  for (const v1::TableDef& before : Tables()) {
    v1::TableDef after = before;
    for (v1::ForeignKeyDef& key : *after.mutable_foreign_keys()) {
      if (RefOf(key.referenced()) != from) continue;
      SetName(to, key.mutable_referenced());
      for (std::string& column : *key.mutable_referenced_columns()) {
        for (const v1::ColumnRename& rename : renames) {
          if (!SameName(rename.from(), column)) continue;
          column = rename.to();
          break;
        }
      }
    }
    if (MessageDifferencer::Equals(before, after)) continue;
    *Add(TableChange::ALTER, RefOf(before.name())).mutable_after() = after;
    Store(after);
  }
}

// MariaDB: when an ALTER copies a table and renames it, the foreign keys on it keep the old name.
// Whether it copies is not in the log.
void Changer::CopyChildren(const TableRef& parent) {
  for (const v1::TableDef& child : Tables()) {
    const auto& keys = child.foreign_keys();
    if (RefOf(child.name()) != parent &&
        std::any_of(keys.begin(), keys.end(),
                    [&](const auto& key) { return RefOf(key.referenced()) == parent; })) {
      Recopy(RefOf(child.name()), "its foreign key may have lost the table that was renamed");
    }
  }
}

// `swapped`: the same statement gives the old name to another table.
void Changer::Rename(const TableRef& from, const TableRef& to, bool swapped) {
  const v1::TableDef* known = Find(from);
  if (from == to) return;
  if (known == nullptr) {
    if (HasLeft(from)) Drop(from);
    if (Wants(to) && Find(to) == nullptr) {
      Recopy(to, fmt::format("it was renamed from {}.{}, which is not replicated", from.schema,
                             from.table));
    }
    return;
  }
  if (!Wants(to)) {
    Drop(from,
         fmt::format("it was renamed to {}.{}, which is not replicated", to.schema, to.table));
    return;
  }
  v1::TableDef def = *known;
  SetName(to, def.mutable_name());
  // Names that the server made carry the table's name.
  const std::string old_prefix = from.table + "_ibfk_";
  for (v1::ForeignKeyDef& key : *def.mutable_foreign_keys()) {
    if (!key.name().starts_with(old_prefix)) continue;
    key.set_name(fmt::format("{}_ibfk_{}", to.table, key.name().substr(old_prefix.size())));
  }
  TableChange& change = Add(TableChange::RENAME, from);
  SetName(to, change.mutable_new_name());
  *change.mutable_after() = def;
  change.set_reason(ShadowOfRenamed(from, to, swapped,
                                    [this](const TableRef& ref) { return Find(ref) != nullptr; }));
  known_[RefKey(from)] = std::nullopt;
  Store(def);
  FollowParent(from, to, {});
}

void Changer::Create(const TableRef& table, const v1::TableDef& def) {
  TableChange& change = Add(TableChange::CREATE, table);
  *change.mutable_after() = def;
  change.set_reason(ShadowOf(table, [this](const TableRef& r) { return Find(r) != nullptr; }));
  Store(def);
}

absl::StatusOr<v1::TableDef> Changer::Build(const CreateTable& create) const {
  v1::TableDef empty;
  SetName(create.table, empty.mutable_name());
  TableBuilder builder(std::move(empty), context_,
                       [this](const TableRef& ref) { return Find(ref); });
  std::optional<CharsetDefault> database = lookup_.Database(create.table.schema);
  if (!database && !create.options.charset && !create.options.collation) {
    return absl::FailedPreconditionError("the database's default character set is not known");
  }
  builder.SetOptions(create.options, database.value_or(CharsetDefault{}));
  v1::TableDef& def = builder.def();
  bool first_timestamp = true;
  for (const ColumnSpec& spec : create.columns) {
    auto column = BuildColumn(spec, {def.charset(), def.collation()}, context_);
    if (!column.ok()) return column.status();
    if (column->base_type() == v1::TIMESTAMP && !context_.explicit_defaults_for_timestamp) {
      SetImplicitTimestamp(first_timestamp, context_, &*column);
      first_timestamp = false;
    }
    if (spec.row_start) def.set_row_start_column(spec.name);
    if (spec.row_end) def.set_row_end_column(spec.name);
    *def.add_columns() = *std::move(column);
  }
  for (const ColumnSpec& spec : create.columns) builder.AddColumnKeys(spec);
  for (const PeriodSpec& period : create.periods) builder.AddPeriod(period);
  for (const IndexSpec& index : create.indexes) builder.AddIndex(index);
  for (const ForeignKeySpec& key : create.foreign_keys) builder.AddForeignKey(key);
  const bool versioned = std::any_of(create.columns.begin(), create.columns.end(),
                                     [](const ColumnSpec& column) { return column.versioned; });
  if (create.options.system_versioning || versioned) builder.AddSystemVersioning();
  if (auto s = builder.Finish(); !s.ok()) return s;
  return def;
}

}  // namespace chameleon::worker::ddl
