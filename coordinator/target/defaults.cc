#include "coordinator/target/defaults.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
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

bool IsDate(std::string_view text) { return text.size() >= 10 && text[4] == '-' && text[7] == '-'; }

// Not "0000-00-00", "2024-00-10 …": a date with a zero part.
bool IsRealDate(std::string_view text) {
  if (!IsDate(text)) return false;
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

// FLOAT(M,D) and DOUBLE(M,D) round in binary: DOUBLE(20,2) DEFAULT -0.01 is -0.010000000000000009.
bool RoundsInBinary(const v1::ColumnDef& def) {
  const bool real = def.base_type() == v1::FLOAT || def.base_type() == v1::DOUBLE;
  const size_t dot = def.default_value().find('.');
  return real && def.length() != 0 && dot != std::string::npos &&
         def.default_value().find_first_not_of("0", dot + 1) != std::string::npos;
}

// YEAR(2) keeps two digits, which mean 1970 … 2069.
std::string YearText(const v1::ColumnDef& def, const std::string& value) {
  if (def.base_type() != v1::YEAR || !def.column_type().starts_with("year(2)") ||
      !IsNumber(value)) {
    return value;
  }
  const int year = std::atoi(value.c_str());
  return std::to_string(year > 99 ? year : year < 70 ? 2000 + year : 1900 + year);
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

// 0x6162 as bytea, filled up to `size` bytes.
std::optional<std::string> BytesText(const std::string& text, uint32_t size) {
  const bool hex = text.size() >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  if (!text.empty() && !hex) return std::nullopt;
  std::string digits = text.empty() ? "" : text.substr(2);
  if (digits.size() % 2 != 0) return std::nullopt;
  if (digits.size() < 2 * size) digits.resize(2 * size, '0');
  return Literal("\\x" + Lower(digits));
}

// NOT NULL without DEFAULT: the type's own zero.
std::optional<std::string> ImplicitText(const v1::ColumnDef& def, const v1::ColumnPlan& plan) {
  switch (plan.encoding()) {
    case v1::ENCODING_NUMBER:
    case v1::ENCODING_FLOAT:
    case v1::ENCODING_DOUBLE:
      return Literal(YearText(def, "0"));
    case v1::ENCODING_BOOLEAN:
      return "false";
    case v1::ENCODING_BIT:
      return fmt::format("B'{}'", std::string(def.length(), '0'));
    case v1::ENCODING_TEXT:
    case v1::ENCODING_SET:
      return "''";
    case v1::ENCODING_BYTEA:
      if (def.base_type() >= v1::GEOMETRY) return std::nullopt;
      return BytesText("", def.base_type() == v1::BINARY ? def.length() : 0);
    case v1::ENCODING_ENUM:
      return def.labels().empty() ? std::nullopt : std::optional(Literal(def.labels(0)));
    case v1::ENCODING_DATE:
    case v1::ENCODING_DATETIME:
    case v1::ENCODING_TIMESTAMP:
      return "NULL";  // the zero date, by policy
    case v1::ENCODING_TIME:
      return "'00:00:00'";
    case v1::ENCODING_JSON:
      return "'null'";
    case v1::ENCODING_UUID:
      return "'00000000-0000-0000-0000-000000000000'";
    case v1::ENCODING_INET:
      return def.base_type() == v1::INET4 ? "'0.0.0.0'" : "'::'";
    default:
      return std::nullopt;
  }
}

// A literal default of a kind that DefaultText leaves out.
std::optional<std::string> OtherText(const v1::ColumnDef& def, const v1::ColumnPlan& plan) {
  const std::string& value = def.default_value();
  switch (plan.encoding()) {
    case v1::ENCODING_DATE:
    case v1::ENCODING_DATETIME:
    case v1::ENCODING_TIMESTAMP:
      // By policy; what a part that is zero makes of the time zone does not matter.
      if (IsDate(value) && !IsRealDate(value)) return "NULL";
      return std::nullopt;
    case v1::ENCODING_BYTEA:
      return BytesText(value, def.base_type() == v1::BINARY ? def.length() : 0);
    case v1::ENCODING_TIME:
      return Literal(value);
    case v1::ENCODING_UUID:
    case v1::ENCODING_INET:
    case v1::ENCODING_ENUM:  // of bytes
    case v1::ENCODING_SET:
      return Literal(value);
    default:
      return std::nullopt;
  }
}

}  // namespace

absl::StatusOr<std::string> FillText(const v1::ColumnDef& def, const v1::ColumnPlan& plan) {
  if (def.auto_increment()) {
    return absl::FailedPreconditionError("the source numbers the rows that are there");
  }
  if (def.generated() != v1::GENERATED_NONE) {
    return absl::FailedPreconditionError("the source computes it for the rows that are there");
  }
  std::optional<std::string> text;
  if (!def.has_default()) {
    text = def.nullable() ? std::optional<std::string>("NULL") : ImplicitText(def, plan);
  } else if (IsNow(def.default_value())) {
    return absl::FailedPreconditionError("the source fills it with the time of the statement");
  } else if (def.default_is_expression()) {
    return absl::FailedPreconditionError("the source computes its default");
  } else if (plan.encoding() == v1::ENCODING_TIMESTAMP) {
    // A literal is in the time zone of the session that wrote it.
    text = OtherText(def, plan);
  } else {
    text = DefaultText(def, plan);
    if (!text) text = OtherText(def, plan);
  }
  if (text && (*text != "NULL" || plan.nullable())) return *text;
  return absl::FailedPreconditionError(fmt::format(
      "what it holds in the rows that are there is not known (default {})", def.default_value()));
}

std::optional<std::string> DefaultText(const v1::ColumnDef& def, const v1::ColumnPlan& plan) {
  if (!def.has_default() || def.auto_increment() || def.generated() != v1::GENERATED_NONE) {
    return std::nullopt;
  }
  const std::string& value = def.default_value();
  if (def.base_type() == v1::POSTGRES) return value;
  if (value.find('\0') != std::string::npos) return std::nullopt;
  const bool moment =
      plan.encoding() == v1::ENCODING_DATETIME || plan.encoding() == v1::ENCODING_TIMESTAMP;
  if (moment && IsNow(value)) return "CURRENT_TIMESTAMP";
  if (def.default_is_expression()) return std::nullopt;
  // Labels that are bytes: information schema shows their default in hexadecimal, or not at all.
  const bool labels = def.base_type() == v1::ENUM || def.base_type() == v1::SET;
  if (labels && def.charset() == "binary") return std::nullopt;
  switch (plan.encoding()) {
    case v1::ENCODING_NUMBER:
    case v1::ENCODING_FLOAT:
    case v1::ENCODING_DOUBLE:
      return IsNumber(value) && !RoundsInBinary(def) ? std::optional(Literal(YearText(def, value)))
                                                     : std::nullopt;
    case v1::ENCODING_BOOLEAN:
      if (!IsNumber(value)) return std::nullopt;
      return value.find_first_not_of("0") == std::string::npos ? "false" : "true";
    case v1::ENCODING_BIT:
      return BitText(value, def.length());
    case v1::ENCODING_DATE:
    case v1::ENCODING_DATETIME:
      return IsRealDate(value) ? std::optional(Literal(value)) : std::nullopt;
    case v1::ENCODING_TIMESTAMP:
      return std::nullopt;  // a literal is in the time zone of the session that wrote it
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
