// Existing columns: exact, or refused by name.
#include "coordinator/target/fit.h"

#include <gtest/gtest.h>

#include "coordinator/target/type_map.h"

namespace chameleon::coordinator::target {
namespace {

struct Case {
  v1::BaseType base;
  uint32_t length, scale, fsp;
  std::string planned;
  v1::Encoding encoding;
  std::string existing;
  bool fits;
};

std::optional<std::string> Fit(const Case& c, bool ours = false) {
  v1::ColumnDef def;
  def.set_column_type("x");
  def.set_base_type(c.base);
  def.set_length(c.length);
  def.set_scale(c.scale);
  def.set_fsp(c.fsp);
  v1::ColumnPlan plan;
  plan.set_target_type(c.planned);
  plan.set_encoding(c.encoding);
  return FitColumn(def, {.type = c.existing}, ours, &plan);
}

TEST(Fit, ByTypeAndDimensions) {
  const v1::Encoding kNumber = v1::ENCODING_NUMBER, kText = v1::ENCODING_TEXT;
  const std::vector<Case> cases = {
      {v1::TINYINT, 4, 0, 0, "smallint", kNumber, "integer", true},
      {v1::TINYINT, 1, 0, 0, "smallint", kNumber, "boolean", true},
      {v1::BIGINT, 20, 0, 0, "numeric(20)", kNumber, "bigint", true},  // too large: an error
      {v1::INT, 11, 0, 0, "integer", kNumber, "double precision", true},
      {v1::BIGINT, 20, 0, 0, "bigint", kNumber, "double precision", false},
      {v1::INT, 11, 0, 0, "integer", kNumber, "real", false},
      {v1::DECIMAL, 10, 2, 0, "numeric(10,2)", kNumber, "numeric", true},
      {v1::DECIMAL, 10, 2, 0, "numeric(10,2)", kNumber, "numeric(20,4)", true},
      {v1::DECIMAL, 10, 2, 0, "numeric(10,2)", kNumber, "numeric(10,1)", false},
      {v1::FLOAT, 0, 0, 0, "real", v1::ENCODING_FLOAT, "double precision", true},
      {v1::DOUBLE, 0, 0, 0, "double precision", v1::ENCODING_DOUBLE, "real", false},
      {v1::DOUBLE, 0, 0, 0, "double precision", v1::ENCODING_DOUBLE, "numeric(10,2)", false},
      {v1::BIT, 8, 0, 0, "bit(8)", v1::ENCODING_BIT, "integer", false},
      {v1::BIT, 8, 0, 0, "bit(8)", v1::ENCODING_BIT, "bit varying(8)", true},
      {v1::BIT, 8, 0, 0, "bit(8)", v1::ENCODING_BIT, "bit(9)", false},
      {v1::BIT, 8, 0, 0, "bit(8)", v1::ENCODING_BIT, "bit varying(7)", false},
      {v1::VARCHAR, 20, 0, 0, "varchar(20)", kText, "character varying(20)", true},
      {v1::VARCHAR, 20, 0, 0, "varchar(20)", kText, "character varying(19)", false},
      {v1::VARCHAR, 20, 0, 0, "varchar(20)", kText, "text", true},
      {v1::VARCHAR, 20, 0, 0, "varchar(20)", kText, "character(20)", false},
      {v1::CHAR, 20, 0, 0, "varchar(20)", kText, "character(20)", true},
      {v1::CHAR, 20, 0, 0, "varchar(20)", kText, "bytea", false},
      {v1::LONGTEXT, 0, 0, 0, "text", kText, "json", true},
      {v1::DATE, 0, 0, 0, "date", v1::ENCODING_DATE, "timestamp without time zone", true},
      {v1::DATETIME, 0, 0, 3, "timestamp(3)", v1::ENCODING_DATETIME, "timestamp without time zone",
       true},
      {v1::DATETIME, 0, 0, 3, "timestamp(3)", v1::ENCODING_DATETIME,
       "timestamp(0) without time zone", false},
      {v1::DATETIME, 0, 0, 0, "timestamp(0)", v1::ENCODING_DATETIME, "timestamp with time zone",
       false},
      {v1::DATETIME, 0, 0, 0, "timestamp(0)", v1::ENCODING_DATETIME, "date", false},
      {v1::TIMESTAMP, 0, 0, 0, "timestamptz(0)", v1::ENCODING_TIMESTAMP,
       "timestamp without time zone", false},
      {v1::TIMESTAMP, 0, 0, 0, "timestamp without time zone", v1::ENCODING_TIMESTAMP,
       "timestamp without time zone", true},
      {v1::TIMESTAMP, 0, 0, 0, "timestamp", v1::ENCODING_TIMESTAMP, "timestamp without time zone",
       true},
      {v1::TIMESTAMP, 0, 0, 0, "timestamptz(0)", v1::ENCODING_TIMESTAMP, "timestamp with time zone",
       true},
      {v1::TIME, 0, 0, 0, "interval", v1::ENCODING_TIME, "time without time zone", true},
      {v1::TIME, 0, 0, 6, "interval", v1::ENCODING_TIME, "interval(2)", false},
      {v1::BLOB, 0, 0, 0, "bytea", v1::ENCODING_BYTEA, "text", false},
      {v1::SET, 0, 0, 0, "text", v1::ENCODING_SET, "text", true},
      {v1::JSON, 0, 0, 0, "jsonb", v1::ENCODING_JSON, "json", true},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(!Fit(c).has_value(), c.fits)
        << c.planned << " in " << c.existing << ": " << Fit(c).value_or("fits");
  }
}

TEST(Fit, RowsOfOurOwnAreInUtc) {
  const Case moment = {v1::TIMESTAMP,
                       0,
                       0,
                       0,
                       "timestamptz(0)",
                       v1::ENCODING_TIMESTAMP,
                       "timestamp without time zone",
                       false};
  EXPECT_EQ(Fit(moment),
            "x in timestamp without time zone: in which time zone its rows are is not "
            "known");
  EXPECT_EQ(Fit(moment, true), std::nullopt);
}

TEST(Fit, EnumsNeedAllLabels) {
  v1::ColumnDef def;
  def.set_column_type("enum('a','b')");
  def.set_base_type(v1::ENUM);
  def.add_labels("a");
  def.add_labels("b");
  v1::ColumnPlan plan;
  plan.set_encoding(v1::ENCODING_ENUM);
  plan.set_target_type(EnumTypeText("s", "t", "c"));
  ExistingColumn existing{.type = "s.enum_t_c", .own_enum = true, .labels = {"b", "a", "c"}};
  EXPECT_EQ(FitColumn(def, existing, false, &plan), std::nullopt);
  EXPECT_EQ(plan.target_type(), EnumTypeText("s", "t", "c")) << "our spelling stays";
  existing.type = "s.mood";
  EXPECT_EQ(FitColumn(def, existing, false, &plan), std::nullopt);
  EXPECT_EQ(plan.target_type(), "s.mood");
  existing.labels = {"a"};
  EXPECT_EQ(FitColumn(def, existing, false, &plan),
            "enum('a','b') in s.mood: the type has not all labels");
  def.set_base_type(v1::VARCHAR);
  EXPECT_TRUE(FitColumn(def, existing, false, &plan).has_value());
}

}  // namespace
}  // namespace chameleon::coordinator::target
