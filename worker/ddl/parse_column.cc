#include "worker/ddl/parse_column.h"

#include <fmt/format.h>

#include "worker/ddl/names.h"

namespace chameleon::worker::ddl {
namespace {

std::string ReferenceAction(Cursor& in) {
  if (in.TakeWords({"SET", "NULL"})) return "SET NULL";
  if (in.TakeWords({"SET", "DEFAULT"})) return "SET DEFAULT";
  if (in.TakeWords({"NO", "ACTION"})) return "NO ACTION";
  std::string action = in.TakeAnyOf({"CASCADE", "RESTRICT"});
  if (action.empty()) in.Unexpected("a foreign key action");
  return action;
}

// AS (expression) | GENERATED ALWAYS AS (expression) | … AS ROW START | … AS ROW END
void ParseGenerated(Cursor& in, ColumnSpec* column) {
  if (in.TakeWords({"ROW", "START"})) {
    column->row_start = true;
    return;
  }
  if (in.TakeWords({"ROW", "END"})) {
    column->row_end = true;
    return;
  }
  column->generation_expression = in.Parenthesized();
  column->generated = v1::GENERATED_VIRTUAL;
}

void ParseCheck(Cursor& in) {
  in.SkipParenthesized();
  if (!in.TakeWord("ENFORCED")) in.TakeWords({"NOT", "ENFORCED"});
}

// True: an attribute about NULL, a key or the value was taken.
bool ParseValueAttribute(Cursor& in, ColumnSpec* column) {
  if (in.TakeWords({"NOT", "NULL"})) {
    column->nullable = false;
  } else if (in.TakeWord("NULL")) {
    column->nullable = true;
  } else if (in.TakeWord("DEFAULT")) {
    column->default_value = ParseDefault(in);
  } else if (in.TakeWords({"ON", "UPDATE"})) {
    column->on_update = ParseNow(in);
    if (column->on_update.empty()) in.Unexpected("CURRENT_TIMESTAMP");
  } else if (in.TakeWord("AUTO_INCREMENT")) {
    column->auto_increment = true;
    column->nullable = false;  // the last of this and NULL holds
  } else if (in.TakeWords({"SERIAL", "DEFAULT", "VALUE"})) {
    column->auto_increment = column->unique = true;
    column->nullable = false;
  } else if (in.TakeWords({"PRIMARY", "KEY"}) || in.TakeWord("PRIMARY") || in.TakeWord("KEY")) {
    column->primary = true;
  } else if (in.TakeWord("UNIQUE")) {
    in.TakeWord("KEY");
    column->unique = true;
  } else if (in.TakeWord("COMMENT")) {
    column->comment = in.String("a comment");
  } else if (in.TakeWord("COLLATE")) {
    in.TakeSymbol('=');
    column->collation =
        in.TakeWord("BINARY") ? "binary" : LowerAscii(in.NameOrString("a collation"));
  } else {
    return false;
  }
  return true;
}

// True: GENERATED … or one of what may follow it was taken.
bool ParseGeneratedAttribute(Cursor& in, ColumnSpec* column) {
  if (in.TakeWords({"GENERATED", "ALWAYS", "AS"}) || in.TakeWord("AS")) {
    ParseGenerated(in, column);
  } else if (in.TakeWord("VIRTUAL")) {
    return true;
  } else if (in.TakeWord("STORED") || in.TakeWord("PERSISTENT")) {
    column->generated = v1::GENERATED_STORED;
  } else {
    return false;
  }
  return true;
}

// True: an attribute of storage, or a constraint, was taken.
bool ParseOtherAttribute(Cursor& in, ColumnSpec* column) {
  if (in.TakeWord("INVISIBLE")) {
    column->invisible = true;
  } else if (in.TakeWord("VISIBLE")) {
    column->invisible = false;
  } else if (in.TakeWords({"WITH", "SYSTEM", "VERSIONING"})) {
    column->versioned = true;
  } else if (in.TakeWords({"NOT", "SECONDARY"}) ||
             in.TakeWords({"WITHOUT", "SYSTEM", "VERSIONING"})) {
    return true;
  } else if (in.TakeWords({"MASKING", "POLICY"})) {
    in.Name("a masking policy");
  } else if (in.TakeWord("COLUMN_FORMAT")) {
    if (in.TakeAnyOf({"FIXED", "DYNAMIC", "DEFAULT"}).empty()) in.Unexpected("a column format");
  } else if (in.TakeWord("STORAGE")) {
    if (in.TakeAnyOf({"DISK", "MEMORY", "DEFAULT"}).empty()) in.Unexpected("DISK or MEMORY");
  } else if (in.TakeWord("SRID")) {
    column->srid = static_cast<uint32_t>(in.Number().value_or(0));
  } else if (in.TakeWord("REF_SYSTEM_ID")) {
    // MariaDB: its rows may have any SRID all the same, and information_schema does not show it.
    in.Expect('=');
    in.Number();
  } else if (!in.TakeAnyOf({"ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"}).empty()) {
    in.TakeSymbol('=');
    in.String("an attribute");
  } else if (in.IsWord("REFERENCES")) {
    column->references.emplace();
    ParseReferences(in, &column->references->def);
  } else if (in.TakeWord("CONSTRAINT")) {
    std::string name;
    if (!in.IsWord("CHECK") && !in.IsWord("REFERENCES")) name = in.Name("a constraint name");
    if (in.IsWord("REFERENCES")) {
      column->references.emplace();
      column->references->name = name;
      ParseReferences(in, &column->references->def);
    } else {
      in.ExpectWord("CHECK");
      ParseCheck(in);
    }
  } else if (in.TakeWord("CHECK")) {
    ParseCheck(in);
  } else {
    return false;
  }
  return true;
}

// MariaDB's engine-defined attributes: name = value.
bool ParseEngineAttribute(Cursor& in) {
  if (!in.context().mariadb() || !in.IsName() || !in.IsSymbol('=', 1)) return false;
  in.Take();
  in.Take();
  in.TakeSymbol('-');
  in.Take();
  return true;
}

// [+-] literal, or nothing taken.
bool ParseLiteral(Cursor& in, DefaultSpec* value) {
  const bool sign = in.IsSymbol('-') || in.IsSymbol('+');
  const TokenKind kind = in.Peek(sign ? 1 : 0).kind;
  if (sign && kind != TokenKind::kNumber) return false;
  std::string prefix;
  if (sign && in.Take().text == "-") prefix = "-";
  value->charset = in.Peek().charset;
  if (kind == TokenKind::kNumber) {
    value->number = true;
    value->text = prefix + in.Take().text;
  } else if (kind == TokenKind::kHex || kind == TokenKind::kBits) {
    value->bytes = kind == TokenKind::kHex;
    value->bits = kind == TokenKind::kBits;
    value->text = in.Take().text;
  } else if (kind == TokenKind::kString) {
    value->text = in.String("a default");
  } else if ((in.IsWord("DATE") || in.IsWord("TIME") || in.IsWord("TIMESTAMP")) &&
             in.Peek(1).kind == TokenKind::kString) {
    in.Take();
    value->text = in.String("a default");
  } else if (in.IsWord("TRUE") || in.IsWord("FALSE")) {
    value->number = true;
    value->text = in.Take().upper == "TRUE" ? "1" : "0";
  } else {
    return false;
  }
  value->kind = DefaultSpec::Kind::kLiteral;
  return true;
}

bool EndsExpression(Cursor& in) {
  if (in.IsSymbol(',') || in.IsSymbol(')')) return true;
  static constexpr std::string_view kAttributes[] = {
      "NOT",       "NULL",       "COMMENT", "UNIQUE",     "PRIMARY", "KEY",      "AUTO_INCREMENT",
      "ON",        "CHECK",      "COLLATE", "REFERENCES", "FIRST",   "AFTER",    "CONSTRAINT",
      "INVISIBLE", "COMPRESSED", "WITH",    "WITHOUT",    "VIRTUAL", "GENERATED"};
  for (std::string_view word : kAttributes) {
    if (in.IsWord(word)) return true;
  }
  return false;
}

// MariaDB: without parentheses around it; up to what may follow a default.
void ParseBareExpression(Cursor& in) {
  int cases = 0;
  const size_t start = in.index();
  while (!in.AtEnd() && !in.failed() && (cases > 0 || !EndsExpression(in))) {
    if (in.IsWord("CASE")) ++cases;
    if (in.IsWord("END")) --cases;
    if (in.IsSymbol('(')) {
      in.SkipParenthesized();
    } else {
      in.Take();
    }
  }
  if (in.index() == start) in.Unexpected("a default");
}

}  // namespace

void ParseReferences(Cursor& in, v1::ForeignKeyDef* def) {
  in.ExpectWord("REFERENCES");
  const bool qualified = in.IsSymbol('.', 1);
  const TableRef table = in.Table();
  // Else it is in the referencing table's database, whatever the session's is.
  if (qualified) def->mutable_referenced()->set_schema(table.schema);
  def->mutable_referenced()->set_table(table.table);
  if (in.TakeSymbol('(')) {
    do {
      def->add_referenced_columns(in.Name("a column name"));
      if (in.IsSymbol('(')) in.SkipParenthesized();
      in.TakeAnyOf({"ASC", "DESC"});
    } while (in.TakeSymbol(','));
    in.Expect(')');
  }
  while (!in.failed()) {
    if (in.TakeWord("MATCH")) {
      if (in.TakeAnyOf({"FULL", "PARTIAL", "SIMPLE"}).empty()) in.Unexpected("FULL or SIMPLE");
    } else if (in.TakeWords({"ON", "DELETE"})) {
      def->set_on_delete(ReferenceAction(in));
    } else if (in.IsWord("ON") && in.IsWord("UPDATE", 1) && !in.IsWord("CURRENT_TIMESTAMP", 2) &&
               !in.IsWord("NOW", 2)) {
      in.TakeWords({"ON", "UPDATE"});
      def->set_on_update(ReferenceAction(in));
    } else {
      return;
    }
  }
}

std::string ParseNow(Cursor& in) {
  const size_t start = in.index();
  const bool enclosed = in.TakeSymbol('(');
  const std::string word =
      in.TakeAnyOf({"CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP", "SYSDATE"});
  if (word.empty() || word == "SYSDATE" || (word == "NOW" && !in.IsSymbol('('))) {
    in.Rewind(start);
    return {};
  }
  std::string precision;
  if (in.TakeSymbol('(')) {
    if (!in.IsSymbol(')')) {
      const uint64_t digits = in.Number().value_or(0);
      if (digits != 0) precision = fmt::format("({})", digits);
    }
    in.Expect(')');
  }
  if (enclosed && !in.TakeSymbol(')')) {
    in.Rewind(start);
    return {};
  }
  return "CURRENT_TIMESTAMP" + precision;
}

DefaultSpec ParseDefault(Cursor& in) {
  DefaultSpec value;
  if (in.TakeWord("NULL")) {
    value.kind = DefaultSpec::Kind::kNull;
    return value;
  }
  if (ParseLiteral(in, &value)) return value;
  value.kind = DefaultSpec::Kind::kExpression;
  value.text = ParseNow(in);
  if (!value.text.empty()) return value;
  if (in.IsSymbol('(')) {
    value.text = in.Parenthesized();
    return value;
  }
  const size_t from = in.index();
  ParseBareExpression(in);
  value.text = in.Source(from, in.index());
  return value;
}

Placement ParsePlacement(Cursor& in) {
  Placement placement;
  if (in.TakeWord("FIRST")) {
    placement.kind = Placement::Kind::kFirst;
  } else if (in.TakeWord("AFTER")) {
    placement.kind = Placement::Kind::kAfter;
    placement.after = in.Name("a column name");
  }
  return placement;
}

ColumnSpec ParseColumn(Cursor& in) {
  ColumnSpec column;
  in.TakeSymbol('.');
  column.name = in.Name("a column name");
  // table.column is accepted in front of a type
  while (in.TakeSymbol('.')) column.name = in.Name("a column name");
  column.type = ParseType(in);
  while (!in.failed() &&
         (ParseValueAttribute(in, &column) || ParseGeneratedAttribute(in, &column) ||
          ParseOtherAttribute(in, &column) || ParseEngineAttribute(in))) {
  }
  return column;
}

}  // namespace chameleon::worker::ddl
