#include "coordinator/pg/leadership.h"

#include <fmt/format.h>

#include "proto/wire/error.h"

namespace chameleon::coordinator::pg {
namespace {

// "cham" and the number of this lock: advisory locks are per database and shared with applications.
constexpr int kLockClass = 0x6368616d;
constexpr int kLockId = 1;

}  // namespace

absl::Status Leadership::Take(const TargetConnection& target, const std::string& application_name) {
  if (session_ != nullptr && Holds().ok()) return absl::OkStatus();
  auto session = Session::Connect(target, application_name + " leader");
  if (!session.ok()) return session.status();
  auto locked =
      (*session)->Execute(fmt::format("SELECT pg_try_advisory_lock({}, {})", kLockClass, kLockId));
  if (!locked.ok()) return locked.status();
  if (locked->Bool(0, 0)) {
    session_ = std::move(*session);
    return absl::OkStatus();
  }
  auto holder = (*session)->Execute(
      fmt::format("SELECT a.application_name, coalesce(host(a.client_addr), 'local'), a.pid,"
                  " to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS')"
                  " FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid)"
                  " WHERE l.locktype = 'advisory' AND l.classid = {} AND l.objid = {} AND l.granted"
                  " AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname ="
                  " current_database())",
                  kLockClass, kLockId));
  std::string who = "another session";
  if (holder.ok() && !holder->empty()) {
    who = fmt::format("{} (client {}, backend pid {}, since {} UTC)", holder->Text(0, 0),
                      holder->Text(0, 1), holder->Text(0, 2), holder->Text(0, 3));
  }
  return Error(
      absl::StatusCode::kFailedPrecondition, "OTHER_COORDINATOR", target.database,
      fmt::format("database {} is served by another coordinator: {}", target.database, who),
      "Stop it first, or use the coordinator that runs.");
}

absl::Status Leadership::Holds() {
  if (session_ == nullptr) return absl::UnavailableError("this coordinator is not the leader");
  auto rows = session_->Execute(
      fmt::format("SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND classid = {}"
                  " AND objid = {} AND pid = pg_backend_pid() AND granted",
                  kLockClass, kLockId));
  if (rows.ok() && !rows->empty()) return absl::OkStatus();
  session_ = nullptr;
  return absl::UnavailableError(rows.ok()
                                    ? "the leader's lock is gone"
                                    : "the leader's connection is gone: " + Text(rows.status()));
}

}  // namespace chameleon::coordinator::pg
