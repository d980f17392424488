// Partial JSON updates on binary documents. Documents are built by diffs, so that what is tested is
// what the decoder reads back.
#include "worker/encode/json_diff.h"

#include <gtest/gtest.h>

#include "proto/wire/error.h"
#include "worker/encode/json.h"

namespace chameleon::worker::encode {
namespace {

std::string Lenenc(std::string_view bytes) {
  return std::string(1, static_cast<char>(bytes.size())) + std::string(bytes);
}
std::string Diff(char operation, std::string_view path, std::string_view value = {}) {
  std::string diff = std::string(1, operation) + Lenenc(path);
  return operation == 2 ? diff : diff + Lenenc(value);
}
std::string Int(int16_t value) {
  return {5, static_cast<char>(value & 0xff), static_cast<char>(value >> 8)};
}
std::string String(std::string_view text) { return "\x0c" + Lenenc(text); }

const std::string kEmptyObject("\x00\x00\x00\x04\x00", 5), kEmptyArray("\x02\x00\x00\x04\x00", 5);

// {"a": 1, "list": [1, 2, "x"], "longer": {"k": "v"}}
std::string Document() {
  auto document = ApplyJsonDiffs(
      kEmptyObject, Diff(1, "$.longer", kEmptyObject) + Diff(1, "$.list", kEmptyArray) +
                        Diff(1, "$.a", Int(1)) + Diff(1, "$.list[0]", Int(1)) +
                        Diff(1, "$.list[1]", Int(2)) + Diff(1, "$.list[2]", String("x")) +
                        Diff(1, "$.longer.k", String("v")));
  return document.ok() ? *document : "";
}

std::string Printed(const std::string& document) {
  std::string text;
  JsonFlaws flaws;
  const char* problem = AppendJsonDocument(document, &text, &flaws);
  return problem == nullptr ? text : problem;
}

TEST(JsonDiffTest, Diffs) {
  struct Case {
    std::string diffs, text;
  };
  const Case cases[] = {
      {"", R"({"a": 1, "list": [1, 2, "x"], "longer": {"k": "v"}})"},
      {Diff(0, "$.a", Int(-5)), R"({"a": -5, "list": [1, 2, "x"], "longer": {"k": "v"}})"},
      {Diff(0, "$.a", String("text")),
       R"({"a": "text", "list": [1, 2, "x"], "longer": {"k": "v"}})"},
      {Diff(2, "$.list[1]"), R"({"a": 1, "list": [1, "x"], "longer": {"k": "v"}})"},
      {Diff(2, "$.longer"), R"({"a": 1, "list": [1, 2, "x"]})"},
      {Diff(1, "$.list[1]", Int(9)), R"({"a": 1, "list": [1, 9, 2, "x"], "longer": {"k": "v"}})"},
      {Diff(1, "$.list[3]", Int(9)), R"({"a": 1, "list": [1, 2, "x", 9], "longer": {"k": "v"}})"},
      {Diff(1, "$.list[9]", Int(9)), R"({"a": 1, "list": [1, 2, "x", 9], "longer": {"k": "v"}})"},
      {Diff(1, "$.b", Int(2)), R"({"a": 1, "b": 2, "list": [1, 2, "x"], "longer": {"k": "v"}})"},
      {Diff(1, "$.\"q \\\"uoted\\u00e9\"", Int(2)),
       "{\"a\": 1, \"list\": [1, 2, \"x\"], \"longer\": {\"k\": \"v\"}, \"q \\\"uoted\xc3\xa9\": "
       "2}"},
      {Diff(0, "$.longer.k", kEmptyArray), R"({"a": 1, "list": [1, 2, "x"], "longer": {"k": []}})"},
      {Diff(0, "$", Int(7)), "7"},
      {Diff(2, "$.list[0]") + Diff(2, "$.list[0]"),
       R"({"a": 1, "list": ["x"], "longer": {"k": "v"}})"},
  };
  ASSERT_NE(Document(), "");
  for (const auto& c : cases) {
    auto document = ApplyJsonDiffs(Document(), c.diffs);
    ASSERT_TRUE(document.ok()) << c.text << ": " << document.status();
    EXPECT_EQ(Printed(*document), c.text);
  }
}

TEST(JsonDiffTest, WhatDoesNotFitIsRefused) {
  for (const std::string& diffs :
       {Diff(0, "$.none", Int(1)), Diff(2, "$.list[3]"), Diff(1, "$.a", Int(1)),
        Diff(1, "$.a.b", Int(1)), Diff(2, "$"), Diff(0, "a", Int(1)), Diff(0, "$.*", Int(1)),
        Diff(0, "$[0]", Int(1)), Diff(1, "$.list[last]", Int(1))}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(ApplyJsonDiffs(Document(), diffs).status())) << diffs;
  }
  EXPECT_EQ(Text(ApplyJsonDiffs(Document(), Diff(2, "$.list[3]")).status()),
            "a partial JSON update does not fit the document at $.list[3]");
}

TEST(JsonDiffTest, DamagedBytesNeverCrash) {
  const std::string document = Document();
  const std::string diffs = Diff(0, "$.longer.k", kEmptyArray) + Diff(1, "$.list[1]", Int(9));
  for (size_t i = 0; i < document.size(); ++i) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string damaged = document;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      auto result = ApplyJsonDiffs(damaged, diffs);
      if (result.ok()) Printed(*result);
    }
  }
  for (size_t size = 0; size < diffs.size(); ++size) {
    ApplyJsonDiffs(document, diffs.substr(0, size)).IgnoreError();
  }
  EXPECT_TRUE(absl::IsDataLoss(ApplyJsonDiffs(document, "\x03\x01$").status()));
}

// An array, small form, of `count` entries of one type that all begin at its own byte `offset`.
std::string Shared(uint8_t type, size_t count, size_t offset, std::string_view tail) {
  const size_t bytes = 4 + 3 * count + tail.size();
  std::string document("\x02");
  for (const size_t word : {count, bytes}) {
    document += {static_cast<char>(word & 0xff), static_cast<char>(word >> 8)};
  }
  for (size_t i = 0; i < count; ++i) {
    document +=
        {static_cast<char>(type), static_cast<char>(offset & 0xff), static_cast<char>(offset >> 8)};
  }
  return document + std::string(tail);
}

// 4,000 × 50 kB: damaged offsets must not multiply what is there.
TEST(JsonDiffTest, ValuesThatShareBytesAreDamage) {
  const std::string text = "\xd0\x86\x03" + std::string(50000, 'x');
  auto written =
      ApplyJsonDiffs(Shared(12, 4000, 4 + 3 * 4000, text), Diff(0, "$[0]", kEmptyObject));
  EXPECT_EQ(Text(written.status()), "a partial JSON update is damaged: values that share bytes");
  // An array whose elements are the array itself, opened ever deeper.
  std::string path = "$";
  for (int i = 0; i < 60; ++i) path += "[1]";
  auto opened = ApplyJsonDiffs(Shared(2, 4000, 0, ""), Diff(0, path, kEmptyObject));
  EXPECT_EQ(Text(opened.status()), "a partial JSON update is damaged: values that share bytes");
}

}  // namespace
}  // namespace chameleon::worker::encode
