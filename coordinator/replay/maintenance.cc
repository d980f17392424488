#include "coordinator/replay/maintenance.h"

#include <fmt/format.h>

#include <vector>

#include "coordinator/pg/session.h"
#include "coordinator/target/quote.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::replay {
namespace {

using pg::Session;
using target::Identifier;

class Maintenance {
 public:
  Maintenance(Session* session, const MaintenanceOptions& options)
      : session_(session), options_(options), id_(std::to_string(options.source_id)) {}

  absl::Status Run(const std::function<bool(const std::string&)>& step) {
    auto set =
        session_->Execute(fmt::format("SET lock_timeout = '{}ms'", options_.lock_timeout_ms));
    if (!set.ok()) return set.status();
    if (auto status = ReadTables(); !status.ok()) return status;
    auto before = Size();
    if (!before.ok()) return before.status();
    before_ = *before;
    if (!step("emptying the log")) return absl::CancelledError("run_maintenance was cancelled");
    auto emptied = session_->Query("SELECT sch_chameleon.fn_empty_log($1)", {id_});
    if (!emptied.ok()) return Busy(emptied.status());
    for (const std::string& table : tables_) {
      if (!step(fmt::format("vacuum {}", table))) {
        return absl::CancelledError("run_maintenance was cancelled");
      }
      auto done =
          session_->Execute(fmt::format("VACUUM {}{}", options_.full ? "(FULL, ANALYZE) " : "",
                                        Identifier("sch_chameleon", table)));
      if (!done.ok()) return Busy(done.status());
    }
    // Batches to come begin where the table ends now.
    auto stored = session_->Query("SELECT sch_chameleon.fn_maintained($1)", {id_});
    if (!stored.ok()) return stored.status();
    auto after = Size();
    if (!after.ok()) return after.status();
    after_ = *after;
    return absl::OkStatus();
  }

  std::string Result() const {
    return fmt::format(
        "maintenance of source \"{}\": log tables vacuumed{}, {} kB before, {} kB now",
        options_.source, options_.full ? " fully" : "", before_ / 1024, after_ / 1024);
  }

 private:
  absl::Status ReadTables() {
    auto rows = session_->Query(
        "SELECT unnest(v_log_table) FROM sch_chameleon.t_sources WHERE i_id_source = $1", {id_});
    if (!rows.ok()) return rows.status();
    for (size_t i = 0; i < rows->size(); ++i) tables_.push_back(rows->Text(i, 0));
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() {
    auto rows = session_->Query(
        "SELECT sum(pg_total_relation_size(format('sch_chameleon.%I', t.name)::regclass))"
        " FROM sch_chameleon.t_sources s, unnest(s.v_log_table) t(name) WHERE s.i_id_source = $1",
        {id_});
    if (!rows.ok()) return rows.status();
    return rows->Uint(0, 0);
  }

  absl::Status Busy(const absl::Status& status) const {
    if (pg::SqlState(status) != "55P03") return status;
    return Error(absl::StatusCode::kFailedPrecondition, "LOG_IN_USE", options_.source,
                 fmt::format("the log tables of source {} were in use for {} s", options_.source,
                             options_.lock_timeout_ms / 1000),
                 "End the transactions that read t_log_replica, or raise lock_timeout.");
  }

  Session* const session_;
  const MaintenanceOptions& options_;
  const std::string id_;
  std::vector<std::string> tables_;
  uint64_t before_ = 0, after_ = 0;
};

}  // namespace

absl::StatusOr<std::string> MaintainLog(const TargetConnection& target,
                                        const MaintenanceOptions& options,
                                        const std::function<bool(const std::string&)>& step) {
  auto session = Session::Connect(target, "chameleon maintenance " + options.source);
  if (!session.ok()) return session.status();
  Maintenance maintenance(session->get(), options);
  if (auto status = maintenance.Run(step); !status.ok()) return status;
  return maintenance.Result();
}

}  // namespace chameleon::coordinator::replay
