#include "coordinator/target/alter_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "coordinator/target/ddl_writer.h"
#include "coordinator/target/defaults.h"
#include "coordinator/target/index_changes.h"
#include "coordinator/target/quote.h"
#include "coordinator/target/rename_order.h"
#include "coordinator/target/type_change.h"
#include "coordinator/target/type_map.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::target {
namespace {

std::string Clean(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), '\0'), text.end());
  return text;
}

std::string CommentText(const std::string& text) {
  return text.empty() ? "NULL" : Literal(Clean(text));
}

bool SameType(const v1::ColumnDef& a, const v1::ColumnDef& b) {
  return a.column_type() == b.column_type() && a.charset() == b.charset() &&
         a.has_srid() == b.has_srid() && a.srid() == b.srid();
}

class Alter {
 public:
  Alter(const TableState& before, const TableState& after, const ColumnRenames& renames,
        const TableOptions& options)
      : before_(before),
        after_(after),
        options_(options),
        schema_(after.plan.target_schema()),
        table_(Identifier(schema_, after.plan.target_table())),
        continues_(ContinuedColumns(before.def, after.def, renames)) {}

  absl::StatusOr<Statements> Run() {
    if (!after_.plan.replicated()) {
      return Refused("", after_.plan.reason());
    }
    IndexChanges indexes = ChangeIndexes(before_, after_, continues_, options_.has_postgis);
    for (std::string& statement : indexes.first) Say(std::move(statement));
    DropColumns();
    RenameColumns();
    for (auto step : {&Alter::ChangeColumns, &Alter::RenameTypes, &Alter::AddColumns}) {
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
    for (std::string& statement : indexes.last) Say(std::move(statement));
    Comments();
    return std::move(out_);
  }

 private:
  void Say(std::string statement) { out_.sql.push_back(std::move(statement)); }

  absl::Status Refused(const std::string& column, std::string_view why) const {
    const std::string where =
        fmt::format("table {}.{}", before_.def.name().schema(), before_.def.name().table());
    return Error(absl::StatusCode::kFailedPrecondition, "SCHEMA_CHANGE_NOT_EXACT",
                 before_.def.name().table(),
                 column.empty() ? fmt::format("{}: {}", where, why)
                                : fmt::format("{}: column {}: {}", where, column, why),
                 "The table is read again by itself; sync_tables does it, too.");
  }

  bool WasOwnEnum(int i) const { return HasOwnEnum(before_.plan, before_.plan.columns(i)); }
  bool IsOwnEnum(int i) const { return HasOwnEnum(after_.plan, after_.plan.columns(i)); }
  std::string OldName(int i) const { return before_.plan.columns(i).target_name(); }
  std::string NewName(int i) const { return after_.plan.columns(i).target_name(); }

  void DropColumns() {
    for (int i = 0; i < before_.def.columns_size(); ++i) {
      if (before_.plan.columns(i).omitted()) continue;
      const auto stays = std::find(continues_.begin(), continues_.end(), i);
      if (stays != continues_.end()) {
        names_.insert(OldName(i));
        if (WasOwnEnum(i)) types_.insert(before_.plan.columns(i).target_type());
        continue;
      }
      Say(fmt::format("ALTER TABLE {} DROP COLUMN {}", table_, Identifier(OldName(i))));
      if (WasOwnEnum(i)) Say("DROP TYPE " + before_.plan.columns(i).target_type());
    }
  }

  void RenameColumns() {
    RenameOrder renames(names_, "_chameleon_");
    for (size_t i = 0; i < continues_.size(); ++i) {
      if (continues_[i] < 0 || before_.plan.columns(continues_[i]).omitted()) continue;
      renames.Add(OldName(continues_[i]), NewName(static_cast<int>(i)));
    }
    for (const auto& [from, to] : renames.Take()) {
      Say(fmt::format("ALTER TABLE {} RENAME COLUMN {} TO {}", table_, Identifier(from),
                      Identifier(to)));
    }
  }

  // All columns in one ALTER TABLE: it rewrites the table at most once.
  absl::Status ChangeColumns() {
    std::vector<std::string> drop_types;
    for (size_t i = 0; i < continues_.size(); ++i) {
      const int now = static_cast<int>(i), old = continues_[i];
      if (old < 0) continue;
      if (after_.plan.columns(now).omitted() != before_.plan.columns(old).omitted()) {
        return Refused(after_.def.columns(now).name(), "it becomes part of the row's history");
      }
      if (after_.plan.columns(now).omitted()) continue;
      if (absl::Status status = ChangeColumn(old, now, &drop_types); !status.ok()) return status;
    }
    for (std::string& statement : requirements_) Say(std::move(statement));
    for (std::string& statement : new_types_) Say(std::move(statement));
    if (!actions_.empty()) {
      Say(fmt::format("ALTER TABLE {} {}", table_, fmt::join(actions_, ", ")));
    }
    for (std::string& statement : drop_types) Say(std::move(statement));
    return absl::OkStatus();
  }

  absl::Status ChangeColumn(int old, int now, std::vector<std::string>* drop_types) {
    const v1::ColumnDef& a = before_.def.columns(old);
    const v1::ColumnDef& b = after_.def.columns(now);
    const v1::ColumnPlan& pa = before_.plan.columns(old);
    const v1::ColumnPlan& pb = after_.plan.columns(now);
    const std::string column = Identifier(pb.target_name());
    const bool was_enum = WasOwnEnum(old), is_enum = IsOwnEnum(now);
    // A new enum type gets its own name when the old one is gone.
    const std::string new_type =
        Identifier(schema_, fmt::format("_chameleon_type_{}", new_types_.size() + 1));
    auto change = ChangeType({a, pa, was_enum}, {b, pb, is_enum}, column, new_type);
    if (!change.ok()) return Refused(b.name(), Text(change.status()));
    const std::optional<std::string> old_default = DefaultText(a, pa), value = DefaultText(b, pb);
    // A label that was added cannot be used before the transaction ends, not even as a default.
    const bool replaces_type = !change->append.empty() && value &&
                               std::find(change->append.begin(), change->append.end(),
                                         b.default_value()) != change->append.end();
    if (replaces_type) {
      change->append.clear();
      change->changes = true;
      change->using_expression = fmt::format("{}::text::{}", column, new_type);
    }
    for (const Requirement& r : change->require) Require(r.condition, b.name(), r.message);
    if (!b.nullable() && a.nullable() && pb.nullable() && !NullMeansZero(b)) {
      Require(fmt::format("{} IS NOT NULL", column), b.name(), "NULL becomes a value");
    }
    for (const std::string& label : change->append) {
      Say(fmt::format("ALTER TYPE {} ADD VALUE {}", pa.target_type(), Literal(label)));
      out_.exclusive = true;
    }
    if (change->changes) {
      if (old_default) actions_.push_back(fmt::format("ALTER COLUMN {} DROP DEFAULT", column));
      std::string type = pb.target_type();
      if (is_enum) {
        type = new_type;
        new_types_.push_back(EnumType(new_type, b));
        type_names_.emplace_back(new_type, pb.target_type());
      }
      actions_.push_back(fmt::format(
          "ALTER COLUMN {} TYPE {}{}", column, type,
          change->using_expression.empty() ? "" : " USING " + change->using_expression));
      if (was_enum) {
        drop_types->push_back("DROP TYPE " + pa.target_type());
        types_.erase(pa.target_type());
      }
      if (is_enum) types_.insert(new_type);
    } else if (was_enum) {
      type_names_.emplace_back(pa.target_type(), pb.target_type());
    }
    const bool had_default = old_default && !change->changes;
    if (value && (!had_default || *value != *old_default)) {
      actions_.push_back(fmt::format("ALTER COLUMN {} SET DEFAULT {}", column, *value));
    } else if (!value && had_default) {
      actions_.push_back(fmt::format("ALTER COLUMN {} DROP DEFAULT", column));
    }
    if (pa.nullable() != pb.nullable()) {
      actions_.push_back(
          fmt::format("ALTER COLUMN {} {} NOT NULL", column, pb.nullable() ? "DROP" : "SET"));
    }
    return absl::OkStatus();
  }

  static std::string EnumType(const std::string& name, const v1::ColumnDef& def) {
    std::vector<std::string> labels;
    for (const std::string& label : def.labels()) labels.push_back(Literal(label));
    return fmt::format("CREATE TYPE {} AS ENUM ({})", name, fmt::join(labels, ", "));
  }

  // What a NULL becomes there is shown as NULL, by policy.
  static bool NullMeansZero(const v1::ColumnDef& def) {
    return def.base_type() == v1::DATE || def.base_type() == v1::DATETIME;
  }

  void Require(const std::string& condition, const std::string& column,
               const std::string& message) {
    requirements_.push_back(fmt::format("SELECT sch_chameleon.fn_require({}, {}, {}, {})",
                                        Literal(schema_), Literal(after_.plan.target_table()),
                                        Literal(condition),
                                        Literal(fmt::format("column {}: {}", column, message))));
  }

  // Own enum types follow the names of their columns.
  absl::Status RenameTypes() {
    RenameOrder renames(types_, "_chameleon_type_way_");
    const std::string prefix = Identifier(schema_) + ".";
    for (const auto& [from, to] : type_names_) renames.Add(from, to);
    for (auto& [from, to] : renames.Take()) {
      // Temporary names come as they are, the others qualified and quoted.
      const auto qualified = [&](const std::string& name) {
        return name.starts_with(prefix) ? name : Identifier(schema_, name);
      };
      Say(fmt::format("ALTER TYPE {} RENAME TO {}", qualified(from),
                      qualified(to).substr(prefix.size())));
    }
    return absl::OkStatus();
  }

  absl::Status AddColumns() {
    std::vector<std::string> actions, drop_defaults, types;
    for (size_t i = 0; i < continues_.size(); ++i) {
      const int now = static_cast<int>(i);
      const v1::ColumnDef& def = after_.def.columns(now);
      const v1::ColumnPlan& plan = after_.plan.columns(now);
      if (continues_[i] >= 0 || plan.omitted()) continue;
      auto fill = FillText(def, plan);
      if (!fill.ok()) return Refused(def.name(), Text(fill.status()));
      if (IsOwnEnum(now)) types.push_back(EnumType(plan.target_type(), def));
      const std::string column = Identifier(plan.target_name());
      std::string action = fmt::format("ADD COLUMN {} {}", column, plan.target_type());
      const std::optional<std::string> value = DefaultText(def, plan);
      // The rows that are there get the default of this moment.
      if (*fill != "NULL") action += " DEFAULT " + *fill;
      if (!plan.nullable()) action += " NOT NULL";
      actions.push_back(std::move(action));
      if (value && *value != *fill) {
        drop_defaults.push_back(fmt::format("ALTER COLUMN {} SET DEFAULT {}", column, *value));
      } else if (!value && *fill != "NULL") {
        drop_defaults.push_back(fmt::format("ALTER COLUMN {} DROP DEFAULT", column));
      }
    }
    for (std::string& type : types) Say(std::move(type));
    if (!actions.empty()) Say(fmt::format("ALTER TABLE {} {}", table_, fmt::join(actions, ", ")));
    if (!drop_defaults.empty()) {
      Say(fmt::format("ALTER TABLE {} {}", table_, fmt::join(drop_defaults, ", ")));
    }
    return absl::OkStatus();
  }

  void Comments() {
    if (Clean(before_.def.comment()) != Clean(after_.def.comment())) {
      Say(fmt::format("COMMENT ON TABLE {} IS {}", table_, CommentText(after_.def.comment())));
    }
    for (size_t i = 0; i < continues_.size(); ++i) {
      const int now = static_cast<int>(i);
      if (after_.plan.columns(now).omitted()) continue;
      const std::string& text = after_.def.columns(now).comment();
      const std::string old = continues_[i] < 0 ? "" : before_.def.columns(continues_[i]).comment();
      if (Clean(old) == Clean(text)) continue;
      Say(fmt::format("COMMENT ON COLUMN {}.{} IS {}", table_, Identifier(NewName(now)),
                      CommentText(text)));
    }
  }

  const TableState& before_;
  const TableState& after_;
  const TableOptions& options_;
  const std::string schema_;
  const std::string table_;
  const std::vector<int> continues_;  // of after's columns, in before's
  std::vector<std::string> requirements_, new_types_, actions_;
  std::set<std::string> names_, types_;  // in use after the columns were dropped
  std::vector<std::pair<std::string, std::string>> type_names_;
  Statements out_;
};

}  // namespace

void KeepTypes(const TableState& before, const ColumnRenames& renames, TableState* after) {
  const std::vector<int> continues = ContinuedColumns(before.def, after->def, renames);
  for (size_t i = 0; i < continues.size(); ++i) {
    if (continues[i] < 0) continue;
    const v1::ColumnPlan& old = before.plan.columns(continues[i]);
    v1::ColumnPlan* now = after->plan.mutable_columns(static_cast<int>(i));
    if (!SameType(before.def.columns(continues[i]), after->def.columns(static_cast<int>(i)))) {
      continue;
    }
    now->set_encoding(old.encoding());
    now->set_target_type(HasOwnEnum(before.plan, old)
                             ? EnumTypeText(after->plan.target_schema(), after->plan.target_table(),
                                            now->target_name())
                             : old.target_type());
  }
}

Statements CreateStatements(const TableState& table, const TableOptions& options) {
  const v1::TablePlan& plan = table.plan;
  Statements out;
  out.sql = TableStatements(table.def, plan, plan.target_schema(), options.fillfactor);
  for (const IndexPlan& index : PlanIndexes(table.def, plan, options.has_postgis).indexes) {
    out.sql.push_back(CreateIndexStatement(index, plan));
  }
  for (std::string& comment : CommentStatements(table.def, plan, plan.target_schema())) {
    out.sql.push_back(std::move(comment));
  }
  if (!options.grant_select_to.empty()) {
    out.sql.push_back(fmt::format("SELECT sch_chameleon.fn_grant_select({}, {}, {})",
                                  Literal(plan.target_schema()), Literal(plan.target_table()),
                                  TextArray(options.grant_select_to)));
  }
  return out;
}

absl::StatusOr<Statements> AlterStatements(const TableState& before, const TableState& after,
                                           const ColumnRenames& renames,
                                           const TableOptions& options) {
  return Alter(before, after, renames, options).Run();
}

Statements RenameStatements(const TableState& before, const TableState& after,
                            const TableOptions& options) {
  const v1::TablePlan& a = before.plan;
  const v1::TablePlan& b = after.plan;
  Statements out;
  if (a.target_schema() == b.target_schema() && a.target_table() == b.target_table()) return out;
  out.sql.push_back(fmt::format("SELECT sch_chameleon.fn_move_table({}, {}, {}, {}, {})",
                                Literal(a.target_schema()), Literal(a.target_table()),
                                Literal(b.target_schema()), Literal(b.target_table()),
                                Literal(IndexRenames(before, after, options.has_postgis))));
  for (int i = 0; i < a.columns_size() && i < b.columns_size(); ++i) {
    if (!HasOwnEnum(a, a.columns(i)) || !HasOwnEnum(b, b.columns(i))) continue;
    const std::string name =
        b.columns(i).target_type().substr(Identifier(b.target_schema()).size() + 1);
    std::string type = a.columns(i).target_type();
    if (a.target_schema() != b.target_schema()) {
      const std::string way = fmt::format("_chameleon_type_{}", i);
      out.sql.push_back(fmt::format("ALTER TYPE {} RENAME TO {}", type, Identifier(way)));
      out.sql.push_back(fmt::format("ALTER TYPE {} SET SCHEMA {}",
                                    Identifier(a.target_schema(), way),
                                    Identifier(b.target_schema())));
      type = Identifier(b.target_schema(), way);
    }
    out.sql.push_back(fmt::format("ALTER TYPE {} RENAME TO {}", type, name));
  }
  return out;
}

}  // namespace chameleon::coordinator::target
