// Type names: facts.md 4.10 lists the aliases, each tried on the servers.
#include <fmt/format.h>

#include <charconv>

#include "worker/ddl/names.h"
#include "worker/ddl/parse_column.h"

namespace chameleon::worker::ddl {
namespace {

struct Alias {
  std::string_view word;
  v1::BaseType type;
};

// Types that are one word whatever follows.
constexpr Alias kAliases[] = {
    {"TINYINT", v1::TINYINT},
    {"INT1", v1::TINYINT},
    {"SMALLINT", v1::SMALLINT},
    {"INT2", v1::SMALLINT},
    {"MEDIUMINT", v1::MEDIUMINT},
    {"INT3", v1::MEDIUMINT},
    {"MIDDLEINT", v1::MEDIUMINT},
    {"INT", v1::INT},
    {"INTEGER", v1::INT},
    {"INT4", v1::INT},
    {"BIGINT", v1::BIGINT},
    {"INT8", v1::BIGINT},
    {"DECIMAL", v1::DECIMAL},
    {"DEC", v1::DECIMAL},
    {"NUMERIC", v1::DECIMAL},
    {"FIXED", v1::DECIMAL},
    {"FLOAT", v1::FLOAT},
    {"FLOAT4", v1::FLOAT},
    {"FLOAT8", v1::DOUBLE},
    {"BIT", v1::BIT},
    {"YEAR", v1::YEAR},
    {"DATE", v1::DATE},
    {"TIME", v1::TIME},
    {"DATETIME", v1::DATETIME},
    {"TIMESTAMP", v1::TIMESTAMP},
    {"VARCHARACTER", v1::VARCHAR},
    {"VARCHAR", v1::VARCHAR},
    {"BINARY", v1::BINARY},
    {"VARBINARY", v1::VARBINARY},
    {"TINYTEXT", v1::TINYTEXT},
    {"TEXT", v1::TEXT},
    {"MEDIUMTEXT", v1::MEDIUMTEXT},
    {"LONGTEXT", v1::LONGTEXT},
    {"TINYBLOB", v1::TINYBLOB},
    {"BLOB", v1::BLOB},
    {"MEDIUMBLOB", v1::MEDIUMBLOB},
    {"LONGBLOB", v1::LONGBLOB},
    {"ENUM", v1::ENUM},
    {"SET", v1::SET},
    {"GEOMETRY", v1::GEOMETRY},
    {"POINT", v1::POINT},
    {"LINESTRING", v1::LINESTRING},
    {"POLYGON", v1::POLYGON},
    {"MULTIPOINT", v1::MULTIPOINT},
    {"MULTILINESTRING", v1::MULTILINESTRING},
    {"MULTIPOLYGON", v1::MULTIPOLYGON},
    {"GEOMETRYCOLLECTION", v1::GEOMETRYCOLLECTION},
    {"GEOMCOLLECTION", v1::GEOMETRYCOLLECTION},
    {"VECTOR", v1::VECTOR},
    {"UUID", v1::UUID},
    {"INET4", v1::INET4},
    {"INET6", v1::INET6},
};

// CHAR, VARCHAR and their national and varying forms; false: none stands here.
bool ParseCharacterType(Cursor& in, TypeSpec* type) {
  const bool national =
      in.IsWord("NATIONAL") && (in.IsWord("CHAR", 1) || in.IsWord("CHARACTER", 1) ||
                                in.IsWord("VARCHAR", 1) || in.IsWord("VARCHARACTER", 1));
  if (national) in.Take();
  if (in.TakeWord("NVARCHAR")) {
    type->base = v1::VARCHAR;
    type->charset = "utf8mb3";
    return true;
  }
  const std::string word = in.TakeAnyOf({"CHARACTER", "CHAR", "NCHAR"});
  if (word.empty()) {
    if (!national) return false;
    in.Take();  // VARCHAR or VARCHARACTER
    type->base = v1::VARCHAR;
    type->charset = "utf8mb3";
    return true;
  }
  const bool varying = in.TakeWord("VARYING") ||
                       (word == "NCHAR" && !in.TakeAnyOf({"VARCHAR", "VARCHARACTER"}).empty());
  type->base = varying ? v1::VARCHAR : v1::CHAR;
  if (national || word == "NCHAR") type->charset = "utf8mb3";
  return true;
}

// LONG [VARCHAR | CHAR VARYING | VARBINARY | …]
void ParseLong(Cursor& in, TypeSpec* type) {
  type->base = v1::MEDIUMTEXT;
  if (in.TakeWord("VARBINARY")) {
    type->base = v1::MEDIUMBLOB;
  } else if (in.TakeAnyOf({"VARCHAR", "VARCHARACTER"}).empty() &&
             !in.TakeWords({"CHAR", "VARYING"})) {
    in.TakeWords({"CHARACTER", "VARYING"});
  }
}

// Types of sql_mode=ORACLE and of MariaDB's schema-qualified names; false: none stands here.
bool ParseMariadbType(Cursor& in, TypeSpec* type) {
  if (!in.context().mariadb()) return false;
  bool oracle = in.context().oracle;
  bool maxdb = false;
  const std::string schema = in.IsSymbol('.', 1)
                                 ? in.TakeAnyOf({"MARIADB_SCHEMA", "ORACLE_SCHEMA", "MAXDB_SCHEMA"})
                                 : std::string();
  if (!schema.empty()) {
    in.Expect('.');
    oracle = schema == "ORACLE_SCHEMA";
    maxdb = schema == "MAXDB_SCHEMA";
  }
  if (!in.TakeAnyOf({"VARCHAR2", "NVARCHAR2"}).empty()) {
    type->base = v1::VARCHAR;
  } else if (oracle && in.TakeWord("NUMBER")) {
    type->base = in.IsSymbol('(') ? v1::DECIMAL : v1::DOUBLE;
  } else if (in.TakeWord("NUMBER")) {
    type->base = v1::DECIMAL;
  } else if (oracle && in.TakeWord("DATE")) {
    type->base = v1::DATETIME;
  } else if (maxdb && in.TakeWord("TIMESTAMP")) {
    type->base = v1::DATETIME;
  } else if (in.TakeWord("CLOB")) {
    type->base = v1::LONGTEXT;
  } else if (oracle && in.TakeWord("BLOB")) {
    type->base = v1::LONGBLOB;
  } else if (in.TakeWord("RAW")) {
    type->base = v1::VARBINARY;
  } else {
    return false;
  }
  return true;
}

bool ParseSimpleType(Cursor& in, TypeSpec* type) {
  if (in.Peek().kind != TokenKind::kWord) return false;
  const std::string word = in.Peek().upper;
  for (const Alias& alias : kAliases) {
    if (alias.word != word) continue;
    in.Take();
    type->base = alias.type;
    return true;
  }
  return false;
}

void ParseTypeName(Cursor& in, TypeSpec* type) {
  if (ParseMariadbType(in, type) || ParseCharacterType(in, type) || ParseSimpleType(in, type)) {
    return;
  }
  if (in.TakeWord("REAL")) {
    type->base = in.context().real_as_float ? v1::FLOAT : v1::DOUBLE;
  } else if (in.TakeWord("DOUBLE")) {
    type->base = v1::DOUBLE;
    in.TakeWord("PRECISION");
  } else if (!in.TakeAnyOf({"BOOL", "BOOLEAN"}).empty()) {
    type->base = v1::TINYINT;
    type->length = 1;
  } else if (in.TakeWord("LONG")) {
    ParseLong(in, type);
  } else if (in.TakeWord("SERIAL")) {
    type->base = v1::BIGINT;
    type->is_unsigned = true;
    type->serial = true;
  } else if (in.TakeWord("JSON")) {
    type->mariadb_json = in.context().mariadb();
    type->base = type->mariadb_json ? v1::LONGTEXT : v1::JSON;
  } else {
    in.Unexpected("a column type");
  }
}

// "01000001" → "A"
std::string BytesOfBits(const std::string& digits) {
  std::string bytes((digits.size() + 7) / 8, '\0');
  for (size_t i = 0; i < digits.size(); ++i) {
    const size_t bit = digits.size() - 1 - i;
    if (digits[i] == '1') bytes[bytes.size() - 1 - bit / 8] |= static_cast<char>(1 << bit % 8);
  }
  return bytes;
}

void ParseLabels(Cursor& in, TypeSpec* type) {
  in.Expect('(');
  do {
    const TokenKind kind = in.Peek().kind;
    if (kind == TokenKind::kHex || kind == TokenKind::kBits) {
      const std::string text = in.Take().text;
      type->labels.push_back(kind == TokenKind::kHex ? text : BytesOfBits(text));
      for (const char c : type->labels.back()) {
        type->bytes_in_labels |= static_cast<unsigned char>(c) >= 0x80;
      }
    } else {
      type->labels.push_back(in.String("a label"));
    }
  } while (in.TakeSymbol(','));
  in.Expect(')');
}

// The servers read decimal(19.5) as decimal(19).
std::optional<uint64_t> Dimension(Cursor& in) {
  const std::string& text = in.Peek().text;
  const size_t dot = in.Peek().kind == TokenKind::kNumber ? text.find('.') : std::string::npos;
  if (dot == std::string::npos) return in.Number();
  uint64_t whole = 0;
  std::from_chars(text.data(), text.data() + dot, whole);
  in.Take();
  return whole;
}

void ParseDimensions(Cursor& in, TypeSpec* type) {
  if (type->base == v1::ENUM || type->base == v1::SET) {
    ParseLabels(in, type);
    return;
  }
  if (!in.TakeSymbol('(')) return;
  if (in.TakeSymbol('*')) {
    type->length = 38;  // Oracle's NUMBER(*)
  } else {
    type->length = Dimension(in);
  }
  if (in.TakeSymbol(',')) type->scale = static_cast<uint32_t>(in.Number().value_or(0));
  in.TakeAnyOf({"BYTE", "CHAR"});  // Oracle's VARCHAR2(10 CHAR)
  in.Expect(')');
}

// BYTE: the column holds bytes.
void MakeBinary(TypeSpec* type) {
  switch (type->base) {
    case v1::CHAR:
      type->base = v1::BINARY;
      break;
    case v1::VARCHAR:
      type->base = v1::VARBINARY;
      break;
    case v1::TINYTEXT:
    case v1::TEXT:
    case v1::MEDIUMTEXT:
    case v1::LONGTEXT:
      type->base = static_cast<v1::BaseType>(type->base + (v1::TINYBLOB - v1::TINYTEXT));
      break;
    case v1::ENUM:
    case v1::SET:
      type->charset = "binary";
      break;
    default:
      break;
  }
}

void ParseTypeAttributes(Cursor& in, TypeSpec* type) {
  while (!in.failed()) {
    if (in.TakeWord("UNSIGNED")) {
      type->is_unsigned = true;
    } else if (in.TakeWord("ZEROFILL")) {
      type->zerofill = type->is_unsigned = true;
    } else if (in.TakeWord("SIGNED")) {
      continue;
    } else if (in.TakeWord("ASCII")) {
      type->charset = "latin1";
    } else if (in.TakeWord("UNICODE")) {
      type->charset = "ucs2";
    } else if (in.TakeWord("BYTE")) {
      MakeBinary(type);
    } else if (in.TakeWord("BINARY")) {
      type->binary_collation = true;
    } else if (TakeCharsetWords(in)) {
      type->charset = ParseCharsetName(in);
    } else if (in.TakeWord("COMPRESSED")) {
      type->compressed = true;
      if (in.TakeSymbol('=')) in.NameOrString("a compression method");
    } else {
      return;
    }
  }
}

}  // namespace

bool TakeCharsetWords(Cursor& in) {
  return in.TakeWord("CHARSET") || in.TakeWords({"CHARACTER", "SET"}) ||
         in.TakeWords({"CHAR", "SET"});
}

std::string ParseCharsetName(Cursor& in) {
  in.TakeSymbol('=');
  if (in.TakeWord("DEFAULT")) return {};
  const std::string name = CharsetName(in.NameOrString("a character set"), in.context());
  if (!in.failed() && !IsCharset(name)) in.Fail(fmt::format("unknown character set \"{}\"", name));
  return name;
}

TypeSpec ParseType(Cursor& in) {
  TypeSpec type;
  ParseTypeName(in, &type);
  ParseDimensions(in, &type);
  ParseTypeAttributes(in, &type);
  return type;
}

}  // namespace chameleon::worker::ddl
