// Reads integers and strings from bytes that nobody vouches for.
//
// Every read is checked. The first read past the end makes the cursor fail for good: from then on
// all reads give 0 or nothing, remaining() is 0 and ok() is false. So a parser reads a whole
// structure and asks once. Views point into the input.
// Length-encoded integers: dev.mysql.com/doc/dev/mysql-server, "Protocol::LengthEncodedInteger".
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace chameleon::worker::binlog {

class ByteCursor {
 public:
  explicit ByteCursor(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t offset() const { return at_; }
  size_t remaining() const { return ok_ ? bytes_.size() - at_ : 0; }
  bool AtEnd() const { return remaining() == 0; }
  void Fail() { ok_ = false; }

  std::string_view Bytes(uint64_t count) {
    if (count > remaining()) {
      ok_ = false;
      return {};
    }
    std::string_view out = bytes_.substr(at_, count);
    at_ += count;
    return out;
  }
  std::string_view Rest() { return Bytes(remaining()); }
  void Skip(uint64_t count) { Bytes(count); }

  // Little endian, `count` ≤ 8 bytes.
  uint64_t Little(size_t count) {
    uint64_t value = 0;
    std::string_view bytes = Bytes(count);
    for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
    return value;
  }
  uint64_t Big(size_t count) {
    uint64_t value = 0;
    for (char c : Bytes(count)) value = value << 8 | static_cast<uint8_t>(c);
    return value;
  }
  uint8_t U8() { return static_cast<uint8_t>(Little(1)); }
  uint16_t U16() { return static_cast<uint16_t>(Little(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Little(4)); }
  uint64_t U64() { return Little(8); }

  // 0xfb (NULL) and 0xff are no lengths and fail.
  uint64_t Lenenc() {
    uint8_t first = U8();
    if (first < 0xfb) return first;
    if (first == 0xfc) return Little(2);
    if (first == 0xfd) return Little(3);
    if (first == 0xfe) return Little(8);
    ok_ = false;
    return 0;
  }
  std::string_view LenencBytes() { return Bytes(Lenenc()); }

  // mysql::serialization: k trailing one bits of the first byte announce k more bytes.
  uint64_t Varint() {
    uint8_t first = U8();
    int more = std::countr_one(first);
    if (more == 8) return Little(8);
    uint64_t high = Little(more);
    uint64_t low = static_cast<uint64_t>(first) >> (more + 1);
    return high << (7 - more) | low;
  }
  int64_t SignedVarint() {
    uint64_t value = Varint();
    uint64_t magnitude = value >> 1;
    return static_cast<int64_t>((value & 1) != 0 ? ~magnitude : magnitude);
  }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace chameleon::worker::binlog
