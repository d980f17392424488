#include "coordinator/target/type_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/target/names.h"
#include "coordinator/target/quote.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::target {
namespace {

v1::ColumnDef Column(v1::BaseType type, uint32_t length = 0, uint32_t scale = 0) {
  v1::ColumnDef c;
  c.set_name("c");
  c.set_base_type(type);
  c.set_length(length);
  c.set_scale(scale);
  c.set_nullable(true);
  return c;
}

v1::ColumnDef Unsigned(v1::ColumnDef c) {
  c.set_is_unsigned(true);
  return c;
}

v1::ColumnDef Fsp(v1::BaseType type, uint32_t fsp) {
  v1::ColumnDef c = Column(type);
  c.set_fsp(fsp);
  return c;
}

v1::TableDef Table(std::vector<v1::ColumnDef> columns) {
  v1::TableDef def;
  def.mutable_name()->set_schema("db");
  def.mutable_name()->set_table("t");
  for (auto& c : columns) *def.add_columns() = std::move(c);
  return def;
}

std::string TypeOf(const v1::ColumnDef& c, const TypeMapOptions& options = {.target_schema = "s"}) {
  auto plan = MapTable(Table({c}), options);
  if (!plan.ok()) return Text(plan.status());
  return plan->columns(0).target_type() + " " + v1::Encoding_Name(plan->columns(0).encoding());
}

TEST(TypeMap, Types) {
  struct Case {
    v1::ColumnDef column;
    const char* type;
  };
  const Case cases[] = {
      {Column(v1::TINYINT, 1), "smallint ENCODING_NUMBER"},
      {Unsigned(Column(v1::TINYINT)), "smallint ENCODING_NUMBER"},
      {Column(v1::SMALLINT), "smallint ENCODING_NUMBER"},
      {Unsigned(Column(v1::SMALLINT)), "integer ENCODING_NUMBER"},
      {Column(v1::MEDIUMINT), "integer ENCODING_NUMBER"},
      {Unsigned(Column(v1::MEDIUMINT)), "integer ENCODING_NUMBER"},
      {Column(v1::INT), "integer ENCODING_NUMBER"},
      {Unsigned(Column(v1::INT)), "bigint ENCODING_NUMBER"},
      {Column(v1::BIGINT), "bigint ENCODING_NUMBER"},
      {Unsigned(Column(v1::BIGINT)), "numeric(20) ENCODING_NUMBER"},
      {Column(v1::DECIMAL, 65, 30), "numeric(65,30) ENCODING_NUMBER"},
      {Column(v1::FLOAT), "real ENCODING_FLOAT"},
      {Column(v1::DOUBLE), "double precision ENCODING_DOUBLE"},
      {Column(v1::BIT, 10), "bit(10) ENCODING_BIT"},
      {Column(v1::YEAR), "smallint ENCODING_NUMBER"},
      {Column(v1::DATE), "date ENCODING_DATE"},
      {Fsp(v1::TIME, 3), "interval ENCODING_TIME"},
      {Fsp(v1::DATETIME, 6), "timestamp(6) ENCODING_DATETIME"},
      {Fsp(v1::TIMESTAMP, 0), "timestamptz(0) ENCODING_TIMESTAMP"},
      {Column(v1::CHAR, 10), "varchar(10) ENCODING_TEXT"},
      {Column(v1::VARCHAR, 0), "varchar(1) ENCODING_TEXT"},
      {Column(v1::MEDIUMTEXT), "text ENCODING_TEXT"},
      {Column(v1::BINARY, 16), "bytea ENCODING_BYTEA"},
      {Column(v1::LONGBLOB), "bytea ENCODING_BYTEA"},
      {Column(v1::SET), "text ENCODING_SET"},
      {Column(v1::JSON), "jsonb ENCODING_JSON"},
      {Column(v1::POINT), "bytea ENCODING_BYTEA"},
      {Column(v1::VECTOR, 3), "real[] ENCODING_REAL_ARRAY"},
      {Column(v1::UUID), "uuid ENCODING_UUID"},
      {Column(v1::INET6), "inet ENCODING_INET"},
  };
  for (const Case& c : cases) EXPECT_EQ(TypeOf(c.column), c.type);
}

TEST(TypeMap, ExtensionsAreNamedWithTheirSchema) {
  const TypeMapOptions options = {
      .target_schema = "s", .postgis_schema = "public", .pgvector_schema = "ext"};
  EXPECT_EQ(TypeOf(Column(v1::POINT), options), R"("public"."geometry" ENCODING_EWKB)");
  v1::ColumnDef point = Column(v1::POINT);
  point.set_has_srid(true);
  point.set_srid(4326);
  EXPECT_EQ(TypeOf(point, options), R"("public"."geometry"(Point,4326) ENCODING_EWKB)");
  point.set_srid(1'000'000);  // more than PostGIS has
  EXPECT_EQ(TypeOf(point, options), R"("public"."geometry" ENCODING_EWKB)");
  EXPECT_EQ(TypeOf(Column(v1::VECTOR, 3), options), R"("ext"."vector"(3) ENCODING_VECTOR)");
}

TEST(TypeMap, EnumsHaveTheirOwnType) {
  v1::ColumnDef c = Column(v1::ENUM);
  c.add_labels("a");
  EXPECT_EQ(TypeOf(c), R"("s"."enum_t_c" ENCODING_ENUM)");
  c.add_labels(std::string(64, 'x'));  // no label of PostgreSQL's
  EXPECT_EQ(TypeOf(c), "text ENCODING_ENUM");
}

TEST(TypeMap, EnumWithALabelTwiceIsText) {
  v1::ColumnDef c = Column(v1::ENUM);
  for (const char* label : {"a", "", "b", ""}) c.add_labels(label);
  EXPECT_EQ(TypeOf(c), "text ENCODING_ENUM");
}

TEST(TypeMap, UnknownTypeIsRefusedByName) {
  v1::ColumnDef c = Column(v1::BASE_TYPE_UNSPECIFIED);
  c.set_column_type("xmltype");
  EXPECT_EQ(TypeOf(c),
            "table db.t: column c has type xmltype, which is not known\n"
            "HINT: Leave the table out with skip_tables.");
}

TEST(TypeMap, Overrides) {
  TypeMapOptions options{.target_schema = "s"};
  options.overrides = {{"tinyint(1)", "boolean", {"*"}},
                       {"tinyint(1)", "integer", {"db.t"}},
                       {"varchar(9)", "uuid", {"db.other"}},
                       {"blob", "text", {"*"}}};
  v1::ColumnDef c = Column(v1::TINYINT, 1);
  c.set_column_type("tinyint(1)");
  EXPECT_EQ(TypeOf(c, options), "integer ENCODING_NUMBER");
  options.overrides.erase(options.overrides.begin() + 1);
  EXPECT_EQ(TypeOf(c, options), "boolean ENCODING_BOOLEAN");
  c.set_column_type("tinyint(4)");
  EXPECT_EQ(TypeOf(c, options), "smallint ENCODING_NUMBER");
  v1::ColumnDef text = Column(v1::VARCHAR, 9);
  text.set_column_type("varchar(9)");
  EXPECT_EQ(TypeOf(text, options), "varchar(9) ENCODING_TEXT");
  v1::ColumnDef blob = Column(v1::BLOB);
  blob.set_column_type("blob");
  EXPECT_EQ(TypeOf(blob, options),
            "table db.t: column c: text cannot hold the values of blob\n"
            "HINT: Change type_override in the configuration.");
}

// What would round, cut or refuse values is refused before the first row.
TEST(TypeMap, OverridesThatAreTooNarrow) {
  struct Case {
    v1::BaseType type;
    uint32_t length, scale_or_fsp;
    bool is_unsigned;
    const char* target;
    bool fits;
  };
  const Case cases[] = {
      {v1::TINYINT, 4, 0, true, "smallint", true},
      {v1::SMALLINT, 6, 0, true, "smallint", false},
      {v1::INT, 11, 0, false, "smallint", false},
      {v1::INT, 10, 0, true, "integer", false},
      {v1::INT, 10, 0, true, "bigint", true},
      {v1::BIGINT, 20, 0, true, "bigint", true},  // a row beyond is an error of its own
      {v1::BIGINT, 20, 0, false, "integer", false},
      {v1::BIGINT, 20, 0, true, "numeric(20)", true},
      {v1::BIGINT, 20, 0, true, "numeric(20,2)", false},
      {v1::BIGINT, 20, 0, false, "double precision", false},
      {v1::INT, 11, 0, false, "real", false},
      {v1::MEDIUMINT, 8, 0, true, "real", true},
      {v1::DOUBLE, 0, 0, false, "real", false},
      {v1::DOUBLE, 0, 0, false, "numeric", true},
      {v1::DOUBLE, 0, 0, false, "numeric(20,4)", false},
      {v1::DECIMAL, 10, 2, false, "numeric(12,4)", true},
      {v1::DECIMAL, 10, 2, false, "numeric(10,4)", false},
      {v1::DECIMAL, 10, 2, false, "numeric(12,1)", false},
      {v1::DECIMAL, 10, 0, false, "bigint", true},
      {v1::DECIMAL, 19, 0, false, "bigint", false},
      {v1::VARCHAR, 20, 0, false, "varchar(20)", true},
      {v1::VARCHAR, 20, 0, false, "character varying(19)", false},
      {v1::VARCHAR, 20, 0, false, "char", false},
      {v1::TEXT, 0, 0, false, "varchar(100)", false},
      {v1::TEXT, 0, 0, false, "varchar", true},
      {v1::DATETIME, 0, 6, false, "timestamp(3)", false},
      {v1::DATETIME, 0, 3, false, "timestamp(3) with time zone", true},
      {v1::DATETIME, 0, 0, false, "date", false},
      {v1::TIME, 0, 3, false, "time(0)", false},
      {v1::TIME, 0, 3, false, "interval", true},
      {v1::BIT, 8, 0, false, "bit(9)", false},
      {v1::BIT, 8, 0, false, "varbit(9)", true},
  };
  for (const Case& c : cases) {
    v1::ColumnDef def = Column(c.type, c.length);
    def.set_column_type("the type");
    def.set_is_unsigned(c.is_unsigned);
    if (c.type == v1::DECIMAL) def.set_scale(c.scale_or_fsp);
    if (c.type != v1::DECIMAL) def.set_fsp(c.scale_or_fsp);
    const std::string result =
        TypeOf(def, {.target_schema = "s", .overrides = {{"the type", c.target, {"*"}}}});
    EXPECT_EQ(result.find("cannot hold") == std::string::npos, c.fits)
        << v1::BaseType_Name(c.type) << " " << c.target << ": " << result;
  }
}

TEST(TypeMap, NullsByPolicy) {
  for (v1::BaseType type : {v1::DATE, v1::DATETIME, v1::TIMESTAMP, v1::ENUM, v1::INT}) {
    v1::ColumnDef c = Column(type);
    c.set_nullable(false);
    auto plan = MapTable(Table({c}), {.target_schema = "s"});
    ASSERT_TRUE(plan.ok());
    EXPECT_EQ(plan->columns(0).nullable(), type != v1::INT) << v1::BaseType_Name(type);
  }
}

v1::IndexDef Index(v1::IndexDef::Kind kind, const std::string& column) {
  v1::IndexDef index;
  index.set_kind(kind);
  index.add_parts()->set_column(column);
  return index;
}

TEST(TypeMap, Keys) {
  v1::ColumnDef a = Column(v1::INT), b = Column(v1::DATE), n = Column(v1::INT);
  a.set_name("a");
  a.set_nullable(false);
  b.set_name("b");
  b.set_nullable(false);
  n.set_name("n");
  const auto key = [&](std::vector<v1::IndexDef> indexes) -> std::string {
    v1::TableDef def = Table({a, b, n});
    for (auto& i : indexes) *def.add_indexes() = i;
    auto plan = MapTable(def, {.target_schema = "s"});
    std::string out;
    for (const auto& c : plan->columns()) {
      if (c.is_key()) out += c.target_name() + (c.nullable() ? "?" : "");
    }
    return plan->replicated() ? out : plan->reason();
  };
  EXPECT_EQ(key({Index(v1::IndexDef::UNIQUE, "a"), Index(v1::IndexDef::PRIMARY, "b")}), "b");
  EXPECT_EQ(key({Index(v1::IndexDef::UNIQUE, "n"), Index(v1::IndexDef::UNIQUE, "a")}), "a");
  EXPECT_EQ(key({Index(v1::IndexDef::UNIQUE, "n"), Index(v1::IndexDef::PLAIN, "a")}),
            "no primary key and no unique key without nullable columns");
}

// MariaDB's log has NULL for the numbers that it gives to such a column.
TEST(TypeMap, NumbersThatAreNotLogged) {
  v1::ColumnDef key, number;
  key.set_name("id");
  key.set_base_type(v1::INT);
  number = key;
  number.set_name("n");
  number.set_auto_increment(true);
  const auto replicated = [&] {
    v1::TableDef def = Table({key, number});
    *def.add_indexes() = Index(v1::IndexDef::PRIMARY, "id");
    const auto plan = MapTable(def, {.target_schema = "s"});
    EXPECT_EQ(plan->reason().starts_with("column n is AUTO_INCREMENT and nullable"),
              !plan->replicated());
    return plan->replicated();
  };
  EXPECT_TRUE(replicated());
  number.set_nullable(true);
  EXPECT_FALSE(replicated());
}

// MariaDB logs what is computed from a number as it was before the number was given.
TEST(TypeMap, ColumnsComputedFromNumbersThatAreGiven) {
  v1::ColumnDef key, computed;
  key.set_name("id");
  key.set_base_type(v1::INT);
  key.set_auto_increment(true);
  computed.set_name("c");
  computed.set_base_type(v1::INT);
  computed.set_generated(v1::GENERATED_VIRTUAL);
  const auto replicated = [&](const std::string& expression) {
    computed.set_generation_expression(expression);
    v1::TableDef def = Table({key, computed});
    *def.add_indexes() = Index(v1::IndexDef::PRIMARY, "id");
    return MapTable(def, {.target_schema = "s"})->replicated();
  };
  EXPECT_TRUE(replicated("`pid` + idx"));
  EXPECT_FALSE(replicated("`ID` + 1"));
  EXPECT_FALSE(replicated("n+id"));
}

TEST(Names, ShortenedBetweenCharactersWithAHash) {
  EXPECT_EQ(ShortName("orders"), "orders");
  EXPECT_EQ(ShortName(std::string(63, 'a')), std::string(63, 'a'));
  const std::string shortened = ShortName(std::string(64, 'a'));
  EXPECT_EQ(shortened.size(), 63u);
  EXPECT_EQ(shortened.substr(0, 55), std::string(54, 'a') + "_");
  EXPECT_NE(ShortName(std::string(65, 'a')), shortened);
  std::string accents;
  for (int i = 0; i < 40; ++i) accents += "\xc3\xa9";
  EXPECT_EQ(ShortName("x" + accents).substr(0, 53), "x" + accents.substr(0, 52));
  NamePool pool;
  EXPECT_EQ(pool.Take("i"), "i");
  EXPECT_EQ(pool.Take("i"), HashedName("i"));
}

TEST(TypeMap, CollidingNamesAreRefused) {
  v1::ColumnDef a = Column(v1::INT), b = Column(v1::INT);
  a.set_name(std::string(70, 'a'));
  b.set_name(ShortName(a.name()));
  auto plan = MapTable(Table({a, b}), {.target_schema = "s"});
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Text(plan.status()), testing::HasSubstr("two columns would be named aaaa"));
}

TEST(Quote, IdentifiersAndLiterals) {
  EXPECT_EQ(Identifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(Identifier("s", "T"), "\"s\".\"T\"");
  EXPECT_EQ(Literal("it's"), "'it''s'");
  EXPECT_EQ(Literal("a\\b'"), "E'a\\\\b'''");
}

}  // namespace
}  // namespace chameleon::coordinator::target
