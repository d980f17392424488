// Statistics → predicates, as text.
#include "worker/snapshot/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace chameleon::worker::snapshot {
namespace {

using testing::ElementsAre;

v1::ColumnDef* AddColumn(v1::TableDef* def, const char* name, v1::BaseType type,
                         const char* charset = "", bool nullable = false) {
  v1::ColumnDef* c = def->add_columns();
  c->set_name(name);
  c->set_base_type(type);
  c->set_charset(charset);
  c->set_nullable(nullable);
  return c;
}

void AddIndex(v1::TableDef* def, const char* name, v1::IndexDef::Kind kind,
              std::initializer_list<const char*> columns) {
  v1::IndexDef* index = def->add_indexes();
  index->set_name(name);
  index->set_kind(kind);
  for (const char* c : columns) index->add_parts()->set_column(c);
}

v1::TableDef Table() {
  v1::TableDef def;
  def.mutable_name()->set_schema("s");
  def.mutable_name()->set_table("t");
  AddColumn(&def, "id", v1::INT);
  AddColumn(&def, "code", v1::VARCHAR, "latin1");
  AddColumn(&def, "n", v1::INT, "", true);
  AddColumn(&def, "e", v1::ENUM);
  AddColumn(&def, "raw", v1::BINARY);
  return def;
}

TEST(Plan, ChooseKey) {
  auto key = [](auto... indexes) {
    v1::TableDef def = Table();
    (indexes(&def), ...);
    SplitKey k = ChooseKey(def);
    std::string text = k.index + (k.by_range ? " range" : "");
    for (int c : k.columns) text += " " + def.columns(c).name();
    return text;
  };
  auto index = [](const char* name, v1::IndexDef::Kind kind,
                  std::initializer_list<const char*> columns) {
    return [=, list = std::vector<const char*>(columns)](v1::TableDef* def) {
      AddIndex(def, name, kind, {});
      for (const char* c : list)
        def->mutable_indexes(def->indexes_size() - 1)->add_parts()->set_column(c);
    };
  };
  EXPECT_EQ(key(), "");
  EXPECT_EQ(key(index("k", v1::IndexDef::PLAIN, {"id"})), "");
  EXPECT_EQ(key(index("PRIMARY", v1::IndexDef::PRIMARY, {"id"})), "PRIMARY range id");
  EXPECT_EQ(key(index("PRIMARY", v1::IndexDef::PRIMARY, {"code", "id"})), "PRIMARY code id");
  EXPECT_EQ(key(index("u", v1::IndexDef::UNIQUE, {"n"})), "");  // NULL belongs to no range
  EXPECT_EQ(
      key(index("u", v1::IndexDef::UNIQUE, {"code"}), index("v", v1::IndexDef::UNIQUE, {"id"})),
      "v range id");
  // What cannot be compared by a literal ends the key.
  EXPECT_EQ(key(index("PRIMARY", v1::IndexDef::PRIMARY, {"code", "e", "id"})), "PRIMARY code");
  EXPECT_EQ(key(index("PRIMARY", v1::IndexDef::PRIMARY, {"e", "id"})), "");
}

TEST(Plan, PrefixAndDescendingPartsAreNotUsed) {
  v1::TableDef def = Table();
  AddIndex(&def, "PRIMARY", v1::IndexDef::PRIMARY, {"id", "code"});
  def.mutable_indexes(0)->mutable_parts(1)->set_prefix_length(3);
  EXPECT_THAT(ChooseKey(def).columns, ElementsAre(0));
  def.mutable_indexes(0)->mutable_parts(0)->set_descending(true);
  EXPECT_THAT(ChooseKey(def).columns, ElementsAre());
}

TEST(Plan, Sizes) {
  constexpr uint64_t kMiB = 1 << 20;
  EXPECT_EQ(ChunkBytes(0, 0, 2), 8 * kMiB);
  EXPECT_EQ(ChunkBytes(400 * kMiB, 300 * kMiB, 2), 25 * kMiB);
  EXPECT_EQ(ChunkBytes(100000 * kMiB, 300 * kMiB, 2), 64 * kMiB);
  EXPECT_EQ(ChunkBytes(100000 * kMiB, 40 * kMiB, 4), 10 * kMiB);
  EXPECT_EQ(ChunkBytes(100000 * kMiB, 8 * kMiB, 4), 2 * kMiB);
  v1::TableDef def = Table();
  EXPECT_EQ(ChunkCount(def, {.chunk_bytes = kMiB}), 1u);
  def.set_bytes_estimate(10 * kMiB + 1);
  EXPECT_EQ(ChunkCount(def, {.chunk_bytes = kMiB}), 11u);
  EXPECT_EQ(ChunkCount(def, {.chunk_bytes = kMiB, .chunks_max = 4}), 4u);
}

TEST(Plan, Ranges) {
  v1::TableDef def = Table();
  auto ranges = [&](const char* min, const char* max, uint32_t n) {
    return RangePredicates(def.columns(0), min, max, n)
        .value_or(std::vector<std::string>{"sample"});
  };
  EXPECT_THAT(ranges("1", "100", 1), ElementsAre(""));
  EXPECT_THAT(ranges("", "", 4), ElementsAre(""));  // an empty table
  EXPECT_THAT(ranges("7", "7", 4), ElementsAre(""));
  EXPECT_THAT(ranges("1", "100", 2), ElementsAre("`id` < 51", "`id` >= 51"));
  EXPECT_THAT(ranges("-10", "10", 3),
              ElementsAre("`id` < -3", "`id` >= -3 AND `id` < 4", "`id` >= 4"));
  EXPECT_THAT(ranges("0", "18446744073709551615", 2),
              ElementsAre("`id` < 9223372036854775808", "`id` >= 9223372036854775808"));
  EXPECT_THAT(ranges("-9223372036854775808", "9223372036854775807", 2),
              ElementsAre("`id` < 0", "`id` >= 0"));
  EXPECT_THAT(ranges("1", "3", 4), ElementsAre("sample"));
}

TEST(Plan, Sampling) {
  v1::TableDef def = Table();
  AddIndex(&def, "PRIMARY", v1::IndexDef::PRIMARY, {"code", "id"});
  SplitKey key = ChooseKey(def);
  EXPECT_EQ(BoundQuery(def, key, nullptr, 1000),
            "SELECT `code`, `id` FROM `s`.`t` ORDER BY `code`, `id` LIMIT 1 OFFSET 1000");
  Bound bound = {"caf\xe9", "7"};
  EXPECT_EQ(BoundQuery(def, key, &bound, 1000),
            "SELECT `code`, `id` FROM `s`.`t` WHERE `code` > _latin1 0x636166e9 OR (`code` = "
            "_latin1 0x636166e9 AND (`id` > 7)) ORDER BY `code`, `id` LIMIT 1 OFFSET 1000");
  EXPECT_THAT(BoundPredicates(def, key, {}), ElementsAre(""));
  EXPECT_THAT(BoundPredicates(def, key, {{"a", "7"}}),
              ElementsAre("`code` < 'a' OR (`code` = 'a' AND (`id` <= 7))",
                          "`code` > 'a' OR (`code` = 'a' AND (`id` > 7))"));
  EXPECT_EQ(
      BoundPredicates(def, key, {{"a", "7"}, {"b", "1"}})[1],
      "(`code` > 'a' OR (`code` = 'a' AND (`id` > 7))) AND (`code` < 'b' OR (`code` = 'b' AND "
      "(`id` <= 1)))");
}

TEST(Plan, Literals) {
  v1::TableDef def = Table();
  EXPECT_EQ(Literal(def.columns(0), "-5"), "-5");
  EXPECT_EQ(Literal(def.columns(1), "it's"), "_latin1 0x69742773");
  EXPECT_EQ(Literal(def.columns(4), "ab"), "0x6162");
  v1::ColumnDef date;
  date.set_base_type(v1::DATETIME);
  EXPECT_EQ(Literal(date, "0000-00-00 00:00:00"), "'0000-00-00 00:00:00'");
}

}  // namespace
}  // namespace chameleon::worker::snapshot
