// Binary logs for tests: our own small ones in tests/golden/binlogs (each with the SQL that made
// it), and the open test data beside the repository: real logs that nobody of this project wrote.
// $CHAMELEON_CORPUS, else ../shared/corpus from the repository's root. Tests skip when it is
// absent.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace chameleon::test {

// Empty: there is no corpus on this machine.
std::filesystem::path CorpusDir();

// The whole file; ".gz" is unpacked.
std::string ReadFile(const std::filesystem::path& path);

struct BinlogFile {
  std::string name;                 // path below corpus/binlogs
  std::vector<std::string> events;  // whole events, as in the log
  std::string bytes;                // as in the file (unpacked); empty: it is no file
  std::string rest;                 // behind the whole events: the log is cut or damaged
  bool encrypted = false;           // MySQL's encryption of the whole file: no events
};

// A file with these bytes, as long as it lives.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& bytes);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const char* path() const { return path_; }

 private:
  char path_[32] = "/tmp/chameleon_log_XXXXXX";
};

// A file that begins as a binary log does, also as an encrypted one.
bool IsLog(std::string_view bytes);
BinlogFile CutLog(const std::string& name, std::string bytes);

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
