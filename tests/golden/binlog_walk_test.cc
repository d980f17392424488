// Every event of every real binary log parses, or is refused by name; what is in them is what the
// corpus' README (made with other tools) says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "proto/wire/error.h"
#include "tests/golden/binlog_exercise.h"
#include "tests/golden/corpus.h"

namespace chameleon::test {
namespace {

using worker::binlog::RowKind;

struct Expected {
  std::string version, checksum, events, column_types;
};

// The rows of the table "Binary logs": | file | version | checksum | events | column types | …
std::map<std::string, Expected> ReadmeTable() {
  std::istringstream readme(ReadFile(CorpusDir() / "README.md"));
  std::map<std::string, Expected> out;
  bool inside = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("| file | server version |")) inside = true;
    if (!inside || line.starts_with("|---") || line.starts_with("| file ")) continue;
    if (!line.starts_with("| ")) {
      if (!out.empty()) break;
      continue;
    }
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, '|');) {
      size_t first = cell.find_first_not_of(' ');
      size_t last = cell.find_last_not_of(' ');
      cells.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
    }
    out[cells[1]] = {cells[2], cells[3], cells[4], cells[5]};
  }
  return out;
}

// "A:1 B:2", sorted, with our names where the README has its own.
std::string Canonical(const std::string& events) {
  std::istringstream in(events);
  std::set<std::string> parts;
  for (std::string part; in >> part;) {
    parts.insert(part.starts_with("MA_") ? "MARIADB_" + part.substr(3) : part);
  }
  std::string out;
  for (const std::string& part : parts) out += part + " ";
  return out;
}

std::string Joined(const std::map<std::string, int>& counts, bool with_counts) {
  std::string out;
  for (const auto& [name, count] : counts) {
    out += name + (with_counts ? ":" + std::to_string(count) : "") + " ";
  }
  return out;
}

// A log that the README does not know may be damaged, or of a form that is refused.
void WalkToAnAnswer(const BinlogFile& file) {
  BinlogWalker walker;
  for (const std::string& event : file.events) {
    const absl::Status status = walker.Take(event);
    if (status.ok()) continue;
    EXPECT_NE(DetailOf(status).reason(), "") << file.name << ": " << status;
    return;
  }
}

BinlogWalker Walk(const BinlogFile& file) {
  BinlogWalker walker;
  for (size_t i = 0; i < file.events.size(); ++i) {
    absl::Status status = walker.Take(file.events[i]);
    EXPECT_TRUE(status.ok()) << file.name << ", event " << i << ": " << Text(status);
  }
  return walker;
}

TEST(CorpusBinlogs, AreWhatTheReadmeSays) {
  SKIP_WITHOUT_CORPUS();
  std::map<std::string, Expected> expected = ReadmeTable();
  EXPECT_GE(expected.size(), 45u);
  for (const BinlogFile& file : CorpusBinlogs()) {
    SCOPED_TRACE(file.name);
    if (file.name.starts_with("dolt/")) continue;
    auto row = expected.find(file.name);
    if (row == expected.end()) {
      WalkToAnAnswer(file);
      continue;
    }
    BinlogWalker walker = Walk(file);
    EXPECT_EQ(walker.format().server_version, row->second.version);
    EXPECT_EQ(walker.format().has_checksum ? "CRC32" : "none", row->second.checksum);
    EXPECT_EQ(Canonical(Joined(walker.tally().events, true)), Canonical(row->second.events));
    EXPECT_EQ(Joined(walker.tally().column_types, false), Canonical(row->second.column_types));
    expected.erase(row);
  }
  for (const auto& [name, row] : expected) ADD_FAILURE() << "not in the corpus: " << name;
}

TEST(CorpusBinlogs, SakilaRows) {
  SKIP_WITHOUT_CORPUS();
  for (const BinlogFile& file : CorpusBinlogs()) {
    if (!file.name.ends_with("mysql-bin.sakila.gz")) continue;
    BinlogWalker walker = Walk(file);
    EXPECT_EQ(walker.tally().rows.at(RowKind::kInsert), 47273);
    EXPECT_EQ(walker.tally().rows.size(), 1u);
    return;
  }
  FAIL() << "no sakila log";
}

TEST(CorpusBinlogs, DoltStatementsOfMariadb) {
  SKIP_WITHOUT_CORPUS();
  BinlogTally sum;
  int files = 0;
  for (const BinlogFile& file : CorpusBinlogs()) {
    if (!file.name.starts_with("dolt/")) continue;
    ++files;
    // One of them is a fragment without a format description: its checksums must be announced.
    if (file.name.find("no_format_desc") != std::string::npos) continue;
    BinlogWalker walker = Walk(file);
    EXPECT_TRUE(walker.format().has_checksum);
    for (const auto& [kind, rows] : walker.tally().rows) sum.rows[kind] += rows;
  }
  EXPECT_GE(files, 6);
  EXPECT_GE(sum.rows[RowKind::kInsert], 2 + 3);
  EXPECT_GE(sum.rows[RowKind::kUpdate], 1 + 2);
  EXPECT_GE(sum.rows[RowKind::kDelete], 1 + 1);
}

}  // namespace
}  // namespace chameleon::test
