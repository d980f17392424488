// A session that comes back: opened when first needed and again after it was lost.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/pg/session.h"

namespace chameleon::coordinator::pg {

// Not thread-safe: the owner serialises.
class Connected {
 public:
  Connected(TargetConnection target, std::string application_name)
      : target_(std::move(target)), application_name_(std::move(application_name)) {}

  const TargetConnection& target() const { return target_; }

  // A session that answered just now; with `catalogue`, one whose database has a catalogue of this
  // version (FAILED_PRECONDITION otherwise).
  absl::StatusOr<Session*> Get(bool catalogue);
  // One statement in its own transaction on it.
  absl::StatusOr<Rows> Query(std::string_view sql, const std::vector<Param>& params);
  void Close() { session_ = nullptr; }

 private:
  absl::Status CheckVersion();

  const TargetConnection target_;
  const std::string application_name_;
  std::unique_ptr<Session> session_;
  bool version_checked_ = false;
};

}  // namespace chameleon::coordinator::pg
