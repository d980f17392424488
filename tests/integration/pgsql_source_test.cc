// A source of type pgsql: copied exactly, type by type, or refused by name; never followed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "tests/support/replica.h"

namespace chameleon::test {
namespace {

using ::testing::HasSubstr;

// Type, then values; each with the literal that PostgreSQL reads. NULL is added to all.
const std::vector<std::pair<std::string, std::vector<std::string>>> kTypes = {
    {"smallint", {"-32768", "32767"}},
    {"integer", {"-2147483648", "2147483647"}},
    {"bigint", {"-9223372036854775808", "9223372036854775807"}},
    {"numeric", {"'NaN'", "'Infinity'", "1e-100", "-123456789012345678901234567890.123"}},
    {"numeric(12,3)", {"-999999999.999", "0.001"}},
    {"real", {"'-0'", "'Infinity'", "'NaN'", "1e-45", "3.4028235e38", "0.1"}},
    {"double precision", {"'-0'", "'-Infinity'", "5e-324", "1.7976931348623157e308", "0.1"}},
    {"boolean", {"true", "false"}},
    {"text", {"''", "E'tab\\tline\\nback\\\\slash\\r'", "'Ä€😀'", "'\\N'", "'\\.'", "'NULL'"}},
    {"varchar(5)", {"'abcde'", "'  '"}},
    {"char(5)", {"'ab'", "''"}},
    {"\"char\"", {"'x'"}},
    {"name", {"'n'"}},
    {"bytea", {"''", "'\\x00ff5c0a09'"}},
    {"date", {"'4713-01-01 BC'", "'5874897-12-31'", "'infinity'", "'2024-02-29'"}},
    {"time(3)", {"'00:00'", "'24:00:00'", "'23:59:59.999'"}},
    {"timetz", {"'12:00:00.000001+05:30'", "'00:00-15:59'"}},
    {"timestamp", {"'4713-01-01 00:00 BC'", "'294276-12-31 23:59:59.999999'", "'-infinity'"}},
    {"timestamptz",
     {"'2024-03-31 02:30:00.123456 Europe/Berlin'", "'infinity'", "'0044-03-15 BC'"}},
    {"interval", {"'-1 day +02:03'", "'178000000 years'", "'1 mon -3 days 00:00:00.000001'"}},
    {"uuid", {"'00000000-0000-0000-0000-000000000000'"}},
    {"json", {"'{\"a\" :  1.0, \"a\": 2}'", "'null'"}},
    {"jsonb", {"'{\"a\": [1, 1.10, \"\\u00e4\"]}'", "'null'"}},
    {"xml", {"'<a b=\"c\">&amp;</a>'"}},
    {"bit(5)", {"B'10101'"}},
    {"varbit", {"B''", "B'1'"}},
    {"inet", {"'192.168.0.1/24'", "'::1'"}},
    {"cidr", {"'10.0.0.0/8'"}},
    {"macaddr", {"'08:00:2b:01:02:03'"}},
    {"point", {"'(1e300,-0)'"}},
    {"polygon", {"'((0,0),(1,1),(0.1,0))'"}},
    {"int4range", {"'empty'", "'[1,10)'", "'(,)'"}},
    {"tstzmultirange", {"'{[2020-01-01 00:00+00,2020-02-01 00:00+00)}'"}},
    {"integer[]", {"'{}'", "'{{1,NULL},{3,4}}'", "'[5:6]={7,8}'"}},
    {"text[]", {"'{\"a,b\",\"\",NULL,\"NULL\",\"q\\\"\\\\\"}'"}},
    {"tsvector", {"'''it''s'':1A b:2'"}},
    {"pg_lsn", {"'16/B374D848'"}},
    {"oid", {"4294967295"}},
};

class PgsqlSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    source_.Start();
    target_.Start();
    source_.CreateDatabase("db_source");
    replica_ = std::make_unique<Replica>(&target_);
    replica_->MustCtl({"set_configuration_files"});
  }

  void Configure(const std::string& more = "") {
    std::ofstream(replica_->home() / "configuration" / "test.yml") << fmt::format(
        "pid_dir: '{0}/pid/'\nlog_dir: '{0}/logs/'\nlog_dest: file\nlog_level: info\n"
        "type_override:\n  \"integer\":\n    override_to: bigint\n    override_tables: [\"*\"]\n"
        "pg_conn: {{host: \"127.0.0.1\", port: \"{1}\", user: \"postgres\", password: \"x\","
        " database: \"db_replica\"}}\n"
        "sources:\n  pg:\n    db_conn:\n      host: \"127.0.0.1\"\n      port: \"{2}\"\n"
        "      user: \"postgres\"\n      password: \"x\"\n      database: \"db_source\"\n"
        "    schema_mappings:\n      s: t\n    type: pgsql\n    out_dir: {0}\n{3}",
        replica_->home().string(), target_.port(), source_.port(), more);
  }
  std::string Init() { return replica_->MustCtl({"init_replica", "--source", "pg", "--yes"}); }
  std::string Error(std::vector<std::string> command) {
    RunResult result = replica_->Ctl(std::move(command));
    return result.exit_code == 0 ? "" : result.err;
  }
  Pg Source() { return source_.Connect("db_source"); }
  std::string Target(const std::string& sql) { return Pg(replica_->target()).One(sql); }
  // All rows of a table, as each server prints them.
  static std::string RowsOf(Pg pg, const std::string& table) {
    std::string text;
    pg.CopyOut("SELECT * FROM " + table + " ORDER BY 1",
               [&](const char* line, size_t size) { text.append(line, size) += '\n'; });
    return text;
  }

  PostgresServer source_, target_;
  std::unique_ptr<Replica> replica_;
};

TEST_F(PgsqlSourceTest, EveryTypeByCopyModeDirectAndFile) {
  std::string sql = "CREATE SCHEMA s; CREATE TYPE s.mood AS ENUM ('sad', 'it''s ok', 'a,b');";
  auto types = kTypes;
  types.push_back({"s.mood", {"'sad'", "'it''s ok'", "'a,b'"}});
  for (size_t i = 0; i < types.size(); ++i) {
    sql += fmt::format("CREATE TABLE s.t{} (id int PRIMARY KEY, v {});", i, types[i].first);
    int id = 0;
    for (const std::string& value : types[i].second) {
      sql += fmt::format("INSERT INTO s.t{} VALUES ({}, {});", i, ++id, value);
    }
    sql += fmt::format("INSERT INTO s.t{} VALUES (0, NULL);", i);
  }
  // Settings that change how values are printed must not matter.
  sql +=
      "ALTER DATABASE db_source SET datestyle = 'German'; ALTER DATABASE db_source SET timezone ="
      " 'Asia/Kathmandu'; ALTER DATABASE db_source SET intervalstyle = 'sql_standard';"
      "ALTER DATABASE db_source SET bytea_output = 'escape';"
      "ALTER DATABASE db_source SET extra_float_digits = -3;";
  Source().Exec(sql);
  for (const char* mode : {"direct", "file"}) {
    Configure(fmt::format("    copy_mode: {}\n", mode));
    if (std::string(mode) == "direct") {
      replica_->MustCtl({"create_replica_schema"});
      replica_->MustCtl({"add_source", "--source", "pg"});
    }
    Init();
    for (size_t i = 0; i < types.size(); ++i) {
      EXPECT_EQ(RowsOf(Source(), fmt::format("s.t{}", i)),
                RowsOf(Pg(replica_->target()), fmt::format("t.t{}", i)))
          << types[i].first << " " << mode;
      if (types[i].first == "s.mood") continue;
      const auto type = [&](const char* schema) {
        return fmt::format(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid ="
            " '{}.t{}'::regclass AND attname = 'v'",
            schema, i);
      };
      EXPECT_EQ(Source().One(type("s")), Target(type("t")));
    }
  }
  EXPECT_EQ(Target("SELECT count(*) FROM pg_tables WHERE schemaname = 't'"),
            std::to_string(types.size()));
}

TEST_F(PgsqlSourceTest, KeysIndexesDefaultsGrantsFiltersAndDetach) {
  Source().Exec(
      "CREATE SCHEMA s; CREATE TABLE s.parent (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
      " v text COLLATE \"C\" NOT NULL DEFAULT 'x' || 'y', at timestamptz DEFAULT now(),"
      " n int GENERATED ALWAYS AS (length(v)) STORED, j jsonb);"
      "CREATE UNIQUE INDEX lower_v ON s.parent (lower(v)) WHERE id > 0;"
      "CREATE INDEX gin_j ON s.parent USING gin (j jsonb_path_ops);"
      "ALTER TABLE s.parent ADD CONSTRAINT nulls UNIQUE NULLS NOT DISTINCT (j, id) INCLUDE (v);"
      "COMMENT ON TABLE s.parent IS 'it''s mine'; COMMENT ON COLUMN s.parent.v IS 'text';"
      "INSERT INTO s.parent (v, j) SELECT 'v' || i, jsonb_build_object('i', i)"
      " FROM generate_series(1, 5000) i;"
      "CREATE TABLE s.child (id serial PRIMARY KEY, p int REFERENCES s.parent (id) ON DELETE"
      " CASCADE);"
      "INSERT INTO s.child (p) SELECT i FROM generate_series(1, 5000) i;"
      "CREATE TABLE s.parts (k int, v int) PARTITION BY RANGE (k);"
      "CREATE TABLE s.parts_1 PARTITION OF s.parts FOR VALUES FROM (0) TO (10);"
      "INSERT INTO s.parts VALUES (1, 1), (9, 2); CREATE TABLE s.empty (i int);"
      "CREATE TABLE s.skipped (i money); CREATE VIEW s.view AS SELECT 1 AS one");
  target_.Connect("postgres").Exec("CREATE ROLE reader");
  Configure(
      "    skip_tables:\n      - s.skipped\n    grant_select_to:\n      - reader\n"
      "      - nobody_of_that_name\n");
  replica_->MustCtl({"create_replica_schema"});
  replica_->MustCtl({"add_source", "--source", "pg"});
  replica_->MustCtl({"copy_schema", "--source", "pg", "--yes"});
  EXPECT_EQ(Target("SELECT count(*) FROM t.parent"), "0");
  EXPECT_THAT(Init(), HasSubstr("4 tables, 10002 rows"));
  for (const char* table : {"parent", "child", "parts", "empty"}) {
    EXPECT_EQ(RowsOf(Source(), fmt::format("s.{}", table)),
              RowsOf(Pg(replica_->target()), fmt::format("t.{}", table)));
  }
  EXPECT_EQ(Target("SELECT string_agg(regexp_replace(indexdef, '^.* USING', ''), ';' ORDER BY"
                   " indexdef) FROM pg_indexes WHERE schemaname = 't' AND tablename = 'parent'"),
            Source().One("SELECT string_agg(regexp_replace(indexdef, '^.* USING', ''), ';' ORDER BY"
                         " indexdef) FROM pg_indexes WHERE schemaname = 's'"
                         " AND tablename = 'parent'"));
  EXPECT_EQ(Target("SELECT contype FROM pg_constraint WHERE conrelid = 't.parent'::regclass"), "p");
  EXPECT_EQ(
      Target("SELECT string_agg(attname || attnotnull || coalesce(pg_get_expr(adbin, adrelid),"
             " ''), ',' ORDER BY attnum) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid ="
             " attrelid AND adnum = attnum WHERE attrelid = 't.parent'::regclass"
             " AND attnum > 0"),
      "idtrue,vtrue('x'::text || 'y'::text),atfalsenow(),nfalse,jfalse");
  EXPECT_EQ(Target("SELECT collation_name FROM information_schema.columns WHERE table_schema = 't'"
                   " AND table_name = 'parent' AND column_name = 'v'"),
            "C");
  EXPECT_EQ(Target("SELECT obj_description('t.parent'::regclass)"), "it's mine");
  EXPECT_EQ(Target("SELECT has_table_privilege('reader', 't.child', 'SELECT')"), "t");
  EXPECT_EQ(Target("SELECT data_type FROM information_schema.columns WHERE table_schema = 't'"
                   " AND table_name = 'child' AND column_name = 'p'"),
            "integer")
      << "type_override does not apply";

  EXPECT_THAT(Error({"start_replica", "--source", "pg"}), HasSubstr("of type pgsql"));
  EXPECT_THAT(Error({"sync_tables", "--source", "pg", "--tables", "s.parent"}),
              HasSubstr("only copied as a whole"));
  EXPECT_THAT(Error({"refresh_schema", "--source", "pg"}), HasSubstr("only copied as a whole"));
  EXPECT_THAT(replica_->MustCtl({"show_status", "--source", "pg"}),
              HasSubstr("a source of type pgsql is copied, not followed"));

  replica_->MustCtl({"detach_replica", "--source", "pg", "--yes"});
  Pg(replica_->target()).Exec("INSERT INTO t.child (p) VALUES (1)");
  EXPECT_EQ(Target("SELECT max(id) FROM t.child"), "5001");
  EXPECT_EQ(Target("SELECT confdeltype FROM pg_constraint WHERE contype = 'f' AND convalidated AND"
                   " conrelid = 't.child'::regclass"),
            "c");
}

TEST_F(PgsqlSourceTest, RefusedByName) {
  Configure();
  replica_->MustCtl({"create_replica_schema"});
  replica_->MustCtl({"add_source", "--source", "pg"});
  EXPECT_THAT(Error({"init_replica", "--source", "pg", "--yes"}), HasSubstr("has no schema s"));
  Source().Exec(
      "CREATE SCHEMA s; CREATE DOMAIN s.positive AS int CHECK (VALUE > 0);"
      "CREATE TYPE s.pair AS (a int, b int); CREATE TYPE s.e AS ENUM ('x');"
      "CREATE TABLE s.odd (d s.positive, p s.pair, m money, r regclass, a s.e[], fine int)");
  replica_->MustCtl({"enable_replica", "--source", "pg"});
  const std::string error = Error({"init_replica", "--source", "pg", "--yes"});
  EXPECT_THAT(error, HasSubstr("table s.odd: column d has type s.positive, a domain"));
  EXPECT_THAT(error, HasSubstr("column p has type s.pair, a composite type"));
  EXPECT_THAT(error, HasSubstr("column m has type money, whose text"));
  EXPECT_THAT(error, HasSubstr("column r has type regclass, whose text"));
  EXPECT_THAT(error, HasSubstr("column a has type s.e[], which is not one"));
  EXPECT_THAT(error, HasSubstr("skip_tables"));
}

// One snapshot: a transaction that changes two tables is seen in both or in none.
TEST_F(PgsqlSourceTest, AllTablesAsOfOneSnapshot) {
  Source().Exec(
      "CREATE SCHEMA s; CREATE TABLE s.a (n int); CREATE TABLE s.b (n int);"
      "INSERT INTO s.a SELECT 0 FROM generate_series(1, 2000);"
      "INSERT INTO s.b SELECT 0 FROM generate_series(1, 2000)");
  Configure();
  replica_->MustCtl({"create_replica_schema"});
  replica_->MustCtl({"add_source", "--source", "pg"});
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    Pg pg = Source();
    while (!stop) pg.Exec("BEGIN; UPDATE s.a SET n = n + 1; UPDATE s.b SET n = n + 1; COMMIT");
  });
  for (int i = 0; i < 3; ++i) {
    Init();
    EXPECT_EQ(Target("SELECT count(DISTINCT n) FROM (SELECT n FROM t.a UNION ALL SELECT n FROM t.b)"
                     " x"),
              "1");
  }
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace chameleon::test
