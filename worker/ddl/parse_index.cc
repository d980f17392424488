#include <fmt/format.h>

#include "worker/ddl/names.h"
#include "worker/ddl/parse_column.h"
#include "worker/ddl/parse_table.h"

namespace chameleon::worker::ddl {
namespace {

void ParseUsing(Cursor& in) {
  while (in.TakeWord("USING") || (in.IsWord("TYPE") && (in.TakeWord("TYPE"), true))) {
    if (in.TakeAnyOf({"BTREE", "HASH", "RTREE"}).empty()) in.Unexpected("an index type");
  }
}

bool AtIndexType(Cursor& in) {
  return in.IsWord("USING") ||
         (in.IsWord("TYPE") &&
          (in.IsWord("BTREE", 1) || in.IsWord("HASH", 1) || in.IsWord("RTREE", 1)));
}

// [IF NOT EXISTS] [name] [USING …] (parts) options
IndexSpec ParseIndexBody(Cursor& in, v1::IndexDef::Kind kind, std::string_view constraint) {
  IndexSpec index;
  index.def.set_kind(kind);
  index.constraint = std::string(constraint);
  index.if_not_exists = TakeIfNotExists(in);
  if (in.IsName() && !AtIndexType(in)) index.def.set_name(in.Name("an index name"));
  ParseUsing(in);
  ParseIndexParts(in, &index);
  ParseIndexOptions(in, &index);
  if (kind == v1::IndexDef::PRIMARY) {
    index.def.set_name("PRIMARY");
  } else if (index.def.name().empty() && !constraint.empty()) {
    index.def.set_name(std::string(constraint));
  }
  return index;
}

ForeignKeySpec ParseForeignKey(Cursor& in, std::string_view constraint) {
  ForeignKeySpec key;
  key.name = std::string(constraint);
  key.if_not_exists = TakeIfNotExists(in);
  if (in.IsName()) key.index_name = in.Name("an index name");
  in.Expect('(');
  do {
    key.def.add_columns(in.Name("a column name"));
  } while (in.TakeSymbol(','));
  in.Expect(')');
  ParseReferences(in, &key.def);
  return key;
}

PeriodSpec ParsePeriod(Cursor& in) {
  PeriodSpec period;
  in.Take();  // PERIOD
  TakeIfNotExists(in);
  in.ExpectWord("FOR");
  TakeIfNotExists(in);
  period.name = in.Name("a period");
  period.system_time = UpperAscii(period.name) == "SYSTEM_TIME";
  in.Expect('(');
  period.start = in.Name("a column name");
  in.Expect(',');
  period.end = in.Name("a column name");
  in.Expect(')');
  return period;
}

// CONSTRAINT [name], what stands between it and the constraint itself.
std::string ParseConstraintName(Cursor& in) {
  if (!in.TakeWord("CONSTRAINT")) return {};
  TakeIfNotExists(in);
  if (in.IsWord("PRIMARY") || in.IsWord("UNIQUE") || in.IsWord("FOREIGN") || in.IsWord("CHECK")) {
    return {};
  }
  return in.Name("a constraint name");
}

bool OptionWord(Cursor& in, std::string_view word) {
  if (!in.TakeWord(word)) return false;
  in.TakeSymbol('=');
  return true;
}

}  // namespace

bool TakeIfExists(Cursor& in) { return in.TakeWords({"IF", "EXISTS"}); }
bool TakeIfNotExists(Cursor& in) { return in.TakeWords({"IF", "NOT", "EXISTS"}); }

void SkipWait(Cursor& in) {
  if (in.TakeWord("NOWAIT")) return;
  if (in.TakeWord("WAIT")) in.Take();
}

void ParseIndexParts(Cursor& in, IndexSpec* index) {
  in.Expect('(');
  do {
    v1::IndexPart* part = index->def.add_parts();
    if (in.IsSymbol('(')) {
      part->set_expression(in.Parenthesized());
    } else {
      part->set_column(in.Name("a column name"));
      if (in.TakeSymbol('(')) {
        part->set_prefix_length(static_cast<uint32_t>(in.Number().value_or(0)));
        in.Expect(')');
      }
    }
    if (in.TakeWord("DESC")) {
      part->set_descending(true);
    } else {
      in.TakeWord("ASC");
    }
    if (in.TakeWords({"WITHOUT", "OVERLAPS"})) {
      index->without_overlaps = part->column();
      index->def.mutable_parts()->RemoveLast();
    }
  } while (in.TakeSymbol(','));
  in.Expect(')');
}

void ParseIndexOptions(Cursor& in, IndexSpec* index) {
  while (!in.failed()) {
    if (AtIndexType(in)) {
      ParseUsing(in);
    } else if (in.TakeWord("COMMENT")) {
      in.TakeSymbol('=');
      index->def.set_comment(in.String("a comment"));
    } else if (OptionWord(in, "KEY_BLOCK_SIZE")) {
      in.Number();
    } else if (in.TakeWords({"WITH", "PARSER"})) {
      in.Name("a parser");
    } else if (in.TakeWord("VISIBLE") || in.TakeWord("INVISIBLE") || in.TakeWord("IGNORED") ||
               in.TakeWords({"NOT", "IGNORED"})) {
      continue;
    } else if (OptionWord(in, "ENGINE_ATTRIBUTE") || OptionWord(in, "SECONDARY_ENGINE_ATTRIBUTE")) {
      in.String("an attribute");
    } else if (in.context().mariadb() && in.IsName() && in.IsSymbol('=', 1) &&
               !in.IsWord("ALGORITHM") && !in.IsWord("LOCK")) {
      in.Take();
      in.Take();
      in.Take();
    } else {
      return;
    }
  }
}

std::optional<KeySpec> ParseKey(Cursor& in) {
  if (in.IsWord("PERIOD") && (in.IsWord("FOR", 1) || (in.IsWord("IF", 1) && in.IsWord("NOT", 2) &&
                                                      in.IsWord("EXISTS", 3)))) {
    return ParsePeriod(in);
  }
  const std::string constraint = ParseConstraintName(in);
  if (in.TakeWords({"PRIMARY", "KEY"})) {
    return ParseIndexBody(in, v1::IndexDef::PRIMARY, constraint);
  }
  if (in.TakeWord("UNIQUE")) {
    in.TakeAnyOf({"INDEX", "KEY"});
    return ParseIndexBody(in, v1::IndexDef::UNIQUE, constraint);
  }
  if (in.TakeWords({"FOREIGN", "KEY"})) return ParseForeignKey(in, constraint);
  if (in.TakeWord("CHECK")) {
    in.SkipParenthesized();
    if (!in.TakeWord("ENFORCED")) in.TakeWords({"NOT", "ENFORCED"});
    return CheckSpec{};
  }
  if (!in.TakeAnyOf({"INDEX", "KEY"}).empty()) return ParseIndexBody(in, v1::IndexDef::PLAIN, "");
  if (in.IsWord("FULLTEXT") || in.IsWord("SPATIAL") ||
      (in.IsWord("VECTOR") &&
       (in.IsWord("INDEX", 1) || in.IsWord("KEY", 1) || in.IsSymbol('(', 1)))) {
    // A vector index is a search index as FULLTEXT is: neither is carried.
    const bool spatial = in.Take().upper == "SPATIAL";
    in.TakeAnyOf({"INDEX", "KEY"});
    return ParseIndexBody(in, spatial ? v1::IndexDef::SPATIAL : v1::IndexDef::FULLTEXT, "");
  }
  if (!constraint.empty()) in.Unexpected("a constraint");
  return std::nullopt;
}

AlterTable ParseCreateIndex(Cursor& in, v1::IndexDef::Kind kind, bool or_replace) {
  AlterTable alter;
  AddIndex add;
  add.index.or_replace = or_replace;
  add.index.if_not_exists = TakeIfNotExists(in);
  add.index.def.set_kind(kind);
  add.index.def.set_name(in.Name("an index name"));
  ParseUsing(in);
  in.ExpectWord("ON");
  alter.table = in.Table();
  SkipWait(in);
  ParseIndexParts(in, &add.index);
  while (!in.AtEnd() && !in.failed()) {
    ParseIndexOptions(in, &add.index);
    SkipWait(in);
    if (in.AtEnd() || in.IsWord("COMMENT") || in.IsWord("USING")) continue;
    if (!OptionWord(in, "ALGORITHM") && !OptionWord(in, "LOCK")) {
      in.Unexpected("an index option");
      break;
    }
    in.Name("an option's value");
  }
  alter.actions.push_back(std::move(add));
  return alter;
}

AlterTable ParseDropIndex(Cursor& in) {
  AlterTable alter;
  const bool if_exists = TakeIfExists(in);
  const std::string name = in.Name("an index name");
  in.ExpectWord("ON");
  alter.table = in.Table();
  SkipWait(in);
  while (!in.AtEnd() && !in.failed()) {
    if (!OptionWord(in, "ALGORITHM") && !OptionWord(in, "LOCK")) {
      in.Unexpected("ALGORITHM or LOCK");
      break;
    }
    in.Name("an option's value");
  }
  if (SameName(name, "PRIMARY")) {
    alter.actions.push_back(DropPrimaryKey{.if_exists = if_exists});
  } else {
    alter.actions.push_back(DropIndex{.name = name, .if_exists = if_exists});
  }
  return alter;
}

}  // namespace chameleon::worker::ddl
