// Every value of every row in every binary log, through table map check and codec to its literal,
// against what the servers' own tools print (printed_rows.h). The schemas are learned from the
// log's own statements, or from the sql.sql that lies beside it. A row whose table has no schema
// is counted by the reason; it must be a reason that this test names.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "proto/wire/error.h"
#include "tests/golden/corpus.h"
#include "tests/golden/row_comparison.h"
#include "tests/support/sql_script.h"
#include "worker/ddl/parser.h"

namespace chameleon::test {
namespace {

using namespace worker::binlog;

bool Without(const char* what) {
  const char* set = std::getenv(what);
  return set != nullptr && std::string_view(set) == "1";
}

// The schema of the first table map.
std::string SchemaOf(const BinlogFile& file) {
  EventParser parser;
  for (const std::string& raw : file.events) {
    auto event = parser.Parse(raw);
    if (!event.ok() || event->header.type != EventType::kTableMap) continue;
    if (auto map = ParseTableMap(*event, parser.format()); map.ok()) return map->schema;
  }
  return "";
}

// A binary log is often the tail of a story: the script beside it tells the beginning.
void LearnFrom(const std::filesystem::path& script, const BinlogFile& file, LogSchema* schema) {
  if (!std::filesystem::exists(script)) return;
  worker::ddl::SessionContext context = schema->server();
  context.default_database = SchemaOf(file);
  for (const std::string& statement : SplitScript(ReadFile(script))) {
    const auto parsed = worker::ddl::Parse(statement, context);
    if (std::holds_alternative<worker::ddl::CreateTable>(parsed)) schema->Run(statement, context);
  }
}

RowComparison Compared(const BinlogFile& file, const std::filesystem::path& path) {
  const auto script = path.parent_path() / "sql.sql";
  const std::string version = ServerVersionOf(file.events);
  const auto learn = [&](LogSchema* schema) { LearnFrom(script, file, schema); };
  RowComparison comparison(file.name, version, FittingCharset(file.events, learn),
                           PrintLog(file.bytes));
  learn(&comparison.schema());
  const auto status = comparison.Take(file.events);
  // Of a damaged log, or one of a form that is refused: what comes before is compared.
  EXPECT_TRUE(status.ok() || !DetailOf(status).reason().empty()) << file.name << ": " << status;
  if (!status.ok()) fmt::print("{}: {}\n", file.name, Text(status));
  fmt::print("{}: {}\n", file.name, comparison.Summary());
  return comparison;
}

TEST(LogRowsTest, OfTheCorpusAreWhatTheToolsPrint) {
  SKIP_WITHOUT_CORPUS();
  if (Without("CHAMELEON_WITHOUT_MYSQL")) GTEST_SKIP() << "mysqlbinlog is not there";
  int rows = 0, values = 0, without_schema = 0, stopped = 0;
  for (const BinlogFile& file : CorpusBinlogs()) {
    if (file.encrypted) continue;
    if (file.name.starts_with("dolt/")) continue;  // statements, no log: see binlog_walk_test.cc
    const auto comparison = Compared(file, CorpusDir() / "binlogs" / file.name);
    rows += comparison.rows();
    values += comparison.values();
    for (const auto& [why, count] : comparison.without_schema()) {
      without_schema += count;
      EXPECT_TRUE(why == "no statement in the log creates it" ||
                  why == "it does not fit the log's statements")
          << file.name << ": " << why;
    }
    for (const auto& [why, count] : comparison.stopped()) stopped += count;
  }
  fmt::print("{} rows, {} values compared; {} of the rows without a schema\n", rows, values,
             without_schema);
  EXPECT_GT(rows, 47'000);
  EXPECT_LT(1000 * stopped, rows);
}

// Not mariadb1011_oldtime: without the digits, which no table map has, mariadb-binlog cannot read
// on (own_binlogs_test.cc does).
TEST(LogRowsTest, OfOurLogsAreWhatTheToolsPrint) {
  if (Without("CHAMELEON_WITHOUT_MYSQL")) GTEST_SKIP() << "mysqlbinlog is not there";
  for (const char* name : {"mysql97", "mariadb1011"}) {
    const auto file = OwnBinlog(name);
    const auto comparison = Compared(file, OwnBinlogDir() / (file.name + ".binlog"));
    EXPECT_GT(comparison.rows(), 0);
    EXPECT_TRUE(comparison.stopped().empty());
  }
}

}  // namespace
}  // namespace chameleon::test
