// The command table against the manual, and the exact text of what is printed.
#include "client/client.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "client/commands.h"
#include "client/printers.h"
#include "client/progress.h"

namespace chameleon::client {
namespace {

TEST(Commands, TheManualsListInItsOrder) {
  std::vector<std::string> names;
  for (const Command& command : Commands()) names.push_back(command.name);
  EXPECT_THAT(names, testing::UnorderedElementsAre(
                         "set_configuration_files", "show_config", "show_sources", "show_status",
                         "show_errors", "show_workers", "create_replica_schema",
                         "drop_replica_schema", "upgrade_replica_schema", "add_source",
                         "drop_source", "init_replica", "copy_schema", "update_schema_mappings",
                         "refresh_schema", "sync_tables", "start_replica", "stop_replica",
                         "detach_replica", "enable_replica", "run_maintenance", "stop_all_replicas",
                         "operations", "names", "completion", "man-page"));
}

TEST(Commands, EachTeachesWithAnExampleOfItself) {
  for (const Command& command : Commands()) {
    EXPECT_THAT(command.example, testing::StartsWith(fmt::format("chamctl {}", command.name)));
    EXPECT_STRNE(command.summary, "");
    EXPECT_STRNE(command.text, "");
    EXPECT_NE(command.run, nullptr);
  }
}

TEST(Commands, TheNearestName) {
  EXPECT_EQ(NearestCommand("strat_replica"), "start_replica");
  EXPECT_EQ(NearestCommand("init-replica"), "init_replica");
  EXPECT_EQ(NearestCommand("show_state"), "show_status");
  EXPECT_EQ(NearestCommand("frobnicate"), "");
}

TEST(ExitCodes, OnePerKindOfTrouble) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("")), 1);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("")), 1);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("")), 3);
  EXPECT_EQ(ExitCodeOf(absl::AlreadyExistsError("")), 3);
  EXPECT_EQ(ExitCodeOf(absl::FailedPreconditionError("")), 3);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), 4);
  EXPECT_EQ(ExitCodeOf(absl::UnimplementedError("")), 5);
}

TEST(Printers, TablesAlignAlsoWithUtf8) {
  EXPECT_EQ(TableText({"Name", "N"}, {{"größe", "1"}, {"x", ""}}),
            "Name   N\n"
            "-----  -\n"
            "größe  1\n"
            "x\n");
}

v1::SourceStatus Sample() {
  setenv("TZ", "UTC", 1);
  tzset();
  v1::SourceStatus status;
  status.set_source_id(1);
  status.set_name("shop");
  status.set_type("mysql");
  status.set_state(v1::RUNNING);
  status.set_consistent(true);
  status.set_read_lag_s(0.25);
  status.set_replay_lag_s(75);
  status.mutable_received()->set_file("bin.000042");
  status.mutable_received()->set_offset(1337);
  status.mutable_last_received()->set_seconds(1795000000);
  status.set_activity("streaming");
  return status;
}

TEST(Printers, StatusOverview) {
  v1::ShowStatusResponse response;
  *response.add_sources() = Sample();
  auto* failed = response.add_sources();
  failed->set_source_id(2);
  failed->set_name("crm");
  failed->set_type("mysql");
  failed->set_state(v1::ERROR);
  failed->set_read_lag_s(-1);
  failed->set_replay_lag_s(-1);
  failed->set_last_error("binary log is off\nHINT: Switch it on.");
  EXPECT_EQ(
      StatusText(response),
      "Source id  Source name  Type   Status   Consistent  Read lag  Last read            Replay "
      "lag  Last replay  Activity\n"
      "---------  -----------  -----  -------  ----------  --------  -------------------  "
      "----------  -----------  -----------------\n"
      "1          shop         mysql  running  Yes         0.2 s     2026-11-18 11:06:40  1m15s    "
      "   -            streaming\n"
      "2          crm          mysql  error    No          -         -                    -        "
      "   -            binary log is off\n");
  EXPECT_EQ(StatusText({}), "no source was added yet: chamctl add_source\n");
}

TEST(Printers, StatusDetail) {
  v1::SourceStatus status = Sample();
  (*status.mutable_schema_mappings())["shop"] = "shop_copy";
  status.set_tables_replicated(2);
  status.set_tables_disabled(1);
  auto* table = status.add_tables();
  table->mutable_source()->set_schema("shop");
  table->mutable_source()->set_table("log");
  table->set_target_schema("shop_copy");
  table->set_target_table("log");
  table->set_state("disabled");
  table->set_reason("a row could not be stored");
  table = status.add_tables();
  table->set_state("replicated");
  EXPECT_EQ(StatusDetailText(status),
            "Source       shop (id 1, mysql)\n"
            "Status       running\n"
            "Activity     streaming\n"
            "Consistent   Yes\n"
            "Schemas      shop -> shop_copy\n"
            "Read lag     0.2 s\n"
            "Last read    2026-11-18 11:06:40\n"
            "Replay lag   1m15s\n"
            "Last replay  -\n"
            "Received     bin.000042:1337\n"
            "Replayed     -\n"
            "To replay    0 batches, 0 changes\n"
            "Worker       -\n"
            "Tables       2 replicated, 0 not replicated, 1 disabled\n"
            "\n"
            "Table     Target         State     Reason\n"
            "--------  -------------  --------  -------------------------\n"
            "shop.log  shop_copy.log  disabled  a row could not be stored\n");
}

TEST(Printers, JsonHasEveryField) {
  v1::ShowStatusResponse response;
  response.add_sources()->set_name("shop");
  EXPECT_EQ(JsonText(response),
            "{\"sources\":[{\"sourceId\":\"0\",\"name\":\"shop\",\"type\":\"\",\"state\":"
            "\"SOURCE_STATE_UNSPECIFIED\",\"consistent\":false,\"readLagS\":0,\"replayLagS\":0,"
            "\"batchesPending\":\"0\",\"changesPending\":\"0\",\"tablesReplicated\":0,"
            "\"tablesNotReplicated\":0,\"tablesDisabled\":0,\"worker\":\"\",\"epoch\":\"0\","
            "\"lastError\":\"\",\"activity\":\"\",\"schemaMappings\":{},\"tables\":[],"
            "\"losses\":[],\"errors\":[]}]}");
}

TEST(Printers, Errors) {
  setenv("TZ", "UTC", 1);
  tzset();
  v1::ShowErrorsResponse response;
  auto* entry = response.add_errors();
  entry->set_log_id(30);
  entry->set_source("shop");
  entry->set_batch_id(7);
  entry->set_schema("shop");
  entry->set_table("orders");
  entry->mutable_time()->set_seconds(1795000000);
  entry->set_message("duplicate key\nDETAIL: x");
  entry->set_sql("INSERT");
  EXPECT_EQ(ErrorsText(response),
            "Log id  Source  Batch  Table        Time                 Error\n"
            "------  ------  -----  -----------  -------------------  -------------\n"
            "30      shop    7      shop.orders  2026-11-18 11:06:40  duplicate key\n");
  EXPECT_EQ(
      ErrorDetailText(response.errors(0)),
      "Log id  30\nSource  shop\nBatch   7\nTable   shop.orders\nTime    2026-11-18 11:06:40\n"
      "\nduplicate key\nDETAIL: x\n\nStatement:\nINSERT\n");
  EXPECT_EQ(ErrorsText({}), "there are no errors in the log\n");
}

TEST(Progress, OneLine) {
  v1::Operation operation;
  operation.set_command("init_replica");
  EXPECT_EQ(ProgressText(operation, 1), "init_replica");
  auto* progress = operation.mutable_progress();
  progress->set_phase("copy");
  progress->set_tables_done(3);
  progress->set_tables_total(11);
  progress->set_rows(120'000);
  progress->set_rows_estimate(200'000);
  EXPECT_EQ(ProgressText(operation, 2),
            "copy: 3 of 11 tables, 120000 of about 200000 rows (60 %), 60000 rows/s, 1 s left");
  progress->set_rows(250'000);
  progress->set_message("indexes 1 of 4");
  EXPECT_EQ(ProgressText(operation, 2),
            "copy: 3 of 11 tables, 250000 rows, 125000 rows/s, indexes 1 of 4");
}

}  // namespace
}  // namespace chameleon::client
