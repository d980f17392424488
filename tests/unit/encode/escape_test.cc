#include "worker/encode/escape.h"

#include <gtest/gtest.h>

#include <random>

namespace chameleon::worker::encode {
namespace {

std::string Escaped(std::string_view text, Escape escape, TextFlaws* flaws = nullptr) {
  std::string out = ">";
  const TextFlaws found = AppendText(text, escape, &out);
  if (flaws != nullptr) *flaws = found;
  return out.substr(1);
}

TEST(EscapeTest, Table) {
  struct Case {
    std::string_view text, copy, json, json_in_copy;
  };
  const Case cases[] = {
      {"", "", "", ""},
      {"plain text, longer than eight bytes", "plain text, longer than eight bytes",
       "plain text, longer than eight bytes", "plain text, longer than eight bytes"},
      {"\\N", "\\\\N", "\\\\N", "\\\\\\\\N"},
      {"a\tb\nc\rd", "a\\tb\\nc\\rd", "a\\tb\\nc\\rd", "a\\\\tb\\\\nc\\\\rd"},
      {"\b\f\v", "\\b\\f\\v", "\\b\\f\\u000b", "\\\\b\\\\f\\\\u000b"},
      {"say \"x\"", "say \"x\"", "say \\\"x\\\"", "say \\\\\"x\\\\\""},
      {"\x01\x1f\x7f", "\x01\x1f\x7f", "\\u0001\\u001f\x7f", "\\\\u0001\\\\u001f\x7f"},
      {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80",
       "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
      {"'/|", "'/|", "'/|", "'/|"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Escaped(c.text, Escape::kNone), c.text);
    EXPECT_EQ(Escaped(c.text, Escape::kCopy), c.copy);
    EXPECT_EQ(Escaped(c.text, Escape::kJson), c.json);
    EXPECT_EQ(Escaped(c.text, Escape::kJsonInCopy), c.json_in_copy);
  }
}

TEST(EscapeTest, FlawsAreCountedAndRepaired) {
  struct Case {
    std::string_view text, result;
    uint64_t nul, undecodable;
  };
  using std::string_view_literals::operator""sv;
  const Case cases[] = {
      {"a\0b\0"sv, "ab", 2, 0},
      {"12345678\0"sv, "12345678", 1, 0},
      {"\xE9t\xE9"sv, "\xEF\xBF\xBDt\xEF\xBF\xBD", 0, 2},
      {"\xC0\x80"sv, "\xEF\xBF\xBD\xEF\xBF\xBD", 0, 2},                  // overlong NUL
      {"\xED\xA0\xBD"sv, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 0, 3},  // surrogate
      {"\xF4\x90\x80\x80"sv, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 0, 4},
      {"\xE2\x82"sv, "\xEF\xBF\xBD\xEF\xBF\xBD", 0, 2},  // cut short
      {"\xF4\x8F\xBF\xBF"sv, "\xF4\x8F\xBF\xBF", 0, 0},
  };
  for (const Case& c : cases) {
    TextFlaws flaws;
    EXPECT_EQ(Escaped(c.text, Escape::kJsonInCopy, &flaws), c.result);
    EXPECT_EQ(flaws.nul, c.nul);
    EXPECT_EQ(flaws.undecodable, c.undecodable);
  }
}

// COPY's and JSON's rules, one after the other, written as the books say.
std::string Slow(std::string_view text) {
  std::string json;
  for (const char c : text) {
    switch (c) {
      case '"':
      case '\\':
        (json += '\\') += c;
        break;
      case '\b':
        json += "\\b";
        break;
      case '\f':
        json += "\\f";
        break;
      case '\n':
        json += "\\n";
        break;
      case '\r':
        json += "\\r";
        break;
      case '\t':
        json += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char unit[8];
          snprintf(unit, sizeof unit, "\\u%04x", c);
          json += unit;
        } else {
          json += c;
        }
    }
  }
  std::string copy;
  for (const char c : json) {
    if (c == '\\') copy += '\\';
    copy += c;
  }
  return copy;
}

TEST(EscapeTest, EveryByteAtEveryOffsetOfAWord) {
  for (int c = 1; c < 128; ++c) {
    for (size_t at = 0; at < 17; ++at) {
      std::string text(17, 'x');
      text[at] = static_cast<char>(c);
      EXPECT_EQ(Escaped(text, Escape::kJsonInCopy), Slow(text)) << c << " at " << at;
    }
  }
}

TEST(EscapeTest, RandomAscii) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 40, ' ');
    for (char& c : text) c = static_cast<char>(1 + random() % 127);
    ASSERT_EQ(Escaped(text, Escape::kJsonInCopy), Slow(text));
  }
}

}  // namespace
}  // namespace chameleon::worker::encode
