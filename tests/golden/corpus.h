// Binary logs for tests: our own small ones in tests/golden/binlogs (each with the SQL that made
// it), and the open test data beside the repository: real logs that nobody of this project wrote.
// $CHAMELEON_CORPUS, else ../shared/corpus from the repository's root. Tests skip when it is
// absent.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace chameleon::test {

// Empty: there is no corpus on this machine.
std::filesystem::path CorpusDir();

// The whole file; ".gz" is unpacked.
std::string ReadFile(const std::filesystem::path& path);

struct BinlogFile {
  std::string name;                 // path below corpus/binlogs
  std::vector<std::string> events;  // whole events, as in the log
};

// All binary logs, and the BINLOG '…' statements of the dolt texts.
std::vector<BinlogFile> CorpusBinlogs();

// tests/golden/binlogs; `name` without ".binlog".
std::filesystem::path OwnBinlogDir();
BinlogFile OwnBinlog(const std::string& name);

}  // namespace chameleon::test

#define SKIP_WITHOUT_CORPUS()                                                        \
  if (::chameleon::test::CorpusDir().empty()) {                                      \
    GTEST_SKIP() << "no corpus: set CHAMELEON_CORPUS or put it at ../shared/corpus"; \
  }
