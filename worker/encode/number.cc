#include "worker/encode/number.h"

#include <charconv>
#include <cmath>
#include <cstring>

namespace chameleon::worker::encode {
namespace {

// Decimal point positions for which MySQL prints without an exponent (my_gcvt, DBL_DIG).
constexpr int kPointMax = 15;
constexpr int kPointMin = -14;

// `text` is d[.ddd]e±XX.
void LayOut(const char* text, const char* end, std::string* out) {
  const char* const e = static_cast<const char*>(std::memchr(text, 'e', end - text));
  char digits[24];
  int count = 0;
  for (const char* p = text; p != e; ++p) {
    if (*p != '.') digits[count++] = *p;
  }
  int exponent = 0;
  std::from_chars(e[1] == '+' ? e + 2 : e + 1, end, exponent);
  const int point = exponent + 1;  // digits before the decimal point
  if (point < kPointMin || point > kPointMax) {
    out->push_back(digits[0]);
    if (count > 1) out->append(".").append(digits + 1, count - 1);
    out->push_back('e');
    AppendSigned(exponent, out);
  } else if (point <= 0) {
    out->append("0.").append(-point, '0').append(digits, count);
  } else if (point >= count) {
    out->append(digits, count).append(point - count, '0');
  } else {
    out->append(digits, point).append(".").append(digits + point, count - point);
  }
}

template <typename T>
void AppendReal(T value, std::string* out) {
  if (std::isnan(value)) {
    out->append("NaN");
    return;
  }
  if (std::signbit(value)) {
    out->push_back('-');
    value = -value;
  }
  if (value == 0) {
    out->push_back('0');
  } else if (std::isinf(value)) {
    out->append("Infinity");
  } else {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
    LayOut(text, end.ptr, out);
  }
}

constexpr unsigned kGroupDigits = 9;
constexpr unsigned kBytesOf[kGroupDigits + 1] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
constexpr uint32_t kPowers[kGroupDigits + 1] = {1,      10,      100,      1000,      10000,
                                                100000, 1000000, 10000000, 100000000, 1000000000};

}  // namespace

void AppendUnsigned(uint64_t value, std::string* out) {
  char text[24];
  out->append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void AppendSigned(int64_t value, std::string* out) {
  char text[24];
  out->append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void AppendFloat(float value, std::string* out) { AppendReal(value, out); }
void AppendDouble(double value, std::string* out) { AppendReal(value, out); }

size_t DecimalBytes(unsigned precision, unsigned scale) {
  const unsigned whole = precision - scale;
  return whole / kGroupDigits * 4 + kBytesOf[whole % kGroupDigits] + scale / kGroupDigits * 4 +
         kBytesOf[scale % kGroupDigits];
}

bool AppendDecimal(std::string_view bytes, unsigned precision, unsigned scale, std::string* out) {
  constexpr unsigned kPrecisionMax = 65, kScaleMax = 38;
  if (precision == 0 || precision > kPrecisionMax || scale > kScaleMax || scale > precision ||
      bytes.size() != DecimalBytes(precision, scale)) {
    return false;
  }
  const bool negative = (bytes[0] & 0x80) == 0;
  size_t at = 0;
  char digits[kPrecisionMax + 8];
  unsigned count = 0;
  bool good = true;
  const auto group = [&](unsigned n) {
    uint32_t v = 0;
    for (unsigned i = 0; i < kBytesOf[n]; ++i, ++at) {
      unsigned char c = bytes[at];
      if (at == 0) c ^= 0x80;
      if (negative) c = ~c;
      v = v << 8 | c;
    }
    good = good && v < kPowers[n];
    for (unsigned i = n; i-- > 0; v /= 10) digits[count + i] = static_cast<char>('0' + v % 10);
    count += n;
  };
  const unsigned whole = precision - scale;
  if (whole % kGroupDigits != 0) group(whole % kGroupDigits);
  for (unsigned i = 0; i < whole / kGroupDigits; ++i) group(kGroupDigits);
  for (unsigned i = 0; i < scale / kGroupDigits; ++i) group(kGroupDigits);
  if (scale % kGroupDigits != 0) group(scale % kGroupDigits);
  if (!good) return false;
  unsigned first = 0;
  while (first < precision && digits[first] == '0') ++first;
  if (negative && first < precision) out->push_back('-');
  if (first >= whole) {
    out->push_back('0');
  } else {
    out->append(digits + first, whole - first);
  }
  if (scale != 0) out->append(".").append(digits + whole, scale);
  return true;
}

}  // namespace chameleon::worker::encode
