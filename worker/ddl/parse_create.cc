#include <fmt/format.h>

#include "worker/ddl/names.h"
#include "worker/ddl/parse_column.h"
#include "worker/ddl/parse_table.h"

namespace chameleon::worker::ddl {
namespace {

// Table options without influence on a replica; each takes one value, = being optional.
bool TakeSimpleOption(Cursor& in) {
  static constexpr std::string_view kOptions[] = {
      "AUTO_INCREMENT",    "AVG_ROW_LENGTH",
      "CHECKSUM",          "TABLE_CHECKSUM",
      "COMPRESSION",       "CONNECTION",
      "DELAY_KEY_WRITE",   "ENCRYPTION",
      "INSERT_METHOD",     "KEY_BLOCK_SIZE",
      "MAX_ROWS",          "MIN_ROWS",
      "PACK_KEYS",         "PASSWORD",
      "ROW_FORMAT",        "STATS_AUTO_RECALC",
      "STATS_PERSISTENT",  "STATS_SAMPLE_PAGES",
      "AUTOEXTEND_SIZE",   "ENGINE_ATTRIBUTE",
      "SECONDARY_ENGINE",  "PAGE_CHECKSUM",
      "TRANSACTIONAL",     "NODEGROUP",
      "TABLESPACE",        "SECONDARY_ENGINE_ATTRIBUTE",
      "START_TRANSACTION",
  };
  bool known = false;
  for (std::string_view option : kOptions) known = known || in.IsWord(option);
  if (!known && !(in.IsName() && in.IsSymbol('=', 1))) return false;
  const bool tablespace = in.IsWord("TABLESPACE");
  in.Take();
  in.TakeSymbol('=');
  in.TakeSymbol('-');
  if (in.Peek().kind == TokenKind::kString) {
    in.String("an option's value");
  } else if (in.Peek().kind == TokenKind::kNumber || in.IsName()) {
    in.Take();
  } else {
    in.Unexpected("an option's value");
  }
  if (tablespace && in.TakeWord("STORAGE")) in.TakeAnyOf({"DISK", "MEMORY", "DEFAULT"});
  return true;
}

std::string CollationValue(Cursor& in) {
  in.TakeSymbol('=');
  if (in.TakeWord("DEFAULT")) return {};
  return LowerAscii(in.NameOrString("a collation"));
}

void AddElement(Cursor& in, KeySpec key, CreateTable* create) {
  if (auto* index = std::get_if<IndexSpec>(&key)) {
    create->indexes.push_back(std::move(*index));
  } else if (auto* foreign_key = std::get_if<ForeignKeySpec>(&key)) {
    create->foreign_keys.push_back(std::move(*foreign_key));
  } else if (auto* period = std::get_if<PeriodSpec>(&key)) {
    if (period->system_time) {
      create->system_period = std::move(*period);
    } else {
      create->periods.push_back(std::move(*period));
    }
  }
  (void)in;
}

void ParseElements(Cursor& in, CreateTable* create) {
  do {
    if (std::optional<KeySpec> key = ParseKey(in)) {
      AddElement(in, std::move(*key), create);
    } else {
      create->columns.push_back(ParseColumn(in));
    }
  } while (!in.failed() && in.TakeSymbol(','));
  in.Expect(')');
}

bool AtQuery(Cursor& in) {
  return in.IsWord("SELECT") || in.IsWord("VALUES") || in.IsWord("TABLE") ||
         (in.IsWord("WITH") && !in.IsWord("SYSTEM", 1)) || in.IsSymbol('(');
}

// PARTITION BY … up to a query or the end: partitions are no matter of the replica's.
void SkipPartitions(Cursor& in) {
  while (!in.AtEnd() && !in.failed()) {
    if (in.IsSymbol('(')) {
      in.SkipParenthesized();
    } else if (in.IsWord("SELECT") || in.IsWord("AS") || in.IsWord("IGNORE") ||
               in.IsWord("REPLACE")) {
      return;
    } else if (in.Peek().kind == TokenKind::kError) {
      in.Unexpected("a partition");
    } else {
      in.Take();
    }
  }
}

// Options, partitions, query.
void ParseTail(Cursor& in, CreateTable* create) {
  while (!in.AtEnd() && !in.failed()) {
    if (in.TakeWords({"START", "TRANSACTION"})) {
      continue;  // how MySQL logs CREATE TABLE … SELECT: the rows follow as events
    } else if (in.IsWord("PARTITION")) {
      SkipPartitions(in);
    } else if (in.TakeWord("IGNORE") || in.TakeWord("REPLACE") || in.TakeWord("AS")) {
      if (!AtQuery(in) && !in.IsWord("AS")) in.Unexpected("a query");
    } else if (AtQuery(in)) {
      create->as_select = true;
      return;
    } else if (!in.TakeSymbol(',') && !ParseTableOption(in, &create->options)) {
      in.Unexpected("a table option");
    }
  }
}

}  // namespace

bool ParseTableOption(Cursor& in, TableOptions* options) {
  const size_t start = in.index();
  in.TakeWord("DEFAULT");
  if (TakeCharsetWords(in)) {
    options->charset = ParseCharsetName(in);
  } else if (in.TakeWord("COLLATE")) {
    options->collation = CollationValue(in);
  } else if (in.IsWord("ENCRYPTION")) {
    return TakeSimpleOption(in);
  } else if (in.index() != start) {
    in.Rewind(start);
    return false;
  } else if (in.TakeWord("ENGINE") ||
             (in.IsWord("TYPE") && in.IsSymbol('=', 1) && in.TakeWord("TYPE"))) {
    in.TakeSymbol('=');
    options->engine = in.NameOrString("an engine");
  } else if (in.TakeWord("SEQUENCE")) {
    in.TakeSymbol('=');
    options->sequence = in.Number().value_or(0) != 0;
  } else if (in.TakeWord("COMMENT")) {
    in.TakeSymbol('=');
    options->comment = in.String("a comment");
  } else if (in.TakeWord("UNION")) {
    in.TakeSymbol('=');
    in.Expect('(');
    while (!in.failed() && !in.IsSymbol(')')) {
      options->union_of.push_back(in.Table());
      if (!in.TakeSymbol(',')) break;
    }
    in.Expect(')');
  } else if (in.TakeWords({"WITH", "SYSTEM", "VERSIONING"})) {
    options->system_versioning = true;
  } else if (in.TakeWords({"DATA", "DIRECTORY"}) || in.TakeWords({"INDEX", "DIRECTORY"})) {
    in.TakeSymbol('=');
    in.String("a directory");
  } else if (in.TakeWord("STORAGE")) {
    if (in.TakeAnyOf({"DISK", "MEMORY"}).empty()) in.Unexpected("DISK or MEMORY");
  } else {
    return TakeSimpleOption(in);
  }
  return true;
}

CreateTable ParseCreateTable(Cursor& in, bool or_replace) {
  CreateTable create;
  create.or_replace = or_replace;
  create.if_not_exists = TakeIfNotExists(in);
  create.table = in.Table();
  if (in.TakeWord("LIKE")) {
    create.like = in.Table();
    if (!in.AtEnd()) in.Unexpected("the end");
    return create;
  }
  if (in.IsSymbol('(') && in.IsWord("LIKE", 1)) {
    in.Take();
    in.Take();
    create.like = in.Table();
    in.Expect(')');
    if (!in.AtEnd()) in.Unexpected("the end");
    return create;
  }
  if (in.IsSymbol('(') && !in.IsWord("SELECT", 1) && !in.IsSymbol('(', 1) &&
      !in.IsWord("WITH", 1)) {
    in.Take();
    ParseElements(in, &create);
  }
  ParseTail(in, &create);
  if (create.columns.empty() && !create.as_select) in.Fail("the table has no columns");
  return create;
}

}  // namespace chameleon::worker::ddl
