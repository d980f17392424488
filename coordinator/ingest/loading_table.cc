#include "coordinator/ingest/loading_table.h"

#include <fmt/format.h>

#include "coordinator/pg/session.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::ingest {

std::string Load::EpochGuard() const {
  return fmt::format("SELECT sch_chameleon.fn_check_epoch({}, {})", lease.source_id(),
                     lease.epoch());
}

absl::Status Load::Fenced(const absl::Status& status) const {
  if (pg::SqlState(status) != "CH001") return status;
  return Error(absl::StatusCode::kAborted, "LEASE_LOST", source.name, Text(status), "");
}

std::string NameOf(const LoadingTable& table) {
  return fmt::format("{}.{}", table.def.name().schema(), table.def.name().table());
}

}  // namespace chameleon::coordinator::ingest
