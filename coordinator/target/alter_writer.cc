#include "coordinator/target/alter_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "coordinator/target/ddl_writer.h"
#include "coordinator/target/defaults.h"
#include "coordinator/target/quote.h"
#include "coordinator/target/type_change.h"
#include "coordinator/target/type_map.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::target {
namespace {

std::string TextArray(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  for (const std::string& text : texts) quoted.push_back(Literal(text));
  return fmt::format("ARRAY[{}]::text[]", fmt::join(quoted, ", "));
}

// A JSON string; names hold no U+0000.
std::string JsonText(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::string JsonArray(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  for (const std::string& text : texts) quoted.push_back(JsonText(text));
  return fmt::format("[{}]", fmt::join(quoted, ","));
}

// As an argument of format().
std::string Percent(std::string text) {
  for (size_t at = 0; (at = text.find('%', at)) != std::string::npos; at += 2) text.insert(at, "%");
  return text;
}

std::string CreateIndex(const IndexPlan& index, const v1::TablePlan& plan) {
  const std::string table = Percent(Identifier(plan.target_schema(), plan.target_table()));
  const std::string columns = Percent(index.columns);
  const std::string statement =
      index.primary
          ? fmt::format("ALTER TABLE {} ADD CONSTRAINT %1$I PRIMARY KEY ({})", table, columns)
          : fmt::format("CREATE {} %1$I ON {}{} ({})", index.kind, table, index.method, columns);
  return fmt::format("SELECT sch_chameleon.fn_create_index({}, {}, {})",
                     Literal(plan.target_schema()), TextArray(index.Names()), Literal(statement));
}

std::string DropIndex(const IndexPlan& index, const v1::TablePlan& plan) {
  return fmt::format("SELECT sch_chameleon.fn_drop_index({}, {}, {})",
                     Literal(plan.target_schema()), Literal(plan.target_table()),
                     TextArray(index.Names()));
}

std::string Clean(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), '\0'), text.end());
  return text;
}

std::string CommentText(const std::string& text) {
  return text.empty() ? "NULL" : Literal(Clean(text));
}

// Renames that form chains and circles, one after another.
class Renames {
 public:
  // `taken`: names in use; what is renamed is among them.
  Renames(std::set<std::string> taken, std::string temporary)
      : taken_(std::move(taken)), temporary_(std::move(temporary)) {}

  void Add(const std::string& from, const std::string& to) {
    if (from != to) wanted_.emplace_back(from, to);
  }

  std::vector<std::pair<std::string, std::string>> Order() {
    std::vector<std::pair<std::string, std::string>> out;
    int number = 0;
    while (!wanted_.empty()) {
      auto next = std::find_if(wanted_.begin(), wanted_.end(),
                               [&](const auto& w) { return !taken_.contains(w.second); });
      if (next == wanted_.end()) {
        next = wanted_.begin();
        const std::string way = fmt::format("{}{}", temporary_, ++number);
        out.emplace_back(next->first, way);
        taken_.erase(next->first);
        taken_.insert(way);
        next->first = way;
        continue;
      }
      taken_.erase(next->first);
      taken_.insert(next->second);
      out.push_back(*next);
      wanted_.erase(next);
    }
    return out;
  }

 private:
  std::set<std::string> taken_;
  const std::string temporary_;
  std::vector<std::pair<std::string, std::string>> wanted_;
};

// For each column of `after` the one of `before` that it continues, or -1.
std::vector<int> Match(const v1::TableDef& before, const v1::TableDef& after,
                       const ColumnRenames& renames) {
  std::map<std::string, std::string> now;  // old name → new name
  for (const v1::ColumnRename& rename : renames) now[rename.from()] = rename.to();
  std::map<std::string, int> by_new_name;
  for (int i = 0; i < before.columns_size(); ++i) {
    const std::string& name = before.columns(i).name();
    const auto renamed = now.find(name);
    by_new_name[renamed == now.end() ? name : renamed->second] = i;
  }
  std::vector<int> out;
  for (const v1::ColumnDef& column : after.columns()) {
    const auto found = by_new_name.find(column.name());
    out.push_back(found == by_new_name.end() ? -1 : found->second);
  }
  return out;
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
        continues_(Match(before.def, after.def, renames)) {}

  absl::StatusOr<Statements> Run() {
    if (!after_.plan.replicated()) {
      return Refused("", after_.plan.reason());
    }
    PlanIndexChanges();
    for (std::string& statement : drop_indexes_) Say(std::move(statement));
    DropColumns();
    RenameColumns();
    for (auto step : {&Alter::ChangeColumns, &Alter::RenameTypes, &Alter::AddColumns}) {
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
    for (std::string& statement : create_indexes_) Say(std::move(statement));
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

  // The old indexes as they would be described now: columns carry their new names.
  IndexPlans OldIndexes() const {
    TableState renamed = before_;
    std::map<std::string, std::string> now;
    for (size_t i = 0; i < continues_.size(); ++i) {
      if (continues_[i] < 0) continue;
      const int old = continues_[i];
      now[before_.def.columns(old).name()] = after_.def.columns(static_cast<int>(i)).name();
      renamed.plan.mutable_columns(old)->set_target_name(NewName(static_cast<int>(i)));
    }
    for (v1::ColumnDef& column : *renamed.def.mutable_columns()) {
      const auto found = now.find(column.name());
      // A dropped column may have left its name to another.
      column.set_name(found == now.end() ? column.name() + "\n(dropped)" : found->second);
    }
    for (v1::IndexDef& index : *renamed.def.mutable_indexes()) {
      for (v1::IndexPart& part : *index.mutable_parts()) {
        const auto found = now.find(part.column());
        part.set_column(found == now.end() ? part.column() + "\n(dropped)" : found->second);
      }
    }
    for (int i = 0; i < before_.def.columns_size(); ++i) {
      if (now.contains(before_.def.columns(i).name())) continue;
      renamed.plan.mutable_columns(i)->set_target_name(OldName(i) + "\n(dropped)");
    }
    return PlanIndexes(renamed.def, renamed.plan, options_.has_postgis);
  }

  static bool SameIndex(const IndexPlan& a, const IndexPlan& b) {
    return a.kind == b.kind && a.method == b.method && a.columns == b.columns &&
           a.primary == b.primary;
  }

  void PlanIndexChanges() {
    std::vector<IndexPlan> old = OldIndexes().indexes;
    std::vector<IndexPlan> now = PlanIndexes(after_.def, after_.plan, options_.has_postgis).indexes;
    // The same index under the same name stays; then the same under another name is renamed.
    std::erase_if(now, [&](const IndexPlan& index) {
      const auto same = std::find_if(old.begin(), old.end(), [&](const IndexPlan& o) {
        return o.name == index.name && SameIndex(o, index);
      });
      if (same == old.end()) return false;
      old.erase(same);
      return true;
    });
    std::vector<std::string> renames;
    std::erase_if(now, [&](const IndexPlan& index) {
      const auto same = std::find_if(old.begin(), old.end(),
                                     [&](const IndexPlan& o) { return SameIndex(o, index); });
      if (same == old.end()) return false;
      renames.push_back(fmt::format("SELECT sch_chameleon.fn_rename_index({}, {}, {}, {})",
                                    Literal(schema_), Literal(after_.plan.target_table()),
                                    TextArray(same->Names()), TextArray(index.Names())));
      old.erase(same);
      return true;
    });
    for (const IndexPlan& index : old) drop_indexes_.push_back(DropIndex(index, after_.plan));
    for (std::string& rename : renames) drop_indexes_.push_back(std::move(rename));
    for (const IndexPlan& index : now) create_indexes_.push_back(CreateIndex(index, after_.plan));
  }

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
    Renames renames(names_, "_chameleon_");
    for (size_t i = 0; i < continues_.size(); ++i) {
      if (continues_[i] < 0 || before_.plan.columns(continues_[i]).omitted()) continue;
      renames.Add(OldName(continues_[i]), NewName(static_cast<int>(i)));
    }
    for (const auto& [from, to] : renames.Order()) {
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
    Renames renames(types_, "_chameleon_type_way_");
    const std::string prefix = Identifier(schema_) + ".";
    for (const auto& [from, to] : type_names_) renames.Add(from, to);
    for (auto& [from, to] : renames.Order()) {
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
  std::vector<std::string> drop_indexes_, create_indexes_;
  std::vector<std::string> requirements_, new_types_, actions_;
  std::set<std::string> names_, types_;  // in use after the columns were dropped
  std::vector<std::pair<std::string, std::string>> type_names_;
  Statements out_;
};

}  // namespace

void KeepTypes(const TableState& before, const ColumnRenames& renames, TableState* after) {
  const std::vector<int> continues = Match(before.def, after->def, renames);
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
    out.sql.push_back(CreateIndex(index, plan));
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
  const IndexPlans old = PlanIndexes(before.def, a, options.has_postgis);
  const IndexPlans now = PlanIndexes(after.def, b, options.has_postgis);
  std::vector<std::string> indexes;
  for (size_t i = 0; i < old.indexes.size() && i < now.indexes.size(); ++i) {
    indexes.push_back(fmt::format("{{\"from\":{},\"to\":{}}}", JsonArray(old.indexes[i].Names()),
                                  JsonArray(now.indexes[i].Names())));
  }
  out.sql.push_back(fmt::format("SELECT sch_chameleon.fn_move_table({}, {}, {}, {}, {})",
                                Literal(a.target_schema()), Literal(a.target_table()),
                                Literal(b.target_schema()), Literal(b.target_table()),
                                Literal(fmt::format("[{}]", fmt::join(indexes, ",")))));
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
