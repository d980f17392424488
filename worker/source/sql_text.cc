#include "worker/source/sql_text.h"

#include <algorithm>

namespace chameleon::worker::source {
namespace {

bool IsPlain(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == ' ' ||
         c == '_' || c == '-' || c == '.' || c == ':' || c == '/' || c == ',' || c == '+' ||
         c == '$';
}

// Character sets whose ASCII characters are ASCII bytes: a plain literal needs no introducer.
bool IsAsciiSuperset(std::string_view charset) {
  return charset != "utf16" && charset != "utf16le" && charset != "utf32" && charset != "ucs2";
}

}  // namespace

std::string QuoteName(std::string_view name) {
  std::string out = "`";
  for (char c : name) {
    if (c == '`') out += '`';
    out += c;
  }
  return out + "`";
}

std::string QuoteName(std::string_view schema, std::string_view table) {
  return QuoteName(schema) + "." + QuoteName(table);
}

std::string QuoteText(std::string_view text, std::string_view charset) {
  bool binary = charset.empty() || charset == "binary";
  if (!binary && IsAsciiSuperset(charset) && std::all_of(text.begin(), text.end(), IsPlain)) {
    return "'" + std::string(text) + "'";
  }
  if (text.empty()) return binary ? "x''" : "_" + std::string(charset) + " x''";
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out = binary ? "" : "_" + std::string(charset) + " ";
  out += "0x";
  for (unsigned char c : text) {
    out += kDigits[c >> 4];
    out += kDigits[c & 15];
  }
  return out;
}

std::string LowerAscii(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

}  // namespace chameleon::worker::source
