#include "worker/ddl/names.h"

#include <fmt/format.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>

namespace chameleon::worker::ddl {
namespace {

struct Charset {
  std::string_view name;
  std::string_view default_collation;  // MySQL 8+ for utf8mb4
  uint32_t max_bytes;
};

constexpr Charset kCharsets[] = {
    {"armscii8", "armscii8_general_ci", 1}, {"ascii", "ascii_general_ci", 1},
    {"big5", "big5_chinese_ci", 2},         {"binary", "binary", 1},
    {"cp1250", "cp1250_general_ci", 1},     {"cp1251", "cp1251_general_ci", 1},
    {"cp1256", "cp1256_general_ci", 1},     {"cp1257", "cp1257_general_ci", 1},
    {"cp850", "cp850_general_ci", 1},       {"cp852", "cp852_general_ci", 1},
    {"cp866", "cp866_general_ci", 1},       {"cp932", "cp932_japanese_ci", 2},
    {"dec8", "dec8_swedish_ci", 1},         {"eucjpms", "eucjpms_japanese_ci", 3},
    {"euckr", "euckr_korean_ci", 2},        {"gb18030", "gb18030_chinese_ci", 4},
    {"gb2312", "gb2312_chinese_ci", 2},     {"gbk", "gbk_chinese_ci", 2},
    {"geostd8", "geostd8_general_ci", 1},   {"greek", "greek_general_ci", 1},
    {"hebrew", "hebrew_general_ci", 1},     {"hp8", "hp8_english_ci", 1},
    {"keybcs2", "keybcs2_general_ci", 1},   {"koi8r", "koi8r_general_ci", 1},
    {"koi8u", "koi8u_general_ci", 1},       {"latin1", "latin1_swedish_ci", 1},
    {"latin2", "latin2_general_ci", 1},     {"latin5", "latin5_turkish_ci", 1},
    {"latin7", "latin7_general_ci", 1},     {"macce", "macce_general_ci", 1},
    {"macroman", "macroman_general_ci", 1}, {"sjis", "sjis_japanese_ci", 2},
    {"swe7", "swe7_swedish_ci", 1},         {"tis620", "tis620_thai_ci", 1},
    {"ucs2", "ucs2_general_ci", 2},         {"ujis", "ujis_japanese_ci", 3},
    {"utf16", "utf16_general_ci", 4},       {"utf16le", "utf16le_general_ci", 4},
    {"utf32", "utf32_general_ci", 4},       {"utf8mb3", "utf8mb3_general_ci", 3},
    {"utf8mb4", "utf8mb4_0900_ai_ci", 4},
};

const Charset* Find(std::string_view name) {
  for (const Charset& charset : kCharsets) {
    if (charset.name == name) return &charset;
  }
  return nullptr;
}

}  // namespace

std::string UpperAscii(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

std::string LowerAscii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string LowerName(std::string_view name) {
  std::string out;
  const auto length = static_cast<int32_t>(name.size());
  for (int32_t i = 0; i < length;) {
    const int32_t begin = i;
    UChar32 c;
    U8_NEXT(name.data(), i, length, c);
    if (c < 0) {  // not UTF-8: keep the bytes
      out.append(name.substr(begin, i - begin));
      continue;
    }
    uint8_t buffer[U8_MAX_LENGTH];
    int32_t n = 0;
    U8_APPEND_UNSAFE(buffer, n, u_tolower(c));
    out.append(reinterpret_cast<const char*>(buffer), n);
  }
  return out;
}

// Called for each pair of columns of an ALTER: as far as both are ASCII, without copies.
bool SameName(std::string_view a, std::string_view b) {
  const size_t common = std::min(a.size(), b.size());
  for (size_t i = 0; i < common; ++i) {
    const auto x = static_cast<unsigned char>(a[i]), y = static_cast<unsigned char>(b[i]);
    if (((x | y) & 0x80) != 0) return LowerName(a.substr(i)) == LowerName(b.substr(i));
    const unsigned char difference = x ^ y, lower = x | 0x20;
    if (difference != 0 && !(difference == 0x20 && lower >= 'a' && lower <= 'z')) return false;
  }
  return a.size() == b.size();
}

std::string CutText(std::string_view text, size_t characters_max) {
  size_t characters = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool starts = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (starts && characters++ == characters_max) return std::string(text.substr(0, i));
  }
  return std::string(text);
}

std::string TableCase(std::string_view name, const SessionContext& context) {
  return context.lower_case_table_names == 0 ? std::string(name) : LowerName(name);
}

std::string CharsetName(std::string_view name, const SessionContext& context) {
  std::string lower = LowerAscii(name);
  if (lower == "utf8") return context.utf8_is_utf8mb4 ? "utf8mb4" : "utf8mb3";
  return lower;
}

bool IsCharset(std::string_view name) { return Find(CharsetName(name)) != nullptr; }

uint32_t CharsetMaxBytes(std::string_view charset) {
  const Charset* known = Find(charset);
  return known ? known->max_bytes : 1;
}

std::string DefaultCollation(std::string_view charset, const SessionContext& context) {
  auto set = context.default_collations.find(std::string(charset));
  if (set != context.default_collations.end()) return set->second;
  if (charset == "utf8mb4" && (context.mariadb() || context.server_version < 80000)) {
    return "utf8mb4_general_ci";
  }
  const Charset* known = Find(charset);
  return known ? std::string(known->default_collation) : fmt::format("{}_general_ci", charset);
}

std::string BinaryCollation(std::string_view charset) {
  return charset == "binary" ? "binary" : fmt::format("{}_bin", charset);
}

std::string CollationName(std::string_view name, std::string_view charset,
                          const SessionContext& context) {
  std::string lower = LowerAscii(name);
  if (lower.starts_with("utf8_")) {
    return fmt::format("{}_{}", CharsetName("utf8", context), lower.substr(5));
  }
  if (lower.starts_with("uca1400_") && !charset.empty())
    return fmt::format("{}_{}", charset, lower);
  return lower;
}

std::string CharsetOfCollation(std::string_view collation) {
  const std::string charset = CharsetName(collation.substr(0, collation.find('_')));
  return IsCharset(charset) ? charset : std::string();
}

}  // namespace chameleon::worker::ddl
