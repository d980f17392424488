// The servers' test suites played by their own interpreter, mysqltest: variables, loops, several
// connections, prepared statements, included files, files to load.
//
// The suites are read in place (tests/support/fetch_suites.sh); a changed copy of their texts
// (mysqltest_text.h) is made in a temporary directory. What a test expects does not matter here.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/mysqltest_text.h"
#include "tests/support/servers.h"

namespace chameleon::test {

class MysqltestPlayer {
 public:
  enum class Outcome { kPlayed, kCutShort, kEndedEarly, kSkipped };
  struct Result {
    Outcome outcome;
    int hooks = 0;
    std::string message;  // of one that ended early
  };

  // Whether mysqltest and the suite are there.
  static bool Available(SourceKind kind);
  explicit MysqltestPlayer(const SourceServer* server,
                           std::function<std::string(const std::string&)> key_for);
  ~MysqltestPlayer();

  // Test files, as paths within the suite, without those that need what is not here.
  std::vector<std::string> Files(const std::string& containing) const;
  // Plays one in database `test`. on_hook() runs while the test waits, its time does not count.
  Result Play(const std::string& file, std::chrono::seconds limit,
              const std::function<void()>& on_hook);

 private:
  void MakeTree();
  void Prepare(const std::filesystem::path& from, const std::filesystem::path& to);
  Spawn Command(const std::string& file) const;

  const SourceServer* server_;
  MysqltestRules rules_;
  TempDir dir_;
  std::filesystem::path suite_, tree_;
  int ask_ = -1, answer_ = -1;  // named pipes, open for reading and writing
};

}  // namespace chameleon::test
