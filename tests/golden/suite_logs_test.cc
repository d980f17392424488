// The binary and relay logs of the servers' own test suites (suite_logs.h): of MySQL 4.0 to 9.0 and
// MariaDB 5.5 to 10.6, of preview and vendor trees, cut, damaged, encrypted. Each ends at its end,
// or in a refusal with a reason, and what its row events hold is what the servers' tools print.
#include "tests/golden/suite_logs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "proto/wire/error.h"
#include "tests/golden/binlog_exercise.h"
#include "tests/golden/row_comparison.h"
#include "tests/golden/stream_walk.h"
#include "worker/ddl/parser.h"

namespace chameleon::test {
namespace {

using namespace worker::binlog;

constexpr size_t kTypeOffset = 4;

const std::vector<BinlogFile>& Logs() {
  static const std::vector<BinlogFile> logs = SuiteLogs();
  return logs;
}

#define SKIP_WITHOUT_LOGS() \
  if (Logs().empty()) GTEST_SKIP() << "the suites are not here: tests/support/fetch_suites.sh"

// The first words of a refusal, without its place.
std::string Short(const absl::Status& status) {
  const std::string text = Text(status).substr(0, Text(status).find('\n'));
  const size_t place = text.find(": ");  // of a stream's: where it stands
  const bool placed = text.starts_with("at ") || text.starts_with("after ");
  return DetailOf(status).reason() + ": " +
         text.substr(placed && place != std::string::npos ? place + 2 : 0, 140);
}

void Print(const char* title, const std::map<std::string, int>& counts) {
  for (const auto& [what, count] : counts) fmt::print("  {} {}: {}\n", title, count, what);
}

TEST(SuiteLogsTest, EveryEventIsReadOrRefusedByName) {
  SKIP_WITHOUT_LOGS();
  std::map<std::string, int> events, refused;
  int rows = 0, whole = 0;
  for (const BinlogFile& log : Logs()) {
    BinlogWalker walker;
    absl::Status status;
    for (size_t i = 0; i < log.events.size() && status.ok(); ++i) {
      const auto type = static_cast<EventType>(log.events[i][kTypeOffset]);
      status = walker.Take(log.events[i]);
      // What follows is of a form that the walker does not know.
      if (status.ok() && type == EventType::kStartV3) status = RefusedEvent(type);
    }
    for (const auto& [kind, count] : walker.tally().rows) rows += count;
    for (const auto& [type, count] : walker.tally().events) events[type] += count;
    if (status.ok() && log.rest.empty()) ++whole;
    if (status.ok()) continue;
    ++refused[Short(status)];
    EXPECT_TRUE(IsRefusalByName(status)) << log.name << ": " << status;
  }
  fmt::print("{} logs, {} of them to their end, {} rows\n", Logs().size(), whole, rows);
  Print("events", events);
  Print("refused", refused);
}

TEST(SuiteLogsTest, EveryStreamEndsOrIsRefusedByName) {
  SKIP_WITHOUT_LOGS();
  std::map<std::string, int> refused, stopped;
  std::map<std::string, uint64_t> lines;
  int whole = 0;
  for (const BinlogFile& log : Logs()) {
    const auto began = std::chrono::steady_clock::now();
    const StreamOutcome outcome = WalkStream(log);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20)) << log.name;
    fmt::print("{}:{}\n", log.name, outcome.Summary());
    EXPECT_EQ(outcome.malformed, "") << log.name;
    for (const auto& table : outcome.silent) ADD_FAILURE() << log.name << ": " << table;
    for (const auto& [op, count] : outcome.lines) lines[op] += count;
    if (outcome.stopped > 0) ++stopped[outcome.first_stop];
    if (outcome.status.ok()) ++whole;
    if (outcome.status.ok()) continue;
    ++refused[Short(outcome.status)];
    EXPECT_TRUE(IsRefusalByName(outcome.status)) << log.name << ": " << outcome.status;
  }
  fmt::print("{} logs, {} of them to their end\n", Logs().size(), whole);
  for (const auto& [op, count] : lines) fmt::print("  {} {}\n", count, op);
  Print("refused", refused);
  Print("stopped", stopped);
}

TEST(SuiteLogsTest, RowsAreWhatTheToolsPrint) {
  SKIP_WITHOUT_LOGS();
  const char* without = std::getenv("CHAMELEON_WITHOUT_MYSQL");
  if (without != nullptr && std::string_view(without) == "1") {
    GTEST_SKIP() << "mysqlbinlog is not there";
  }
  std::map<std::string, int> refused, without_schema, stopped;
  int events = 0, row_events = 0, rows = 0, values = 0;
  for (const BinlogFile& log : Logs()) {
    if (log.encrypted) continue;
    const auto charset = FittingCharset(log.events, [](LogSchema*) {});
    RowComparison comparison(log.name, ServerVersionOf(log.events), charset, PrintLog(log.bytes));
    const auto status = comparison.Take(log.events);
    if (!status.ok()) ++refused[Short(status)];
    fmt::print("{}: {}{}\n", log.name, comparison.Summary(),
               status.ok() ? "" : "; " + Short(status));
    events += comparison.events();
    row_events += comparison.row_events();
    rows += comparison.rows();
    values += comparison.values();
    for (const auto& [why, count] : comparison.without_schema()) without_schema[why] += count;
    for (const auto& [why, count] : comparison.stopped()) stopped[why] += count;
  }
  fmt::print("{} logs, {} events, {} row events, {} rows, {} values compared\n", Logs().size(),
             events, row_events, rows, values);
  Print("refused", refused);
  Print("rows by types alone", without_schema);
  Print("stopped", stopped);
  int of_stopped = 0;
  for (const auto& [why, count] : stopped) of_stopped += count;
  EXPECT_LT(of_stopped * 100, rows);
  for (const auto& [why, count] : without_schema) {
    EXPECT_TRUE(why == "no statement in the log creates it" ||
                why == "it does not fit the log's statements")
        << why;
  }
}

TEST(SuiteLogsTest, EveryStatementHasAnOutcome) {
  SKIP_WITHOUT_LOGS();
  std::map<std::string, int> kinds, refused;
  for (const BinlogFile& log : Logs()) {
    EventParser parser;
    for (const std::string& raw : log.events) {
      auto event = parser.Parse(raw);
      if (!event.ok()) break;
      if (event->header.type != EventType::kQuery) continue;
      auto query = ParseQuery(*event);
      if (!query.ok()) break;
      const bool mariadb = parser.format().server_version.find("MariaDB") != std::string::npos;
      worker::ddl::SessionContext context;
      context.server =
          mariadb ? worker::ddl::ServerKind::kMariadb : worker::ddl::ServerKind::kMysql;
      context.server_version = mariadb ? 101100 : 90000;
      if (query->sql_mode.has_value()) context.SetSqlMode(*query->sql_mode);
      const auto parsed = worker::ddl::Parse(query->statement, context);
      if (const auto* unparsed = std::get_if<worker::ddl::Unparsed>(&parsed)) {
        ++refused[fmt::format("{}: {}: {}", log.name, unparsed->reason,
                              query->statement.substr(0, 200))];
      } else {
        ++kinds[worker::ddl::Describe(parsed)];
      }
    }
  }
  Print("statements", kinds);
  Print("not understood", refused);
  EXPECT_TRUE(refused.empty());
}

}  // namespace
}  // namespace chameleon::test
