#include "worker/source/column_default.h"

#include <fmt/format.h>

#include <charconv>

#include "worker/source/sql_text.h"

namespace chameleon::worker::source {
namespace {

bool IsBinary(const v1::ColumnDef& c) {
  return c.base_type() == v1::BINARY || c.base_type() == v1::VARBINARY ||
         (c.base_type() >= v1::TINYBLOB && c.base_type() <= v1::LONGBLOB);
}

bool IsTemporal(const v1::ColumnDef& c) {
  return c.base_type() == v1::TIMESTAMP || c.base_type() == v1::DATETIME;
}

bool IsNumberText(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
}

bool IsBitText(std::string_view text) {
  return text.size() >= 3 && text.starts_with("b'") && text.ends_with("'");
}

std::string Unquote(std::string_view quoted) {
  std::string out;
  for (size_t i = 1; i + 1 < quoted.size(); ++i) {
    char c = quoted[i];
    if (c == '\'') {
      ++i;
    } else if (c == '\\' && i + 2 < quoted.size()) {
      switch (c = quoted[++i]) {
        case '0':
          c = '\0';
          break;
        case 'n':
          c = '\n';
          break;
        case 'r':
          c = '\r';
          break;
        case 't':
          c = '\t';
          break;
        case 'Z':
          c = '\x1a';
          break;
        default:
          break;
      }
    }
    out += c;
  }
  return out;
}

// MySQL names no character set for labels that are bytes, and shows their default as 0x6162.
bool HasByteLabels(const v1::ColumnDef& c) {
  return (c.base_type() == v1::ENUM || c.base_type() == v1::SET) && c.charset().empty();
}

// Empty: not hexadecimal.
std::string FromHex(std::string_view text) {
  std::string out;
  if (!text.starts_with("0x") || text.size() % 2 != 0) return out;
  for (size_t i = 2; i < text.size(); i += 2) {
    unsigned byte = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (error != std::errc() || end != text.data() + i + 2) return {};
    out.push_back(static_cast<char>(byte));
  }
  return out;
}

void SetLiteral(std::string value, v1::ColumnDef* column) {
  column->set_has_default(true);
  column->set_default_value(std::move(value));
}

void SetExpression(std::string value, v1::ColumnDef* column) {
  SetLiteral(std::move(value), column);
  column->set_default_is_expression(true);
}

void SetFromSqlText(const std::string& text, v1::ColumnDef* column) {
  if (text == "NULL") return;
  bool quoted = text.size() >= 2 && text.front() == '\'' && text.back() == '\'';
  if (!quoted) {
    return IsNumberText(text) || IsBitText(text) ? SetLiteral(text, column)
                                                 : SetExpression(text, column);
  }
  std::string value = Unquote(text);
  if (!IsBinary(*column)) return SetLiteral(std::move(value), column);
  if (value.find('?') != std::string::npos) return SetExpression(text, column);
  std::string hex = value.empty() ? "" : "0x";  // in capitals, as MySQL shows it
  for (const char c : value) hex += fmt::format("{:02X}", static_cast<unsigned char>(c));
  SetLiteral(std::move(hex), column);
}

}  // namespace

void SetColumnDefault(const std::optional<std::string>& column_default, std::string_view extra,
                      bool sql_text, v1::ColumnDef* column) {
  if (!column_default || column->generated() != v1::GENERATED_NONE) return;
  if (sql_text) return SetFromSqlText(*column_default, column);
  // MySQL 5.7 and older say nothing in EXTRA for the only expression that they know.
  bool now = IsTemporal(*column) && LowerAscii(*column_default).starts_with("current_timestamp");
  if (now || extra.find("DEFAULT_GENERATED") != std::string_view::npos) {
    return SetExpression(*column_default, column);
  }
  const std::string bytes = HasByteLabels(*column) ? FromHex(*column_default) : "";
  SetLiteral(bytes.empty() ? *column_default : bytes, column);
}

}  // namespace chameleon::worker::source
