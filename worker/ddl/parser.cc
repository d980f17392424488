#include "worker/ddl/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "worker/ddl/cursor.h"
#include "worker/ddl/names.h"
#include "worker/ddl/parse_other.h"
#include "worker/ddl/parse_table.h"

namespace chameleon::worker::ddl {
namespace {

constexpr size_t kNamesMax = 10'000;  // of a statement that is not understood

std::optional<Statement> ParseCreateTableOrIndex(Cursor& in) {
  const bool or_replace = in.TakeWords({"OR", "REPLACE"});
  if (in.IsWord("TEMPORARY") && (in.IsWord("TABLE", 1) || in.IsWord("SEQUENCE", 1))) {
    return Benign{"temporary table"};
  }
  if (in.TakeWord("TABLE") || in.TakeWords({"EXTERNAL", "TABLE"})) {
    return ParseCreateTable(in, or_replace);
  }
  if (!in.TakeAnyOf({"DATABASE", "SCHEMA"}).empty()) return ParseCreateDatabase(in, or_replace);
  const size_t start = in.index();
  in.TakeAnyOf({"ONLINE", "OFFLINE"});
  v1::IndexDef::Kind kind = v1::IndexDef::PLAIN;
  if (in.TakeWord("UNIQUE")) {
    kind = v1::IndexDef::UNIQUE;
  } else if (in.TakeWord("SPATIAL")) {
    kind = v1::IndexDef::SPATIAL;
  } else if (!in.TakeAnyOf({"FULLTEXT", "VECTOR"}).empty()) {
    kind = v1::IndexDef::FULLTEXT;
  }
  if (in.TakeWord("INDEX")) return ParseCreateIndex(in, kind, or_replace);
  in.Rewind(start);
  return std::nullopt;
}

std::optional<Statement> ParseAlterTableOrDatabase(Cursor& in) {
  if (!in.TakeAnyOf({"DATABASE", "SCHEMA"}).empty()) return ParseAlterDatabase(in);
  const size_t start = in.index();
  in.TakeAnyOf({"ONLINE", "OFFLINE"});
  const bool ignore = in.TakeWord("IGNORE");
  if (in.TakeWord("TABLE")) return ParseAlterTable(in, ignore);
  in.Rewind(start);
  return std::nullopt;
}

std::optional<Statement> ParseDropTableOrIndex(Cursor& in) {
  if (in.IsWord("TEMPORARY")) return Benign{"temporary table"};
  if (!in.TakeAnyOf({"TABLE", "TABLES"}).empty()) return ParseDropTable(in);
  if (!in.TakeAnyOf({"DATABASE", "SCHEMA"}).empty()) return ParseDropDatabase(in);
  if (in.TakeWord("INDEX") || in.TakeWords({"ONLINE", "INDEX"}) ||
      in.TakeWords({"OFFLINE", "INDEX"})) {
    return ParseDropIndex(in);
  }
  return std::nullopt;
}

std::optional<Statement> BenignOrNothing(Cursor& in) {
  std::string kind = BenignObject(in);
  if (kind.empty()) return std::nullopt;
  return Benign{std::move(kind)};
}

// MariaDB: SET STATEMENT variable = value, … FOR statement
void SkipSetStatement(Cursor& in) {
  if (!in.context().mariadb() || !in.TakeWords({"SET", "STATEMENT"})) return;
  while (!in.AtEnd() && !in.failed() && !in.TakeWord("FOR")) {
    if (in.IsSymbol('(')) {
      in.SkipParenthesized();
    } else {
      in.Take();
    }
  }
}

std::optional<Statement> ParseStatement(Cursor& in) {
  SkipSetStatement(in);
  if (in.AtEnd() && !in.failed()) return Benign{"empty"};
  if (std::optional<TransactionControl> control = ParseTransaction(in)) return *control;
  std::optional<Statement> statement;
  if (in.TakeWord("CREATE")) {
    statement = ParseCreateTableOrIndex(in);
  } else if (in.TakeWord("ALTER")) {
    statement = ParseAlterTableOrDatabase(in);
  } else if (in.TakeWord("DROP")) {
    statement = ParseDropTableOrIndex(in);
  } else if (in.IsWord("RENAME") && (in.IsWord("TABLE", 1) || in.IsWord("TABLES", 1))) {
    in.Take();
    in.Take();
    return ParseRenameTable(in);
  } else if (in.TakeWord("TRUNCATE")) {
    return ParseTruncate(in);
  } else {
    return ClassifyByFirstWord(in);
  }
  return statement ? statement : BenignOrNothing(in);
}

// Every name, and every pair of names around a dot, that may be a table's.
std::vector<TableRef> PossibleTables(std::string_view text, const SessionContext& context) {
  std::vector<TableRef> tables;
  Lexer lexer(text, context);
  std::string before;
  bool dot = false;
  for (Token token = lexer.Next(); token.kind != TokenKind::kEnd &&
                                   token.kind != TokenKind::kError && tables.size() < kNamesMax;
       token = lexer.Next()) {
    if (token.kind == TokenKind::kWord || token.kind == TokenKind::kQuotedName) {
      TableRef ref{dot ? before : context.default_database, TableCase(token.text, context)};
      before = ref.table;
      if (std::find(tables.begin(), tables.end(), ref) == tables.end()) tables.push_back(ref);
    }
    dot = token.kind == TokenKind::kSymbol && token.text == ".";
  }
  return tables;
}

struct Describer {
  std::string operator()(const CreateTable&) const { return "CREATE TABLE"; }
  std::string operator()(const AlterTable&) const { return "ALTER TABLE"; }
  std::string operator()(const DropTable&) const { return "DROP TABLE"; }
  std::string operator()(const RenameTable&) const { return "RENAME TABLE"; }
  std::string operator()(const TruncateTable&) const { return "TRUNCATE TABLE"; }
  std::string operator()(const CreateDatabase&) const { return "CREATE DATABASE"; }
  std::string operator()(const AlterDatabase&) const { return "ALTER DATABASE"; }
  std::string operator()(const DropDatabase&) const { return "DROP DATABASE"; }
  std::string operator()(const TransactionControl& control) const {
    static constexpr std::string_view kNames[] = {
        "BEGIN",    "COMMIT", "ROLLBACK",   "SAVEPOINT", "ROLLBACK TO", "RELEASE SAVEPOINT",
        "XA START", "XA END", "XA PREPARE", "XA COMMIT", "XA ROLLBACK"};
    return std::string(kNames[static_cast<size_t>(control.kind)]);
  }
  std::string operator()(const Benign& benign) const { return "benign: " + benign.kind; }
  std::string operator()(const Dml& dml) const { return "refused: " + dml.kind; }
  std::string operator()(const Unparsed& unparsed) const {
    return "not understood: " + unparsed.reason;
  }
};

}  // namespace

Statement Parse(std::string_view text, const SessionContext& context) {
  Cursor in(text, context);
  std::optional<Statement> statement = ParseStatement(in);
  if (statement && !in.failed()) return std::move(*statement);
  if (!in.failed()) in.Unexpected("a known statement");
  Unparsed unparsed{.reason = in.reason(), .tables = in.mentioned()};
  if (unparsed.tables.empty()) {
    unparsed.tables_unknown = true;
    unparsed.tables = PossibleTables(text, context);
  }
  return unparsed;
}

std::string Describe(const Statement& statement) { return std::visit(Describer{}, statement); }

}  // namespace chameleon::worker::ddl
