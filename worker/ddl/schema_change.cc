#include "worker/ddl/schema_change.h"

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <utility>

#include "proto/wire/error.h"
#include "worker/ddl/alter_table.h"
#include "worker/ddl/changer.h"

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

}  // namespace

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

void Changer::operator()(const DropTable& drop) {
  for (const TableRef& table : drop.tables) {
    if (Find(table) != nullptr || HasLeft(table)) Drop(table);
  }
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
