// A whole binary log through reader, netting and encoder, as a replica would take it: tables are
// learned from the log's own CREATE statements, plans come from the coordinator's type map.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "tests/golden/corpus.h"

namespace chameleon::test {

using TableKey = std::pair<std::string, std::string>;  // schema and table

// What the stream of one log amounts to.
struct StreamOutcome {
  absl::Status status;                      // OK: it ended at the log's end
  std::map<std::string, uint64_t> lines;    // by operation
  std::map<std::string, uint64_t> ignored;  // by the name in the ledger
  uint64_t stopped = 0;
  std::string first_stop;
  std::string malformed;  // the first line that is not what docs/architecture.md says
  // Committed rows of tables that no statement before them makes, though the ledger does not name
  // them: rows that were passed over in silence. Only where the status is OK.
  std::vector<std::string> silent;

  std::string Summary() const;
};

// By the product's own reader of files, so that the end of a file that is cut is its own.
StreamOutcome WalkStream(const BinlogFile& log);

// DATA_LOSS with a reason and a HINT.
bool IsRefusalByName(const absl::Status& status);

}  // namespace chameleon::test
