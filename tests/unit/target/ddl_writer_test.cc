#include "coordinator/target/ddl_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/target/type_map.h"

namespace chameleon::coordinator::target {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DdlWriter : public ::testing::Test {
 protected:
  void SetUp() override {
    def_.mutable_name()->set_schema("db");
    def_.mutable_name()->set_table("t");
  }
  v1::ColumnDef& Add(const std::string& name, v1::BaseType type, uint32_t length = 0) {
    v1::ColumnDef& c = *def_.add_columns();
    c.set_name(name);
    c.set_base_type(type);
    c.set_length(length);
    c.set_nullable(true);
    return c;
  }
  void Default(v1::ColumnDef& c, const std::string& value) {
    c.set_has_default(true);
    c.set_default_value(value);
  }
  // Parts: "name", "name(10)", "name desc", "(expression)".
  void AddIndex(v1::IndexDef::Kind kind, const std::string& name, std::vector<std::string> parts) {
    v1::IndexDef& index = *def_.add_indexes();
    index.set_kind(kind);
    index.set_name(name);
    for (std::string part : parts) {
      v1::IndexPart& p = *index.add_parts();
      if (part[0] == '(') {
        p.set_expression(part);
        continue;
      }
      if (part.size() > 5 && part.substr(part.size() - 5) == " desc") {
        p.set_descending(true);
        part.resize(part.size() - 5);
      }
      if (const size_t open = part.find('('); open != std::string::npos) {
        p.set_prefix_length(std::stoul(part.substr(open + 1)));
        part.resize(open);
      }
      p.set_column(part);
    }
  }
  v1::TablePlan Plan() {
    return *MapTable(def_, {.target_schema = "shop", .postgis_schema = postgis_});
  }
  IndexStatements Indexes() {
    NamePool pool;
    return BuildIndexes(def_, Plan(), "shop", !postgis_.empty(), &pool);
  }

  v1::TableDef def_;
  std::string postgis_;
};

TEST_F(DdlWriter, TableInALoadingSchema) {
  v1::ColumnDef& id = Add("id", v1::INT);
  id.set_nullable(false);
  id.set_auto_increment(true);
  v1::ColumnDef& status = Add("st\"atus", v1::ENUM);
  status.add_labels("new");
  status.add_labels("it's");
  Default(status, "it's");
  Add("day", v1::DATE).set_nullable(false);
  AddIndex(v1::IndexDef::PRIMARY, "PRIMARY", {"id"});
  EXPECT_THAT(
      TableStatements(def_, Plan(), "_shop_tmp", 80),
      ElementsAre(
          R"(CREATE TYPE "_shop_tmp"."enum_t_st""atus" AS ENUM ('new', 'it''s'))",
          R"(CREATE TABLE "_shop_tmp"."t" ("id" integer NOT NULL, "st""atus" )"
          R"("_shop_tmp"."enum_t_st""atus" DEFAULT 'it''s', "day" date) WITH (fillfactor = 80))"));
  EXPECT_THAT(DropStatements(def_, Plan(), "_shop_tmp"),
              ElementsAre(R"(DROP TABLE IF EXISTS "_shop_tmp"."t")",
                          R"(DROP TYPE IF EXISTS "_shop_tmp"."enum_t_st""atus")"));
}

TEST_F(DdlWriter, Defaults) {
  Default(Add("a", v1::INT), "-5");
  Default(Add("b", v1::VARCHAR, 10), "it's");
  Default(Add("c", v1::BIT, 4), "b'11'");
  Default(Add("d", v1::DATETIME), "CURRENT_TIMESTAMP(3)");
  def_.mutable_columns(3)->set_default_is_expression(true);
  Default(Add("e", v1::DATE), "0000-00-00");
  Default(Add("f", v1::TIMESTAMP), "2024-01-02 03:04:05");
  Default(Add("g", v1::INT), "(1+1)");
  def_.mutable_columns(6)->set_default_is_expression(true);
  Default(Add("h", v1::BINARY, 2), std::string("a\0", 2));
  EXPECT_THAT(
      TableStatements(def_, Plan(), "s", 100),
      ElementsAre(
          R"(CREATE TABLE "s"."t" ("a" integer DEFAULT '-5', "b" varchar(10) DEFAULT 'it''s', )"
          R"("c" bit(4) DEFAULT B'0011', "d" timestamp(0) DEFAULT CURRENT_TIMESTAMP, "e" date, )"
          R"("f" timestamptz(0), "g" integer, "h" bytea))"));
}

TEST_F(DdlWriter, KeysAndIndexes) {
  Add("id", v1::INT).set_nullable(false);
  Add("name", v1::VARCHAR, 100);
  Add("body", v1::TEXT);
  Add("raw", v1::BLOB);
  AddIndex(v1::IndexDef::PLAIN, "name", {"name", "id desc"});
  AddIndex(v1::IndexDef::UNIQUE, "body", {"body(20)"});
  AddIndex(v1::IndexDef::PLAIN, "raw", {"raw(8)"});
  AddIndex(v1::IndexDef::FULLTEXT, "ft", {"body"});
  AddIndex(v1::IndexDef::PLAIN, "fn", {"(lower(`name`))"});
  AddIndex(v1::IndexDef::PRIMARY, "PRIMARY", {"id"});
  const IndexStatements got = Indexes();
  EXPECT_THAT(
      got.create,
      ElementsAre(R"(CREATE UNIQUE INDEX "pk_t" ON "shop"."t" ("id"))",
                  R"(CREATE INDEX "idx_t_name" ON "shop"."t" ("name", "id" DESC))",
                  R"(CREATE UNIQUE INDEX "idx_t_body" ON "shop"."t" (left("body", 20)))",
                  R"(CREATE INDEX "idx_t_raw" ON "shop"."t" (substring("raw" from 1 for 8)))"));
  EXPECT_THAT(
      got.finish,
      ElementsAre(
          R"(ALTER TABLE "shop"."t" ADD CONSTRAINT "pk_t" PRIMARY KEY USING INDEX "pk_t")"));
  EXPECT_THAT(got.skipped, ElementsAre("ft: FULLTEXT", "fn: an expression"));
}

TEST_F(DdlWriter, WideKeysFitABtreePage) {
  Add("k", v1::VARCHAR, 768).set_nullable(false);
  Add("w", v1::VARCHAR, 700);
  AddIndex(v1::IndexDef::PRIMARY, "PRIMARY", {"k"});
  AddIndex(v1::IndexDef::PLAIN, "w", {"w"});
  const IndexStatements got = Indexes();
  EXPECT_THAT(got.create,
              ElementsAre(R"(CREATE UNIQUE INDEX "idx_t_PRIMARY" ON "shop"."t" (md5("k")))",
                          R"(CREATE INDEX "idx_t_PRIMARY_key" ON "shop"."t" USING hash ("k"))",
                          R"(CREATE INDEX "idx_t_w" ON "shop"."t" USING hash ("w"))"));
  EXPECT_THAT(got.finish, IsEmpty());
}

TEST_F(DdlWriter, PrefixKeyKeepsALookup) {
  Add("k", v1::VARCHAR, 100).set_nullable(false);
  AddIndex(v1::IndexDef::PRIMARY, "PRIMARY", {"k(10)"});
  EXPECT_THAT(Indexes().create,
              ElementsAre(R"(CREATE UNIQUE INDEX "idx_t_PRIMARY" ON "shop"."t" (left("k", 10)))",
                          R"(CREATE INDEX "idx_t_PRIMARY_key" ON "shop"."t" USING hash ("k"))"));
}

TEST_F(DdlWriter, SpatialNeedsPostgis) {
  Add("g", v1::POINT);
  AddIndex(v1::IndexDef::SPATIAL, "g", {"g"});
  EXPECT_THAT(Indexes().skipped, ElementsAre("g: SPATIAL"));
  postgis_ = "public";
  EXPECT_THAT(Indexes().create,
              ElementsAre(R"(CREATE INDEX "idx_t_g" ON "shop"."t" USING gist ("g"))"));
}

TEST_F(DdlWriter, Comments) {
  Add("a", v1::INT).set_comment("it's\\");
  def_.set_comment("all");
  EXPECT_THAT(CommentStatements(def_, Plan(), "shop"),
              ElementsAre(R"(COMMENT ON TABLE "shop"."t" IS 'all')",
                          R"(COMMENT ON COLUMN "shop"."t"."a" IS E'it''s\\')"));
}

TEST_F(DdlWriter, NotesForDetach) {
  Add("id", v1::INT).set_auto_increment(true);
  v1::ForeignKeyDef& key = *def_.add_foreign_keys();
  key.set_name("fk_1");
  key.add_columns("id");
  key.mutable_referenced()->set_schema("db2");
  key.mutable_referenced()->set_table("p");
  key.add_referenced_columns("pid");
  key.set_on_delete("CASCADE");
  key.set_on_update("whatever");
  const auto notes = DetachNotes(def_, Plan(), {{"db", "shop"}, {"db2", "other"}});
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_EQ(notes[0].kind, "sequence");
  EXPECT_EQ(notes[1].statement,
            R"(ALTER TABLE "shop"."t" ADD CONSTRAINT "fk_1" FOREIGN KEY ("id") REFERENCES )"
            R"("other"."p" ("pid") ON DELETE CASCADE NOT VALID)");
  EXPECT_EQ(DetachNotes(def_, Plan(), {{"db", "shop"}}).size(), 1u);  // points outside
}

}  // namespace
}  // namespace chameleon::coordinator::target
