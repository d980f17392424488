#include "worker/ddl/default_literal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "worker/ddl/column_type.h"

namespace chameleon::worker::ddl {
namespace {

// Whether ASCII in this character set is ASCII in UTF-8.
bool HasAscii(std::string_view charset) {
  return charset != "ucs2" && charset != "utf32" && charset != "swe7" &&
         !charset.starts_with("utf16");
}

// A number as text reads as it was written only in the plainest form: 1e3 is 1000 there, 007 is 7.
bool IsPlainNumber(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const size_t dot = text.find('.');
  const std::string_view whole = text.substr(0, dot);
  const bool digits = !text.ends_with('.') && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.';
  });
  const bool zero = text.find_first_not_of("0.") == std::string_view::npos;
  return digits && !whole.empty() && (whole == "0" || whole[0] != '0') &&
         (!zero || (text == "0" && !negative));
}

// [-][D ]H:M[:S][.f], [-]D H, and up to seven digits; what else the servers read as a TIME, dates
// among it, is theirs.
bool IsPlainTime(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (text.starts_with('-')) text.remove_prefix(1);
  text = text.substr(0, text.find('.'));
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0 || c == ':' || c == ' ';
  });
  constexpr size_t kPackedMax = 7;
  return plain && !text.empty() &&
         (text.find(':') != std::string_view::npos || text.size() <= kPackedMax);
}

// The digits that `text` begins with, and takes from it.
size_t TakeDigits(std::string_view* text) {
  size_t n = 0;
  while (n < text->size() && std::isdigit(static_cast<unsigned char>((*text)[n])) != 0) ++n;
  text->remove_prefix(n);
  return n;
}

// [[H]H:[M]M[:[S]S[.f]]]
bool IsPlainClock(std::string_view text) {
  for (int part = 0; part < 3; ++part) {
    const size_t digits = TakeDigits(&text);
    if (digits != 1 && digits != 2) return false;
    if (text.empty()) return part > 0;
    if (part < 2 && text[0] != ':') return false;
    if (part == 2 && text[0] != '.') return false;
    text.remove_prefix(1);
  }
  TakeDigits(&text);
  return text.empty();
}

// [YY]YY-[M]M-[D]D with any sign between them and a time behind a space or T, and whole packed
// numbers of 6, 8, 12 and 14 digits. What else the servers take for a date is theirs: a time zone
// at its end (MySQL), years of one or three digits, signs in front.
bool IsPlainDate(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (text.find_first_not_of('0') == std::string_view::npos) return !text.empty();
  size_t digits = TakeDigits(&text);
  const bool packed = digits == 6 || digits == 8 || digits == 12 || digits == 14;
  if (packed && digits >= 12 && text.starts_with('.')) {
    text.remove_prefix(1);
    TakeDigits(&text);
    return text.empty();
  }
  if (packed) return text.empty();
  if (digits != 2 && digits != 4) return false;
  for (int part = 0; part < 2; ++part) {
    if (text.empty() || std::ispunct(static_cast<unsigned char>(text[0])) == 0) return false;
    text.remove_prefix(1);
    digits = TakeDigits(&text);
    if (digits != 1 && digits != 2) return false;
  }
  if (text.empty()) return true;
  if (text[0] != ' ' && text[0] != 'T') return false;
  text.remove_prefix(1);
  return IsPlainClock(text);
}

// FLOAT keeps the sign of '-0' and -0e0 on some servers and not on others.
bool IsNegativeZero(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  if (!text.starts_with('-')) return false;
  text.remove_prefix(1);
  const std::string_view mantissa = text.substr(0, text.find_first_of("eE"));
  return mantissa.find_first_not_of("0.") == std::string_view::npos;
}

// More digits than the column keeps: rounded by MySQL and by sql_mode, cut by MariaDB.
bool HasMoreDigits(std::string_view text, uint32_t fsp) {
  const size_t dot = text.rfind('.');
  if (dot == std::string_view::npos) return false;
  const std::string_view digits = text.substr(dot + 1);
  return digits.size() > fsp && digits.find_first_not_of('0', fsp) != std::string_view::npos;
}

}  // namespace

uint64_t BitsValue(std::string_view digits) {
  uint64_t value = 0;
  for (char c : digits) value = value << 1 | (c == '1');
  return value;
}

uint64_t BytesValue(std::string_view bytes) {
  uint64_t value = 0;
  for (char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

DefaultSpec Plain(const DefaultSpec& spec, bool number) {
  DefaultSpec plain = spec;
  plain.bits = plain.bytes = false;
  if (!spec.bits && !spec.bytes) return plain;
  const uint64_t value = spec.bits ? BitsValue(spec.text) : BytesValue(spec.text);
  plain.number = number;
  if (number) {
    plain.text = fmt::format("{}", value);
  } else if (spec.bits) {
    plain.text.clear();
    for (size_t i = (spec.text.size() + 7) / 8; i-- > 0;) {
      plain.text += static_cast<char>(value >> (8 * i) & 0xff);
    }
  }
  return plain;
}

bool IsServersOwn(const DefaultSpec& spec, const v1::ColumnDef& column) {
  const bool is_bytes = spec.bytes || spec.bits;
  const v1::BaseType type = column.base_type();
  if (type == v1::TIME && !is_bytes && !IsPlainTime(spec.text)) return true;
  const bool is_date = type == v1::DATE || type == v1::DATETIME || type == v1::TIMESTAMP;
  if (is_date && !is_bytes && !IsPlainDate(spec.text)) return true;
  if ((type == v1::FLOAT || type == v1::DOUBLE) && !is_bytes) return IsNegativeZero(spec.text);
  if (is_bytes && (type == v1::UUID || type == v1::INET4 || type == v1::INET6)) return true;
  // An IPv4 address in it is an error to one server, and mapped to ::ffff:… by another.
  if (type == v1::INET6) return spec.text.find(':') == std::string::npos;
  if (type >= v1::DATE && type <= v1::TIMESTAMP) {
    // "2024.01.02" has no fraction.
    const bool has_time =
        type == v1::TIME || spec.number || spec.text.find(':') != std::string::npos;
    return has_time && HasMoreDigits(spec.text, column.fsp());
  }
  if (!HasCharset(column.base_type())) return false;
  if (spec.number) {
    return column.base_type() == v1::ENUM || column.base_type() == v1::SET ||
           !IsPlainNumber(spec.text);
  }
  if (!is_bytes && spec.charset.empty()) return false;
  const std::string text = Plain(spec, false).text;
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return c > 0; });
  return !ascii || !HasAscii(spec.charset.empty() ? column.charset() : spec.charset);
}

std::string ShownText(const DefaultSpec& spec) {
  if (!spec.bytes && !spec.bits && spec.charset.empty()) return spec.text;
  std::string hex;
  for (const char c : Plain(spec, false).text) {
    hex += fmt::format("{:02X}", static_cast<unsigned char>(c));
  }
  return fmt::format("{}0x{}", spec.charset.empty() ? "" : "_" + spec.charset + " ", hex);
}

bool HasNoLiteral(v1::BaseType type) {
  return (type >= v1::TINYTEXT && type <= v1::LONGTEXT) ||
         (type >= v1::TINYBLOB && type <= v1::LONGBLOB) || type == v1::JSON || IsSpatial(type);
}

}  // namespace chameleon::worker::ddl
