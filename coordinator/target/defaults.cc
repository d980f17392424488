#include "coordinator/target/defaults.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "coordinator/target/quote.h"

namespace chameleon::coordinator::target {
namespace {

bool IsNumber(std::string_view text) {
  size_t digits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (std::isdigit(static_cast<unsigned char>(c))) {
      ++digits;
    } else if (c != '.' && !((c == '-' || c == '+') && (i == 0 || text[i - 1] == 'e')) &&
               !(c == 'e' && digits > 0)) {
      return false;
    }
  }
  return digits > 0;
}

// "0000-00-00", "2024-00-10 …": a date with a zero part.
bool IsRealDate(std::string_view text) {
  if (text.size() < 10 || text[4] != '-' || text[7] != '-') return false;
  return text.substr(0, 4) != "0000" && text.substr(5, 2) != "00" && text.substr(8, 2) != "00";
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool IsNow(const std::string& text) {
  const std::string lower = Lower(text);
  return lower.rfind("current_timestamp", 0) == 0 || lower == "now()";
}

// b'101' as bit(n): PostgreSQL wants exactly n digits.
std::optional<std::string> BitText(const std::string& text, uint32_t length) {
  if (text.size() < 3 || text.substr(0, 2) != "b'" || text.back() != '\'') return std::nullopt;
  std::string digits = text.substr(2, text.size() - 3);
  if (digits.size() > length || digits.find_first_not_of("01") != std::string::npos) {
    return std::nullopt;
  }
  return fmt::format("B'{}'", std::string(length - digits.size(), '0') + digits);
}

}  // namespace

std::optional<std::string> DefaultText(const v1::ColumnDef& def, const v1::ColumnPlan& plan) {
  if (!def.has_default() || def.auto_increment() || def.generated() != v1::GENERATED_NONE) {
    return std::nullopt;
  }
  const std::string& value = def.default_value();
  if (value.find('\0') != std::string::npos) return std::nullopt;
  const bool moment =
      plan.encoding() == v1::ENCODING_DATETIME || plan.encoding() == v1::ENCODING_TIMESTAMP;
  if (moment && IsNow(value)) return "CURRENT_TIMESTAMP";
  if (def.default_is_expression()) return std::nullopt;
  switch (plan.encoding()) {
    case v1::ENCODING_NUMBER:
    case v1::ENCODING_FLOAT:
    case v1::ENCODING_DOUBLE:
      return IsNumber(value) ? std::optional(Literal(value)) : std::nullopt;
    case v1::ENCODING_BOOLEAN:
      if (!IsNumber(value)) return std::nullopt;
      return value.find_first_not_of("0") == std::string::npos ? "false" : "true";
    case v1::ENCODING_BIT:
      return BitText(value, def.length());
    case v1::ENCODING_DATE:
    case v1::ENCODING_DATETIME:
      return IsRealDate(value) ? std::optional(Literal(value)) : std::nullopt;
    case v1::ENCODING_TIMESTAMP:
      // Information schema shows it in the reading session's zone, which is UTC.
      return IsRealDate(value) ? std::optional(Literal(value + "+00")) : std::nullopt;
    case v1::ENCODING_ENUM:
      return std::count(def.labels().begin(), def.labels().end(), value) > 0
                 ? std::optional(Literal(value))
                 : std::nullopt;
    case v1::ENCODING_TEXT:
    case v1::ENCODING_SET:
      // Only plain text types: an override may not read it.
      return plan.target_type() == "text" || plan.target_type().rfind("varchar", 0) == 0 ||
                     plan.target_type().rfind("character varying", 0) == 0
                 ? std::optional(Literal(value))
                 : std::nullopt;
    default:
      return std::nullopt;
  }
}

}  // namespace chameleon::coordinator::target
