#include "coordinator/pg/catalogue.h"

#include "coordinator/pg/session.h"
#include "tests/unit/pg/target_fixture.h"

namespace chameleon::coordinator {
namespace {

using CatalogueTest = TargetTest;

TEST_F(CatalogueTest, CreateAndDropTheSchema) {
  EXPECT_FALSE(*catalogue_->SchemaExists());
  const absl::Status none = catalogue_->GetSource("x").status();
  EXPECT_EQ(none.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Text(none), fmt::format("there is no replica schema in database {}\n"
                                    "HINT: Create it with create_replica_schema.",
                                    target_.database));
  EXPECT_EQ(DetailOf(none).reason(), "NO_REPLICA_SCHEMA");
  EXPECT_OK(catalogue_->CreateReplicaSchema());
  EXPECT_EQ(*catalogue_->SchemaVersion(), "3.0.0");
  EXPECT_EQ(catalogue_->CreateReplicaSchema().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_OK(catalogue_->DropReplicaSchema());
  EXPECT_EQ(catalogue_->DropReplicaSchema().code(), absl::StatusCode::kNotFound);
  EXPECT_OK(catalogue_->CreateReplicaSchema());
}

TEST_F(CatalogueTest, OlderCatalogueIsNamed) {
  ASSERT_OK(catalogue_->CreateReplicaSchema());
  sql_->Exec("CREATE OR REPLACE VIEW sch_chameleon.v_version AS SELECT '2.0.7'::text AS t_version");
  EXPECT_EQ(Text(catalogue_->ListSources().status()),
            fmt::format("the replica schema in database {} has version 2.0.7, this program needs "
                        "3.0.0\nHINT: Upgrade it with upgrade_replica_schema.",
                        target_.database));
}

TEST_F(CatalogueTest, MissingPrivilegeNamesTheGrant) {
  sql_->Exec("DO $$BEGIN CREATE ROLE poor LOGIN; EXCEPTION WHEN duplicate_object THEN END$$");
  target_.user = "poor";
  EXPECT_EQ(Text(pg::Catalogue::Create(target_, "t")->CreateReplicaSchema()),
            fmt::format("role poor may not create schemas in database {0}\n"
                        "HINT: Run: GRANT CREATE ON DATABASE \"{0}\" TO \"poor\";",
                        target_.database));
}

TEST_F(CatalogueTest, UnreachableAndRefused) {
  TargetConnection other = target_;
  other.port = 1;
  EXPECT_EQ(pg::Catalogue::Create(other, "t")->SchemaExists().status().code(),
            absl::StatusCode::kUnavailable);
  other = target_;
  other.database = "nowhere";
  const absl::Status status = pg::Catalogue::Create(other, "t")->SchemaExists().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Text(status), HasSubstr("database \"nowhere\" does not exist"));
}

TEST_F(CatalogueTest, Sources) {
  CreateSource("one");
  auto two = catalogue_->AddSource("two", "mysql", {{"a", "b"}, {"c", "d"}});
  ASSERT_TRUE(two.ok()) << two.status().ToString();
  EXPECT_EQ(two->schema_mappings, (std::map<std::string, std::string>{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(two->replica_uuid.size(), 36u);
  EXPECT_EQ(two->state, v1::READY);
  EXPECT_EQ(two->received.file(), "");
  EXPECT_EQ(Text(catalogue_->AddSource("two", "mysql", {{"a", "e"}}).status()),
            "source two is already registered");
  EXPECT_EQ(Text(catalogue_->AddSource("three", "mysql", {{"x", "shop"}}).status()),
            "target schema shop belongs to source one\n"
            "HINT: Map the source to a schema of its own in schema_mappings.");
  EXPECT_EQ(Text(catalogue_->GetSource("four").status()),
            "source four is not registered\n"
            "HINT: Register it with add_source. Registered: one, two.");
  EXPECT_OK(catalogue_->SetState(two->id, v1::READY, v1::RUNNING, ""));
  EXPECT_EQ(Text(catalogue_->DropSource("two")),
            "source two is running\nHINT: Stop it first with stop_replica.");
  EXPECT_EQ(Text(catalogue_->DropReplicaSchema()),
            "source two is running\nHINT: Stop all replicas first with stop_all_replicas.");
  EXPECT_OK(catalogue_->ForceState(two->id, v1::STOPPED, ""));
  EXPECT_OK(catalogue_->DropSource("two"));
  EXPECT_EQ(Get("SELECT relname FROM pg_class WHERE relname ~ '^t_log_replica_' AND relkind = 'r'"
                " ORDER BY 1"),
            "t_log_replica_1_1;t_log_replica_1_2");
  EXPECT_EQ(catalogue_->ListSources()->size(), 1u);
}

TEST_F(CatalogueTest, StatesAreComparedAndSwapped) {
  CreateSource();
  EXPECT_OK(catalogue_->SetState(1, v1::READY, v1::INITIALISING, ""));
  const absl::Status late = catalogue_->SetState(1, v1::READY, v1::RUNNING, "");
  EXPECT_EQ(late.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Text(late), "source shop is initialising, not ready any more");
  EXPECT_EQ(catalogue_->GetSource("shop")->worker, "host:1");
  EXPECT_OK(catalogue_->SetState(1, v1::INITIALISING, v1::ERROR, "it broke"));
  EXPECT_EQ(catalogue_->GetSource("shop")->worker, "");
  auto status = catalogue_->Status("shop", true);
  ASSERT_TRUE(status.ok()) << status.status().ToString();
  EXPECT_EQ(status->state(), v1::ERROR);
  EXPECT_EQ(status->last_error(), "it broke");
  EXPECT_GT(status->last_error_time().seconds(), 1'700'000'000);
  EXPECT_EQ(status->read_lag_s(), -1);
}

TEST_F(CatalogueTest, LagCountsFromTheSourcesCommit) {
  CreateSource();
  sql_->Exec(
      "UPDATE sch_chameleon.t_sources SET ts_last_received = clock_timestamp(),"
      " ts_source_commit = clock_timestamp() - interval '5 s'");
  EXPECT_NEAR(catalogue_->Status("shop", false)->read_lag_s(), 5, 1);
  EXPECT_NEAR(catalogue_->Status("shop", false)->replay_lag_s(), 5, 1);
  sql_->Exec("UPDATE sch_chameleon.t_sources SET b_idle = true");
  EXPECT_EQ(catalogue_->Status("shop", false)->read_lag_s(), 0);
  EXPECT_EQ(catalogue_->Status("shop", false)->replay_lag_s(), 0);
}

TEST_F(CatalogueTest, ErrorsListAndDetail) {
  CreateSource();
  ASSERT_OK(catalogue_->LogError(1, 7, "shop", "t", "ALTER TABLE t", "cannot translate"));
  auto list = catalogue_->Errors(0);
  ASSERT_TRUE(list.ok()) << list.status().ToString();
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->at(0).sql(), "");
  EXPECT_EQ(list->at(0).source(), "shop");
  EXPECT_EQ(catalogue_->Errors(1)->at(0).sql(), "ALTER TABLE t");
  EXPECT_EQ(Text(catalogue_->Errors(2).status()),
            "there is no error log entry 2\nHINT: See show_errors.");
}

TEST_F(CatalogueTest, OneLeader) {
  ASSERT_OK(catalogue_->TakeLeadership());
  EXPECT_OK(catalogue_->TakeLeadership());
  EXPECT_OK(catalogue_->HoldsLeadership());
  auto other = pg::Catalogue::Create(target_, "second");
  const absl::Status status = other->TakeLeadership();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Text(status), HasSubstr("is served by another coordinator: chameleon test leader"));
  sql_->Query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
      " WHERE application_name = 'chameleon test leader'");
  EXPECT_EQ(catalogue_->HoldsLeadership().code(), absl::StatusCode::kUnavailable);
  EXPECT_OK(other->TakeLeadership());
  other->GiveUpLeadership();
  EXPECT_OK(catalogue_->TakeLeadership());
}

TEST_F(CatalogueTest, ComesBackAfterALostConnection) {
  CreateSource();
  sql_->Query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
      " WHERE application_name = 'chameleon test'");
  EXPECT_TRUE(catalogue_->ListSources().ok());
}

TEST_F(CatalogueTest, CheckTarget) {
  CreateSource();
  SourceConfig source;
  source.name = "shop";
  (*source.options.mutable_schema_mappings())["shop"] = "shop";
  EXPECT_OK(catalogue_->CheckTarget(source, false));
  EXPECT_EQ(Text(catalogue_->CheckTarget(source, true)),
            "target schema shop does not exist; run init_replica again\n"
            "HINT: Mend the target as said above and try again.");
  sql_->Exec("CREATE SCHEMA shop");
  EXPECT_OK(catalogue_->CheckTarget(source, true));
  sql_->Exec(
      "INSERT INTO sch_chameleon.t_replica_tables (i_id_source, v_table_name, v_schema_name,"
      " t_source_schema, t_source_table, v_table_pkey) VALUES (1, 'a', 'shop', 'shop', 'a',"
      " '{id}')");
  EXPECT_THAT(Text(catalogue_->CheckTarget(source, true)),
              HasSubstr("target table shop.a does not exist; run init_replica again"));
}

// A role's defaults must not reach our sessions.
TEST_F(CatalogueTest, SessionSettings) {
  sql_->Exec(
      "ALTER ROLE postgres SET statement_timeout = '300ms';"
      "ALTER ROLE postgres SET datestyle = 'SQL, DMY';"
      "ALTER ROLE postgres SET timezone = 'Asia/Tokyo';"
      "ALTER ROLE postgres SET idle_session_timeout = '1s'");
  auto session = pg::Session::Connect(target_, "x");
  sql_->Exec("ALTER ROLE postgres RESET ALL");
  ASSERT_TRUE(session.ok());
  auto rows = (*session)->Execute(
      "SELECT concat_ws('|', current_setting('statement_timeout'), current_setting('datestyle'),"
      " current_setting('timezone'), current_setting('idle_session_timeout'))");
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->Text(0, 0), "0|ISO, YMD|UTC|0");
}

TEST_F(CatalogueTest, ArraysAreReadBack) {
  auto session = pg::Session::Connect(target_, "x");
  ASSERT_TRUE(session.ok());
  auto rows = (*session)->Execute(
      R"(SELECT ARRAY['a', 'b,c', 'd"e\f', '', 'NULL'], ARRAY[]::text[], ARRAY['x'])");
  ASSERT_TRUE(rows.ok());
  EXPECT_THAT(rows->Array(0, 0), testing::ElementsAre("a", "b,c", "d\"e\\f", "", "NULL"));
  EXPECT_THAT(rows->Array(0, 1), testing::IsEmpty());
  EXPECT_THAT(rows->Array(0, 2), testing::ElementsAre("x"));
}

}  // namespace
}  // namespace chameleon::coordinator
