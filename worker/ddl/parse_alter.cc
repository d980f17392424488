#include <fmt/format.h>

#include <utility>

#include "worker/ddl/names.h"
#include "worker/ddl/parse_column.h"
#include "worker/ddl/parse_table.h"

namespace chameleon::worker::ddl {
namespace {

void SkipToEnd(Cursor& in) {
  while (!in.AtEnd() && !in.failed()) {
    if (in.Peek().kind == TokenKind::kError) {
      in.Unexpected("a partition action");
      return;
    }
    in.Take();
  }
}

AlterAction FromKey(KeySpec key) {
  if (auto* index = std::get_if<IndexSpec>(&key)) return AddIndex{std::move(*index)};
  if (auto* foreign_key = std::get_if<ForeignKeySpec>(&key)) {
    return AddForeignKey{std::move(*foreign_key)};
  }
  if (auto* period = std::get_if<PeriodSpec>(&key)) return AddPeriod{std::move(*period)};
  return NoEffect{"check"};
}

void ParseAdd(Cursor& in, AlterTable* alter) {
  if (in.TakeWord("PARTITION")) {
    SkipToEnd(in);
    alter->actions.push_back(NoEffect{"add partition"});
    return;
  }
  if (in.TakeWords({"SYSTEM", "VERSIONING"})) {
    alter->actions.push_back(AddSystemVersioning{});
    return;
  }
  if (std::optional<KeySpec> key = ParseKey(in)) {
    alter->actions.push_back(FromKey(std::move(*key)));
    return;
  }
  in.TakeWord("COLUMN");
  const bool if_not_exists = TakeIfNotExists(in);
  if (!in.TakeSymbol('(')) {
    AddColumn add{.column = ParseColumn(in), .if_not_exists = if_not_exists};
    add.placement = ParsePlacement(in);
    alter->actions.push_back(std::move(add));
    return;
  }
  do {
    if (std::optional<KeySpec> key = ParseKey(in)) {
      alter->actions.push_back(FromKey(std::move(*key)));
    } else {
      AddColumn add{.column = ParseColumn(in), .if_not_exists = if_not_exists};
      alter->actions.push_back(std::move(add));
    }
  } while (!in.failed() && in.TakeSymbol(','));
  in.Expect(')');
}

AlterAction ParseDrop(Cursor& in) {
  if (in.TakeWords({"PRIMARY", "KEY"})) return DropPrimaryKey{};
  if (in.TakeAnyOf({"INDEX", "KEY"}) != "") {
    const bool if_exists = TakeIfExists(in);
    std::string name = in.Name("an index name");
    if (SameName(name, "PRIMARY")) return DropPrimaryKey{if_exists};
    return DropIndex{std::move(name), if_exists};
  }
  if (in.TakeWords({"FOREIGN", "KEY"})) {
    const bool if_exists = TakeIfExists(in);
    std::string name = in.Name("a foreign key");
    while (in.TakeSymbol('.')) name = in.Name("a foreign key");
    return DropForeignKey{std::move(name), if_exists};
  }
  if (in.TakeWord("CONSTRAINT")) {
    const bool if_exists = TakeIfExists(in);
    if (in.TakeWords({"PRIMARY", "KEY"})) return DropPrimaryKey{if_exists};
    return DropConstraint{in.Name("a constraint"), if_exists};
  }
  if (in.TakeWord("CHECK")) {
    in.Name("a constraint");
    return NoEffect{"drop check"};
  }
  if (in.TakeWord("PARTITION")) {
    SkipToEnd(in);
    return LosesRows{"DROP PARTITION"};
  }
  if (in.TakeWords({"SYSTEM", "VERSIONING"})) return DropSystemVersioning{};
  if (in.TakeWords({"PERIOD", "FOR"}) || in.TakeWords({"PERIOD", "IF", "EXISTS", "FOR"})) {
    TakeIfExists(in);
    in.Name("a period");
    return NoEffect{"drop period"};
  }
  in.TakeWord("COLUMN");
  const bool if_exists = TakeIfExists(in);
  std::string name = in.Name("a column name");
  in.TakeAnyOf({"RESTRICT", "CASCADE"});
  return DropColumn{std::move(name), if_exists};
}

AlterAction ParseModify(Cursor& in, bool change) {
  in.TakeWord("COLUMN");
  ModifyColumn modify;
  modify.if_exists = TakeIfExists(in);
  if (change) modify.from = in.Name("a column name");
  modify.column = ParseColumn(in);
  if (!change) modify.from = modify.column.name;
  modify.placement = ParsePlacement(in);
  return modify;
}

// ALTER [COLUMN] …, ALTER INDEX …, ALTER CHECK …
AlterAction ParseAlterPart(Cursor& in) {
  if (in.TakeAnyOf({"INDEX", "KEY"}) != "") {
    TakeIfExists(in);
    in.Name("an index name");
    in.TakeWord("NOT");
    if (in.TakeAnyOf({"VISIBLE", "INVISIBLE", "IGNORED"}).empty()) in.Unexpected("VISIBLE");
    return NoEffect{"index visibility"};
  }
  if (in.TakeAnyOf({"CHECK", "CONSTRAINT"}) != "") {
    in.Name("a constraint");
    in.TakeWord("NOT");
    in.ExpectWord("ENFORCED");
    return NoEffect{"constraint enforcement"};
  }
  in.TakeWord("COLUMN");
  AlterColumn alter;
  alter.if_exists = TakeIfExists(in);
  alter.name = in.Name("a column name");
  if (in.TakeWords({"DROP", "DEFAULT"})) {
    alter.default_value.emplace();
  } else if (in.TakeWords({"SET", "DEFAULT"})) {
    alter.default_value = ParseDefault(in);
  } else if (in.TakeWords({"DROP", "MASKING", "POLICY"})) {
    return NoEffect{"masking policy"};
  } else if (in.TakeWords({"SET", "MASKING", "POLICY"})) {
    in.Name("a masking policy");
    return NoEffect{"masking policy"};
  } else if (in.TakeWords({"SET", "VISIBLE"})) {
    alter.invisible = false;
  } else if (in.TakeWords({"SET", "INVISIBLE"})) {
    alter.invisible = true;
  } else {
    in.Unexpected("SET or DROP DEFAULT");
  }
  return alter;
}

AlterAction ParseRename(Cursor& in) {
  if (in.IsWord("COLUMN")) {
    in.Take();
    const bool if_exists = TakeIfExists(in);
    std::string from = in.Name("a column name");
    in.ExpectWord("TO");
    return RenameColumn{std::move(from), in.Name("a column name"), if_exists};
  }
  if (in.TakeAnyOf({"INDEX", "KEY"}) != "") {
    const bool if_exists = TakeIfExists(in);
    std::string from = in.Name("an index name");
    in.ExpectWord("TO");
    return RenameIndex{std::move(from), in.Name("an index name"), if_exists};
  }
  if (in.TakeAnyOf({"TO", "AS"}).empty()) in.TakeSymbol('=');
  return RenameTo{in.Table()};
}

AlterAction ParseConvert(Cursor& in) {
  if (in.TakeWord("PARTITION") || in.TakeWord("TABLE")) {
    SkipToEnd(in);
    return LosesRows{"CONVERT PARTITION"};
  }
  in.ExpectWord("TO");
  ConvertCharset convert;
  if (!TakeCharsetWords(in)) in.Unexpected("CHARACTER SET");
  convert.charset = ParseCharsetName(in);
  if (in.TakeWord("COLLATE")) {
    in.TakeSymbol('=');
    convert.collation = LowerAscii(in.NameOrString("a collation"));
  }
  return convert;
}

// ORDER BY a, b DESC: a comma may also begin the next action.
AlterAction ParseOrderBy(Cursor& in) {
  auto item = [&in](size_t at) {
    while (in.IsName(at) && in.IsSymbol('.', at + 1)) at += 2;
    if (!in.IsName(at)) return false;
    if (in.IsWord("ASC", at + 1) || in.IsWord("DESC", at + 1)) ++at;
    return in.IsSymbol(',', at + 1) || in.IsSymbol(';', at + 1) ||
           in.Peek(at + 1).kind == TokenKind::kEnd;
  };
  if (!item(0)) in.Unexpected("a column name");
  while (!in.failed()) {
    while (in.IsName() || in.IsSymbol('.')) in.Take();
    if (!in.IsSymbol(',') || !item(1)) break;
    in.Take();
  }
  return NoEffect{"order by"};
}

AlterAction ParseExchange(Cursor& in) {
  in.TakeWord("PARTITION");
  in.Name("a partition");
  in.ExpectWord("WITH");
  in.ExpectWord("TABLE");
  LosesRows loses{.what = "EXCHANGE PARTITION", .other = in.Table()};
  SkipToEnd(in);
  return loses;
}

// Partition actions and the like, which run to the statement's end; false: none stands here.
bool ParsePartitionAction(Cursor& in, AlterTable* alter) {
  if (in.IsWord("TRUNCATE") && in.IsWord("PARTITION", 1)) {
    SkipToEnd(in);
    alter->actions.push_back(LosesRows{"TRUNCATE PARTITION"});
  } else if (in.TakeWord("EXCHANGE")) {
    alter->actions.push_back(ParseExchange(in));
  } else if (in.TakeWord("IMPORT")) {
    SkipToEnd(in);
    alter->actions.push_back(LosesRows{"IMPORT TABLESPACE"});
  } else if (in.IsWord("PARTITION") || in.IsWord("DISCARD") ||
             (in.IsWord("REMOVE") && in.IsWord("PARTITIONING", 1)) ||
             ((in.IsWord("COALESCE") || in.IsWord("REORGANIZE") || in.IsWord("ANALYZE") ||
               in.IsWord("CHECK") || in.IsWord("OPTIMIZE") || in.IsWord("REBUILD") ||
               in.IsWord("REPAIR")) &&
              in.IsWord("PARTITION", 1)) ||
             in.IsWord("SECONDARY_LOAD") || in.IsWord("SECONDARY_UNLOAD")) {
    alter->actions.push_back(NoEffect{LowerAscii(in.Peek().text)});
    SkipToEnd(in);
  } else {
    return false;
  }
  return true;
}

// ALGORITHM, LOCK, FORCE and what else says only how; false: none stands here.
bool ParseManner(Cursor& in) {
  if (in.TakeWord("ALGORITHM") || (in.IsWord("LOCK") && in.TakeWord("LOCK"))) {
    in.TakeSymbol('=');
    in.Name("an option's value");
    return true;
  }
  return in.TakeWord("FORCE") || in.TakeWords({"ENABLE", "KEYS"}) ||
         in.TakeWords({"DISABLE", "KEYS"}) || in.TakeWords({"WITH", "VALIDATION"}) ||
         in.TakeWords({"WITHOUT", "VALIDATION"}) || in.TakeWord("NOWAIT");
}

void ParseOptions(Cursor& in, AlterTable* alter) {
  SetOptions set;
  while (!in.AtEnd() && !in.failed() && !in.IsSymbol(',') && ParseTableOption(in, &set.options)) {
  }
  alter->actions.push_back(std::move(set));
}

void ParseAction(Cursor& in, AlterTable* alter) {
  if (in.TakeWord("ADD")) {
    ParseAdd(in, alter);
  } else if (in.TakeWord("DROP")) {
    alter->actions.push_back(ParseDrop(in));
  } else if (in.TakeWord("MODIFY")) {
    alter->actions.push_back(ParseModify(in, false));
  } else if (in.TakeWord("CHANGE")) {
    alter->actions.push_back(ParseModify(in, true));
  } else if (in.TakeWord("ALTER")) {
    alter->actions.push_back(ParseAlterPart(in));
  } else if (in.TakeWord("RENAME")) {
    alter->actions.push_back(ParseRename(in));
  } else if (in.TakeWord("CONVERT")) {
    alter->actions.push_back(ParseConvert(in));
  } else if (in.TakeWords({"ORDER", "BY"})) {
    alter->actions.push_back(ParseOrderBy(in));
  } else if (ParsePartitionAction(in, alter) || ParseManner(in)) {
    return;
  } else {
    const size_t before = in.index();
    ParseOptions(in, alter);
    if (in.index() == before) in.Unexpected("an ALTER TABLE action");
  }
}

// IGNORE drops the rows that a new unique index does not admit.
bool AddsUnique(const AlterAction& action) {
  if (const auto* add = std::get_if<AddIndex>(&action)) {
    return add->index.def.kind() == v1::IndexDef::PRIMARY ||
           add->index.def.kind() == v1::IndexDef::UNIQUE;
  }
  if (const auto* add = std::get_if<AddColumn>(&action)) {
    return add->column.unique || add->column.primary;
  }
  return false;
}

}  // namespace

AlterTable ParseAlterTable(Cursor& in, bool ignore) {
  AlterTable alter;
  alter.if_exists = TakeIfExists(in);
  alter.table = in.Table();
  SkipWait(in);
  while (!in.AtEnd() && !in.failed()) {
    ParseAction(in, &alter);
    // Only partition actions may follow without a comma.
    if (!in.TakeSymbol(',') && !in.AtEnd() && !in.IsWord("PARTITION") && !in.IsWord("REMOVE")) {
      in.Unexpected("\",\"");
    }
  }
  if (!ignore) return alter;
  for (const AlterAction& action : alter.actions) {
    if (!AddsUnique(action) && !std::holds_alternative<ModifyColumn>(action)) continue;
    alter.actions.push_back(LosesRows{.what = "ALTER IGNORE"});
    break;
  }
  return alter;
}

}  // namespace chameleon::worker::ddl
