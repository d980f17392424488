#include "worker/ddl/schema_change.h"

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <map>
#include <utility>

#include "proto/wire/error.h"
#include "worker/ddl/alter_table.h"
#include "worker/ddl/column_type.h"
#include "worker/ddl/names.h"
#include "worker/ddl/online_change.h"
#include "worker/ddl/table_builder.h"

namespace chameleon::worker::ddl {
namespace {

using google::protobuf::util::MessageDifferencer;
using v1::TableChange;

bool IsKey(v1::IndexDef::Kind kind) {
  return kind == v1::IndexDef::PRIMARY || kind == v1::IndexDef::UNIQUE;
}

// A key that a table without one could be followed by.
bool AddsKey(const AlterAction& action) {
  if (const auto* index = std::get_if<AddIndex>(&action)) return IsKey(index->index.def.kind());
  const auto* added = std::get_if<AddColumn>(&action);
  const auto* modified = std::get_if<ModifyColumn>(&action);
  const ColumnSpec* column = added != nullptr      ? &added->column
                             : modified != nullptr ? &modified->column
                                                   : nullptr;
  return column != nullptr && (column->primary || column->unique);
}

TableRef RefOf(const v1::TableName& name) { return {name.schema(), name.table()}; }

void SetName(const TableRef& ref, v1::TableName* name) {
  name->set_schema(ref.schema);
  name->set_table(ref.table);
}

// One statement's changes, seen by its later parts: RENAME TABLE a TO tmp, b TO a, tmp TO b.
class Changer {
 public:
  Changer(const SchemaLookup& lookup, const SessionContext& context)
      : lookup_(lookup), context_(context) {}

  std::vector<TableChange> Take() { return std::move(changes_); }

  void operator()(const CreateTable& create);
  void operator()(const AlterTable& alter);
  void operator()(const DropTable& drop);
  void operator()(const RenameTable& rename);
  void operator()(const TruncateTable& truncate);
  void operator()(const CreateDatabase& create);
  void operator()(const DropDatabase& drop);
  void operator()(const Unparsed& unparsed);
  void operator()(const AlterDatabase&) {}
  void operator()(const TransactionControl&) {}
  void operator()(const Benign&) {}
  void operator()(const Dml&) {}

 private:
  const v1::TableDef* Find(const TableRef& ref) const;
  std::vector<v1::TableDef> Tables() const;
  // Not followed, and not yet dropped by this statement.
  bool HasLeft(const TableRef& ref) const {
    return !known_.contains(RefKey(ref)) && lookup_.HasLeft(ref);
  }
  bool Wants(const TableRef& ref) const {
    return lookup_.Wants(ref) || (known_.contains(RefKey(ref)) && lookup_.HasLeft(ref));
  }
  TableChange& Add(TableChange::Kind kind, const TableRef& ref);
  void Stop(const TableRef& ref, std::string_view reason);
  void Recopy(const TableRef& ref, std::string_view reason, const v1::TableDef* after = nullptr);
  void Drop(const TableRef& ref, std::string_view reason = {});
  void Rename(const TableRef& from, const TableRef& to, bool swapped = false);
  void Create(const TableRef& table, const v1::TableDef& def);
  void Store(const v1::TableDef& def) { known_[RefKey(RefOf(def.name()))] = def; }
  void CopyChildren(const TableRef& parent);
  void CopyAnew(const AlterTable& alter, std::string_view reason);
  void CreateLike(const CreateTable& create);
  void StopParts(const TableRef& whole, const TableOptions& options);
  absl::StatusOr<v1::TableDef> Build(const CreateTable& create) const;
  void FollowParent(const TableRef& from, const TableRef& to,
                    const std::vector<v1::ColumnRename>& renames);

  using Key = std::pair<std::string, std::string>;
  static Key RefKey(const TableRef& ref) { return {ref.schema, ref.table}; }

  const SchemaLookup& lookup_;
  const SessionContext& context_;
  std::map<Key, std::optional<v1::TableDef>> known_;  // what this statement has changed
  std::vector<TableChange> changes_;
};

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

// Rows that are changed through a MERGE table are logged as the MERGE table's.
void Changer::StopParts(const TableRef& whole, const TableOptions& options) {
  for (const TableRef& part : options.union_of) {
    if (Find(part) == nullptr) continue;
    Stop(part,
         fmt::format("its rows are changed through the MERGE table {}.{}, too, and are logged "
                     "as that table's",
                     whole.schema, whole.table));
  }
}

void Changer::CreateLike(const CreateTable& create) {
  const v1::TableDef* like = Find(*create.like);
  if (like == nullptr) {
    Recopy(create.table, fmt::format("it is made like {}.{}, which is not known",
                                     create.like->schema, create.like->table));
    return;
  }
  v1::TableDef def = *like;
  SetName(create.table, def.mutable_name());
  def.clear_foreign_keys();
  def.clear_rows_estimate();
  def.clear_bytes_estimate();
  Create(create.table, def);
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

void Changer::operator()(const CreateTable& create) {
  if (create.or_replace && HasLeft(create.table)) Drop(create.table);
  StopParts(create.table, create.options);
  if (!Wants(create.table) || create.options.sequence) return;
  const bool exists = Find(create.table) != nullptr;
  if (exists && create.if_not_exists) return;
  if (exists && create.or_replace) {
    Drop(create.table);
  } else if (exists) {
    Recopy(create.table, "it was created although it was known: a DROP is not in the log");
    return;
  }
  if (create.as_select) {
    Recopy(create.table, "it is made from a query");
  } else if (create.like) {
    CreateLike(create);
  } else if (auto def = Build(create); !def.ok()) {
    Recopy(create.table, Text(def.status()));
  } else if (def->engine() == "BLACKHOLE") {
    return;  // keeps no rows; the snapshot leaves such tables out too
  } else {
    Create(create.table, *def);
  }
}

// What the statement makes of the table is not known; its new name, if it has one, is.
void Changer::CopyAnew(const AlterTable& alter, std::string_view reason) {
  for (const AlterAction& action : alter.actions) {
    const auto* to = std::get_if<RenameTo>(&action);
    if (to == nullptr || to->table == alter.table) continue;
    Drop(alter.table, reason);
    if (Wants(to->table)) Recopy(to->table, reason);
    return;
  }
  Recopy(alter.table, reason);
}

void Changer::operator()(const AlterTable& alter) {
  for (const AlterAction& action : alter.actions) {
    const auto* set = std::get_if<SetOptions>(&action);
    if (set != nullptr) StopParts(alter.table, set->options);
  }
  const v1::TableDef* known = Find(alter.table);
  const bool made_again = known == nullptr && HasLeft(alter.table);
  if (made_again) known = lookup_.FindEmptyKeyless(alter.table);
  if (known == nullptr) {
    const bool keyed = std::any_of(alter.actions.begin(), alter.actions.end(), AddsKey);
    if (keyed && HasLeft(alter.table)) Recopy(alter.table, "it was given a key");
    for (const AlterAction& action : alter.actions) {
      if (const auto* to = std::get_if<RenameTo>(&action)) Rename(alter.table, to->table);
      const auto* loses = std::get_if<LosesRows>(&action);
      if (loses != nullptr && loses->other && Find(*loses->other) != nullptr) {
        const v1::TableDef other = *Find(*loses->other);
        Recopy(*loses->other, fmt::format("{} changes rows without logging them", loses->what),
               &other);
      }
    }
    return;
  }
  const v1::TableDef before = *known;
  const CharsetDefault database =
      lookup_.Database(alter.table.schema)
          .value_or(CharsetDefault{before.charset(), before.collation()});
  auto result = ApplyAlter(alter, before, database, context_,
                           [this](const TableRef& ref) { return Find(ref); });
  if (!result.ok()) {
    CopyAnew(alter, Text(result.status()));
    return;
  }
  if (result->def.engine() == "BLACKHOLE") {
    Stop(alter.table, "engine BLACKHOLE keeps no rows");
    return;
  }
  const bool empty = made_again || lookup_.IsEmpty(alter.table);
  if ((!result->recopy_reason.empty() || made_again) && !result->brings_rows && empty) {
    Drop(alter.table);
    Create(alter.table, result->def);
  } else if (!result->recopy_reason.empty()) {
    Recopy(alter.table, result->recopy_reason, &result->def);
  } else if (!result->renames.empty() || !MessageDifferencer::Equals(before, result->def)) {
    TableChange& change = Add(TableChange::ALTER, alter.table);
    *change.mutable_after() = result->def;
    for (const v1::ColumnRename& rename : result->renames) *change.add_renames() = rename;
    Store(result->def);
  }
  if (!result->renames.empty()) FollowParent(alter.table, alter.table, result->renames);
  if (result->recopy_other && Find(*result->recopy_other) != nullptr) {
    const v1::TableDef other = *Find(*result->recopy_other);
    Recopy(*result->recopy_other, result->recopy_reason, &other);
  }
  if (!result->rename_to) return;
  Rename(alter.table, *result->rename_to);
  if (context_.mariadb() && alter.actions.size() > 1) CopyChildren(*result->rename_to);
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

void Changer::operator()(const DropTable& drop) {
  for (const TableRef& table : drop.tables) {
    if (Find(table) != nullptr || HasLeft(table)) Drop(table);
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

void Changer::operator()(const RenameTable& rename) {
  for (size_t i = 0; i < rename.pairs.size(); ++i) {
    const RenameTable::Pair& pair = rename.pairs[i];
    // MariaDB: of two tables under one name the session's temporary one goes first.
    const bool temporary = [&] {
      for (size_t later = i + 1; later < rename.pairs.size(); ++later) {
        if (rename.pairs[later].to == pair.from) return false;
        if (rename.pairs[later].from == pair.from) return true;
      }
      return false;
    }();
    if (temporary) continue;
    const bool swapped =
        std::any_of(rename.pairs.begin() + static_cast<ptrdiff_t>(i), rename.pairs.end(),
                    [&](const RenameTable::Pair& later) { return later.to == pair.from; });
    // A table that is not followed takes this one's place: what readers have stays until it is
    // copied.
    const bool replaced = std::any_of(rename.pairs.begin() + static_cast<ptrdiff_t>(i),
                                      rename.pairs.end(), [&](const RenameTable::Pair& later) {
                                        return later.to == pair.from && Find(later.from) == nullptr;
                                      });
    if (replaced && Find(pair.from) != nullptr) {
      Recopy(pair.from, "a table that is not followed was renamed to it");
      if (Wants(pair.to)) Recopy(pair.to, "it was renamed from a table that is copied again");
      continue;
    }
    Rename(pair.from, pair.to, swapped);
  }
}

void Changer::operator()(const TruncateTable& truncate) {
  if (Find(truncate.table) != nullptr) Add(TableChange::TRUNCATE, truncate.table);
}

void Changer::operator()(const DropDatabase& drop) {
  for (const v1::TableDef& def : Tables()) {
    if (def.name().schema() == drop.schema) Drop(RefOf(def.name()));
  }
  for (const TableRef& table : lookup_.TablesThatLeft()) {
    if (table.schema == drop.schema && HasLeft(table)) Drop(table);
  }
}

void Changer::operator()(const CreateDatabase& create) {
  if (create.or_replace) (*this)(DropDatabase{create.schema});
}

void Changer::operator()(const Unparsed& unparsed) {
  const std::string reason = fmt::format("the statement is not understood: {}", unparsed.reason);
  for (const TableRef& table : unparsed.tables) {
    if (Find(table) != nullptr || (!unparsed.tables_unknown && lookup_.Wants(table))) {
      Stop(table, reason);
    }
  }
}

}  // namespace

absl::StatusOr<std::vector<v1::TableChange>> ApplyStatement(const Statement& statement,
                                                            const SchemaLookup& lookup,
                                                            const SessionContext& context) {
  if (const auto* dml = std::get_if<Dml>(&statement)) {
    return Error(absl::StatusCode::kFailedPrecondition, "STATEMENT_FORMAT_DML", dml->kind,
                 fmt::format("{} was logged as a statement", dml->kind),
                 "Set binlog_format=ROW on the source and run sync_tables for the tables that "
                 "were changed.");
  }
  Changer changer(lookup, context);
  std::visit(changer, statement);
  return changer.Take();
}

}  // namespace chameleon::worker::ddl
