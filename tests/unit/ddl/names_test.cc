#include "worker/ddl/names.h"

#include <gtest/gtest.h>

#include <string>

namespace chameleon::worker::ddl {
namespace {

TEST(NamesTest, CaseIsOfLettersOnly) {
  const std::string kelvin = "\xe2\x84\xaa";  // its small letter is ASCII's k
  struct Case {
    std::string a, b;
    bool same;
  };
  const Case cases[] = {
      {"", "", true},
      {"id", "ID", true},
      {"id", "id2", false},
      {"id1", "id2", false},
      {"a@", "a`", false},  // they differ in the bit that makes letters small
      {"a[", "a{", false},
      {"\xc3\x84rger", "\xc3\xa4RGER", true},
      {"x\xc3\x84", "X\xc3\xa4", true},
      {"x\xc3\x84", "xa", false},
      {"x\xc3\x84", "x", false},
      {kelvin, "k", true},
      {kelvin + "1", "K2", false},
      {"k\xff", "K\xff", true},
      {"k\xff", "K\xfe", false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(SameName(c.a, c.b), c.same) << c.a << " " << c.b;
    EXPECT_EQ(SameName(c.b, c.a), c.same) << c.b << " " << c.a;
    EXPECT_EQ(LowerName(c.a) == LowerName(c.b), c.same) << c.a << " " << c.b;
  }
}

}  // namespace
}  // namespace chameleon::worker::ddl
