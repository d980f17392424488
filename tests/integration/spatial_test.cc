// Spatial types where the target has PostGIS: every shape and reference system as snapshot, by the
// log and in columns that are added later, against what the source's own functions say: text,
// bytes, SRID, and on MySQL latitude and longitude, whose order its texts turn round.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/live_fixture.h"

namespace chameleon::test {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> kForms = {"snap", "stream", "ddl"};

struct Shape {
  const char* type;
  const char* text;
};
constexpr Shape kShapes[] = {
    {"POINT", "POINT(10.5 -20)"},
    {"LINESTRING", "LINESTRING(0 0,1 2,3 5)"},
    {"POLYGON", "POLYGON((0 0,8 0,8 4,0 0),(3 0.5,4 0.5,4 1,3 0.5))"},
    {"MULTIPOINT", "MULTIPOINT((1 2),(3 4))"},
    {"MULTILINESTRING", "MULTILINESTRING((0 0,1 2),(2 2,3 5))"},
    {"MULTIPOLYGON", "MULTIPOLYGON(((0 0,2 0,2 1,0 0)))"},
    {"GEOMETRYCOLLECTION", "GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 3))"},
    {"GEOMETRYCOLLECTION", "GEOMETRYCOLLECTION EMPTY"}};
// No reference system, latitude before longitude by EPSG's definition, and a plane.
constexpr const char* kSrids[] = {"0", "4326", "3857"};

// A reference system of one's own; MySQL takes no SRID that it does not know.
constexpr const char* kPlane =
    "CREATE SPATIAL REFERENCE SYSTEM IF NOT EXISTS {0} NAME 'plane {0}' DEFINITION "
    "'PROJCS[\"p{0}\",GEOGCS[\"g\","
    "DATUM[\"d\",SPHEROID[\"s\",6378137,298.257223563]],PRIMEM[\"Greenwich\",0],UNIT[\"degree\","
    "0.017453292519943278],AXIS[\"Lat\",NORTH],AXIS[\"Lon\",EAST]],PROJECTION[\"Popular "
    "Visualisation Pseudo Mercator\",AUTHORITY[\"EPSG\",\"1024\"]],PARAMETER[\"Latitude of natural "
    "origin\",0,AUTHORITY[\"EPSG\",\"8801\"]],PARAMETER[\"Longitude of natural origin\",0,"
    "AUTHORITY[\"EPSG\",\"8802\"]],PARAMETER[\"False easting\",0,AUTHORITY[\"EPSG\",\"8806\"]],"
    "PARAMETER[\"False northing\",0,AUTHORITY[\"EPSG\",\"8807\"]],UNIT[\"metre\",1],"
    "AXIS[\"X\",EAST],AXIS[\"Y\",NORTH]]'";

class SpatialTest : public LiveSessionFixture {
 protected:
  void SetUp() override {
    LiveSessionFixture::SetUp();
    if (IsSkipped()) return;
    Exec("SET SESSION sql_mode = ''");
    for (const auto& form : kForms) Exec("CREATE DATABASE " + form);
    Exec("CREATE DATABASE large");
    Exec("CREATE TABLE ddl.w_marker (id INT PRIMARY KEY, n BIGINT)");
    Exec("INSERT INTO ddl.w_marker VALUES (1, 0)");
  }

  // The extension is where the administrator put it, not on the search path of our sessions.
  void Begin() {
    Pg(replica_->target())
        .Exec("CREATE SCHEMA \"Gis 2\"; CREATE EXTENSION postgis SCHEMA \"Gis 2\"");
    replica_->AddSource(
        {.name = "s",
         .server = source_.get(),
         .schema_mappings = {
             {"snap", "snap"}, {"stream", "stream"}, {"ddl", "ddl"}, {"large", "large"}}});
    replica_->Setup();
    replica_->Init("s");
    replica_->Start("s");
    Pg(replica_->target()).Exec("ALTER DATABASE db_replica SET search_path = \"Gis 2\"");
  }

  // One column per shape, one that takes them all, and on MySQL those that fix the SRID.
  std::vector<std::string> Columns() const {
    std::vector<std::string> columns = {"any_ GEOMETRY"};
    for (const Shape& shape : kShapes) {
      const std::string column = fmt::format("{0}_ {0}", shape.type);
      if (column != columns.back()) columns.push_back(column);
    }
    if (IsMysql()) {
      for (const char* srid : kSrids) {
        columns.push_back(fmt::format("p{0} POINT SRID {0}, g{0} GEOMETRY SRID {0}", srid));
      }
    } else {
      columns.push_back("r4326 POINT REF_SYSTEM_ID=4326");
    }
    return columns;
  }

  void Fill(const std::string& table) {
    int id = 0;
    for (const Shape& shape : kShapes) {
      for (const std::string srid : kSrids) {
        const std::string value = fmt::format("ST_GeomFromText('{}', {})", shape.text, srid);
        std::string columns = fmt::format("any_, {}_", shape.type), values = value + ", " + value;
        if (IsMysql()) {
          columns += ", g" + srid;
          values += ", " + value;
        }
        if (std::string(shape.type) == "POINT") {
          columns += IsMysql() ? ", p" + srid : ", r4326";
          values += ", " + value;
        }
        Exec(fmt::format("INSERT INTO {} (id, {}) VALUES ({}, {})", table, columns, ++id, values));
      }
    }
    Exec(fmt::format("INSERT INTO {} (id) VALUES ({})", table, ++id));
  }

  void Create(const std::string& form) {
    Exec(fmt::format("CREATE TABLE {}.g (id INT PRIMARY KEY, {})", form,
                     fmt::join(Columns(), ", ")));
  }

  // "id=1 any_ 4326 POINT(…) 0101…", one line per value, by the source's functions or ours.
  std::string Texts(const std::string& form, bool source) {
    std::string lines;
    const std::string order = IsMysql() ? ", 'axis-order=long-lat'" : "";
    std::vector<std::string> columns;
    for (const auto& row : db_->Query(
             fmt::format("SELECT column_name FROM information_schema.columns WHERE table_schema = "
                         "'{}' AND table_name = 'g' AND column_name <> 'id' ORDER BY 1",
                         form))) {
      columns.push_back(row[0].value());
    }
    EXPECT_GE(columns.size(), 9u);
    for (const auto& c : columns) {
      const std::string sql =
          source ? fmt::format(
                       "SELECT id, ST_SRID({0}), REPLACE(REPLACE(ST_AsText({0}{1}), ', ',"
                       " ','), ' (', '('), LOWER(HEX(ST_AsBinary({0}{1}))) FROM {2}.g"
                       " WHERE {0} IS NOT NULL ORDER BY id",
                       c, order, form)
                 : fmt::format(
                       "SELECT id, ST_SRID({0}), replace(ST_AsText({0}), ' (', '('),"
                       " encode(ST_AsBinary({0}, 'NDR'), 'hex')"
                       " FROM {1}.g WHERE {0} IS NOT NULL ORDER BY id",
                       PgName(c), form);
      const Rows rows = source ? db_->Query(sql) : Pg(replica_->target()).Query(sql);
      for (const auto& row : rows) {
        std::string text = row[2].value();
        // MULTIPOINT(1 2,3 4): with and without parentheses.
        if (text.starts_with("MULTIPOINT")) {
          std::erase(text, '(');
          std::erase(text, ')');
        }
        lines += fmt::format("{} id={} {} {} {}\n", c, row[0].value(), row[1].value(), text,
                             row[3].value());
      }
    }
    return lines;
  }

  std::string TypesOf(const std::string& form) {
    return Target(
        fmt::format("SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', '"
                    " ORDER BY attname) FROM pg_attribute WHERE attrelid = '{}.g'::regclass AND"
                    " attnum > 0 AND NOT attisdropped",
                    form));
  }
  std::string Left() {
    return Target(
        "SELECT coalesce(string_agg(t_source_table || ': ' || t_reason, '; '), '') FROM "
        "sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled");
  }
  std::string Ledger() {
    return Target(
        "SELECT coalesce(string_agg(concat_ws(' ', t_source_table, t_kind, i_count,"
        " t_example_key), '; ' ORDER BY t_source_table, t_kind), '')"
        " FROM sch_chameleon.t_ledger JOIN sch_chameleon.t_replica_tables USING (i_id_table)");
  }

  void AddColumns() {
    const std::vector<std::string> columns = Columns();
    for (size_t i = 0; i < columns.size(); i += 4) {  // some in one statement
      const auto end = columns.begin() + static_cast<int>(std::min(i + 4, columns.size()));
      Exec(fmt::format("ALTER TABLE ddl.g ADD COLUMN ({})",
                       fmt::join(columns.begin() + static_cast<int>(i), end, ", ")));
    }
  }

  // PostGIS has SRIDs up to 999,999 and would silently take another for a larger one.
  void FillLargeSrids(const std::string& table) {
    Exec("CREATE TABLE " + table + " (id INT PRIMARY KEY, p POINT)");
    int id = 0;
    for (const std::string srid : {"999999", "1000000", "4294967295"}) {
      if (IsMysql()) Exec(fmt::format(kPlane, srid));
      Exec(fmt::format("INSERT INTO {} VALUES ({}, ST_GeomFromText('POINT(1 2)', {}))", table, id++,
                       srid));
    }
  }
  void ExpectLargeSridsDropped() {
    for (const std::string form : {"snap", "stream"}) {
      EXPECT_EQ(Target("SELECT string_agg(ST_SRID(p) || ':' || ST_AsText(p), ' ' ORDER BY id) FROM"
                       " large." +
                       form),
                "999999:POINT(1 2) 0:POINT(1 2) 0:POINT(1 2)")
          << form;
    }
  }

  // Of the snapshot and of the stream, and a column that changes its shape under one.
  void CreateIndexed() {
    Exec(
        "CREATE TABLE snap.i (id INT PRIMARY KEY, p POINT NOT NULL, q LINESTRING, SPATIAL INDEX sp"
        " (p))");
    Exec("INSERT INTO snap.i VALUES (1, ST_GeomFromText('POINT(1 2)', 4326), NULL)");
  }
  void ChangeIndexed() {
    Exec("ALTER TABLE snap.i MODIFY p GEOMETRY NOT NULL, ADD COLUMN m MULTIPOLYGON");
    Exec(
        "INSERT INTO snap.i VALUES (2, ST_GeomFromText('LINESTRING(1 2,3 4)', 4326),"
        " ST_GeomFromText('LINESTRING(1 2,3 4)', 3857),"
        " ST_GeomFromText('MULTIPOLYGON(((0 0,2 0,2 1,0 0)))', 4326))");
    Exec("DELETE FROM snap.i WHERE id = 1");
    Exec("CREATE TABLE stream.i (id INT PRIMARY KEY, p GEOMETRY NOT NULL)");
    Exec("INSERT INTO stream.i VALUES (1, ST_GeomFromText('POINT(1 2)', 3857))");
    if (IsMysql()) Exec("ALTER TABLE stream.i MODIFY p GEOMETRY NOT NULL SRID 3857");
    Exec("ALTER TABLE stream.i ADD SPATIAL INDEX sp (p)");
    Exec("INSERT INTO stream.i VALUES (2, ST_GeomFromText('POINT(5 6)', 3857))");
  }
  void ExpectIndexes() {
    EXPECT_EQ(
        Target("SELECT string_agg(tablename || ' ' || substring(indexdef from 'USING.*'), ', '"
               " ORDER BY schemaname) FROM pg_indexes WHERE indexdef LIKE '%gist%'"),
        "i USING gist (p), i USING gist (p)");
  }

  // Whatever the order in the source's texts: POINT(10.5 -20) is 10.5° north.
  void ExpectLongitudeIsX(const std::string& form) {
    const std::string where = fmt::format(" FROM {}.g WHERE p4326 IS NOT NULL", form);
    EXPECT_EQ(Target("SELECT ST_X(p4326) || ' ' || ST_Y(p4326)" + where),
              db_->One("SELECT CONCAT(ST_Longitude(p4326), ' ', ST_Latitude(p4326))" + where));
    EXPECT_EQ(Target("SELECT ST_Y(p4326)" + where), "10.5");
    // Metres between two points tell whether the axes mean the same there and here.
    const double theirs = std::stod(db_->One(
        "SELECT ST_Distance_Sphere(p4326, ST_GeomFromText('POINT(11 -25)', 4326))" + where));
    const double ours = std::stod(
        Target("SELECT ST_DistanceSphere(p4326, ST_SetSRID(ST_MakePoint(-25, 11), 4326))" + where));
    EXPECT_NEAR(ours / theirs, 1, 0.001) << form;
    EXPECT_THAT(TypesOf(form), HasSubstr("p4326 geometry(Point,4326)"));
  }
};

TEST_P(SpatialTest, SnapshotStreamAndSchemaChangesHaveTheSourcesValues) {
  Create("snap");
  Fill("snap.g");
  FillLargeSrids("large.snap");
  CreateIndexed();
  Create("stream");
  Exec("CREATE TABLE ddl.g (id INT PRIMARY KEY)");
  Exec("INSERT INTO ddl.g VALUES (0)");
  Begin();
  Fill("stream.g");
  AddColumns();
  Fill("ddl.g");
  FillLargeSrids("large.stream");
  ChangeIndexed();
  replica_->WaitCaughtUp("s", std::chrono::seconds(120));
  for (int i = 0; i < 300 && Left() != ""; ++i) std::this_thread::sleep_for(Millis(100));
  EXPECT_EQ(Left(), "");
  EXPECT_EQ(Ledger(), "snap srid_dropped 2 column p, id=1; stream srid_dropped 2 column p, id=1");
  for (const auto& form : kForms) {
    EXPECT_EQ(CompareSchemas(source_->Address(), form, replica_->target(), form, {}).differences,
              "");
    EXPECT_EQ(Texts(form, false), Texts(form, true)) << form;
    EXPECT_EQ(TypesOf(form), TypesOf("snap"));
    if (IsMysql()) ExpectLongitudeIsX(form);
  }
  ExpectLargeSridsDropped();
  ExpectIndexes();
}

ON_ALL_SERVERS(SpatialTest)

}  // namespace
}  // namespace chameleon::test
