// COPY sessions into loading tables: connections are kept and used again.
//
// Thread-safe; shared with the sessions it hands out, which may outlive the loader.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/config/config.h"
#include "coordinator/ingest/snapshot_loader.h"
#include "coordinator/pg/session.h"

namespace chameleon::coordinator::ingest {

// How one chunk ended. In doubt: the commit's answer was lost.
struct CopyEnd {
  bool committed = false, in_doubt = false;
  uint64_t rows = 0;
};

class CopyPool : public std::enable_shared_from_this<CopyPool> {
 public:
  CopyPool(TargetConnection target, std::string application_name)
      : target_(std::move(target)), application_name_(std::move(application_name)) {}

  // `copy`: the COPY statement. `guard`: a statement that fails when the chunk must not be
  // committed any more. `on_end` is called once, when it is committed or in doubt.
  absl::StatusOr<std::unique_ptr<CopySession>> Open(const std::string& copy,
                                                    const std::string& guard,
                                                    std::function<void(const CopyEnd&)> on_end);

  absl::StatusOr<std::unique_ptr<pg::CopyingSession>> Take();
  void Return(std::unique_ptr<pg::CopyingSession> session);

 private:
  const TargetConnection target_;
  const std::string application_name_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<pg::CopyingSession>> idle_;  // guarded by mutex_
};

}  // namespace chameleon::coordinator::ingest
