#include "worker/ddl/alter_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "proto/wire/error.h"
#include "worker/ddl/alter_keys.h"
#include "worker/ddl/column_type.h"
#include "worker/ddl/default_value.h"
#include "worker/ddl/names.h"

namespace chameleon::worker::ddl {
namespace {

// What becomes of one column of the old table.
struct ColumnFate {
  bool dropped = false;
  const ModifyColumn* modify = nullptr;
  std::string new_name;  // RENAME COLUMN
  std::vector<const AlterColumn*> alterations;
};

class Alteration {
 public:
  Alteration(const AlterTable& alter, const v1::TableDef& before, const CharsetDefault& database,
             const SessionContext& context, const TableBuilder::FindTable& find_table)
      : alter_(alter),
        before_(before),
        database_(database),
        context_(context),
        builder_(v1::TableDef(before), context, find_table),
        fates_(before.columns_size()) {}

  absl::StatusOr<AlterResult> Run() {
    for (auto step :
         {&Alteration::Plan, &Alteration::Options, &Alteration::Columns, &Alteration::OldIndexes,
          &Alteration::OldForeignKeys, &Alteration::NewKeys, &Alteration::Versioning}) {
      if (auto s = (this->*step)(); !s.ok()) return s;
    }
    if (auto s = builder_.Finish(); !s.ok()) return s;
    if (std::string doubt = ForeignKeyDoubt(alter_, before_, context_); !doubt.empty()) {
      return absl::FailedPreconditionError(doubt);
    }
    result_.def = std::move(builder_.def());
    return std::move(result_);
  }

 private:
  static absl::Status Unknown(std::string_view what, std::string_view name) {
    return absl::FailedPreconditionError(fmt::format("{} {} is not known", what, name));
  }

  int OldColumn(std::string_view name) const {
    for (int i = 0; i < before_.columns_size(); ++i) {
      if (SameName(before_.columns(i).name(), name)) return i;
    }
    return -1;
  }

  void Recopy(std::string_view reason) {
    if (result_.recopy_reason.empty()) result_.recopy_reason = std::string(reason);
  }

  // The fate that an action is about; null with *status set when it must exist but does not.
  ColumnFate* FateOf(std::string_view name, bool if_exists, absl::Status* status) {
    const int i = OldColumn(name);
    if (i >= 0) return &fates_[i];
    if (!if_exists) *status = Unknown("column", name);
    return nullptr;
  }

  absl::Status Plan() {
    absl::Status status;
    for (const AlterAction& action : alter_.actions) {
      if (const auto* drop = std::get_if<DropColumn>(&action)) {
        if (auto* fate = FateOf(drop->name, drop->if_exists, &status)) fate->dropped = true;
      } else if (const auto* modify = std::get_if<ModifyColumn>(&action)) {
        if (auto* fate = FateOf(modify->from, modify->if_exists, &status)) fate->modify = modify;
      } else if (const auto* rename = std::get_if<RenameColumn>(&action)) {
        if (auto* fate = FateOf(rename->from, rename->if_exists, &status)) {
          fate->new_name = rename->to;
        }
      } else if (const auto* change = std::get_if<AlterColumn>(&action)) {
        if (auto* fate = FateOf(change->name, change->if_exists, &status)) {
          fate->alterations.push_back(change);
        }
      } else if (const auto* to = std::get_if<RenameTo>(&action)) {
        result_.rename_to = to->table;
        builder_.SetSchema(to->table.schema);
      } else if (const auto* loses = std::get_if<LosesRows>(&action)) {
        Recopy(fmt::format("{} changes rows without logging them", loses->what));
        result_.brings_rows = true;
        result_.recopy_other = loses->other;
      }
    }
    return status;
  }

  // CONVERT TO is for the columns; an option beside it is for those that come later (MariaDB).
  absl::Status Options() {
    bool written = false;
    for (const AlterAction& action : alter_.actions) {
      if (const auto* set = std::get_if<SetOptions>(&action)) {
        if (!set->options.union_of.empty()) {
          Recopy("a MERGE table changes with its parts");
          result_.brings_rows = true;
        }
        builder_.SetOptions(set->options, database_);
        written = written || set->options.charset || set->options.collation;
      } else if (const auto* to = std::get_if<ConvertCharset>(&action)) {
        std::optional<std::string> charset, collation;
        if (!to->charset.empty()) charset = to->charset;
        if (!to->collation.empty()) collation = to->collation;
        convert_ = ResolveCharset(charset, collation, database_, context_);
      }
    }
    if (!convert_ || written) return absl::OkStatus();
    builder_.def().set_charset(convert_->charset);
    builder_.def().set_collation(convert_->collation);
    return absl::OkStatus();
  }

  absl::StatusOr<v1::ColumnDef> Build(const ColumnSpec& written) {
    ColumnSpec spec = written;
    if (convert_ && spec.type.charset != "binary") {  // overrides every character set
      spec.type.charset.clear();
      spec.collation.clear();
    }
    const CharsetDefault table{builder_.def().charset(), builder_.def().collation()};
    auto column = BuildColumn(spec, convert_.value_or(table), context_);
    if (!column.ok()) return column;
    if (spec.row_start) builder_.def().set_row_start_column(spec.name);
    if (spec.row_end) builder_.def().set_row_end_column(spec.name);
    return column;
  }

  // MODIFY or CHANGE of old column `old`.
  absl::StatusOr<v1::ColumnDef> Modified(const v1::ColumnDef& old, const ModifyColumn& modify) {
    auto column = Build(modify.column);
    if (!column.ok()) return column;
    written_.push_back(column->name());
    if (column->auto_increment() && !old.auto_increment() &&
        (old.nullable() || !context_.no_auto_value_on_zero)) {
      Recopy("the source gives numbers to rows that have none");
    }
    const bool generates = column->generated() != v1::GENERATED_NONE;
    if (generates && !column->generation_expression().starts_with("ROW ")) {
      Recopy("the source computes a generated column again");
    }
    if (old.column_type() != column->column_type() && HasGenerated()) {
      Recopy("generated columns may depend on the changed column");
    }
    if (column->name() != old.name()) AddRename(old.name(), column->name());
    return column;
  }

  bool HasGenerated() const {
    return std::any_of(before_.columns().begin(), before_.columns().end(), [](const auto& column) {
      return column.generated() != v1::GENERATED_NONE &&
             !column.generation_expression().starts_with("ROW ");
    });
  }

  void AddRename(const std::string& from, const std::string& to) {
    v1::ColumnRename rename;
    rename.set_from(from);
    rename.set_to(to);
    result_.renames.push_back(std::move(rename));
  }

  absl::StatusOr<v1::ColumnDef> Kept(const v1::ColumnDef& old, const ColumnFate& fate) {
    v1::ColumnDef column = old;
    for (const AlterColumn* change : fate.alterations) {
      if (change->default_value) SetDefault(*change->default_value, context_, &column);
      if (change->invisible) column.set_invisible(*change->invisible);
    }
    if (convert_) {
      if (auto s = ConvertColumn(*convert_, context_, &column); !s.ok()) return s;
    }
    if (!fate.new_name.empty() && fate.new_name != old.name()) {
      AddRename(old.name(), fate.new_name);
      column.set_name(fate.new_name);
    }
    return column;
  }

  absl::Status Place(v1::ColumnDef column, const Placement& placement) {
    auto at = columns_.end();
    if (placement.kind == Placement::Kind::kFirst) {
      at = columns_.begin();
      if (at != columns_.end() && IsGeneratedKey(*at)) ++at;  // stays the first
    } else if (placement.kind == Placement::Kind::kAfter) {
      at = std::find_if(columns_.begin(), columns_.end(), [&](const v1::ColumnDef& c) {
        return SameName(c.name(), placement.after);
      });
      if (at == columns_.end()) return Unknown("column", placement.after);
      ++at;
    } else {
      // Implicit versioning columns stay last.
      while (at != columns_.begin() && IsHiddenPeriod(*std::prev(at))) --at;
    }
    columns_.insert(at, std::move(column));
    return absl::OkStatus();
  }

  // MySQL's, of a table that was made without one (sql_generate_invisible_primary_key).
  bool IsGeneratedKey(const v1::ColumnDef& column) const {
    return context_.server == ServerKind::kMysql && column.name() == "my_row_id" &&
           column.invisible() && column.auto_increment() && column.base_type() == v1::BIGINT;
  }

  bool IsHiddenPeriod(const v1::ColumnDef& column) const {
    return before_.system_versioned() && column.invisible() &&
           column.generation_expression().starts_with("ROW ") &&
           (column.name() == "row_start" || column.name() == "row_end");
  }

  absl::Status Add(const AddColumn& add) {
    const bool exists = std::any_of(columns_.begin(), columns_.end(), [&](const auto& column) {
      return SameName(column.name(), add.column.name);
    });
    if (exists && add.if_not_exists) return absl::OkStatus();
    if (exists) {
      return absl::FailedPreconditionError(
          fmt::format("column {} is there already", add.column.name));
    }
    const int old = OldColumn(add.column.name);
    if (old >= 0 && fates_[old].dropped) Recopy("a column is dropped and added again");
    auto column = Build(add.column);
    if (!column.ok()) return column.status();
    written_.push_back(column->name());
    added_.push_back(&add.column);
    const bool period = column->generation_expression().starts_with("ROW ");
    if (column->auto_increment()) {
      Recopy("the source numbers the rows that are there");
    } else if (column->default_is_expression() || (column->generated() && !period)) {
      Recopy("the source computes the new column of the rows that are there");
    }
    return Place(*std::move(column), add.placement);
  }

  absl::Status Columns() {
    for (int i = 0; i < before_.columns_size(); ++i) {
      const ColumnFate& fate = fates_[i];
      if (fate.dropped) continue;
      const bool moved =
          fate.modify != nullptr && fate.modify->placement.kind != Placement::Kind::kDefault;
      if (moved) continue;
      auto column =
          fate.modify ? Modified(before_.columns(i), *fate.modify) : Kept(before_.columns(i), fate);
      if (!column.ok()) return column.status();
      columns_.push_back(*std::move(column));
    }
    for (const AlterAction& action : alter_.actions) {
      absl::Status status;
      if (const auto* add = std::get_if<AddColumn>(&action)) {
        status = Add(*add);
      } else if (const auto* modify = std::get_if<ModifyColumn>(&action)) {
        const int i = OldColumn(modify->from);
        if (i < 0 || fates_[i].modify != modify ||
            modify->placement.kind == Placement::Kind::kDefault) {
          continue;
        }
        auto column = Modified(before_.columns(i), *modify);
        if (!column.ok()) return column.status();
        status = Place(*std::move(column), modify->placement);
      }
      if (!status.ok()) return status;
    }
    StoreColumns();
    return absl::OkStatus();
  }

  void StoreColumns() {
    if (!context_.explicit_defaults_for_timestamp) {
      bool first = true;
      for (v1::ColumnDef& column : columns_) {
        if (column.base_type() != v1::TIMESTAMP) continue;
        const bool is_new =
            std::find(written_.begin(), written_.end(), column.name()) != written_.end();
        if (is_new) SetImplicitTimestamp(first, context_, &column);
        first = false;
      }
    }
    builder_.def().clear_columns();
    for (v1::ColumnDef& column : columns_) *builder_.def().add_columns() = std::move(column);
  }

  // The name of an old column now; empty: dropped. Names that are no old column's stay.
  std::string NameNow(std::string_view name) const {
    const int i = OldColumn(name);
    if (i < 0) return std::string(name);
    if (fates_[i].dropped) return {};
    if (fates_[i].modify) return fates_[i].modify->column.name;
    return fates_[i].new_name.empty() ? before_.columns(i).name() : fates_[i].new_name;
  }

  bool IsAdded(std::string_view name) const {
    return std::any_of(added_.begin(), added_.end(),
                       [&](const ColumnSpec* spec) { return SameName(spec->name, name); });
  }

  absl::Status OldIndexes() {
    builder_.def().clear_indexes();
    for (const v1::IndexDef& old : before_.indexes()) {
      if (DropsIndex(alter_, before_, old)) continue;
      v1::IndexDef index = old;
      index.clear_parts();
      for (const v1::IndexPart& part : old.parts()) {
        std::string column = NameNow(part.column());
        // The index goes on with another column of the name.
        if (column.empty() && IsAdded(part.column())) column = part.column();
        if (column.empty() && part.expression().empty()) continue;
        v1::IndexPart* kept = index.add_parts();
        *kept = part;
        kept->set_column(column);
      }
      if (index.parts().empty()) continue;
      index.set_name(IndexNameAfter(alter_, old.name()));
      *builder_.def().add_indexes() = std::move(index);
    }
    return absl::OkStatus();
  }

  absl::Status OldForeignKeys() {
    builder_.def().clear_foreign_keys();
    for (const v1::ForeignKeyDef& old : before_.foreign_keys()) {
      if (DropsForeignKey(alter_, old)) continue;
      v1::ForeignKeyDef key = old;
      bool complete = true;
      for (std::string& column : *key.mutable_columns()) {
        column = NameNow(column);
        complete = complete && !column.empty();
      }
      if (old.referenced().schema() == before_.name().schema() &&
          old.referenced().table() == before_.name().table()) {
        for (std::string& column : *key.mutable_referenced_columns()) column = NameNow(column);
      }
      if (complete) *builder_.def().add_foreign_keys() = std::move(key);
    }
    return absl::OkStatus();
  }

  absl::Status NewKeys() {
    for (const AlterAction& action : alter_.actions) {
      const auto* add = std::get_if<AddPeriod>(&action);
      if (add != nullptr && !add->period.system_time) builder_.AddPeriod(add->period);
    }
    for (const AlterAction& action : alter_.actions) {
      if (const auto* add = std::get_if<AddColumn>(&action)) {
        if (std::find(added_.begin(), added_.end(), &add->column) != added_.end()) {
          builder_.AddColumnKeys(add->column);
        }
      } else if (const auto* modify = std::get_if<ModifyColumn>(&action)) {
        if (OldColumn(modify->from) >= 0) builder_.AddColumnKeys(modify->column);
      } else if (const auto* index = std::get_if<AddIndex>(&action)) {
        builder_.AddIndex(index->index);
      }
    }
    for (const AlterAction& action : alter_.actions) {
      if (const auto* key = std::get_if<AddForeignKey>(&action)) {
        builder_.AddForeignKey(key->foreign_key);
      }
    }
    return absl::OkStatus();
  }

  absl::Status Versioning() {
    for (const AlterAction& action : alter_.actions) {
      const auto* add = std::get_if<AddPeriod>(&action);
      if (add == nullptr || !add->period.system_time) continue;
      builder_.def().set_row_start_column(add->period.start);
      builder_.def().set_row_end_column(add->period.end);
    }
    v1::TableDef& def = builder_.def();
    if (before_.system_versioned() && def.row_start_column() == before_.row_start_column()) {
      const std::string start = NameNow(before_.row_start_column());
      def.set_row_start_column(start);
      def.set_row_end_column(NameNow(before_.row_end_column()));
      if (start.empty()) builder_.AddSystemVersioning();  // hidden ones take their place
    }
    for (const AlterAction& action : alter_.actions) {
      if (std::holds_alternative<AddSystemVersioning>(action)) builder_.AddSystemVersioning();
      if (std::holds_alternative<DropSystemVersioning>(action)) builder_.DropSystemVersioning();
    }
    return absl::OkStatus();
  }

  const AlterTable& alter_;
  const v1::TableDef& before_;
  const CharsetDefault& database_;
  const SessionContext& context_;
  TableBuilder builder_;
  std::vector<ColumnFate> fates_;  // of before_.columns, same order
  std::optional<CharsetDefault> convert_;
  std::vector<v1::ColumnDef> columns_;  // the new table's
  std::vector<std::string> written_;    // names of the columns that the statement defines
  std::vector<const ColumnSpec*> added_;
  AlterResult result_;
};

}  // namespace

absl::StatusOr<AlterResult> ApplyAlter(const AlterTable& alter, const v1::TableDef& before,
                                       const CharsetDefault& database,
                                       const SessionContext& context,
                                       const TableBuilder::FindTable& find_table) {
  return Alteration(alter, before, database, context, find_table).Run();
}

}  // namespace chameleon::worker::ddl
