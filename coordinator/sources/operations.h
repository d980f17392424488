// Long commands: started by a client, owned by the coordinator, watched by anybody.
//
// In memory; ended ones are kept until there are kEndedMax. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/control.pb.h"

namespace chameleon::coordinator::sources {

class Operations {
 public:
  static constexpr size_t kEndedMax = 200;

  // ABORTED (reason OPERATION_IN_PROGRESS): the source has one already. `cancel` is called at most
  // once, from another thread, and must not block.
  absl::StatusOr<std::string> Begin(const std::string& command, const std::string& config,
                                    const std::string& source, std::function<void()> cancel);
  void SetProgress(const std::string& id, const v1::Progress& progress);
  // CANCELLED ends it as cancelled, any other error as failed.
  void Finish(const std::string& id, const absl::Status& status, const std::string& result);

  absl::StatusOr<v1::Operation> Get(const std::string& id) const;
  // Newest first; `config` empty: of all.
  std::vector<v1::Operation> List(const std::string& config) const;
  // FAILED_PRECONDITION when it has ended.
  absl::StatusOr<v1::Operation> Cancel(const std::string& id);
  // Returns when the operation has changed since `*version` (0: at once), or after `timeout`.
  absl::StatusOr<v1::Operation> Wait(const std::string& id, uint64_t* version,
                                     std::chrono::milliseconds timeout) const;
  static bool Ended(const v1::Operation& operation);

 private:
  struct Entry {
    v1::Operation operation;
    uint64_t version = 1;
    std::function<void()> cancel;
  };
  Entry* Find(const std::string& id);  // under mutex_
  const Entry* Find(const std::string& id) const;
  void Trim();

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::list<Entry> entries_;  // newest first
  uint64_t last_ = 0;
};

}  // namespace chameleon::coordinator::sources
