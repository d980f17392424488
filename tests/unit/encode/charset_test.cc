#include "worker/encode/charset.h"

#include "tests/unit/encode/testing.h"

namespace chameleon::worker::encode {
namespace {

TEST(CharsetTest, OneTextInEachCharset) {
  struct Case {
    const char *charset, *hex, *utf8;
    uint64_t bad;
  };
  // From MySQL 9.7: SELECT HEX(CONVERT('…' USING charset)).
  const Case cases[] = {
      {"latin1", "e9 80 81 8d", "é€\xC2\x81\xC2\x8D", 0},
      {"latin2", "b1 e6", "ąć", 0},
      {"latin5", "f0 fe", "ğş", 0},
      {"latin7", "e0 e8", "ąč", 0},
      {"greek", "e1 a4", "α\xEF\xBF\xBD", 1},
      {"hebrew", "e0", "א", 0},
      {"cp1250", "e8 80", "č€", 0},
      {"cp1251", "cf 98", "П\xEF\xBF\xBD", 1},
      {"cp1256", "c7", "ا", 0},
      {"cp1257", "e0", "ą", 0},
      {"cp850", "82", "é", 0},
      {"cp852", "a5", "ą", 0},
      {"cp866", "8f", "П", 0},
      {"koi8r", "f0", "П", 0},
      {"koi8u", "a4", "є", 0},
      {"macce", "88", "ą", 0},
      {"macroman", "8e", "é", 0},
      {"keybcs2", "87", "č", 0},
      {"armscii8", "b2", "Ա", 0},
      {"geostd8", "c0", "ა", 0},
      {"dec8", "e9", "é", 0},
      {"hp8", "c5", "é", 0},
      {"tis620", "a1", "ก", 0},
      {"swe7", "7b 5c 61 7f", "äÖa\xEF\xBF\xBD", 1},
      {"gbk", "d6d0 a6 30", "中\xEF\xBF\xBD\x30", 1},
      {"gbk", "a140", "\xEF\xBF\xBD", 1},
      {"gb2312", "d6d0 a1a4", "中・", 0},
      {"gb18030", "d6d0 81308130 9439fc36", "中\xC2\x80\xF0\x9F\x98\x80", 0},
      {"big5", "a4a4 a145", "中•", 0},
      {"sjis", "93fa 5c b1 815f", "日\\ｱ\\", 0},
      {"cp932", "93fa 815f 8160 ed40", "日＼～纊", 0},
      {"ujis", "c6fc 8eb1 8fb0a1", "日ｱ丂", 0},
      {"eucjpms", "c6fc a1c1 ada1", "日～①", 0},
      {"euckr", "c7d1 8141", "한갂", 0},
      {"ucs2", "65e5", "日", 0},
      {"utf16", "65e5 d83dde00", "日😀", 0},
      {"utf16", "d83d 0041", "\xEF\xBF\xBD\x41", 1},
      {"utf16le", "e565 3dd800de", "日😀", 0},
      {"utf32", "000065e5 0001f600", "日😀", 0},
      {"utf32", "00110000 00", "\xEF\xBF\xBD\xEF\xBF\xBD", 2},
      {"utf8mb4", "f09f9880", "😀", 0},
      {"ascii", "41e9", "A\xEF\xBF\xBD", 1},
      {"ascii", "c3a9", "\xEF\xBF\xBD\xEF\xBF\xBD", 2},
  };
  for (const Case& c : cases) {
    const auto charset = Charset::Find(c.charset);
    ASSERT_TRUE(charset.ok()) << c.charset;
    std::string out;
    EXPECT_EQ((*charset)->Decode(Bytes(c.hex), &out), c.bad) << c.charset << " " << c.hex;
    EXPECT_EQ(out, c.utf8) << c.charset << " " << c.hex;
  }
}

TEST(CharsetTest, LengthsAsTheServerCountsThem) {
  const std::pair<const char*, unsigned> cases[] = {
      {"utf8mb4", 4}, {"utf8mb3", 3}, {"utf8", 3},   {"latin1", 1}, {"gbk", 2},   {"gb18030", 4},
      {"ujis", 3},    {"eucjpms", 3}, {"cp932", 2},  {"ucs2", 2},   {"utf16", 4}, {"utf16le", 4},
      {"utf32", 4},   {"ascii", 1},   {"binary", 1}, {"", 1},       {"swe7", 1},  {"big5", 2},
  };
  for (const auto& [name, bytes] : cases) EXPECT_EQ((*Charset::Find(name))->bytes_max(), bytes);
}

TEST(CharsetTest, NoInputHarms) {
  for (const char* name : {"gbk", "gb18030", "big5", "sjis", "cp932", "ujis", "eucjpms", "euckr",
                           "gb2312", "utf16", "utf16le", "utf32", "ucs2", "swe7", "geostd8"}) {
    const Charset& charset = **Charset::Find(name);
    for (int a = 0; a < 256; ++a) {
      for (int b = 0; b < 256; b += 5) {
        const std::string bytes = {static_cast<char>(a), static_cast<char>(b),
                                   static_cast<char>(a ^ b)};
        std::string out;
        charset.Decode(bytes, &out);
        EXPECT_EQ(AppendText(out, Escape::kNone, &out).undecodable, 0u) << name << a << " " << b;
      }
    }
  }
}

}  // namespace
}  // namespace chameleon::worker::encode
