#include "tests/support/canonical.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

namespace chameleon::test {
namespace {

// ---- JSON ----

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  bool Document(std::string* out) {
    if (!Value(out, 0)) return false;
    Space();
    return at_ == text_.size();
  }

 private:
  static constexpr int kDepthMax = 200;

  void Space() {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string::npos) {
      ++at_;
    }
  }
  bool Take(char c) {
    Space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool Value(std::string* out, int depth) {
    Space();
    if (at_ >= text_.size() || depth > kDepthMax) return false;
    switch (text_[at_]) {
      case '{':
        return Object(out, depth);
      case '[':
        return Array(out, depth);
      case '"': {
        std::string s;
        if (!String(&s)) return false;
        AppendString(s, out);
        return true;
      }
      default:
        for (std::string_view word : {"true", "false", "null"}) {
          if (text_.substr(at_, word.size()) == word) {
            at_ += word.size();
            out->append(word);
            return true;
          }
        }
        return Number(out);
    }
  }

  bool Object(std::string* out, int depth) {
    ++at_;
    std::map<std::string, std::string> members;
    if (!Take('}')) {
      do {
        Space();
        std::string key, value;
        if (at_ >= text_.size() || text_[at_] != '"' || !String(&key) || !Take(':') ||
            !Value(&value, depth + 1)) {
          return false;
        }
        members[key] = value;
      } while (Take(','));
      if (!Take('}')) return false;
    }
    out->push_back('{');
    for (const auto& [key, value] : members) {
      if (out->back() != '{') out->push_back(',');
      AppendString(key, out);
      out->push_back(':');
      out->append(value);
    }
    out->push_back('}');
    return true;
  }

  bool Array(std::string* out, int depth) {
    ++at_;
    out->push_back('[');
    if (!Take(']')) {
      bool first = true;
      do {
        if (!first) out->push_back(',');
        first = false;
        if (!Value(out, depth + 1)) return false;
      } while (Take(','));
      if (!Take(']')) return false;
    }
    out->push_back(']');
    return true;
  }

  bool Hex4(unsigned* code) {
    if (at_ + 4 > text_.size()) return false;
    auto end = text_.data() + at_ + 4;
    auto result = std::from_chars(text_.data() + at_, end, *code, 16);
    at_ += 4;
    return result.ptr == end;
  }

  bool Escape(std::string* out) {
    if (at_ >= text_.size()) return false;
    char c = text_[at_++];
    size_t simple = std::string_view("\"\\/bfnrt").find(c);
    if (simple != std::string_view::npos) {
      out->push_back("\"\\/\b\f\n\r\t"[simple]);
      return true;
    }
    unsigned code = 0;
    if (c != 'u' || !Hex4(&code)) return false;
    if (code >= 0xd800 && code < 0xdc00) {
      unsigned low = 0;
      if (text_.substr(at_, 2) != "\\u") return false;
      at_ += 2;
      if (!Hex4(&low) || low < 0xdc00 || low > 0xdfff) return false;
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    // NUL cannot be in a PostgreSQL text: removed, as in text columns.
    if (code == 0) return true;
    if (code < 0x80) {
      out->push_back(static_cast<char>(code));
    } else if (code < 0x800) {
      out->push_back(static_cast<char>(0xc0 | code >> 6));
      out->push_back(static_cast<char>(0x80 | (code & 63)));
    } else if (code < 0x10000) {
      out->push_back(static_cast<char>(0xe0 | code >> 12));
      out->push_back(static_cast<char>(0x80 | (code >> 6 & 63)));
      out->push_back(static_cast<char>(0x80 | (code & 63)));
    } else {
      out->push_back(static_cast<char>(0xf0 | code >> 18));
      out->push_back(static_cast<char>(0x80 | (code >> 12 & 63)));
      out->push_back(static_cast<char>(0x80 | (code >> 6 & 63)));
      out->push_back(static_cast<char>(0x80 | (code & 63)));
    }
    return true;
  }

  bool String(std::string* out) {
    ++at_;
    while (at_ < text_.size()) {
      char c = text_[at_++];
      if (c == '"') return true;
      if (c != '\\') {
        out->push_back(c);
      } else if (!Escape(out)) {
        return false;
      }
    }
    return false;
  }

  static void AppendString(std::string_view s, std::string* out) {
    out->push_back('"');
    for (char c : s) {
      if (c == '"' || c == '\\') out->push_back('\\');
      out->push_back(c);
    }
    out->push_back('"');
  }

  // Digits without leading and trailing zeros, and the power of ten: 1.50 = 15e-1, 100 = 1e2.
  bool Number(std::string* out) {
    bool negative = at_ < text_.size() && text_[at_] == '-';
    if (negative) ++at_;
    std::string digits;
    long exponent = 0;
    bool fraction = false, any = false;
    for (; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '.' && !fraction) {
        fraction = true;
      } else if (c >= '0' && c <= '9') {
        any = true;
        digits.push_back(c);
        if (fraction) --exponent;
      } else {
        break;
      }
    }
    if (!any) return false;
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && text_[at_] == '+') ++at_;
      long power = 0;
      auto result = std::from_chars(text_.data() + at_, text_.data() + text_.size(), power);
      if (result.ec != std::errc()) return false;
      at_ = result.ptr - text_.data();
      exponent += power;
    }
    size_t first = digits.find_first_not_of('0');
    if (first == std::string::npos) {
      out->push_back('0');  // -0 too: jsonb does not keep its sign
      return true;
    }
    digits.erase(0, first);
    while (digits.back() == '0') {
      digits.pop_back();
      ++exponent;
    }
    if (negative) out->push_back('-');
    out->append(digits);
    if (exponent != 0) out->append(fmt::format("e{}", exponent));
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
};

// ---- numbers, times, bytes ----

template <typename T>
void AppendReal(std::string_view text, std::string* out) {
  std::string copy(text);
  T value;
  if constexpr (sizeof(T) == sizeof(float)) {
    value = std::strtof(copy.c_str(), nullptr);
  } else {
    value = std::strtod(copy.c_str(), nullptr);
  }
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  out->append(buffer, end);
}

void AppendHex(std::string_view bytes, std::string* out) {
  static const char kDigits[] = "0123456789abcdef";
  out->append("\\x");
  for (unsigned char c : bytes) {
    out->push_back(kDigits[c >> 4]);
    out->push_back(kDigits[c & 15]);
  }
}

bool PartialDate(std::string_view text) {
  return text.size() < 10 || text.substr(0, 4) == "0000" || text.substr(5, 2) == "00" ||
         text.substr(8, 2) == "00";
}

void AppendMicroseconds(std::string_view text, std::string* out) {
  bool negative = !text.empty() && text[0] == '-';
  if (negative) text.remove_prefix(1);
  long long fields[4] = {0, 0, 0, 0};
  int field = 0, fraction_digits = 0;
  for (char c : text) {
    if (c == ':' || c == '.') {
      if (++field > 3) break;
    } else {
      fields[field] = fields[field] * 10 + (c - '0');
      if (field == 3) ++fraction_digits;
    }
  }
  for (; fraction_digits < 6; ++fraction_digits) fields[3] *= 10;
  long long total = ((fields[0] * 60 + fields[1]) * 60 + fields[2]) * 1000000 + fields[3];
  out->append(std::to_string(negative ? -total : total));
}

void AppendJson(std::string_view text, std::string* out) {
  bool ok = false;
  std::string json = CanonicalJson(text, &ok);
  out->append(ok ? json : fmt::format("not JSON: {}", text));
}

void AppendAddress(std::string_view text, std::string* out) {
  char bytes[16];
  const std::string copy(text);
  if (inet_pton(AF_INET6, copy.c_str(), bytes) == 1) {
    AppendHex({bytes, 16}, out);
  } else {
    out->append(text);
  }
}

void AppendWithoutNul(std::string_view text, std::string* out) {
  if (text.find('\0') == std::string_view::npos) {
    out->append(text);
    return;
  }
  for (char c : text) {
    if (c != '\0') out->push_back(c);
  }
}

}  // namespace

std::string CanonicalJson(std::string_view text, bool* ok) {
  std::string out;
  *ok = JsonReader(text).Document(&out);
  return *ok ? out : "";
}

bool AppendCanonical(Canon canon, std::string_view text, std::string* out) {
  switch (canon) {
    case Canon::kText:
      AppendWithoutNul(text, out);
      return true;
    case Canon::kBytes:
      AppendHex(text, out);
      return true;
    case Canon::kWkb:
      if (text.empty()) return false;  // what an added NOT NULL column holds on MariaDB
      AppendHex(text.size() >= 4 ? text.substr(4) : text, out);
      return true;
    case Canon::kEwkb: {
      if (text.empty()) return false;
      uint32_t srid = 0;
      std::memcpy(&srid, text.data(), std::min(sizeof srid, text.size()));
      out->append(fmt::format("{}:", srid));
      AppendHex(text.size() >= 4 ? text.substr(4) : text, out);
      return true;
    }
    case Canon::kVector:
      out->push_back('{');
      for (size_t at = 0; at + sizeof(float) <= text.size(); at += sizeof(float)) {
        float value;
        std::memcpy(&value, text.data() + at, sizeof value);
        if (at > 0) out->push_back(',');
        AppendReal<float>(fmt::format("{:.9g}", value), out);
      }
      out->push_back('}');
      return true;
    case Canon::kInet:
      AppendAddress(text, out);
      return true;
    case Canon::kDouble:
      AppendReal<double>(text, out);
      return true;
    case Canon::kFloat:
      AppendReal<float>(text, out);
      return true;
    case Canon::kDate:
      if (PartialDate(text)) return false;
      out->append(text);
      return true;
    case Canon::kDateTime:
      if (PartialDate(text)) return false;
      out->append(text);
      if (text.size() == 19) out->push_back('.');
      out->append(text.size() < 26 ? 26 - std::max<size_t>(text.size(), 20) : 0, '0');
      return true;
    case Canon::kTime:
      AppendMicroseconds(text, out);
      return true;
    case Canon::kJson:
      // A zero-length document is what an added NOT NULL column holds: JSON null.
      AppendJson(text.empty() ? "null" : text, out);
      return true;
  }
  return true;
}

bool AppendCanonicalPg(Canon canon, std::string_view text, std::string* out) {
  switch (canon) {
    case Canon::kDouble:
      AppendReal<double>(text, out);
      break;
    case Canon::kFloat:
      AppendReal<float>(text, out);
      break;
    case Canon::kInet:
      AppendAddress(text, out);
      break;
    case Canon::kJson:
      AppendJson(text, out);
      break;
    case Canon::kVector: {  // {…} of real[], […] of pgvector
      if (text.size() < 2) break;
      std::string_view rest = text.substr(1, text.size() - 2);
      out->push_back('{');
      while (!rest.empty()) {
        const size_t comma = rest.find(',');
        AppendReal<float>(rest.substr(0, comma), out);
        if (comma == std::string_view::npos) break;
        out->push_back(',');
        rest.remove_prefix(comma + 1);
      }
      out->push_back('}');
      break;
    }
    default:
      out->append(text);
  }
  return true;
}

}  // namespace chameleon::test
