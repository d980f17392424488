#include "worker/encode/escape.h"

#include <array>
#include <cstring>

namespace chameleon::worker::encode {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr uint64_t kOnes = 0x0101010101010101u;
constexpr uint64_t kHighs = 0x8080808080808080u;

constexpr bool IsJson(Escape e) { return e == Escape::kJson || e == Escape::kJsonInCopy; }

// True when none of eight bytes is a control character, a backslash, not ASCII, or (JSON) a quote.
template <Escape kMode>
inline bool CleanWord(uint64_t w) {
  uint64_t bad = w | (w - kOnes * 0x20);
  const uint64_t slash = w ^ (kOnes * '\\');
  bad |= slash - kOnes;
  if constexpr (IsJson(kMode)) {
    const uint64_t quote = w ^ (kOnes * '"');
    bad |= quote - kOnes;
  }
  // Borrows can only report too much, never too little: the byte loop decides.
  return (bad & kHighs) == 0;
}

// Length of the valid UTF-8 sequence that begins at `p` (a byte >= 0x80), or 0.
inline size_t SequenceLength(const unsigned char* p, size_t left) {
  const auto tail = [p](size_t i) { return (p[i] & 0xC0) == 0x80; };
  const unsigned char c = p[0];
  if (c < 0xC2) return 0;
  if (c < 0xE0) return left >= 2 && tail(1) ? 2 : 0;
  if (c < 0xF0) {
    if (left < 3 || !tail(1) || !tail(2)) return 0;
    if ((c == 0xE0 && p[1] < 0xA0) || (c == 0xED && p[1] > 0x9F)) return 0;
    return 3;
  }
  if (c > 0xF4 || left < 4 || !tail(1) || !tail(2) || !tail(3)) return 0;
  if ((c == 0xF0 && p[1] < 0x90) || (c == 0xF4 && p[1] > 0x8F)) return 0;
  return 4;
}

// 0: copied as it is. Else the letter after the backslash, or 'u' for \u00XX.
template <Escape kMode>
constexpr std::array<char, 128> MakeLetters() {
  std::array<char, 128> t{};
  if (kMode == Escape::kNone) return t;
  if (IsJson(kMode)) {
    for (int i = 1; i < 0x20; ++i) t[i] = 'u';
    t['"'] = '"';
  }
  t['\b'] = 'b';
  t['\f'] = 'f';
  t['\n'] = 'n';
  t['\r'] = 'r';
  t['\t'] = 't';
  if (!IsJson(kMode)) t['\v'] = 'v';
  t['\\'] = '\\';
  return t;
}

template <Escape kMode>
void AppendEscape(unsigned char c, char letter, std::string* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  if constexpr (kMode == Escape::kCopy || kMode == Escape::kJson) {
    out->push_back('\\');
  } else {
    out->append("\\\\", 2);
  }
  if (letter == 'u') {
    const char text[5] = {'u', '0', '0', kDigits[c >> 4], kDigits[c & 15]};
    out->append(text, 5);
  } else if (letter == '\\' && kMode == Escape::kJsonInCopy) {
    out->append("\\\\", 2);
  } else {
    out->push_back(letter);
  }
}

template <Escape kMode>
TextFlaws Append(std::string_view text, std::string* out) {
  static constexpr std::array<char, 128> kLetters = MakeLetters<kMode>();
  TextFlaws flaws;
  const auto* const data = reinterpret_cast<const unsigned char*>(text.data());
  const size_t size = text.size();
  size_t run = 0;  // beginning of the clean bytes not yet copied
  size_t at = 0;
  const auto flush = [&] { out->append(text.data() + run, at - run); };
  while (at < size) {
    if (at + 8 <= size) {
      uint64_t word;
      std::memcpy(&word, data + at, 8);
      if (CleanWord<kMode>(word)) {
        at += 8;
        continue;
      }
    }
    const unsigned char c = data[at];
    if (c >= 0x80) {
      const size_t length = SequenceLength(data + at, size - at);
      if (length != 0) {
        at += length;
        continue;
      }
      flush();
      out->append(kReplacement);
      ++flaws.undecodable;
    } else if (c == 0) {
      flush();
      ++flaws.nul;
    } else if (const char letter = kLetters[c]; letter != 0) {
      flush();
      AppendEscape<kMode>(c, letter, out);
    } else {
      ++at;
      continue;
    }
    run = ++at;
  }
  flush();
  return flaws;
}

constexpr std::array<std::array<char, 2>, 256> MakeHex() {
  std::array<std::array<char, 2>, 256> t{};
  for (int i = 0; i < 256; ++i) {
    t[i] = {"0123456789abcdef"[i >> 4], "0123456789abcdef"[i & 15]};
  }
  return t;
}

}  // namespace

TextFlaws AppendText(std::string_view utf8, Escape escape, std::string* out) {
  switch (escape) {
    case Escape::kNone:
      return Append<Escape::kNone>(utf8, out);
    case Escape::kCopy:
      return Append<Escape::kCopy>(utf8, out);
    case Escape::kJson:
      return Append<Escape::kJson>(utf8, out);
    case Escape::kJsonInCopy:
      return Append<Escape::kJsonInCopy>(utf8, out);
  }
  return {};
}

void AppendHex(std::string_view bytes, std::string* out) {
  static constexpr auto kHex = MakeHex();
  const size_t begin = out->size();
  out->resize(begin + 2 * bytes.size());
  char* at = out->data() + begin;
  for (const unsigned char c : bytes) {
    std::memcpy(at, kHex[c].data(), 2);
    at += 2;
  }
}

bool IsAscii(std::string_view bytes) {
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    if ((word & kHighs) != 0) return false;
  }
  for (; left > 0; ++at, --left) {
    if ((*at & 0x80) != 0) return false;
  }
  return true;
}

void AppendUtf8(char32_t code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
    return;
  }
  char text[4];
  size_t size;
  if (code < 0x800) {
    text[0] = static_cast<char>(0xC0 | code >> 6);
    size = 2;
  } else if (code < 0x10000) {
    text[0] = static_cast<char>(0xE0 | code >> 12);
    text[1] = static_cast<char>(0x80 | (code >> 6 & 0x3F));
    size = 3;
  } else {
    text[0] = static_cast<char>(0xF0 | code >> 18);
    text[1] = static_cast<char>(0x80 | (code >> 12 & 0x3F));
    text[2] = static_cast<char>(0x80 | (code >> 6 & 0x3F));
    size = 4;
  }
  text[size - 1] = static_cast<char>(0x80 | (code & 0x3F));
  out->append(text, size);
}

}  // namespace chameleon::worker::encode
