// In memory: what the coordinator finds behind the interfaces of catalogue, loader, writer and
// replayer. Linked instead of those rooms.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "coordinator/pg/catalogue.h"

namespace chameleon::coordinator::test {

struct World {
  std::mutex mutex;
  bool schema = false;
  bool postgres_away = false;
  std::string other_leader;  // not empty: somebody else leads
  std::map<std::string, pg::SourceRecord> sources;
  std::vector<std::string> errors;
  std::map<std::string, std::string> last_error;
  uint64_t wakes = 0;
  bool replayer_running = false;
  std::function<void(const absl::Status&)> replayer_stopped;
  std::vector<std::string> written;  // batches: "1:lines"
  absl::Status write_error;
  int loaders = 0;  // alive
  std::vector<std::string> copied;
};
World& TheWorld();
void NewWorld();

}  // namespace chameleon::coordinator::test
