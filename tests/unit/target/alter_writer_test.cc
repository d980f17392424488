// A changed definition ⇒ the statements that replay executes.
#include "coordinator/target/alter_writer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/target/type_map.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::target {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::ColumnDef Column(const std::string& name, v1::BaseType type, uint32_t length = 0) {
  v1::ColumnDef column;
  column.set_name(name);
  column.set_base_type(type);
  column.set_length(length);
  column.set_nullable(true);
  const bool text = (type >= v1::CHAR && type <= v1::LONGTEXT) || type == v1::ENUM;
  if (text) column.set_charset("utf8mb4");
  column.set_column_type(fmt::format("{}({})", v1::BaseType_Name(type), length));
  return column;
}
v1::ColumnDef Required(v1::ColumnDef column) {
  column.set_nullable(false);
  return column;
}
v1::ColumnDef Unsigned(v1::ColumnDef column) {
  column.set_is_unsigned(true);
  column.set_column_type(column.column_type() + " unsigned");
  return column;
}
v1::ColumnDef Default(v1::ColumnDef column, const std::string& text) {
  column.set_has_default(true);
  column.set_default_value(text);
  return column;
}
v1::ColumnDef Decimal(const std::string& name, uint32_t digits, uint32_t scale) {
  v1::ColumnDef column = Column(name, v1::DECIMAL, digits);
  column.set_scale(scale);
  column.set_column_type(fmt::format("decimal({},{})", digits, scale));
  return column;
}
v1::ColumnDef Moment(const std::string& name, v1::BaseType type, uint32_t digits) {
  v1::ColumnDef column = Column(name, type);
  column.set_fsp(digits);
  column.set_column_type(fmt::format("{}({})", v1::BaseType_Name(type), digits));
  return column;
}
v1::ColumnDef Enum(const std::string& name, const std::vector<std::string>& labels) {
  v1::ColumnDef column = Column(name, v1::ENUM);
  for (const auto& label : labels) column.add_labels(label);
  column.set_collation("utf8mb4_general_ci");
  column.set_column_type(fmt::format("enum({})", fmt::join(labels, ",")));
  return column;
}

v1::IndexDef Index(v1::IndexDef::Kind kind, const std::string& name,
                   const std::vector<std::string>& columns) {
  v1::IndexDef index;
  index.set_kind(kind);
  index.set_name(name);
  for (const auto& column : columns) index.add_parts()->set_column(column);
  return index;
}

// Table d.t with the key id and these columns after it.
TableState Table(const std::vector<v1::ColumnDef>& columns,
                 const std::vector<v1::IndexDef>& indexes = {}, const std::string& name = "t",
                 const std::string& schema = "d") {
  TableState table;
  table.def.mutable_name()->set_schema("d");
  table.def.mutable_name()->set_table(name);
  *table.def.add_columns() = Required(Column("id", v1::INT));
  for (const auto& column : columns) *table.def.add_columns() = column;
  *table.def.add_indexes() = Index(v1::IndexDef::PRIMARY, "PRIMARY", {"id"});
  for (const auto& index : indexes) *table.def.add_indexes() = index;
  auto plan = MapTable(table.def, {.target_schema = schema});
  EXPECT_TRUE(plan.ok()) << Text(plan.status());
  table.plan = *plan;
  return table;
}

ColumnRenames RenamesOf(const std::vector<std::pair<std::string, std::string>>& names) {
  ColumnRenames renames;
  for (const auto& [from, to] : names) {
    auto* rename = renames.Add();
    rename->set_from(from);
    rename->set_to(to);
  }
  return renames;
}

std::vector<std::string> Sql(const TableState& before, const TableState& after,
                             const std::vector<std::pair<std::string, std::string>>& renames = {},
                             bool exclusive = false) {
  auto statements = AlterStatements(before, after, RenamesOf(renames), {});
  EXPECT_TRUE(statements.ok()) << Text(statements.status());
  if (!statements.ok()) return {};
  EXPECT_EQ(statements->exclusive, exclusive);
  return statements->sql;
}

// One column `c` that changes.
std::vector<std::string> Changed(const v1::ColumnDef& before, const v1::ColumnDef& after,
                                 bool exclusive = false) {
  return Sql(Table({before}), Table({after}), {}, exclusive);
}
std::string Refusal(const v1::ColumnDef& before, const v1::ColumnDef& after) {
  auto statements = AlterStatements(Table({before}), Table({after}), {}, {});
  return statements.ok() ? "accepted" : Text(statements.status());
}

TEST(AlterWriter, NumbersWiden) {
  EXPECT_THAT(Changed(Column("c", v1::INT), Column("c", v1::BIGINT)),
              ElementsAre(R"(ALTER TABLE "d"."t" ALTER COLUMN "c" TYPE bigint)"));
  EXPECT_THAT(Changed(Column("c", v1::BIGINT), Unsigned(Column("c", v1::BIGINT))),
              ElementsAre("SELECT sch_chameleon.fn_require('d', 't', '\"c\" BETWEEN 0 AND "
                          "18446744073709551615', 'column c: the value does not fit BIGINT(0) "
                          "unsigned')",
                          R"(ALTER TABLE "d"."t" ALTER COLUMN "c" TYPE numeric(20))"));
  EXPECT_THAT(Changed(Column("c", v1::MEDIUMINT), Column("c", v1::INT)), IsEmpty());
  EXPECT_THAT(Changed(Column("c", v1::SMALLINT), Column("c", v1::TINYINT)),
              ElementsAre("SELECT sch_chameleon.fn_require('d', 't', '\"c\" BETWEEN -128 AND 127', "
                          "'column c: the value does not fit TINYINT(0)')"));
  EXPECT_THAT(Changed(Decimal("c", 8, 2), Decimal("c", 10, 1)),
              ElementsAre(R"(ALTER TABLE "d"."t" ALTER COLUMN "c" TYPE numeric(10,1))"));
  EXPECT_THAT(Changed(Column("c", v1::FLOAT), Column("c", v1::DOUBLE)),
              ElementsAre(R"(ALTER TABLE "d"."t" ALTER COLUMN "c" TYPE double precision)"));
  EXPECT_THAT(Changed(Column("c", v1::INT), Column("c", v1::VARCHAR, 12)),
              ElementsAre("ALTER TABLE \"d\".\"t\" ALTER COLUMN \"c\" TYPE varchar(12) "
                          "USING \"c\"::text"));
}

TEST(AlterWriter, TextChangesItsLength) {
  EXPECT_THAT(Changed(Column("c", v1::VARCHAR, 5), Column("c", v1::VARCHAR, 9)),
              ElementsAre(R"(ALTER TABLE "d"."t" ALTER COLUMN "c" TYPE varchar(9))"));
  EXPECT_THAT(Changed(Column("c", v1::VARCHAR, 5), Column("c", v1::CHAR, 9)),
              ElementsAre("ALTER TABLE \"d\".\"t\" ALTER COLUMN \"c\" TYPE varchar(9) "
                          "USING rtrim(\"c\", ' ')"));
  EXPECT_THAT(Changed(Column("c", v1::TEXT), Column("c", v1::TINYTEXT)),
              ElementsAre("SELECT sch_chameleon.fn_require('d', 't', 'octet_length(\"c\") <= 255', "
                          "'column c: the value does not fit TINYTEXT(0)')"));
  EXPECT_THAT(Changed(Column("c", v1::TINYTEXT), Column("c", v1::LONGTEXT)), IsEmpty());
  v1::ColumnDef latin = Column("c", v1::VARCHAR, 5);
  latin.set_charset("latin1");
  EXPECT_THAT(Changed(latin, Column("c", v1::VARCHAR, 5)), IsEmpty());
  EXPECT_THAT(Changed(Column("c", v1::VARCHAR, 5), latin),
              ElementsAre("SELECT sch_chameleon.fn_require('d', 't', 'octet_length(\"c\"::text) = "
                          "char_length(\"c\"::text)', 'column c: characters outside ASCII may be "
                          "lost in latin1')"));
  // swe7 has letters where ASCII has brackets; gb18030 has characters that utf8mb3 has not.
  latin.set_charset("swe7");
  EXPECT_THAT(Changed(Column("c", v1::VARCHAR, 5), latin),
              ElementsAre(HasSubstr("translate(\"c\"::text, "), HasSubstr("octet_length")));
  v1::ColumnDef chinese = Column("c", v1::VARCHAR, 5), bmp = chinese;
  chinese.set_charset("gb18030");
  bmp.set_charset("utf8mb3");
  EXPECT_THAT(Changed(chinese, bmp), ElementsAre(HasSubstr("octet_length")));
  EXPECT_THAT(Changed(bmp, chinese), IsEmpty());
}

TEST(AlterWriter, UndefinedBytesAreAQuestionMarkAfterTheirCharacterSetHasChanged) {
  v1::ColumnDef from = Column("c", v1::VARCHAR, 5), to = from;
  from.set_charset("ucs2");
  to.set_charset("utf16");
  EXPECT_THAT(Changed(from, to),
              ElementsAre("SELECT sch_chameleon.fn_require('d', 't', 'strpos(\"c\"::text, "
                          "chr(65533)) = 0', 'column c: bytes that ucs2 does not define')"));
}

TEST(AlterWriter, BytesAndBits) {
  EXPECT_THAT(Changed(Column("c", v1::BINARY, 4), Column("c", v1::BINARY, 6)),
              ElementsAre("ALTER TABLE \"d\".\"t\" ALTER COLUMN \"c\" TYPE bytea USING \"c\" || "
                          "decode(repeat('00', 6 - octet_length(\"c\")), 'hex')"));
  EXPECT_THAT(Changed(Column("c", v1::BIT, 3), Column("c", v1::BIT, 5)),
              ElementsAre("ALTER TABLE \"d\".\"t\" ALTER COLUMN \"c\" TYPE bit(5) USING "
                          "lpad(\"c\"::text, 5, '0')::bit(5)"));
}

TEST(AlterWriter, MomentsGetMoreDigits) {
  EXPECT_THAT(Changed(Moment("c", v1::DATETIME, 0), Moment("c", v1::DATETIME, 3)),
              ElementsAre(R"(ALTER TABLE "d"."t" ALTER COLUMN "c" TYPE timestamp(3))"));
  EXPECT_THAT(Changed(Column("c", v1::DATE), Moment("c", v1::DATETIME, 0)),
              ElementsAre(R"(ALTER TABLE "d"."t" ALTER COLUMN "c" TYPE timestamp(0))"));
  EXPECT_THAT(Changed(Moment("c", v1::TIME, 0), Moment("c", v1::TIME, 6)), IsEmpty());
}

TEST(AlterWriter, LabelsAreAddedAtTheEnd) {
  EXPECT_THAT(Changed(Enum("c", {"a", "b"}), Enum("c", {"a", "b", "it's"}), true),
              ElementsAre(R"(ALTER TYPE "d"."enum_t_c" ADD VALUE 'it''s')"));
}

TEST(AlterWriter, OtherLabelsNeedANewType) {
  EXPECT_THAT(Changed(Default(Enum("c", {"a", "b"}), "a"), Default(Enum("c", {"B", "n"}), "n")),
              ElementsAre("CREATE TYPE \"d\".\"_chameleon_type_1\" AS ENUM ('B', 'n')",
                          "ALTER TABLE \"d\".\"t\" ALTER COLUMN \"c\" DROP DEFAULT, ALTER COLUMN "
                          "\"c\" TYPE \"d\".\"_chameleon_type_1\" USING (CASE \"c\"::text WHEN 'b' "
                          "THEN 'B' ELSE \"c\"::text END)::\"d\".\"_chameleon_type_1\", ALTER "
                          "COLUMN \"c\" SET DEFAULT 'n'",
                          R"(DROP TYPE "d"."enum_t_c")",
                          R"(ALTER TYPE "d"."_chameleon_type_1" RENAME TO "enum_t_c")"));
}

// The source looks labels up by the new collation; NULL may have been the invalid value.
TEST(AlterWriter, LabelsOfABinaryCollationKeepTheirCase) {
  v1::ColumnDef binary = Enum("c", {"A", "n"});
  binary.set_collation("utf8mb4_bin");
  EXPECT_THAT(Changed(Enum("c", {"a", "n"}), binary), Contains(HasSubstr("USING \"c\"::text::")));
  binary.clear_charset();
  binary.clear_collation();
  EXPECT_THAT(Changed(Enum("c", {"a", "n"}), binary), Contains(HasSubstr("USING \"c\"::text::")));
  EXPECT_THAT(Changed(Enum("c", {"a"}), Column("c", v1::VARCHAR, 9)),
              Contains(HasSubstr("NULL may be an invalid enum value")));
}

// A label that was just added cannot be used in the same transaction.
TEST(AlterWriter, ANewLabelThatIsTheDefaultNeedsANewType) {
  EXPECT_THAT(Changed(Enum("c", {"a"}), Default(Enum("c", {"a", "b"}), "b")),
              ElementsAre("CREATE TYPE \"d\".\"_chameleon_type_1\" AS ENUM ('a', 'b')",
                          "ALTER TABLE \"d\".\"t\" ALTER COLUMN \"c\" TYPE "
                          "\"d\".\"_chameleon_type_1\" USING "
                          "\"c\"::text::\"d\".\"_chameleon_type_1\", ALTER COLUMN \"c\" SET "
                          "DEFAULT 'b'",
                          R"(DROP TYPE "d"."enum_t_c")",
                          R"(ALTER TYPE "d"."_chameleon_type_1" RENAME TO "enum_t_c")"));
}

TEST(AlterWriter, ColumnsSwapNamesWithTheirTypes) {
  EXPECT_THAT(Sql(Table({Enum("a", {"x"}), Enum("b", {"y"})}),
                  Table({Enum("b", {"x"}), Enum("a", {"y"})}), {{"a", "b"}, {"b", "a"}}),
              ElementsAre(R"(ALTER TABLE "d"."t" RENAME COLUMN "a" TO "_chameleon_1")",
                          R"(ALTER TABLE "d"."t" RENAME COLUMN "b" TO "a")",
                          R"(ALTER TABLE "d"."t" RENAME COLUMN "_chameleon_1" TO "b")",
                          R"(ALTER TYPE "d"."enum_t_a" RENAME TO "_chameleon_type_way_1")",
                          R"(ALTER TYPE "d"."enum_t_b" RENAME TO "enum_t_a")",
                          R"(ALTER TYPE "d"."_chameleon_type_way_1" RENAME TO "enum_t_b")"));
}

TEST(AlterWriter, ADroppedColumnTakesItsTypeAlongAndItsNameIsFree) {
  EXPECT_THAT(Sql(Table({Enum("a", {"x"}), Column("b", v1::INT)}), Table({Column("a", v1::INT)}),
                  {{"b", "a"}}),
              ElementsAre(R"(ALTER TABLE "d"."t" DROP COLUMN "a")", R"(DROP TYPE "d"."enum_t_a")",
                          R"(ALTER TABLE "d"."t" RENAME COLUMN "b" TO "a")"));
  // Wherever the two stand.
  EXPECT_THAT(Sql(Table({Column("b", v1::INT), Column("a", v1::INT)}),
                  Table({Column("a", v1::INT)}), {{"b", "a"}}),
              ElementsAre(R"(ALTER TABLE "d"."t" DROP COLUMN "a")",
                          R"(ALTER TABLE "d"."t" RENAME COLUMN "b" TO "a")"));
}

TEST(AlterWriter, AddedColumnsFillTheRowsThatAreThere) {
  const struct {
    v1::ColumnDef column;
    const char* expected;
  } cases[] = {
      {Column("c", v1::INT), "integer"},
      {Required(Column("c", v1::INT)), "integer DEFAULT '0' NOT NULL"},
      {Default(Required(Column("c", v1::INT)), "7"), "integer DEFAULT '7' NOT NULL"},
      {Default(Column("c", v1::VARCHAR, 3), "a'b"), "varchar(3) DEFAULT 'a''b'"},
      {Required(Column("c", v1::VARCHAR, 3)), "varchar(3) DEFAULT '' NOT NULL"},
      {Required(Column("c", v1::BINARY, 2)), "bytea DEFAULT E'\\\\x0000' NOT NULL"},
      {Default(Column("c", v1::BINARY, 3), "0x6162"), "bytea DEFAULT E'\\\\x616200'"},
      {Required(Column("c", v1::DATE)), "date"},
      {Required(Column("c", v1::BIT, 3)), "bit(3) DEFAULT B'000' NOT NULL"},
      {Required(Moment("c", v1::TIME, 0)), "interval DEFAULT '00:00:00' NOT NULL"},
      {Default(Moment("c", v1::DATETIME, 0), "2024-01-02 03:04:05"),
       "timestamp(0) DEFAULT '2024-01-02 03:04:05'"},
      {Required(Column("c", v1::JSON)), "jsonb DEFAULT 'null' NOT NULL"},
  };
  for (const auto& [column, expected] : cases) {
    const auto sql = Sql(Table({}), Table({column}));
    ASSERT_FALSE(sql.empty());
    EXPECT_EQ(sql[0], fmt::format("ALTER TABLE \"d\".\"t\" ADD COLUMN \"c\" {}", expected));
  }
  // A default that is only the source's implicit one does not stay.
  EXPECT_THAT(Sql(Table({}), Table({Required(Enum("c", {"x", "y"}))})),
              ElementsAre("CREATE TYPE \"d\".\"enum_t_c\" AS ENUM ('x', 'y')",
                          "ALTER TABLE \"d\".\"t\" ADD COLUMN \"c\" \"d\".\"enum_t_c\" DEFAULT 'x'",
                          "ALTER TABLE \"d\".\"t\" ALTER COLUMN \"c\" DROP DEFAULT"));
}

TEST(AlterWriter, NullAndDefaultsAndComments) {
  v1::ColumnDef commented = Default(Required(Column("c", v1::INT)), "3");
  commented.set_comment("it's");
  EXPECT_THAT(Changed(Column("c", v1::INT), commented),
              ElementsAre("ALTER TABLE \"d\".\"t\" ALTER COLUMN \"c\" SET DEFAULT '3', ALTER "
                          "COLUMN \"c\" SET NOT NULL",
                          R"(COMMENT ON COLUMN "d"."t"."c" IS 'it''s')"));
  EXPECT_THAT(Changed(commented, Column("c", v1::INT)),
              ElementsAre("ALTER TABLE \"d\".\"t\" ALTER COLUMN \"c\" DROP DEFAULT, ALTER COLUMN "
                          "\"c\" DROP NOT NULL",
                          R"(COMMENT ON COLUMN "d"."t"."c" IS NULL)"));
  // The target lets zero dates be NULL; NULL that becomes the time of the statement is another.
  EXPECT_THAT(Changed(Moment("c", v1::TIMESTAMP, 0), Required(Moment("c", v1::TIMESTAMP, 0))),
              ElementsAre("SELECT sch_chameleon.fn_require('d', 't', '\"c\" IS NOT NULL', 'column "
                          "c: NULL becomes a value')"));
}

TEST(AlterWriter, Indexes) {
  const auto plain = [](const std::string& name, const std::vector<std::string>& columns) {
    return Index(v1::IndexDef::PLAIN, name, columns);
  };
  const std::vector<v1::ColumnDef> columns = {Column("a", v1::INT), Column("b", v1::INT)};
  // k1 stays, k2 is renamed, k3 goes, k4 comes.
  EXPECT_THAT(
      Sql(Table(columns, {plain("k1", {"a"}), plain("k2", {"b"}), plain("k3", {"a", "b"})}),
          Table(columns, {plain("k1", {"a"}), plain("n2", {"b"}), plain("k4", {"b", "a"})})),
      ElementsAre("SELECT sch_chameleon.fn_drop_index('d', 't', ARRAY['idx_t_k3', "
                  "'idx_t_k3_af9de76a']::text[])",
                  "SELECT sch_chameleon.fn_rename_index('d', 't', ARRAY['idx_t_k2', "
                  "'idx_t_k2_af9de91d']::text[], ARRAY['idx_t_n2', 'idx_t_n2_af8f7284']::text[])",
                  "SELECT sch_chameleon.fn_create_index('d', ARRAY['idx_t_k4', "
                  "'idx_t_k4_af9ddeeb']::text[], 'CREATE INDEX %1$I ON \"d\".\"t\" (\"b\", "
                  "\"a\")')"));
  // A renamed column keeps its index; a dropped one takes it along.
  EXPECT_THAT(Sql(Table(columns, {plain("k", {"a"})}),
                  Table({Column("z", v1::INT), columns[1]}, {plain("k", {"z"})}), {{"a", "z"}}),
              ElementsAre(R"(ALTER TABLE "d"."t" RENAME COLUMN "a" TO "z")"));
}

TEST(AlterWriter, RefusedByName) {
  const struct {
    v1::ColumnDef before, after;
    const char* expected;
  } cases[] = {
      {Column("c", v1::VARCHAR, 9), Column("c", v1::INT),
       "its type changes from VARCHAR(9) to INT"},
      {Moment("c", v1::DATETIME, 3), Moment("c", v1::DATETIME, 0),
       "its type changes from DATETIME"},
      {Moment("c", v1::DATETIME, 0), Moment("c", v1::TIMESTAMP, 0), "its type changes from"},
      {Column("c", v1::TEXT), Column("c", v1::BLOB), "its type changes from TEXT(0) to BLOB(0)"},
      {Column("c", v1::DOUBLE), Column("c", v1::INT), "its type changes from DOUBLE(0) to INT(0)"},
  };
  for (const auto& [before, after, expected] : cases) {
    EXPECT_THAT(Refusal(before, after),
                ::testing::StartsWith(fmt::format("table d.t: column c: {}", expected)));
  }
  v1::ColumnDef now = Default(Moment("c", v1::DATETIME, 0), "CURRENT_TIMESTAMP");
  auto statements = AlterStatements(Table({}), Table({now}), {}, {});
  EXPECT_THAT(Text(statements.status()),
              ::testing::StartsWith("table d.t: column c: the source fills it with the time of the "
                                    "statement"));
}

TEST(AlterWriter, RenamesAcrossSchemas) {
  EXPECT_THAT(
      RenameStatements(Table({Enum("c", {"x"})}), Table({Enum("c", {"x"})}, {}, "u", "e"), {}).sql,
      ElementsAre(
          "SELECT sch_chameleon.fn_move_table('d', 't', 'e', 'u', "
          "'[{\"from\":[\"pk_t\",\"pk_t_ba455527\"],\"to\":[\"pk_u\",\"pk_u_ba455374\"]}]')",
          R"(ALTER TYPE "d"."enum_t_c" RENAME TO "_chameleon_type_1")",
          R"(ALTER TYPE "d"."_chameleon_type_1" SET SCHEMA "e")",
          R"(ALTER TYPE "e"."_chameleon_type_1" RENAME TO "enum_u_c")"));
}

// A column that is left alone keeps the type it was made with.
TEST(AlterWriter, KeepTypes) {
  TableState before = Table({Column("a", v1::TINYINT, 1), Enum("e", {"x"})});
  before.plan.mutable_columns(1)->set_target_type("boolean");
  before.plan.mutable_columns(1)->set_encoding(v1::ENCODING_BOOLEAN);
  TableState after = Table({Column("a", v1::TINYINT, 1), Enum("f", {"x"}), Column("n", v1::INT)});
  KeepTypes(before, RenamesOf({{"e", "f"}}), &after);
  EXPECT_EQ(after.plan.columns(1).target_type(), "boolean");
  EXPECT_EQ(after.plan.columns(1).encoding(), v1::ENCODING_BOOLEAN);
  EXPECT_EQ(after.plan.columns(2).target_type(), R"("d"."enum_t_f")");
  EXPECT_EQ(after.plan.columns(3).target_type(), "integer");
}

}  // namespace
}  // namespace chameleon::coordinator::target
