// Binary and relay logs that nobody of this project wrote, of any age, cut or damaged: those in the
// servers' own test suites (tests/support/fetch_suites.sh), also inside of their archives, read in
// place; and what lies below $CHAMELEON_LOGS, a folder of anyone's. A file is a log when it begins
// as one. The same log twice counts once.
#pragma once

#include <string>
#include <vector>

#include "tests/golden/corpus.h"

namespace chameleon::test {

struct SuiteLog {
  BinlogFile file;    // its whole events; name: path in the suite, with "!member" of an archive
  std::string bytes;  // as in the file
  std::string rest;   // what follows the whole events and is none: the log is cut or damaged
  bool encrypted = false;  // MySQL's encryption of the whole file: no events
};

// Sorted by name; empty: no suite is here.
std::vector<SuiteLog> SuiteLogs();

}  // namespace chameleon::test
