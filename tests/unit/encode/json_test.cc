#include "worker/encode/json.h"

#include "tests/unit/encode/testing.h"
#include "worker/encode/base64.h"

namespace chameleon::worker::encode {
namespace {

std::string Shown(std::string_view bytes) {
  std::string out;
  JsonFlaws flaws;
  const char* const problem = AppendJsonDocument(bytes, &out, &flaws);
  return problem == nullptr ? out : std::string("damaged: ") + problem;
}

TEST(JsonTest, Documents) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "null"},
      {"04 00", "null"},
      {"04 01", "true"},
      {"04 02", "false"},
      {"05 ffff", "-1"},
      {"06 ffff", "65535"},
      {"07 00000080", "-2147483648"},
      {"08 ffffffff", "4294967295"},
      {"09 0000000000000080", "-9223372036854775808"},
      {"0a ffffffffffffffff", "18446744073709551615"},
      {"0b 000000000000f03f", "1.0"},
      {"0b 000000205fa00242", "10000000000.0"},
      {"0b 408cb5781daf1544", "1e20"},
      {"0b 0000000000000080", "-0.0"},
      {"0c 03 616263", "\"abc\""},
      {"0c 00", "\"\""},
      {"0c 05 22 5c 0a 01 c3", "\"\\\"\\\\\\n\\u0001\xEF\xBF\xBD\""},
      {"00 0000 0400", "{}"},
      {"02 0000 0400", "[]"},
      // {"a": 1, "b": [1, 2]}, as MySQL 9.7 stores it.
      {"00 0200 1e00 1200 0100 1300 0100 05 0100 02 1400 61 62 0200 0a00 050100 050200",
       "{\"a\": 1, \"b\": [1, 2]}"},
      {"0f f6 04 03 02 81 32", "1.50"},
      {"0f 0f 02 6162", "\"base64:type15:YWI=\""},
      {"0f 0b 08 e05ef84737ffffff", "\"-12:34:56.500000\""},
  };
  for (const auto& [hex, text] : cases) EXPECT_EQ(Shown(Bytes(hex)), text) << hex;
}

TEST(JsonTest, DamageIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"0e 00", "an unknown JSON type"},
      {"04 03", "an unknown JSON literal"},
      {"04", "a JSON literal without a byte"},
      {"05 01", "a JSON number beyond the end"},
      {"0b ffffffffffffffff", "a JSON number that is not finite"},
      {"0b 000000000000f0ff", "a JSON number that is not finite"},
      {"0c 05 61", "a JSON string beyond the end"},
      {"0c 8080808080 01", "a damaged JSON length"},
      {"0f", "an opaque JSON value without a type"},
      {"0f f6 02 0402", "a damaged decimal in JSON"},
      {"0f 0a 02 0402", "a damaged date or time in JSON"},
      {"02 ffff ffff", "a JSON container beyond the end"},
      {"02 0100 0700 02 ffff", "a JSON value beyond the end"},
      {"00 0100 0b00 0c00 0100 050000", "a JSON key beyond the end"},
      // An array whose only element is the array itself.
      {"02 0100 0700 02 0000", "JSON values that share bytes"},
      {"02 0200 0a00 02 0000 02 0000", "JSON values that share bytes"},
      // Objects that begin inside of each other (found by the fuzzer: 18 times longer as a text).
      {"0002003b000e000000000000000b00000000007d6e2600120031010013000cffffffff"
       "ffff000b00000000070b0000006165616161000003242e6e03",
       "JSON values that share bytes"},
  };
  for (const auto& [hex, text] : cases) {
    EXPECT_EQ(Shown(Bytes(hex)), std::string("damaged: ") + text) << hex;
  }
}

// The budget of damaged documents is enough for sound ones: 1,000 numbers, nothing but them.
TEST(JsonTest, EveryByteOfASoundDocumentIsPaidFor) {
  constexpr int kCount = 1000;
  constexpr int kBytes = 4 + kCount * (3 + 8);
  std::string document = "\x02";
  const auto word = [&](int v) { document += {static_cast<char>(v), static_cast<char>(v >> 8)}; };
  word(kCount);
  word(kBytes);
  for (int i = 0; i < kCount; ++i) {
    document += "\x0b";
    word(4 + kCount * 3 + i * 8);
  }
  std::string expected = "[";
  for (int i = 0; i < kCount; ++i) {
    document += std::string("\0\0\0\0\0\0\xf0\x3f", 8);
    expected += i == 0 ? "1.0" : ", 1.0";
  }
  EXPECT_EQ(Shown(document), expected + "]");
}

TEST(JsonTest, DeepNestingEnds) {
  std::string document = Bytes("04 00");
  for (int i = 0; i < 200; ++i) {
    // A small array of one element, which follows it.
    std::string array = Bytes("02 0100");
    const size_t bytes = 7 + (i == 0 ? 0 : document.size() - 1);
    array += static_cast<char>(bytes & 255);
    array += static_cast<char>(bytes >> 8);
    array += document[0];
    array += document[0] == 4 ? std::string("\0\0", 2) : Bytes("0700");
    if (document[0] != 4) array += document.substr(1);
    document = array;
    if (i == 99) {
      EXPECT_EQ(Shown(document), std::string(100, '[') + "null" + std::string(100, ']'));
    }
  }
  EXPECT_EQ(Shown(document), "damaged: JSON nested too deeply");
}

TEST(JsonTest, EveryCutAndEveryByte) {
  const std::string good =
      Bytes("00 0200 1e00 1200 0100 1300 0100 05 0100 02 1400 61 62 0200 0a00 050100 050200");
  for (size_t cut = 0; cut < good.size(); ++cut) Shown(good.substr(0, cut));
  for (size_t at = 0; at < good.size(); ++at) {
    for (int c = 0; c < 256; ++c) {
      std::string bad = good;
      bad[at] = static_cast<char>(c);
      Shown(bad);  // must end, within its bytes
    }
  }
}

TEST(JsonTest, TextThatJsonbRefusesIsCleaned) {
  struct Case {
    const char *text, *result;
    uint64_t nul, surrogate;
  };
  const Case cases[] = {
      {R"({"a": 1})", R"({"a": 1})", 0, 0},
      {R"("a\u0000b")", R"("ab")", 1, 0},
      {R"("a\\u0000b")", R"("a\\u0000b")", 0, 0},
      {R"("a\\\u0000b")", R"("a\\b")", 1, 0},
      {R"("\ud83d\ude00")", R"("\ud83d\ude00")", 0, 0},
      {R"("\ud83d")", R"("")", 0, 1},
      {R"("\ude00x\uD83D\n")", R"("x\n")", 0, 2},
      {R"("\ud83d\ud83d\ude00")", R"("\ud83d\ude00")", 0, 1},
      {R"("\u00e9\"\/")", R"("\u00e9\"\/")", 0, 0},
      {R"("\u00)", R"("\u00)", 0, 0},
      {R"("\)", R"("\)", 0, 0},
  };
  for (const Case& c : cases) {
    std::string out;
    JsonFlaws flaws;
    CleanJson(c.text, &out, &flaws);
    EXPECT_EQ(out, c.result);
    EXPECT_EQ(flaws.nul, c.nul) << c.text;
    EXPECT_EQ(flaws.surrogate, c.surrogate) << c.text;
  }
}

TEST(JsonTest, BothWaysGiveTheLiteral) {
  OneColumn column("base_type: JSON", v1::ENCODING_JSON);
  const auto type = binlog::ColumnType::kJson;
  EXPECT_EQ(column.Binlog(type, Bytes("0c 03 610062")), "\"ab\" [json_nul_removed]");
  EXPECT_EQ(column.Select(R"("a\u0000b")"), "\"ab\" [json_nul_removed]");
  EXPECT_EQ(column.Binlog(type, ""), "null");
  EXPECT_EQ(column.Select("null"), "null");
}

TEST(JsonTest, Base64) {
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {"a", "YQ=="},
      {"ab", "YWI="},
      {"abc", "YWJj"},
      {"abcd", "YWJjZA=="},
      {std::string(57, 'x') + "y",
       "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4\\neQ=="},
  };
  for (const auto& [bytes, text] : cases) {
    std::string out;
    AppendBase64(bytes, &out);
    EXPECT_EQ(out, text);
  }
}

}  // namespace
}  // namespace chameleon::worker::encode
