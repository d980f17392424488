// fuzz_seeds DIRECTORY: writes DIRECTORY/{event,row,json,encode,ddl}, the fuzzers' first inputs,
// from the repository's own recorded logs and, where they are there, the corpus and the logs of the
// servers' own test suites.
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/golden/corpus.h"
#include "tests/golden/log_schema.h"
#include "tests/golden/suite_logs.h"
#include "tests/support/sql_script.h"
#include "worker/binlog/row_image.h"

namespace chameleon::test {
namespace {

namespace fs = std::filesystem;
using namespace worker::binlog;

constexpr size_t kLogBytesMax = 32 << 10;
constexpr size_t kDdlBytesMax = 1200;   // statements are put together up to here
constexpr size_t kDdlEventsMax = 3000;  // a log of more is a server's own initialization
constexpr int kRowEventsPerTable = 6;
constexpr int kValuesPerType = 4;
constexpr int kEncodeColumns = 26;  // about as many as encode_fuzzer knows

class Seeds {
 public:
  explicit Seeds(fs::path root) : root_(std::move(root)) {}
  void Add(const std::string& fuzzer, const std::string& bytes) {
    if (!seen_.insert(fuzzer + bytes).second) return;
    fs::create_directories(root_ / fuzzer);
    const fs::path file = root_ / fuzzer / std::to_string(++count_);
    FILE* out = fopen(file.c_str(), "wb");
    if (out == nullptr || fwrite(bytes.data(), 1, bytes.size(), out) != bytes.size()) {
      throw std::runtime_error("cannot write " + file.string());
    }
    fclose(out);
  }

 private:
  fs::path root_;
  std::set<std::string> seen_;
  int count_ = 0;
};

// One log's seeds of event, row, json and encode.
class LogSeeds {
 public:
  LogSeeds(const BinlogFile& file, Seeds* seeds) : seeds_(seeds) {
    const bool mariadb = ServerVersionOf(file.events).find("MariaDB") != std::string::npos;
    const std::string charset = FittingCharset(file.events, [](LogSchema*) {});
    head_ = static_cast<char>((mariadb ? 1 : 0) | (charset == "utf8mb4" ? 0 : 2));
    std::string whole;
    for (const std::string& raw : file.events) whole += raw;
    if (whole.size() < kLogBytesMax) seeds_->Add("event", whole);
    for (const std::string& raw : file.events) Take(raw);
  }

 private:
  void Take(const std::string& raw) {
    auto event = parser_.Parse(raw);
    if (!event.ok()) return;
    const EventType type = event->header.type;
    if (type == EventType::kFormatDescription) format_event_ = raw;
    if (++events_of_type_[type] <= kValuesPerType && raw.size() < kLogBytesMax) {
      seeds_->Add("event", format_event_ + last_map_ + raw);
    }
    if (type == EventType::kQuery || type == EventType::kMariadbQueryCompressed) {
      if (raw.size() < 4 * kDdlBytesMax) statements_.push_back(raw);
    } else if (type == EventType::kTransactionPayload) {
      seeds_->Add("row", head_ + format_event_ + StatementsOf("") + raw);
    } else if (type == EventType::kTableMap) {
      last_map_ = raw;
      if (auto map = ParseTableMap(*event, parser_.format()); map.ok()) map_ = *std::move(map);
    } else if (auto rows = ParseRowsEvent(*event, parser_.format()); rows.ok()) {
      if (++row_events_[map_.schema + "." + map_.table] > kRowEventsPerTable) return;
      if (raw.size() < kLogBytesMax) {
        seeds_->Add("row", head_ + format_event_ + StatementsOf(map_.table) + last_map_ + raw);
      }
      TakeValues(*rows);
    }
  }

  // The last ones that name the table: a seed is small.
  std::string StatementsOf(const std::string& table) const {
    std::string out;
    for (auto raw = statements_.rbegin(); raw != statements_.rend(); ++raw) {
      const bool creates = raw->find("CREATE TABLE") != std::string::npos ||
                           raw->find("create table") != std::string::npos;
      if (!creates || raw->find(table) == std::string::npos) continue;
      if (out.size() + raw->size() > 4 * kDdlBytesMax) break;
      out = *raw + out;
    }
    return out;
  }

  void TakeValues(const RowsEvent& rows) {
    RowSlices before, after;
    for (RowCursor cursor(map_, rows); !cursor.AtEnd();) {
      if (!cursor.Next(&before, &after).ok()) return;
      for (const RowSlices* row : {&before, &after}) {
        for (size_t i = 0; i < row->size(); ++i) {
          if ((*row)[i].state == Slice::kValue) Value(map_.columns[i].type, (*row)[i], before, i);
        }
      }
    }
  }

  void Value(ColumnType type, const Slice& slice, const RowSlices& before, size_t column) {
    const std::string bytes(slice.data, slice.size);
    if (bytes.size() > 2000) return;
    if (slice.json_diff || type == ColumnType::kJson) {
      std::string document = bytes, diffs;
      if (slice.json_diff) {
        if (before.size() <= column || before[column].state != Slice::kValue) return;
        document.assign(before[column].data, before[column].size);
        diffs = bytes;
      }
      const char size[] = {static_cast<char>(document.size() & 0xff),
                           static_cast<char>(document.size() >> 8)};
      seeds_->Add("json", std::string(size, 2) + document + diffs);
    }
    if (slice.json_diff || ++values_[type] > kValuesPerType) return;
    for (int i = 0; i < kEncodeColumns; ++i) seeds_->Add("encode", static_cast<char>(i) + bytes);
  }

  Seeds* seeds_;
  char head_ = 0;
  EventParser parser_;
  std::string format_event_, last_map_;
  std::vector<std::string> statements_;
  TableMap map_;
  std::map<EventType, int> events_of_type_;
  std::map<std::string, int> row_events_;
  std::map<ColumnType, int> values_;
};

void Statements(const fs::path& script, Seeds* seeds) {
  const char mode = script.string().find("maria") != std::string::npos ? 1 : 0;
  std::string input(1, mode);
  for (const std::string& statement : SplitScript(ReadFile(script))) {
    if (statement.size() > 4 * kDdlBytesMax) continue;
    if (input.size() + statement.size() > kDdlBytesMax && input.size() > 1) {
      seeds->Add("ddl", input);
      input.assign(1, mode);
    }
    if (input.size() > 1) input += '\0';
    input += statement;
  }
  if (input.size() > 1) seeds->Add("ddl", input);
}

// Statements as servers write them into their logs, a few to an input.
void LoggedStatements(const BinlogFile& file, Seeds* seeds) {
  EventParser parser(/*verify_checksums=*/false);
  const char mode = ServerVersionOf(file.events).find("MariaDB") != std::string::npos ? 1 : 0;
  std::string input(1, mode);
  for (const std::string& raw : file.events) {
    auto event = parser.Parse(raw);
    if (!event.ok() || event->header.type != EventType::kQuery) continue;
    auto query = ParseQuery(*event);
    if (!query.ok() || query->statement.size() > kDdlBytesMax) continue;
    if (input.size() + query->statement.size() > kDdlBytesMax && input.size() > 1) {
      seeds->Add("ddl", input);
      input.assign(1, mode);
    }
    if (input.size() > 1) input += '\0';
    input += query->statement;
  }
  if (input.size() > 1) seeds->Add("ddl", input);
}

// Damaged ones, too: whole events, and the bytes behind them.
void SuiteSeeds(const BinlogFile& log, Seeds* seeds) {
  LogSeeds(log, seeds);
  if (log.events.size() < kDdlEventsMax) LoggedStatements(log, seeds);
  if (!log.rest.empty() && log.rest.size() < kLogBytesMax) {
    seeds->Add("event", log.events.empty() ? log.rest : log.events.front() + log.rest);
  }
}

void WriteAll(const fs::path& root) {
  fs::remove_all(root);
  Seeds seeds(root);
  for (const char* name : {"mysql97", "mariadb1011", "mariadb1011_oldtime"}) {
    LogSeeds(OwnBinlog(name), &seeds);
    Statements(OwnBinlogDir() / (std::string(name) + ".sql"), &seeds);
  }
  for (const BinlogFile& log : SuiteLogs()) SuiteSeeds(log, &seeds);
  if (CorpusDir().empty()) return;
  for (const BinlogFile& file : CorpusBinlogs()) LogSeeds(file, &seeds);
  for (const char* folder : {"ddl", "schemas", "migrations", "cases"}) {
    for (const auto& entry : fs::recursive_directory_iterator(CorpusDir() / folder)) {
      const std::string extension = entry.path().extension();
      if (extension == ".sql" || extension == ".ddl") Statements(entry.path(), &seeds);
    }
  }
}

}  // namespace
}  // namespace chameleon::test

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  chameleon::test::WriteAll(argv[1]);
  return 0;
}
