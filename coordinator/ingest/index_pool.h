// Builds keys and indexes in the background while other tables are still being copied.
//
// Thread-safe. A table's statements run at the same time as those of others; its `finish`
// statements follow when the last of them is done. The first error ends the work: it is what
// Wait() and error() return, with the table's name. A unique index over rows that differ on the
// source and are equal here (tinyint(1) 2 and 3 are both true) is built without being unique, and
// noted.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "coordinator/config/config.h"
#include "coordinator/pg/session.h"

namespace chameleon::coordinator::ingest {

class IndexPool {
 public:
  IndexPool(TargetConnection target, std::string application_name, int threads);
  ~IndexPool();  // cancels what runs

  // `must_be_unique`: so many of `create`, from the first, are built as they are or fail. The
  // others may become plain indexes: see above.
  void Add(const std::string& table, std::vector<std::string> create,
           std::vector<std::string> finish, size_t must_be_unique);
  absl::Status Wait();
  absl::Status error() const;
  // What was built otherwise than the source has it, a line each.
  std::vector<std::string> notes() const;
  // Statements done and known.
  std::pair<uint32_t, uint32_t> Progress() const;

 private:
  struct Table {
    std::string name;
    size_t open;  // guarded by mutex_
    std::vector<std::string> finish;
  };
  struct Job {
    std::shared_ptr<Table> table;
    std::string statement;
    bool must_be_unique = false;
  };
  void Run(size_t slot);
  absl::Status Execute(size_t slot, const Job& job);
  absl::Status BuildPlain(pg::Session* session, const Job& job);

  const TargetConnection target_;
  const std::string application_name_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;                                // guarded by mutex_
  std::vector<std::unique_ptr<pg::Session>> sessions_;  // slots; the pointer guarded by mutex_
  absl::Status error_;                                  // guarded by mutex_
  std::vector<std::string> notes_;                      // guarded by mutex_
  bool stop_ = false;                                   // guarded by mutex_
  uint32_t done_ = 0, known_ = 0, busy_ = 0;            // guarded by mutex_
  std::vector<std::thread> threads_;                    // last
};

}  // namespace chameleon::coordinator::ingest
