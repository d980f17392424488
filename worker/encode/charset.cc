#include "worker/encode/charset.h"

#include <array>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "proto/wire/error.h"
#include "worker/encode/charset_multibyte.h"
#include "worker/encode/escape.h"
#include "worker/encode/number.h"

namespace chameleon::worker::encode {
namespace {

constexpr char16_t kUnmapped = 0xFFFD;

class Utf8 : public Charset {
 public:
  explicit Utf8(unsigned bytes_max) : bytes_max_(bytes_max) {}
  bool is_utf8() const override { return true; }
  unsigned bytes_max() const override { return bytes_max_; }
  uint64_t Decode(std::string_view bytes, std::string* out) const override {
    return AppendText(bytes, Escape::kNone, out).undecodable;
  }

 private:
  const unsigned bytes_max_;
};

// Seven bits; MariaDB stores bytes beyond them, and shows '?'.
class Ascii : public Charset {
 public:
  unsigned bytes_max() const override { return 1; }
  uint64_t Decode(std::string_view bytes, std::string* out) const override {
    uint64_t bad = 0;
    for (const unsigned char c : bytes) {
      if (c >= 0x80) ++bad;
      AppendUtf8(c < 0x80 ? char32_t{c} : kUnmapped, out);
    }
    return bad;
  }
};

struct SingleTable {
  const char* name;
  char16_t high[128];  // 0x80 to 0xFF
};
constexpr SingleTable kSingleTables[] = {
#include "worker/encode/charset_single.inc"
};

class SingleByte : public Charset {
 public:
  explicit SingleByte(const SingleTable& table) : table_(table) {}
  unsigned bytes_max() const override { return 1; }
  uint64_t Decode(std::string_view bytes, std::string* out) const override {
    uint64_t bad = 0;
    for (const unsigned char c : bytes) {
      if (c < 0x80) {
        out->push_back(static_cast<char>(c));
        continue;
      }
      const char16_t code = table_.high[c - 0x80];
      if (code == kUnmapped) ++bad;
      AppendUtf8(code, out);
    }
    return bad;
  }

 private:
  const SingleTable& table_;
};

// Swedish ISO-646: seven bits, letters in the place of ASCII punctuation.
class Swe7 : public Charset {
 public:
  bool ascii_compatible() const override { return false; }
  unsigned bytes_max() const override { return 1; }
  uint64_t Decode(std::string_view bytes, std::string* out) const override {
    uint64_t bad = 0;
    for (const unsigned char c : bytes) {
      const char32_t code = Code(c);
      if (code == kUnmapped) ++bad;
      AppendUtf8(code, out);
    }
    return bad;
  }

 private:
  static char32_t Code(unsigned char c) {
    switch (c) {
      case 0x7F:
        return kUnmapped;
      case 0x40:
        return 0xC9;
      case 0x5B:
        return 0xC4;
      case 0x5C:
        return 0xD6;
      case 0x5D:
        return 0xC5;
      case 0x5E:
        return 0xDC;
      case 0x60:
        return 0xE9;
      case 0x7B:
        return 0xE4;
      case 0x7C:
        return 0xF6;
      case 0x7D:
        return 0xE5;
      case 0x7E:
        return 0xFC;
      default:
        return c < 0x80 ? c : kUnmapped;
    }
  }
};

// ucs2, utf16, utf16le, utf32.
class Wide : public Charset {
 public:
  Wide(unsigned unit_bytes, bool little, bool pairs)
      : unit_bytes_(unit_bytes), little_(little), pairs_(pairs) {}
  bool ascii_compatible() const override { return false; }
  unsigned bytes_max() const override { return pairs_ ? 4 : unit_bytes_; }

  uint64_t Decode(std::string_view bytes, std::string* out) const override {
    uint64_t bad = 0;
    while (bytes.size() >= unit_bytes_) {
      char32_t code = Unit(bytes);
      bytes.remove_prefix(unit_bytes_);
      if (pairs_ && code >= 0xD800 && code < 0xDC00 && bytes.size() >= unit_bytes_) {
        const char32_t low = Unit(bytes);
        if (low >= 0xDC00 && low < 0xE000) {
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
          bytes.remove_prefix(unit_bytes_);
        }
      }
      if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        code = kUnmapped;
        ++bad;
      }
      AppendUtf8(code, out);
    }
    if (!bytes.empty()) {
      AppendUtf8(kUnmapped, out);
      ++bad;
    }
    return bad;
  }

 private:
  char32_t Unit(std::string_view bytes) const {
    const std::string_view unit = bytes.substr(0, unit_bytes_);
    return static_cast<char32_t>(little_ ? LoadLittle(unit) : LoadBig(unit));
  }
  const unsigned unit_bytes_;
  const bool little_, pairs_;
};

using Registry = std::map<std::string, std::unique_ptr<const Charset>, std::less<>>;

Registry MakeRegistry() {
  Registry all;
  all[""] = std::make_unique<Utf8>(1);
  all["binary"] = std::make_unique<Utf8>(1);
  all["ascii"] = std::make_unique<Ascii>();
  all["utf8"] = std::make_unique<Utf8>(3);
  all["utf8mb3"] = std::make_unique<Utf8>(3);
  all["utf8mb4"] = std::make_unique<Utf8>(4);
  all["ucs2"] = std::make_unique<Wide>(2, false, false);
  all["utf16"] = std::make_unique<Wide>(2, false, true);
  all["utf16le"] = std::make_unique<Wide>(2, true, true);
  all["utf32"] = std::make_unique<Wide>(4, false, false);
  all["swe7"] = std::make_unique<Swe7>();
  for (const SingleTable& table : kSingleTables) {
    all[table.name] = std::make_unique<SingleByte>(table);
  }
  std::vector<std::string> names;
  auto multibyte = MakeMultibyteCharsets(&names);
  for (size_t i = 0; i < names.size(); ++i) all[names[i]] = std::move(multibyte[i]);
  return all;
}

}  // namespace

absl::StatusOr<const Charset*> Charset::Find(std::string_view name) {
  static const Registry* const all = new Registry(MakeRegistry());
  const auto found = all->find(name);
  if (found == all->end()) {
    return Error(absl::StatusCode::kInvalidArgument, "CHARSET_UNKNOWN", name,
                 fmt::format("unknown character set \"{}\"", name),
                 "Convert the column to a character set that chameleon knows, or exclude the table "
                 "with skip_tables.");
  }
  if (!found->second->Prepare()) {
    return absl::InternalError(fmt::format("ICU has no converter for character set {}", name));
  }
  return found->second.get();
}

}  // namespace chameleon::worker::encode
