// Binary and relay logs that nobody of this project wrote, of any age, cut or damaged: those in the
// servers' own test suites (tests/support/fetch_suites.sh), also inside of their archives, read in
// place; and what lies below $CHAMELEON_LOGS, a folder of anyone's. A file is a log when it begins
// as one. The same log twice counts once.
#pragma once

#include <vector>

#include "tests/golden/corpus.h"

namespace chameleon::test {

// Sorted by name, which is the path in the suite, with "!member" of an archive. Empty: no suite is
// here.
std::vector<BinlogFile> SuiteLogs();

}  // namespace chameleon::test
