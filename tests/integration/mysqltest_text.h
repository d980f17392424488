// Test files of the servers' suites, changed so that mysqltest plays them against a server that
// goes on and has a replica:
//
// - before a DROP of tables or databases stands a command that waits until somebody has compared;
// - nothing ends the test early (errors that are expected or not, die), nothing stops the server,
//   empties its binary log or keeps changes out of it, and nothing runs a shell;
// - sleeps and waits are short;
// - a table that is made without a key gets one, if key_for() has a statement for it.
//
// Works line by line: a statement that begins in the middle of a line stays as it is. Pure.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace chameleon::test {

struct MysqltestRules {
  std::string hook;      // a shell command: "sh /tmp/x/hook"
  std::string std_data;  // directory of the suite's data files
  // A statement that gives the table of this CREATE TABLE a key; "" if there is nothing to do.
  std::function<std::string(const std::string& statement)> key_for;
};

// One file; `first` for the file that mysqltest is called with, not for those that it includes.
std::string PrepareForMysqltest(std::string_view text, const MysqltestRules& rules, bool first);

// Included files that are to be empty: they stop the server or wait until it is gone.
bool IsEmptied(const std::string& file_name);

}  // namespace chameleon::test
