#include "worker/encode/number.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

#include "tests/unit/encode/testing.h"

namespace chameleon::worker::encode {
namespace {

std::string Double(double value) {
  std::string out;
  AppendDouble(value, &out);
  return out;
}
std::string Float(float value) {
  std::string out;
  AppendFloat(value, &out);
  return out;
}

TEST(NumberTest, Doubles) {
  const std::pair<double, const char*> cases[] = {
      {0, "0"},
      {-0.0, "-0"},
      {1, "1"},
      {0.1 + 0.2, "0.30000000000000004"},
      {100000, "100000"},
      {123456789012345, "123456789012345"},
      {1e15, "1e15"},
      {1e22, "1e22"},
      {-1.5e-7, "-0.00000015"},
      {1e-15, "0.000000000000001"},
      {1e-16, "1e-16"},
      {1e14, "100000000000000"},
      {5e-324, "5e-324"},
      {1.7976931348623157e308, "1.7976931348623157e308"},
      {2.2250738585072014e-308, "2.2250738585072014e-308"},
      {1234567.875, "1234567.875"},
  };
  for (const auto& [value, text] : cases) {
    EXPECT_EQ(Double(value), text);
    EXPECT_EQ(std::strtod(text, nullptr), value);
  }
}

TEST(NumberTest, Floats) {
  const std::pair<float, const char*> cases[] = {
      {0.1f, "0.1"},
      {-0.0f, "-0"},
      {16777217, "16777216"},
      {3.4028235e38f, "3.4028235e38"},
      {1.17549435e-38f, "1.1754944e-38"},
      {1e-45f, "1e-45"},
      {1234567.9f, "1234567.9"},
      {-3.5f, "-3.5"},
  };
  for (const auto& [value, text] : cases) {
    EXPECT_EQ(Float(value), text);
    EXPECT_EQ(std::strtof(text, nullptr), value);
  }
}

TEST(NumberTest, RandomDoublesReadBack) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 20000; ++i) {
    const auto value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    ASSERT_EQ(std::strtod(Double(value).c_str(), nullptr), value);
    const auto small = static_cast<float>(value);
    if (!std::isfinite(small)) continue;
    ASSERT_EQ(std::strtof(Float(small).c_str(), nullptr), small);
  }
}

// An independent encoder: digits → groups of nine, as the server's manual describes them.
std::string Packed(const std::string& whole, const std::string& fraction, bool negative) {
  static constexpr int kBytes[] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
  std::string out;
  const auto put = [&](const std::string& digits) {
    const auto v = static_cast<uint32_t>(std::stoul(digits));
    for (int i = kBytes[digits.size()]; i-- > 0;) out += static_cast<char>(v >> (8 * i));
  };
  if (whole.size() % 9 != 0) put(whole.substr(0, whole.size() % 9));
  for (size_t i = whole.size() % 9; i < whole.size(); i += 9) put(whole.substr(i, 9));
  for (size_t i = 0; i < fraction.size(); i += 9) put(fraction.substr(i, 9));
  if (negative) {
    for (char& c : out) c = static_cast<char>(~c);
  }
  out[0] = static_cast<char>(out[0] ^ 0x80);
  return out;
}

TEST(NumberTest, EveryDecimalDimension) {
  std::mt19937 random(3);
  for (unsigned precision = 1; precision <= 65; ++precision) {
    for (unsigned scale = 0; scale <= 30 && scale <= precision; ++scale) {
      for (const bool negative : {false, true}) {
        std::string whole(precision - scale, '0'), fraction(scale, '0');
        for (char& c : whole) c = static_cast<char>('0' + random() % 10);
        for (char& c : fraction) c = static_cast<char>('1' + random() % 9);
        const size_t first = std::min(whole.find_first_not_of('0'), whole.size());
        std::string text = whole.substr(first);
        if (text.empty()) text = "0";
        if (scale != 0) text += "." + fraction;
        const bool zero = text == "0";
        std::string out;
        ASSERT_TRUE(AppendDecimal(Packed(whole, fraction, negative), precision, scale, &out));
        EXPECT_EQ(out, negative && !zero ? "-" + text : text);
        EXPECT_FALSE(
            AppendDecimal(Packed(whole, fraction, negative) + "x", precision, scale, &out));
      }
    }
  }
}

}  // namespace
}  // namespace chameleon::worker::encode
