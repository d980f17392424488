#include "worker/ddl/default_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "worker/ddl/column_type.h"
#include "worker/ddl/default_literal.h"
#include "worker/ddl/names.h"

namespace chameleon::worker::ddl {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// "-12.5e3" as sign, digits and the place of the decimal point; false: not a number.
struct Decimal {
  bool negative = false;
  std::string digits;
  int64_t point = 0;  // digits before it; may be negative or beyond the end
};

bool ParseDecimal(std::string_view text, Decimal* out) {
  text = Trim(text);
  if (text.starts_with('-') || text.starts_with('+')) {
    out->negative = text[0] == '-';
    text.remove_prefix(1);
  }
  size_t i = 0;
  bool dot = false;
  for (; i < text.size() && (IsDigit(text[i]) || (text[i] == '.' && !dot)); ++i) {
    if (text[i] == '.') {
      dot = true;
    } else {
      out->digits += text[i];
      if (!dot) ++out->point;
    }
  }
  if (out->digits.empty()) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    const char* begin = text.data() + i + 1;
    if (begin < text.data() + text.size() && *begin == '+') ++begin;
    int exponent = 0;
    auto [end, error] = std::from_chars(begin, text.data() + text.size(), exponent);
    if (error != std::errc() || std::abs(exponent) > 400) return false;
    out->point += exponent;
    i = end - text.data();
  }
  return i == text.size();
}

// Rounded half away from zero to `scale` decimals, as DECIMAL and integers do.
std::string FixedText(Decimal number, size_t scale) {
  if (number.point < 0) {
    number.digits.insert(0, static_cast<size_t>(-number.point), '0');
    number.point = 0;
  }
  const size_t wanted = static_cast<size_t>(number.point) + scale;
  const bool up = number.digits.size() > wanted && number.digits[wanted] >= '5';
  number.digits.resize(wanted, '0');
  if (up) {
    size_t i = wanted;
    while (i > 0 && number.digits[i - 1] == '9') number.digits[--i] = '0';
    if (i > 0) {
      ++number.digits[i - 1];
    } else {
      number.digits.insert(number.digits.begin(), '1');
      ++number.point;
    }
  }
  std::string whole = number.digits.substr(0, number.point);
  const size_t first = std::min(whole.find_first_not_of('0'), whole.size());
  whole.erase(0, first);
  if (whole.empty()) whole = "0";
  const std::string fraction = number.digits.substr(number.point);
  const bool zero = number.digits.find_first_not_of('0') == std::string::npos;
  return fmt::format("{}{}{}{}", number.negative && !zero ? "-" : "", whole,
                     fraction.empty() ? "" : ".", fraction);
}

std::string Padded(std::string text, size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), '0');
  return text;
}

constexpr size_t kDisplayWidthMax = 255;
constexpr uint32_t kScaleMax = 38;
constexpr uint32_t kFspMax = 6;
constexpr int64_t kHoursMax = 100'000'000;

// The width in "int(5) unsigned zerofill".
size_t DisplayWidth(const std::string& column_type) {
  const size_t open = column_type.find('(');
  if (open == std::string::npos) return 0;
  return std::min<size_t>(std::strtoul(column_type.c_str() + open + 1, nullptr, 10),
                          kDisplayWidthMax);
}

std::string NumberText(std::string_view text, const v1::ColumnDef& column) {
  Decimal number;
  if (!ParseDecimal(text, &number)) return std::string(text);
  const bool is_decimal = column.base_type() == v1::DECIMAL;
  std::string fixed = FixedText(number, is_decimal ? std::min(column.scale(), kScaleMax) : 0);
  if (!column.zerofill()) return fixed;
  return Padded(fixed, is_decimal ? std::min<size_t>(column.length(), kDisplayWidthMax) +
                                        (column.scale() > 0 ? 1 : 0)
                                  : DisplayWidth(column.column_type()));
}

std::string RealText(std::string_view text, const v1::ColumnDef& column) {
  Decimal number;
  if (!ParseDecimal(text, &number)) return std::string(text);
  if (column.scale() > 0 || column.length() > 0)
    return FixedText(number, std::min(column.scale(), kScaleMax));
  const double value = std::strtod(std::string(Trim(text)).c_str(), nullptr);
  constexpr double kWholeMax = 1e15;
  if (value == std::floor(value) && std::fabs(value) < kWholeMax) return FixedText(number, 0);
  char buffer[40];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return error == std::errc() ? std::string(buffer, end) : std::string(text);
}

std::string YearText(std::string_view text, bool number) {
  int year = std::atoi(std::string(Trim(text)).c_str());
  if (year == 0 && (number || Trim(text).size() >= 4)) return "0000";
  if (year < 70) {
    year += 2000;
  } else if (year < 100) {
    year += 1900;
  }
  return fmt::format("{:04}", year);
}

std::string Fraction(std::string_view digits, uint32_t fsp) {
  if (fsp == 0) return {};
  fsp = std::min(fsp, kFspMax);
  std::string text(digits.substr(0, fsp));
  text.resize(fsp, '0');
  return "." + text;
}

// Runs of digits, and where the fraction begins among them (-1: none).
struct DateParts {
  std::vector<std::string> groups;
  std::string fraction;
};

DateParts SplitDate(std::string_view text) {
  DateParts parts;
  bool in_group = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!IsDigit(text[i])) {
      if (text[i] == '.' && (parts.groups.size() >= 6 ||
                             (parts.groups.size() == 1 && parts.groups[0].size() >= 12))) {
        size_t end = i + 1;
        while (end < text.size() && IsDigit(text[end])) ++end;
        parts.fraction = std::string(text.substr(i + 1, end - i - 1));
        return parts;
      }
      in_group = false;
      continue;
    }
    if (!in_group) parts.groups.emplace_back();
    in_group = true;
    parts.groups.back() += text[i];
  }
  return parts;
}

// "20200102" and "20200102030405" (also with a two-digit year) into their parts.
void SplitPacked(DateParts* parts) {
  if (parts->groups.size() != 1) return;
  std::string digits = parts->groups[0];
  if (digits.size() != 6 && digits.size() != 8 && digits.size() != 12 && digits.size() != 14)
    return;
  const size_t year = digits.size() == 8 || digits.size() == 14 ? 4 : 2;
  parts->groups = {digits.substr(0, year)};
  for (size_t i = year; i + 1 < digits.size(); i += 2) parts->groups.push_back(digits.substr(i, 2));
}

std::string DateText(std::string_view text, const v1::ColumnDef& column) {
  const bool with_time = column.base_type() != v1::DATE;
  std::string zero = "0000-00-00" + (with_time ? " 00:00:00" + Fraction("", column.fsp()) : "");
  text = Trim(text);
  if (text.find_first_not_of('0') == std::string_view::npos) return zero;
  DateParts parts = SplitDate(text);
  SplitPacked(&parts);
  if (parts.groups.size() < 3) return std::string(text);
  std::vector<int> v;
  for (const std::string& group : parts.groups) v.push_back(std::atoi(group.c_str()));
  v.resize(std::max<size_t>(v.size(), 6), 0);
  if (parts.groups[0].size() <= 2 && (v[0] != 0 || v[1] != 0)) v[0] += v[0] < 70 ? 2000 : 1900;
  std::string out = fmt::format("{:04}-{:02}-{:02}", v[0], v[1], v[2]);
  if (!with_time) return out;
  return out + fmt::format(" {:02}:{:02}:{:02}{}", v[3], v[4], v[5],
                           Fraction(parts.fraction, column.fsp()));
}

std::string TimeText(std::string_view text, const v1::ColumnDef& column) {
  text = Trim(text);
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  std::string fraction;
  if (const size_t dot = text.find('.'); dot != std::string_view::npos) {
    fraction = std::string(text.substr(dot + 1));
    text = text.substr(0, dot);
  }
  int64_t days = 0;
  const bool blank = text.find(' ') != std::string_view::npos;
  if (blank) {
    days = std::atoi(std::string(text.substr(0, text.find(' '))).c_str());
    text = Trim(text.substr(text.find(' ')));
  }
  int64_t h = 0, m = 0, s = 0;
  if (text.find(':') == std::string_view::npos && blank) {
    h = std::atoll(std::string(text).c_str());
  } else if (text.find(':') == std::string_view::npos) {
    const int64_t packed = std::atoll(std::string(text).c_str());
    h = packed / 10000, m = packed / 100 % 100, s = packed % 100;
  } else if (std::sscanf(std::string(text).c_str(), "%ld:%ld:%ld", &h, &m, &s) < 2) {
    return std::string(text);
  }
  h = std::clamp<int64_t>(h, 0, kHoursMax) + std::clamp<int64_t>(days, 0, kHoursMax) * 24;
  return fmt::format("{}{:02}:{:02}:{:02}{}", negative ? "-" : "", h, m, s,
                     Fraction(fraction, column.fsp()));
}

std::string BitText(const DefaultSpec& spec) {
  uint64_t value = 0;
  if (spec.bits) {
    value = BitsValue(spec.text);
  } else if (spec.bytes || !spec.number) {
    value = BytesValue(spec.text);
  } else {
    value = std::strtoull(spec.text.c_str(), nullptr, 10);
  }
  return fmt::format("b'{:b}'", value);
}

std::string LabelText(std::string_view text, const v1::ColumnDef& column) {
  for (const std::string& label : column.labels()) {
    if (label == text) return label;
  }
  while (text.ends_with(' ')) text.remove_suffix(1);
  for (const std::string& label : column.labels()) {
    if (SameName(label, text)) return label;
  }
  return std::string(text);
}

std::string SetText(std::string_view text, const v1::ColumnDef& column) {
  std::vector<std::string> members;
  for (size_t begin = 0; begin <= text.size() && !text.empty();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    members.push_back(LabelText(text.substr(begin, end - begin), column));
    begin = end + 1;
  }
  std::string out;
  for (const std::string& label : column.labels()) {
    if (std::find(members.begin(), members.end(), label) == members.end()) continue;
    out += fmt::format("{}{}", out.empty() ? "" : ",", label);
  }
  return out;
}

std::string BytesText(std::string bytes, const v1::ColumnDef& column,
                      const SessionContext& context) {
  if (column.base_type() == v1::BINARY && context.mariadb())
    bytes.resize(std::min<size_t>(column.length(), kDisplayWidthMax), '\0');
  if (bytes.empty() && (column.base_type() != v1::BINARY || context.mariadb())) return {};
  std::string text = "0x";  // MySQL shows a BINARY's empty default like this
  for (char c : bytes) text += fmt::format("{:02X}", static_cast<unsigned char>(c));
  return text;
}

std::string LiteralText(const DefaultSpec& written, const SessionContext& context,
                        const v1::ColumnDef& column) {
  const v1::BaseType type = column.base_type();
  const bool number = IsInteger(type) || type == v1::DECIMAL || type == v1::FLOAT ||
                      type == v1::DOUBLE || type == v1::YEAR;
  if (type == v1::BIT) return BitText(written);
  const DefaultSpec spec = Plain(written, number);
  switch (type) {
    case v1::FLOAT:
    case v1::DOUBLE:
      return RealText(spec.text, column);
    case v1::YEAR:
      return YearText(spec.text, spec.number);
    case v1::DATE:
    case v1::DATETIME:
    case v1::TIMESTAMP:
      return DateText(spec.text, column);
    case v1::TIME:
      return TimeText(spec.text, column);
    case v1::ENUM:
      return LabelText(spec.text, column);
    case v1::SET:
      return SetText(spec.text, column);
    case v1::CHAR: {
      std::string_view text = spec.text;
      while (text.ends_with(' ')) text.remove_suffix(1);
      return std::string(text);
    }
    case v1::BINARY:
    case v1::VARBINARY:
    case v1::TINYBLOB:
    case v1::BLOB:
    case v1::MEDIUMBLOB:
    case v1::LONGBLOB:
      return BytesText(spec.text, column, context);
    default:
      return number ? NumberText(spec.text, column) : spec.text;
  }
}

}  // namespace

std::string NowText(std::string_view now, const SessionContext& context) {
  if (!context.mariadb() || !now.starts_with("CURRENT_TIMESTAMP")) return std::string(now);
  const std::string_view precision = now.substr(std::string_view("CURRENT_TIMESTAMP").size());
  return fmt::format("current_timestamp{}", precision.empty() ? "()" : precision);
}

void SetDefault(const DefaultSpec& spec, const SessionContext& context, v1::ColumnDef* column) {
  column->clear_has_default();
  column->clear_default_value();
  column->clear_default_is_expression();
  switch (spec.kind) {
    case DefaultSpec::Kind::kNone:
    case DefaultSpec::Kind::kNull:
      return;
    case DefaultSpec::Kind::kLiteral:
      // MySQL without strict mode takes '' there, with a warning, for no default.
      if (!context.mariadb() && HasNoLiteral(column->base_type())) return;
      if (IsServersOwn(spec, *column)) {
        column->set_default_value(ShownText(spec));
        column->set_default_is_expression(true);
        break;
      }
      column->set_default_value(LiteralText(spec, context, *column));
      break;
    case DefaultSpec::Kind::kExpression:
      column->set_default_value(NowText(spec.text, context));
      column->set_default_is_expression(true);
      break;
  }
  column->set_has_default(true);
}

}  // namespace chameleon::worker::ddl
