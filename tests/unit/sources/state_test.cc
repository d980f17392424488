// The transition table, written out once more as text: a change of it must be meant.
#include "coordinator/sources/state.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "proto/wire/error.h"

namespace chameleon::coordinator::sources {
namespace {

constexpr Command kCommands[] = {Command::kInitReplica,   Command::kCopySchema,
                                 Command::kRefreshSchema, Command::kSyncTables,
                                 Command::kStartReplica,  Command::kStopReplica,
                                 Command::kEnableReplica, Command::kUpdateSchemaMappings,
                                 Command::kDetachReplica, Command::kRunMaintenance,
                                 Command::kDropSource};

TEST(State, TheWholeTable) {
  std::string text;
  for (const Command command : kCommands) {
    text += fmt::format("{}:", CommandName(command));
    for (int state = v1::READY; state <= v1::ERROR; ++state) {
      auto next = Next(command, static_cast<v1::SourceState>(state), "s");
      if (!next.ok()) continue;
      text += fmt::format(" {}>{}>{}", StateName(static_cast<v1::SourceState>(state)),
                          StateName(next->during), StateName(next->after));
    }
    text += "\n";
  }
  EXPECT_EQ(
      text,
      "init_replica: ready>initialising>initialised initialised>initialising>initialised "
      "synced>initialising>initialised stopped>initialising>initialised "
      "error>initialising>initialised\n"
      "copy_schema: ready>ready>ready initialised>initialised>ready synced>synced>ready "
      "stopped>stopped>ready error>error>ready\n"
      "refresh_schema: initialised>syncing>synced synced>syncing>synced running>syncing>synced "
      "stopped>syncing>synced\n"
      "sync_tables: initialised>syncing>synced synced>syncing>synced running>syncing>synced "
      "stopped>syncing>synced\n"
      "start_replica: initialised>running>running synced>running>running "
      "stopped>running>running\n"
      "stop_replica: running>running>stopped\n"
      "enable_replica: initialised>stopped>stopped synced>stopped>stopped stopped>stopped>stopped "
      "error>stopped>stopped\n"
      "update_schema_mappings: ready>ready>ready initialised>initialised>initialised "
      "synced>synced>synced stopped>stopped>stopped error>error>error\n"
      "detach_replica: initialised>initialised>ready synced>synced>ready running>running>ready "
      "stopped>stopped>ready error>error>ready\n"
      "run_maintenance: ready>ready>ready initialised>initialised>initialised "
      "synced>synced>synced running>running>running stopped>stopped>stopped error>error>error\n"
      "drop_source: ready>ready>ready initialised>initialised>initialised synced>synced>synced "
      "stopped>stopped>stopped error>error>error\n");
}

struct Refusal {
  Command command;
  v1::SourceState from;
  const char* text;
};

TEST(State, RefusalsSayWhatHelps) {
  const Refusal refusals[] = {
      {Command::kStartReplica, v1::READY,
       "start_replica is not possible: source \"shop\" is ready\n"
       "HINT: Run chamctl init_replica --source shop first."},
      {Command::kStartReplica, v1::RUNNING,
       "start_replica is not possible: source \"shop\" is running\n"
       "HINT: See chamctl show_status --source shop."},
      {Command::kStartReplica, v1::ERROR,
       "start_replica is not possible: source \"shop\" is error\n"
       "HINT: See chamctl show_errors for the cause; then run chamctl enable_replica --source "
       "shop."},
      {Command::kInitReplica, v1::RUNNING,
       "init_replica is not possible: source \"shop\" is running\n"
       "HINT: Run chamctl stop_replica --source shop first."},
      {Command::kInitReplica, v1::INITIALISING,
       "init_replica is not possible: source \"shop\" is initialising\n"
       "HINT: Wait for the operation to end, or cancel it; chamctl operations list shows it."},
      {Command::kStopReplica, v1::STOPPED,
       "stop_replica is not possible: source \"shop\" is stopped\n"
       "HINT: Run chamctl start_replica --source shop to start it."},
  };
  for (const Refusal& refusal : refusals) {
    auto next = Next(refusal.command, refusal.from, "shop");
    EXPECT_EQ(next.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(Text(next.status()), refusal.text);
    EXPECT_EQ(DetailOf(next.status()).reason(), "STATE_FORBIDS");
  }
}

}  // namespace
}  // namespace chameleon::coordinator::sources
