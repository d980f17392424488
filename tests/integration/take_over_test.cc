// upgrade_replica_schema on what pg_chameleon has left, and what start_replica makes of it: equal
// at the end, or the table and the reason are named.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/support/both_servers.h"
#include "tests/support/old_catalogue.h"
#include "tests/support/replica.h"

namespace chameleon::test {
namespace {

using ::testing::HasSubstr;

class TakeOverTest : public BothServers {
 protected:
  void SetUp() override {
    BothServers::SetUp();
    if (IsSkipped()) return;
    postgres_.Start();
    replica_ = std::make_unique<Replica>(&postgres_);
    source_ = StartSource(GetParam());
    source_->LoadText(
        "CREATE DATABASE d; USE d;"
        "CREATE TABLE w_marker (id INT PRIMARY KEY, n BIGINT); INSERT INTO w_marker VALUES (1, 0);"
        // Types that pg_chameleon maps in its own way and whose values are exact there.
        "CREATE TABLE plain (id INT PRIMARY KEY, tiny TINYINT, flag TINYINT(1), small SMALLINT"
        " UNSIGNED, medium MEDIUMINT, price DECIMAL(10,2), ratio FLOAT, big DOUBLE, v VARCHAR(20),"
        " body TEXT, d DATE, at DATETIME, t TIME, y YEAR, blob_ BLOB, e ENUM('x','y'),"
        " s SET('p','q'), j JSON);"
        "INSERT INTO plain VALUES (1, -5, 1, 60000, -7, 12.50, 0.1, 1e300, 'one', 'text',"
        " '2024-02-29', '2024-02-29 12:00:01', '11:22:33', 2024, x'00ff', 'x', 'p,q',"
        " '{\"a\": 1}');"
        // As pg_chameleon maps them, not exact: the bits as a number, the moment without its zone.
        "CREATE TABLE bits (id INT PRIMARY KEY, b BIT(8)); INSERT INTO bits VALUES (1, b'101');"
        "CREATE TABLE moments (id INT PRIMARY KEY, at TIMESTAMP NULL);"
        "INSERT INTO moments VALUES (1, '2024-02-29 12:00:00');"
        "CREATE TABLE altered (id INT PRIMARY KEY, v INT); INSERT INTO altered VALUES (1, 1);"
        "CREATE TABLE keyless (v INT); INSERT INTO keyless VALUES (1);");
    replica_->AddSource({.name = "d", .server = source_.get(), .schema_mappings = {{"d", "t"}}});
    replica_->MustCtl({"set_configuration_files"});
    replica_->WriteConfiguration();
    CreateTarget();
  }

  void CreateTarget() {
    Target().Exec(
        "CREATE SCHEMA t;"
        "CREATE TABLE t.w_marker (id integer PRIMARY KEY, n bigint);"
        "INSERT INTO t.w_marker VALUES (1, 0);"
        "CREATE TYPE t.enum_plain_e AS ENUM ('x', 'y');"
        "CREATE TABLE t.plain (id integer PRIMARY KEY, tiny integer, flag boolean, small integer,"
        " medium bigint, price numeric(10,2), ratio double precision, big double precision,"
        " v character varying(20), body text, d date, at timestamp without time zone,"
        " t time without time zone, y integer, blob_ bytea, e t.enum_plain_e, s text, j json);"
        "INSERT INTO t.plain VALUES (1, -5, true, 60000, -7, 12.50, 0.1, 1e300, 'one', 'text',"
        " '2024-02-29', '2024-02-29 12:00:01', '11:22:33', 2024, '\\x00ff', 'x', 'p,q',"
        " '{\"a\": 1}');"
        "CREATE TABLE t.bits (id integer PRIMARY KEY, b integer);"
        "INSERT INTO t.bits VALUES (1, 5);"
        "CREATE TABLE t.moments (id integer PRIMARY KEY, at timestamp without time zone);"
        "INSERT INTO t.moments VALUES (1, '2024-02-29 14:00:00');"
        "CREATE TABLE t.altered (id integer PRIMARY KEY, v integer);"
        "INSERT INTO t.altered VALUES (1, 1);"
        "CREATE TABLE t.keyless (v integer); INSERT INTO t.keyless VALUES (1);");
  }

  // A catalogue of 2.0.18 with the source stopped at `place`.
  void CreateOldCatalogue(const LogPlace& place) {
    Pg pg = Target();
    CreateCatalogueV2(&pg);
    id_ = AddSourceV2(&pg, "d", "{\"d\": \"t\"}", place);
    AddTables(&pg, id_, "t", "w_marker, plain, bits, moments, altered");
  }

  Pg Target() { return Pg(replica_->target()); }
  void Source(const std::string& sql) { source_->LoadText(sql, "d"); }
  std::string Error(std::vector<std::string> command) {
    RunResult result = replica_->Ctl(std::move(command));
    return result.exit_code == 0 ? "" : result.err;
  }
  std::string ReasonOf(const std::string& table) {
    return Target().One(
        "SELECT coalesce(max(t_reason), 'none') FROM sch_chameleon.t_replica_tables"
        " WHERE NOT b_dropped AND NOT b_replica_enabled AND t_source_table = " +
        PgLiteral(table));
  }
  void WaitFor(const std::string& what, const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << what << "\n" << replica_->Logs();
      std::this_thread::sleep_for(Millis(50));
    }
  }

  PostgresServer postgres_;
  std::unique_ptr<SourceServer> source_;
  std::unique_ptr<Replica> replica_;
  std::string id_;
};

TEST_P(TakeOverTest, GoesOnFromTheStoredPositionAndEndsEqual) {
  // Read by the old program and not replayed.
  Source("INSERT INTO altered VALUES (2, 2)");
  const LogPlace place = EndOfLog(source_.get());
  CreateOldCatalogue(place);
  {
    Pg pg = Target();
    AddPendingInsertV2(&pg, id_, "t", "altered", "{\"id\": \"2\", \"v\": \"2\"}");
  }
  // Not read.
  Source(
      "INSERT INTO plain (id, tiny, flag, price, v, e, j, at, ratio) VALUES (2, 7, 0, -0.01,"
      " 'two', 'y', '[1,2]', '2025-01-01 00:00:00', 0.3);"
      "UPDATE plain SET price = 99.99, e = 'y', blob_ = x'deadbeef' WHERE id = 1;"
      "DELETE FROM plain WHERE id = 2;"
      "INSERT INTO plain (id, v) VALUES (3, 'three');"
      "INSERT INTO bits VALUES (2, b'11111111'); INSERT INTO moments VALUES (2, NOW());"
      "ALTER TABLE altered ADD COLUMN w INT; INSERT INTO altered VALUES (3, 3, 3);"
      "CREATE TABLE fresh (id INT PRIMARY KEY, v INT); INSERT INTO fresh VALUES (1, 1);");

  const std::string done = replica_->MustCtl({"upgrade_replica_schema"});
  EXPECT_THAT(done, HasSubstr(fmt::format("d: goes on from {}:{}", place.file, place.offset)));
  EXPECT_THAT(done, HasSubstr("_sch_chameleon_version2"));
  EXPECT_EQ(Target().One("SELECT count(*) FROM t.altered"), "2") << "the old log was replayed";
  EXPECT_EQ(Target().One("SELECT t_version FROM sch_chameleon.v_version"), "3.0.0");
  EXPECT_THAT(replica_->MustCtl({"upgrade_replica_schema"}), HasSubstr("newest version already"));
  EXPECT_THAT(Error({"detach_replica", "--source", "d", "--yes"}), HasSubstr("start_replica"));

  replica_->Start("d");
  EXPECT_THAT(ReasonOf("bits"), HasSubstr("column b of target table t.bits"));
  EXPECT_THAT(ReasonOf("bits"), HasSubstr("bit(8) in integer"));
  EXPECT_THAT(ReasonOf("moments"), HasSubstr("in which time zone its rows are is not known"));
  EXPECT_THAT(ReasonOf("keyless"), HasSubstr("no primary key"));
  WaitFor("altered is copied again by itself", [&] { return ReasonOf("altered") == "none"; });
  WaitFor("that copy is over, and the others can be copied", [&] {
    return replica_->Ctl({"sync_tables", "--source", "d", "--tables", "disabled"}).exit_code == 0;
  });
  Source(
      "INSERT INTO bits VALUES (3, b'1'); INSERT INTO moments VALUES (3, '2024-07-01 00:00:00');"
      "UPDATE altered SET w = 9; INSERT INTO fresh VALUES (2, 2); UPDATE plain SET v = 'new'");
  EXPECT_EQ(replica_->Differences("d"), "");
  EXPECT_EQ(Target().One("SELECT data_type FROM information_schema.columns WHERE table_schema = 't'"
                         " AND table_name = 'plain' AND column_name = 'ratio'"),
            "double precision")
      << "the table stays as it was";
  // A restart goes on as any other source does.
  replica_->Stop("d");
  Source("INSERT INTO plain (id, v) VALUES (4, 'four')");
  replica_->Start("d");
  EXPECT_EQ(replica_->Differences("d"), "");
}

// pg_chameleon stores positions between the events of a transaction.
TEST_P(TakeOverTest, APositionInsideOfATransaction) {
  const LogPlace before = EndOfLog(source_.get());
  Source(
      "START TRANSACTION; INSERT INTO plain (id, v) VALUES (10, 'in the target');"
      "INSERT INTO plain (id, v) VALUES (11, 'not yet'); COMMIT");
  std::vector<int64_t> ends;
  for (const Row& row : source_->Connect().Query(
           fmt::format("SHOW BINLOG EVENTS IN '{}' FROM {}", before.file, before.offset))) {
    if (row[2]->find("Write_rows") == 0) ends.push_back(std::stoll(*row[4]));
  }
  ASSERT_EQ(ends.size(), 2u);
  CreateOldCatalogue({before.file, ends[0]});
  Target().Exec("INSERT INTO t.plain (id, v) VALUES (10, 'in the target')");
  replica_->MustCtl({"upgrade_replica_schema"});
  replica_->Start("d");
  replica_->MustCtl({"sync_tables", "--source", "d", "--tables", "disabled"});
  EXPECT_EQ(replica_->Differences("d"), "");
}

TEST_P(TakeOverTest, RefusedAndUntouched) {
  CreateOldCatalogue(EndOfLog(source_.get()));
  Pg pg = Target();
  const std::string before = Fingerprint(&pg, "sch_chameleon");
  const auto untouched = [&](const std::string& what) {
    EXPECT_EQ(Fingerprint(&pg, "sch_chameleon"), before) << what;
    EXPECT_EQ(pg.One("SELECT to_regnamespace('_sch_chameleon_version2') IS NULL"), "t") << what;
  };
  pg.Exec("UPDATE sch_chameleon.t_sources SET enm_status = 'running'");
  EXPECT_THAT(Error({"upgrade_replica_schema"}), HasSubstr("source d is running"));
  EXPECT_THAT(replica_->MustCtl({"enable_replica", "--source", "d"}), HasSubstr("is stopped"));
  untouched("running");

  replica_->SetMappings("d", {{"d", "elsewhere"}});
  EXPECT_THAT(Error({"upgrade_replica_schema"}), HasSubstr("d: elsewhere in the configuration"));
  replica_->SetMappings("d", {{"d", "t"}});
  untouched("mappings");

  // The old log does not fit: whatever was replayed before it is undone.
  AddPendingInsertV2(&pg, id_, "t", "altered", "{\"id\": \"8\", \"v\": \"8\"}");
  AddPendingInsertV2(&pg, id_, "t", "altered", "{\"id\": \"1\", \"v\": \"1\"}");
  const std::string pending = Fingerprint(&pg, "sch_chameleon");
  EXPECT_THAT(Error({"upgrade_replica_schema"}),
              HasSubstr("cannot be replayed: altered: duplicate"));
  EXPECT_EQ(Fingerprint(&pg, "sch_chameleon"), pending);
  EXPECT_EQ(pg.One("SELECT count(*) FROM t.altered"), "1");
  pg.Exec(
      "DELETE FROM sch_chameleon.t_batch_events; DELETE FROM sch_chameleon.t_log_replica;"
      "UPDATE sch_chameleon.t_replica_batch SET b_replayed = b_processed");

  pg.Exec("CREATE SCHEMA _sch_chameleon_version2");
  EXPECT_THAT(Error({"upgrade_replica_schema"}),
              HasSubstr("_sch_chameleon_version2 exists already"));
  pg.Exec("DROP SCHEMA _sch_chameleon_version2");

  // A failure after everything else: the new catalogue cannot be filled.
  pg.Exec("ALTER TABLE sch_chameleon.t_error_log RENAME t_sql TO t_statement");
  const std::string broken = Fingerprint(&pg, "sch_chameleon");
  EXPECT_THAT(Error({"upgrade_replica_schema"}), HasSubstr("t_sql"));
  EXPECT_EQ(Fingerprint(&pg, "sch_chameleon"), broken);
  pg.Exec("ALTER TABLE sch_chameleon.t_error_log RENAME t_statement TO t_sql");

  // A position that is none.
  pg.Exec(
      "UPDATE sch_chameleon.t_replica_batch SET i_binlog_position = i_binlog_position - 3"
      " WHERE NOT b_processed");
  replica_->MustCtl({"upgrade_replica_schema"});
  EXPECT_THAT(Error({"start_replica", "--source", "d"}), HasSubstr("is not the end of an event"));
}

TEST_P(TakeOverTest, TheSourcesOf18BecomeOne) {
  source_->LoadText(
      "CREATE DATABASE d2; USE d2; CREATE TABLE other (id INT PRIMARY KEY, v INT);"
      "INSERT INTO other VALUES (1, 1);");
  Target().Exec(
      "CREATE SCHEMA t2; CREATE TABLE t2.other (id integer PRIMARY KEY, v integer);"
      "INSERT INTO t2.other VALUES (1, 1);");
  const LogPlace first = EndOfLog(source_.get());
  Source("INSERT INTO plain (id, v) VALUES (5, 'five'); INSERT INTO d2.other VALUES (2, 2);");
  const LogPlace second = EndOfLog(source_.get());
  Target().Exec("INSERT INTO t2.other VALUES (2, 2)");  // the second source is ahead
  {
    Pg pg = Target();
    CreateCatalogueV1(&pg, "1.6");
    const std::string one = AddSourceV1(&pg, "one", "d", "t", first);
    const std::string two = AddSourceV1(&pg, "two", "d2", "t2", second);
    pg.Exec(
        "INSERT INTO sch_chameleon.t_replica_tables (i_id_source, v_table_name, v_schema_name,"
        " v_table_pkey) SELECT " +
        one +
        ", t, 't', ARRAY['\"id\"'] FROM"
        " unnest(ARRAY['w_marker', 'plain', 'altered']) t");
    pg.Exec(
        "INSERT INTO sch_chameleon.t_replica_tables (i_id_source, v_table_name, v_schema_name,"
        " v_table_pkey) VALUES (" +
        two + ", 'other', 't2', ARRAY['\"id\"'])");
  }
  Source("UPDATE plain SET v = 'after' WHERE id = 5; INSERT INTO d2.other VALUES (3, 3);");
  EXPECT_THAT(Error({"upgrade_replica_schema"}), HasSubstr("version 1.6, which"));
  Target().Exec(
      "CREATE OR REPLACE VIEW sch_chameleon.v_version AS SELECT '1.7'::text AS t_version");
  EXPECT_THAT(Error({"upgrade_replica_schema"}), HasSubstr("maps d2 to t2, no source of the"));
  replica_->SetMappings("d", {{"d", "t"}, {"d2", "t2"}});
  replica_->MustCtl({"upgrade_replica_schema"});
  EXPECT_EQ(Target().One("SELECT to_regclass('_sch_chameleon_version1.t_sources') IS NOT NULL"),
            "t");
  replica_->Start("d");
  replica_->MustCtl({"sync_tables", "--source", "d", "--tables", "d.bits,d.moments"});
  EXPECT_EQ(replica_->Differences("d"), "");
}

ON_BOTH_SERVERS(TakeOverTest);

}  // namespace
}  // namespace chameleon::test
