// What a server's refusal to dump means. Pure: the server's text, plus what SHOW BINARY LOGS says.
//
// All causes arrive as error 1236 (a few as others) and differ only in their text (facts 1.3, 3.6).
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "chameleon/v1/types.pb.h"
#include "worker/source/server.h"

namespace chameleon::worker::source {

enum class DumpError {
  kServerIdInUse,  // another reader, newer than us, has our identity
  kFileMissing,    // purged, never existed, or the server was reset
  kBeyondEnd,      // the file is shorter than our position
  kPurged,         // by GTID: parts that we need are gone
  kAhead,          // by GTID: we have what the source has not
  kNotAnEvent,     // our position is not the beginning of an event
  kPrivilege,
  kOther,
};
DumpError ClassifyDumpError(int server_errno, std::string_view text);

// The status that a reader at `start` reports. `logs`: SHOW BINARY LOGS, or nullptr if it could not
// be read. kOther is DATA_LOSS too: a server that answers 1236 cannot serve this position.
absl::Status DumpErrorStatus(DumpError error, std::string_view server_text,
                             const v1::Position& start, bool by_gtid,
                             const std::vector<BinaryLog>* logs);

}  // namespace chameleon::worker::source
