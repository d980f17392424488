#include "worker/encode/charset_multibyte.h"

#include <unicode/ucnv.h>

#include <array>
#include <mutex>
#include <string_view>
#include <vector>

#include "worker/encode/escape.h"

namespace chameleon::worker::encode {
namespace {

constexpr char16_t kUnmapped = 0xFFFD;
constexpr uint32_t kEucThreeByteLead = 0x8F;

// Characters `first` to `last` (big-endian numbers) are `code` and the following code points; all
// the same when it is U+FFFD.
struct Override {
  uint32_t first, last;
  char16_t code;
};
struct Multibyte {
  const char* name;
  const char* converter;  // ICU's
  bool keep_private;      // its private use area has a meaning for the server
  std::span<const Override> overrides;
};
#include "worker/encode/charset_overrides.inc"

enum class Form { kGb, kGb2312, kBig5, kSjis, kEuckr, kEuc };

Form FormOf(std::string_view name) {
  if (name == "gb2312") return Form::kGb2312;
  if (name == "big5") return Form::kBig5;
  if (name == "sjis" || name == "cp932") return Form::kSjis;
  if (name == "euckr") return Form::kEuckr;
  if (name == "ujis" || name == "eucjpms") return Form::kEuc;
  return Form::kGb;
}

constexpr bool In(unsigned c, unsigned low, unsigned high) { return c >= low && c <= high; }

// The server's rules for a character of two bytes.
bool WellFormed(Form form, unsigned lead, unsigned trail) {
  switch (form) {
    case Form::kGb:
      return In(lead, 0x81, 0xFE) && (In(trail, 0x40, 0x7E) || In(trail, 0x80, 0xFE));
    case Form::kGb2312:
      return In(lead, 0xA1, 0xF7) && In(trail, 0xA1, 0xFE);
    case Form::kBig5:
      return In(lead, 0xA1, 0xF9) && (In(trail, 0x40, 0x7E) || In(trail, 0xA1, 0xFE));
    case Form::kSjis:
      return (In(lead, 0x81, 0x9F) || In(lead, 0xE0, 0xFC)) &&
             (In(trail, 0x40, 0x7E) || In(trail, 0x80, 0xFC));
    case Form::kEuckr:
      return In(lead, 0x81, 0xFE) &&
             (In(trail, 0x41, 0x5A) || In(trail, 0x61, 0x7A) || In(trail, 0x81, 0xFE));
    case Form::kEuc:
      return (In(lead, 0xA1, 0xFE) && In(trail, 0xA1, 0xFE)) ||
             (lead == 0x8E && In(trail, 0xA1, 0xDF));
  }
  return false;
}

// GB 18030 counts its four-byte characters: the first block is the rest of the basic plane, the
// other planes begin at 90 30 81 30.
constexpr uint32_t kGbBasic = 39420, kGbOther = 189000;

class MultibyteCharset : public Charset {
 public:
  explicit MultibyteCharset(const Multibyte& set)
      : set_(set), form_(FormOf(set.name)), gb18030_(std::string_view(set.name) == "gb18030") {}

  unsigned bytes_max() const override { return gb18030_ ? 4 : form_ == Form::kEuc ? 3 : 2; }

  bool Prepare() const override {
    std::call_once(once_, [this] { ready_ = Build(); });
    return ready_;
  }

  uint64_t Decode(std::string_view bytes, std::string* out) const override {
    if (!Prepare()) return 1;  // never: Find() has prepared it
    uint64_t bad = 0;
    while (!bytes.empty()) {
      char32_t code = kUnmapped;
      bytes.remove_prefix(Next(bytes, &code));
      if (code == kUnmapped) ++bad;
      AppendUtf8(code, out);
    }
    return bad;
  }

 private:
  // Reads one character; returns its bytes, 1 for a byte that begins none.
  size_t Next(std::string_view bytes, char32_t* code) const {
    const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const uint32_t lead = at(0);
    if (lead < 0x80) {
      *code = lead;
      return 1;
    }
    if (bytes.size() >= 2 && WellFormed(form_, lead, at(1))) {
      *code = two_[lead << 8 | at(1)];
      return 2;
    }
    if (form_ == Form::kEuc && lead == kEucThreeByteLead && bytes.size() >= 3 &&
        In(at(1), 0xA1, 0xFE) && In(at(2), 0xA1, 0xFE)) {
      *code = three_[at(1) << 8 | at(2)];
      return 3;
    }
    if (gb18030_ && bytes.size() >= 4 && In(lead, 0x81, 0xFE) && In(at(1), 0x30, 0x39) &&
        In(at(2), 0x81, 0xFE) && In(at(3), 0x30, 0x39)) {
      *code =
          FourByte(((lead - 0x81) * 10 + at(1) - 0x30) * 1260 + (at(2) - 0x81) * 10 + at(3) - 0x30);
      return 4;
    }
    *code = one_[lead];
    return 1;
  }

  char32_t FourByte(uint32_t number) const {
    if (number < kGbBasic) return four_[number];
    const char32_t code = number - kGbOther + 0x10000;
    return number >= kGbOther && code <= 0x10FFFF ? code : kUnmapped;
  }

  char16_t Ask(UConverter* icu, const char* bytes, int size) const {
    UChar units[8];
    UErrorCode error = U_ZERO_ERROR;
    const int32_t count = ucnv_toUChars(icu, units, 8, bytes, size, &error);
    if (U_FAILURE(error) || count != 1) return kUnmapped;
    const bool is_private = In(units[0], 0xE000, 0xF8FF);
    return is_private && !set_.keep_private ? kUnmapped : units[0];
  }

  bool Build() const {
    UErrorCode error = U_ZERO_ERROR;
    UConverter* const icu = ucnv_open(set_.converter, &error);
    if (U_FAILURE(error)) return false;
    one_.fill(kUnmapped);
    two_.assign(0x10000, kUnmapped);
    if (form_ == Form::kEuc) three_.assign(0x10000, kUnmapped);
    for (unsigned lead = 0x80; lead <= 0xFF; ++lead) {
      const char single = static_cast<char>(lead);
      one_[lead] = Ask(icu, &single, 1);
      for (unsigned trail = 0x40; trail <= 0xFE; ++trail) {
        const char text[3] = {static_cast<char>(kEucThreeByteLead), static_cast<char>(lead),
                              static_cast<char>(trail)};
        if (WellFormed(form_, lead, trail)) two_[lead << 8 | trail] = Ask(icu, text + 1, 2);
        if (form_ == Form::kEuc && lead >= 0xA1 && trail >= 0xA1) {
          three_[lead << 8 | trail] = Ask(icu, text, 3);
        }
      }
    }
    if (gb18030_) BuildFourByte(icu);
    ucnv_close(icu);
    for (const Override& o : set_.overrides) Apply(o);
    return true;
  }

  void BuildFourByte(UConverter* icu) const {
    four_.resize(kGbBasic);
    for (uint32_t n = 0; n < kGbBasic; ++n) {
      const char text[4] = {
          static_cast<char>(0x81 + n / 12600), static_cast<char>(0x30 + n / 1260 % 10),
          static_cast<char>(0x81 + n / 10 % 126), static_cast<char>(0x30 + n % 10)};
      four_[n] = Ask(icu, text, 4);
    }
  }

  void Apply(const Override& o) const {
    for (uint32_t n = o.first; n <= o.last && n != 0; ++n) {
      const auto code =
          o.code == kUnmapped ? kUnmapped : static_cast<char16_t>(o.code + (n - o.first));
      (n < 0x100 ? one_[n] : n < 0x10000 ? two_[n] : three_[n & 0xFFFF]) = code;
    }
  }

  const Multibyte& set_;
  const Form form_;
  const bool gb18030_;
  mutable std::once_flag once_;  // guards what follows
  mutable bool ready_ = false;
  mutable std::array<char16_t, 256> one_{};
  mutable std::vector<char16_t> two_, three_, four_;
};

}  // namespace

std::vector<std::unique_ptr<const Charset>> MakeMultibyteCharsets(std::vector<std::string>* names) {
  std::vector<std::unique_ptr<const Charset>> all;
  for (const Multibyte& set : kMultibytes) {
    names->push_back(set.name);
    all.push_back(std::make_unique<MultibyteCharset>(set));
  }
  return all;
}

}  // namespace chameleon::worker::encode
