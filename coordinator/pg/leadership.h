// One coordinator per target database: a session advisory lock on a connection of its own.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "coordinator/pg/session.h"

namespace chameleon::coordinator::pg {

// Not thread-safe: the owner serialises.
class Leadership {
 public:
  // FAILED_PRECONDITION names the holder. Keeps what is held already.
  absl::Status Take(const TargetConnection& target, const std::string& application_name);
  // UNAVAILABLE: the connection is gone, and the lock with it.
  absl::Status Holds();
  void GiveUp() { session_ = nullptr; }

 private:
  std::unique_ptr<Session> session_;
};

}  // namespace chameleon::coordinator::pg
