// What users have built on copied tables survives a copy, or is named; and tables that stay.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/live_fixture.h"

namespace chameleon::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SwapTest : public LiveFixture {
 protected:
  void StartSmall(std::map<std::string, std::string> settings = {}) {
    source_ = test::StartSource(GetParam());
    source_->LoadText(
        "CREATE DATABASE d; USE d;"
        "CREATE TABLE w_marker (id INT PRIMARY KEY, n BIGINT); INSERT INTO w_marker VALUES (1, 0);"
        "CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(20), w INT);"
        "INSERT INTO a VALUES (1, 'one', 1), (2, 'two', 2);"
        "CREATE TABLE b (id INT PRIMARY KEY, a_id INT, f BIT(3));"
        "INSERT INTO b VALUES (1, 1, b'101');");
    replica_->AddSource({.name = "d",
                         .server = source_.get(),
                         .schema_mappings = {{"d", "d"}},
                         .settings = std::move(settings)});
    replica_->Setup();
    replica_->Init("d");
  }

  void Build() {
    TargetExec(
        "CREATE ROLE reader; CREATE ROLE clerk; GRANT USAGE ON SCHEMA d TO reader;"
        "GRANT SELECT ON d.a TO reader; GRANT UPDATE (v) ON d.a TO clerk WITH GRANT OPTION;"
        "CREATE SCHEMA app;"
        "CREATE VIEW app.v WITH (security_barrier=true) AS SELECT id, v FROM d.a WHERE id > 0;"
        "CREATE VIEW d.on_view AS SELECT upper(v) AS u FROM app.v;"
        "GRANT SELECT ON d.on_view TO reader; COMMENT ON VIEW app.v IS 'mine';"
        "CREATE MATERIALIZED VIEW app.m AS SELECT count(*) AS n FROM d.a;"
        "CREATE UNIQUE INDEX m_n ON app.m (n);"
        "CREATE FUNCTION app.first(d.a) RETURNS text LANGUAGE sql RETURN $1.v;"
        "CREATE TABLE app.notes (a_id int, CONSTRAINT on_a FOREIGN KEY (a_id) REFERENCES d.a (id));"
        "INSERT INTO app.notes VALUES (1);"
        "CREATE FUNCTION app.seen() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER seen BEFORE UPDATE ON d.a FOR EACH ROW EXECUTE FUNCTION app.seen();"
        "CREATE VIEW app.wide AS SELECT w FROM d.a; CREATE TABLE d.mine (i int);");
  }

  std::string Built() {
    return Target(
        "SELECT concat_ws(' ', has_table_privilege('reader', 'd.a', 'SELECT'),"
        " has_column_privilege('clerk', 'd.a', 'v', 'UPDATE WITH GRANT OPTION'),"
        " has_table_privilege('reader', 'd.on_view', 'SELECT'),"
        " has_schema_privilege('reader', 'd', 'USAGE'), obj_description('app.v'::regclass),"
        " (SELECT reloptions FROM pg_class WHERE oid = 'app.v'::regclass),"
        " (SELECT string_agg(u, ',' ORDER BY u) FROM d.on_view), (SELECT n FROM app.m),"
        " to_regclass('app.m_n'), (SELECT app.first(a) FROM d.a WHERE id = 1),"
        " (SELECT convalidated FROM pg_constraint WHERE conname = 'on_a'),"
        " (SELECT count(*) FROM pg_trigger WHERE tgname = 'seen'))");
  }
};

TEST_P(SwapTest, WhatUsersHaveBuiltIsMadeAgainOrNamed) {
  StartSmall();
  Build();
  const std::string before = Built();
  EXPECT_EQ(before, "t t t t mine {security_barrier=true} ONE,TWO 2 app.m_n one t 1");
  const std::string synced = replica_->MustCtl({"sync_tables", "--source", "d", "--tables", "d.a"});
  EXPECT_EQ(Built(), before);
  EXPECT_THAT(synced, Not(HasSubstr("dropped")));
  EXPECT_EQ(Target("SELECT to_regclass('d.mine') IS NOT NULL"), "t");

  // init_replica replaces the schema: what is in it and is no copy goes, by name.
  const std::string copied = replica_->MustCtl({"init_replica", "--source", "d", "--yes"});
  EXPECT_EQ(Built(), before);
  EXPECT_THAT(copied, HasSubstr("table d.mine was dropped"));
  EXPECT_THAT(replica_->Logs(400),
              HasSubstr("built on a table that is replaced src=d object=view app.v"));

  Source("ALTER TABLE a DROP COLUMN w; DELETE FROM a WHERE id = 1");
  const std::string again = replica_->MustCtl({"refresh_schema", "--source", "d"});
  EXPECT_THAT(again, HasSubstr("view app.wide was dropped: column a.w does not exist"));
  EXPECT_THAT(again, HasSubstr("foreign key on_a of app.notes was made again NOT VALID"));
  EXPECT_EQ(Target("SELECT count(*) FROM app.v"), "1");
  replica_->Start("d");
  EXPECT_EQ(replica_->Differences("d"), "");
}

TEST_P(SwapTest, TablesThatStay) {
  StartSmall({{"keep_existing_schema", "Yes"}, {"grant_select_to", "\n      - reader"}});
  // Bits into a number would be another number.
  TargetExec("CREATE ROLE reader; ALTER TABLE d.b ALTER f TYPE integer USING f::integer");
  RunResult misfit = replica_->Ctl({"init_replica", "--source", "d", "--yes"});
  EXPECT_NE(misfit.exit_code, 0);
  EXPECT_THAT(misfit.err, HasSubstr("column f of target table d.b"));
  EXPECT_THAT(misfit.err, HasSubstr("bit(3) in integer"));
  EXPECT_EQ(Target("SELECT f FROM d.b"), "5");
  TargetExec(
      "ALTER TABLE d.b ALTER f TYPE bit(3) USING f::bit(3);"
      "ALTER TABLE d.b ADD CONSTRAINT fk FOREIGN KEY (a_id) REFERENCES d.a (id) ON DELETE CASCADE;"
      "ALTER TABLE d.a ADD CONSTRAINT only_one UNIQUE (v); CREATE INDEX part ON d.a (w) WHERE w > "
      "1;"
      "ALTER TABLE d.a ALTER w TYPE bigint; CREATE VIEW public.v AS SELECT * FROM d.a");
  Source("INSERT INTO b VALUES (2, 77, b'1'); INSERT INTO a VALUES (3, 'three', 3)");
  replica_->MustCtl({"enable_replica", "--source", "d"});
  const std::string copied = replica_->MustCtl({"init_replica", "--source", "d", "--yes"});
  EXPECT_THAT(copied, HasSubstr("foreign key fk of d.b is NOT VALID: rows do not satisfy it"));
  EXPECT_EQ(
      Target("SELECT string_agg(conname || contype::text, ',' ORDER BY conname) FROM pg_constraint"
             " WHERE conrelid IN ('d.a'::regclass, 'd.b'::regclass)"
             " AND conname IN ('fk', 'only_one')"),
      "fkf,only_oneu");
  EXPECT_EQ(Target("SELECT count(*) FROM public.v"), "3");
  EXPECT_THAT(Target("SELECT indexdef FROM pg_indexes WHERE indexname = 'part'"),
              HasSubstr("WHERE (w > 1)"));
  EXPECT_EQ(Target("SELECT has_table_privilege('reader', 'd.a', 'SELECT')"), "f")
      << "grant_select_to has no effect then";
  // Consistent again: the next reload validates it.
  Source("DELETE FROM b WHERE id = 2");
  const std::string reloaded =
      replica_->MustCtl({"sync_tables", "--source", "d", "--tables", "d.a,d.b"});
  EXPECT_THAT(reloaded, Not(HasSubstr("NOT VALID")));
  EXPECT_EQ(Target("SELECT convalidated FROM pg_constraint WHERE conname = 'fk'"), "t");
  TargetExec("ALTER TABLE d.b DROP CONSTRAINT fk");
  replica_->Start("d");
  Source("UPDATE a SET w = 9 WHERE id = 2; INSERT INTO b VALUES (9, 2, b'11')");
  EXPECT_EQ(replica_->Differences("d"), "");
}

// A source that is itself a replica.
TEST_P(SwapTest, ACascadingSource) {
  auto primary = test::StartSource(GetParam(), {.args = {"--server-id=11"}});
  source_ = test::StartSource(
      GetParam(),
      {.args = {"--server-id=12", GetParam() == SourceKind::kMariadb ? "--log-slave-updates=1"
                                                                     : "--log-replica-updates=1"}});
  const bool mariadb = GetParam() == SourceKind::kMariadb;
  const Rows end =
      primary->Connect().Query(mariadb ? "SHOW MASTER STATUS" : "SHOW BINARY LOG STATUS");
  const std::string follow =
      mariadb ? fmt::format(
                    "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={},"
                    " MASTER_USER='repl', MASTER_PASSWORD='repl', MASTER_LOG_FILE='{}',"
                    " MASTER_LOG_POS={}; START SLAVE",
                    primary->port(), *end[0][0], *end[0][1])
              : fmt::format(
                    "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={},"
                    " SOURCE_USER='repl', SOURCE_PASSWORD='repl', SOURCE_LOG_FILE='{}',"
                    " SOURCE_LOG_POS={}, GET_SOURCE_PUBLIC_KEY=1; START REPLICA",
                    primary->port(), *end[0][0], *end[0][1]);
  source_->LoadText(follow);
  const auto on_replica = [&](const std::string& query, const std::string& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    std::string seen;
    while (std::chrono::steady_clock::now() < deadline) {
      try {
        seen = source_->Connect().One(query);
      } catch (const MysqlError& error) {
        seen = error.what();
      }
      if (seen == wanted) return;
      std::this_thread::sleep_for(Millis(50));
    }
    FAIL() << "the replica has " << seen << " for " << query;
  };
  primary->LoadText(
      "CREATE DATABASE d; USE d; CREATE TABLE w_marker (id INT PRIMARY KEY, n BIGINT);"
      "INSERT INTO w_marker VALUES (1, 0); CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(20));"
      "INSERT INTO a VALUES (1, 'one');");
  on_replica("SELECT v FROM d.a", "one");
  replica_->AddSource({.name = "d", .server = source_.get(), .schema_mappings = {{"d", "d"}}});
  replica_->Setup();
  replica_->Init("d");
  replica_->Start("d");
  primary->LoadText(
      "INSERT INTO a VALUES (2, 'two'); UPDATE a SET v = 'uno' WHERE id = 1;"
      "ALTER TABLE a ADD COLUMN w DECIMAL(8,3); UPDATE a SET w = id * 1.5;"
      "CREATE TABLE b (id INT PRIMARY KEY); INSERT INTO b VALUES (1), (2); DELETE FROM b WHERE id "
      "= 1;",
      "d");
  on_replica("SELECT max(id) FROM d.b", "2");
  EXPECT_EQ(replica_->Differences("d"), "");
  // The replica falls behind and catches up while nobody reads it.
  replica_->Stop("d");
  primary->LoadText("INSERT INTO b SELECT id + 10 FROM b; DROP TABLE a", "d");
  on_replica(
      "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'd'"
      " AND table_name = 'a'",
      "0");
  replica_->Start("d");
  EXPECT_EQ(replica_->Differences("d"), "");
}

ON_BOTH_SERVERS(SwapTest)

}  // namespace
}  // namespace chameleon::test
