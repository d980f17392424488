// What show_status and show_errors know.
#include <fmt/format.h>

#include "coordinator/pg/catalogue_impl.h"
#include "coordinator/pg/message_json.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::pg {
namespace {

// Seconds since the epoch, with fractions; NULL: unset.
void SetTime(const Rows& rows, size_t row, size_t column, google::protobuf::Timestamp* out) {
  const int64_t micros = rows.Int(row, column);
  out->set_seconds(micros / 1'000'000);
  out->set_nanos(static_cast<int32_t>(micros % 1'000'000) * 1000);
}

std::string Micros(const std::string& column) {
  return fmt::format("(extract(epoch FROM {}) * 1000000)::bigint", column);
}

v1::ErrorEntry EntryAt(const Rows& rows, size_t i) {
  v1::ErrorEntry entry;
  entry.set_log_id(rows.Uint(i, 0));
  entry.set_source(rows.Text(i, 1));
  entry.set_batch_id(rows.Uint(i, 2));
  entry.set_schema(rows.Text(i, 3));
  entry.set_table(rows.Text(i, 4));
  SetTime(rows, i, 5, entry.mutable_time());
  entry.set_message(rows.Text(i, 6));
  return entry;
}

std::string ErrorQuery(const std::string& where) {
  return "SELECT e.i_id_log, coalesce(s.t_source, ''), e.i_id_batch, e.v_schema_name,"
         " e.v_table_name, " +
         Micros("e.ts_error") +
         ", e.t_error_message, e.t_sql, e.t_detail FROM sch_chameleon.t_error_log e"
         " LEFT JOIN sch_chameleon.t_sources s USING (i_id_source) " +
         where;
}

}  // namespace

absl::Status PgCatalogue::LogError(uint64_t source_id, uint64_t batch_id, const std::string& schema,
                                   const std::string& table, const std::string& sql,
                                   const std::string& message) {
  std::lock_guard lock(mutex_);
  return session_
      .Query(
          "INSERT INTO sch_chameleon.t_error_log (i_id_source, i_id_batch, v_schema_name,"
          " v_table_name, t_table_pkey, t_binlog_name, i_binlog_position, t_sql,"
          " t_error_message)"
          " SELECT s.i_id_source, $2, $3, $4, '', coalesce(s.t_binlog_name, ''),"
          " coalesce(s.i_binlog_position, 0), $5, $6"
          " FROM sch_chameleon.t_sources s WHERE s.i_id_source = $1",
          {std::to_string(source_id), std::to_string(batch_id), schema, table, sql, message})
      .status();
}

absl::StatusOr<std::vector<v1::ErrorEntry>> PgCatalogue::Errors(uint64_t log_id) {
  std::lock_guard lock(mutex_);
  const bool one = log_id != 0;
  auto rows = one ? session_.Query(ErrorQuery("WHERE e.i_id_log = $1"), {std::to_string(log_id)})
                  : session_.Query(ErrorQuery("ORDER BY e.i_id_log"), {});
  if (!rows.ok()) return rows.status();
  std::vector<v1::ErrorEntry> entries;
  for (size_t i = 0; i < rows->size(); ++i) {
    entries.push_back(EntryAt(*rows, i));
    if (!one) continue;
    entries.back().set_sql(rows->Text(i, 7));
    entries.back().set_detail(rows->Text(i, 8));
  }
  if (one && entries.empty()) {
    return Error(absl::StatusCode::kNotFound, "ERROR_NOT_FOUND", std::to_string(log_id),
                 fmt::format("there is no error log entry {}", log_id), "See show_errors.");
  }
  return entries;
}

absl::StatusOr<v1::SourceStatus> PgCatalogue::Status(const std::string& name, bool detail) {
  std::lock_guard lock(mutex_);
  auto source = Find(name);
  if (!source.ok()) return source.status();
  const std::string id = std::to_string(source->id);
  auto rows = session_.Query(
      "SELECT s.b_consistent, v.f_read_lag, greatest(v.f_read_lag, v.f_pending_lag),"
      " v.i_batches_pending, v.i_changes_pending, " +
          Micros("v.ts_last_received") + ", " + Micros("v.ts_last_replayed") +
          ", s.t_last_error, " + Micros("s.ts_last_error") +
          ", (SELECT count(*) FROM sch_chameleon.t_replica_tables t WHERE t.i_id_source = $1"
          "   AND NOT t.b_dropped AND t.b_replicated AND t.b_replica_enabled),"
          " (SELECT count(*) FROM sch_chameleon.t_replica_tables t WHERE t.i_id_source = $1"
          "   AND NOT t.b_dropped AND NOT t.b_replicated),"
          " (SELECT count(*) FROM sch_chameleon.t_replica_tables t WHERE t.i_id_source = $1"
          "   AND NOT t.b_dropped AND t.b_replicated AND NOT t.b_replica_enabled)"
          " FROM sch_chameleon.t_sources s JOIN sch_chameleon.v_replica_status v USING"
          " (i_id_source) WHERE s.i_id_source = $1",
      {id});
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return absl::AbortedError("source was dropped meanwhile");
  v1::SourceStatus status;
  status.set_source_id(source->id);
  status.set_name(source->name);
  status.set_type(source->type);
  status.set_state(source->state);
  status.set_consistent(rows->Bool(0, 0));
  status.set_read_lag_s(rows->IsNull(0, 1) ? -1 : rows->Real(0, 1));
  status.set_replay_lag_s(rows->IsNull(0, 1) ? -1 : rows->Real(0, 2));
  status.set_batches_pending(rows->Uint(0, 3));
  status.set_changes_pending(rows->Uint(0, 4));
  if (!rows->IsNull(0, 5)) SetTime(*rows, 0, 5, status.mutable_last_received());
  if (!rows->IsNull(0, 6)) SetTime(*rows, 0, 6, status.mutable_last_replayed());
  status.set_last_error(rows->Text(0, 7));
  if (!rows->IsNull(0, 8)) SetTime(*rows, 0, 8, status.mutable_last_error_time());
  status.set_tables_replicated(static_cast<uint32_t>(rows->Uint(0, 9)));
  status.set_tables_not_replicated(static_cast<uint32_t>(rows->Uint(0, 10)));
  status.set_tables_disabled(static_cast<uint32_t>(rows->Uint(0, 11)));
  status.set_worker(source->worker);
  status.set_epoch(source->epoch);
  *status.mutable_received() = source->received;
  *status.mutable_replayed() = source->replayed;
  if (detail) {
    for (const auto& [from, to] : source->schema_mappings) {
      (*status.mutable_schema_mappings())[from] = to;
    }
    if (absl::Status result = Detail(source->id, &status); !result.ok()) return result;
  }
  return status;
}

absl::Status PgCatalogue::Detail(uint64_t source_id, v1::SourceStatus* status) {
  const std::string id = std::to_string(source_id);
  auto tables = session_.Query(
      "SELECT t_source_schema, t_source_table, v_schema_name, v_table_name,"
      " CASE WHEN NOT b_replicated THEN 'not replicated' WHEN b_replica_enabled THEN 'replicated'"
      " ELSE 'disabled' END, t_reason, v_table_pkey FROM sch_chameleon.t_replica_tables"
      " WHERE i_id_source = $1 AND NOT b_dropped ORDER BY 1, 2",
      {id});
  if (!tables.ok()) return tables.status();
  for (size_t i = 0; i < tables->size(); ++i) {
    v1::TableStatus* table = status->add_tables();
    table->mutable_source()->set_schema(tables->Text(i, 0));
    table->mutable_source()->set_table(tables->Text(i, 1));
    table->set_target_schema(tables->Text(i, 2));
    table->set_target_table(tables->Text(i, 3));
    table->set_state(tables->Text(i, 4));
    table->set_reason(tables->Text(i, 5));
    for (std::string& column : tables->Array(i, 6)) table->add_key(std::move(column));
  }
  auto losses = session_.Query(
      "SELECT coalesce(t.v_schema_name || '.' || t.v_table_name, ''), l.t_kind, l.i_count,"
      " concat_ws(' at ', nullif(l.t_example_key, ''), l.t_example_binlog_name || ':' ||"
      " l.i_example_binlog_position)"
      " FROM sch_chameleon.t_ledger l LEFT JOIN sch_chameleon.t_replica_tables t USING (i_id_table)"
      " WHERE l.i_id_source = $1 ORDER BY 1, 2",
      {id});
  if (!losses.ok()) return losses.status();
  for (size_t i = 0; i < losses->size(); ++i) {
    v1::Loss* loss = status->add_losses();
    loss->set_table(losses->Text(i, 0));
    loss->set_kind(losses->Text(i, 1));
    loss->set_count(losses->Uint(i, 2));
    loss->set_example(losses->Text(i, 3));
  }
  auto errors = session_.Query(
      ErrorQuery("WHERE e.i_id_source = $1 ORDER BY e.i_id_log DESC LIMIT 10"), {id});
  if (!errors.ok()) return errors.status();
  for (size_t i = 0; i < errors->size(); ++i) *status->add_errors() = EntryAt(*errors, i);
  return absl::OkStatus();
}

}  // namespace chameleon::coordinator::pg
