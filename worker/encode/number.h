// Numbers as text: the one formatting that both ways of reading and JSON documents share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace chameleon::worker::encode {

// Unsigned integers of 1 to 8 bytes.
inline uint64_t LoadLittle(std::string_view bytes) {
  uint64_t v = 0;
  for (size_t i = bytes.size(); i-- > 0;) v = v << 8 | static_cast<unsigned char>(bytes[i]);
  return v;
}
inline uint64_t LoadBig(std::string_view bytes) {
  uint64_t v = 0;
  for (const unsigned char c : bytes) v = v << 8 | c;
  return v;
}

void AppendUnsigned(uint64_t value, std::string* out);
void AppendSigned(int64_t value, std::string* out);

// The fewest digits that read back to the same number, laid out as MySQL does: plain from 1e-15
// to below 1e15, else with an exponent ("1e22", "5e-324"). Negative zero is "-0".
void AppendFloat(float value, std::string* out);
void AppendDouble(double value, std::string* out);

// MySQL's packed decimal (strings/decimal.cc of the server: groups of nine digits, big-endian, sign
// in the first bit). Exactly `scale` decimals, no padding, never "-0". False: not such a value.
size_t DecimalBytes(unsigned precision, unsigned scale);
bool AppendDecimal(std::string_view bytes, unsigned precision, unsigned scale, std::string* out);

}  // namespace chameleon::worker::encode
