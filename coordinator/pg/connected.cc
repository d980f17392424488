#include "coordinator/pg/connected.h"

#include <fmt/format.h>

#include "coordinator/pg/catalogue_sql.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::pg {

absl::StatusOr<Session*> Connected::Get(bool catalogue) {
  // A server that was restarted is noticed here, and not by a call whose outcome would be in doubt.
  if (session_ != nullptr && !session_->Execute("").ok()) session_ = nullptr;
  if (session_ == nullptr) {
    version_checked_ = false;
    auto session = Session::Connect(target_, application_name_);
    if (!session.ok()) return session.status();
    session_ = std::move(*session);
  }
  if (catalogue && !version_checked_) {
    if (absl::Status status = CheckVersion(); !status.ok()) return status;
    version_checked_ = true;
  }
  return session_.get();
}

absl::StatusOr<Rows> Connected::Query(std::string_view sql, const std::vector<Param>& params) {
  auto session = Get(true);
  if (!session.ok()) return session.status();
  auto rows = (*session)->Query(sql, params);
  // 3F000, 42P01, 42883: dropped behind our back. Look again next time.
  if (!rows.ok()) version_checked_ = false;
  return rows;
}

absl::Status Connected::CheckVersion() {
  auto exists = session_->Execute("SELECT to_regclass('sch_chameleon.v_version') IS NOT NULL");
  if (!exists.ok()) return exists.status();
  if (!exists->Bool(0, 0)) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_REPLICA_SCHEMA", target_.database,
                 fmt::format("there is no replica schema in database {}", target_.database),
                 "Create it with create_replica_schema.");
  }
  auto version = session_->Execute("SELECT t_version FROM sch_chameleon.v_version");
  if (!version.ok()) return version.status();
  const std::string found = version->empty() ? "unknown" : version->Text(0, 0);
  if (found == kCatalogueVersion) return absl::OkStatus();
  return Error(
      absl::StatusCode::kFailedPrecondition, "REPLICA_SCHEMA_VERSION", target_.database,
      fmt::format("the replica schema in database {} has version {}, this program needs {}",
                  target_.database, found, kCatalogueVersion),
      "Upgrade it with upgrade_replica_schema.");
}

}  // namespace chameleon::coordinator::pg
