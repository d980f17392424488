#include "coordinator/ingest/batch_writer.h"

#include <fmt/format.h>

#include <utility>

#include "coordinator/pg/message_json.h"
#include "coordinator/pg/session.h"
#include "coordinator/target/quote.h"
#include "proto/wire/error.h"
#include "proto/wire/position.h"

namespace chameleon::coordinator::ingest {
namespace {

using pg::CopyingSession;
using target::Identifier;
using target::Literal;

// The log table is exchanged for the other of the pair, when that is empty, after so many rows: at
// some 200 bytes each the pair stays near 100 MB while replay keeps up.
constexpr int64_t kLogRowsMax = 250'000;

absl::Status LeaseLost(const v1::Lease& lease, const std::string& text) {
  return Error(absl::StatusCode::kAborted, "LEASE_LOST", lease.source(), text, "");
}

class PgBatchWriter final : public BatchWriter {
 public:
  PgBatchWriter(std::unique_ptr<CopyingSession> session, v1::Lease lease)
      : session_(std::move(session)), lease_(std::move(lease)) {}

  ~PgBatchWriter() override { session_->Abandon(); }

  // Where the source stands. Only hints for early refusal: fn_store_batch checks again.
  absl::Status Load() {
    auto rows = session_->Query(
        "SELECT i_epoch, i_last_batch, v_log_table[1], t_binlog_name, i_binlog_position, "
        "t_gtid_set,"
        " t_server_id, i_file_created FROM sch_chameleon.t_sources WHERE i_id_source = $1",
        {std::to_string(lease_.source_id())});
    if (!rows.ok()) return rows.status();
    if (rows->empty() || rows->Uint(0, 0) != lease_.epoch()) {
      return LeaseLost(lease_, fmt::format("epoch {} of source {} is over, the current one is {}",
                                           lease_.epoch(), lease_.source(),
                                           rows->empty() ? "none" : rows->Text(0, 0)));
    }
    last_batch_ = rows->Uint(0, 1);
    log_table_ = rows->Text(0, 2);
    received_ = pg::PositionAt(*rows, 0, 3);
    return absl::OkStatus();
  }

  absl::Status Begin(const v1::BatchHeader& header) override {
    if (state_ != State::kIdle) return Misused("Begin");
    if (header.batch_id() != last_batch_ + 1) {
      return Broken(
          LeaseLost(lease_, fmt::format("batch {} of source {} is not the next one, {}",
                                        header.batch_id(), lease_.source(), last_batch_ + 1)));
    }
    if (!SamePosition(header.begin(), received_)) {
      return Broken(LeaseLost(
          lease_, fmt::format("batch {} of source {} begins at {}, the received position is {}",
                              header.batch_id(), lease_.source(),
                              PositionText(header.begin(), true), PositionText(received_, true))));
    }
    header_ = header;
    state_ = State::kOpen;
    // Without rows there is nothing to copy: one statement is its own transaction.
    if (header.rows() == 0) return absl::OkStatus();
    return Broken(session_->StartCopy(fmt::format(
        "BEGIN; COPY sch_chameleon.{} (i_id_batch, i_id_table, enm_binlog_event, jsb_event_before,"
        " jsb_event_after, t_query) FROM STDIN",
        Identifier(log_table_))));
  }

  absl::Status Data(std::string_view lines) override {
    if (state_ != State::kOpen) return Misused("Data");
    if (lines.empty()) return absl::OkStatus();
    if (header_.rows() == 0) {
      return Broken(absl::InternalError(
          fmt::format("batch {} has lines, its header says none", header_.batch_id())));
    }
    return Broken(session_->WriteCopy(lines));
  }

  absl::Status Commit() override {
    if (state_ != State::kOpen) return Misused("Commit");
    if (header_.rows() > 0) {
      auto copied = session_->EndCopy();
      if (!copied.ok()) return Broken(copied.status());
      if (*copied != header_.rows()) {
        return Broken(
            absl::InternalError(fmt::format("batch {} has {} lines, its header says {}",
                                            header_.batch_id(), *copied, header_.rows())));
      }
    }
    auto stored = session_->Execute(StoreStatement());
    if (!stored.ok()) return Broken(Reason(stored.status()));
    log_table_ = stored->Text(0, 0);
    last_batch_ = header_.batch_id();
    received_ = header_.end();
    state_ = State::kIdle;
    return absl::OkStatus();
  }

 private:
  enum class State { kIdle, kOpen, kBroken };

  // One round trip: an error in the call keeps COMMIT from being executed.
  std::string StoreStatement() const {
    const pg::VersionsSql versions =
        pg::ToSql({header_.versions().begin(), header_.versions().end()});
    const std::string ledger = pg::ToJsonArray(header_.ledger());
    const auto json = [](const std::string& text) { return text.empty() ? "NULL" : Literal(text); };
    std::string call = fmt::format(
        "SELECT sch_chameleon.fn_store_batch({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, "
        "{}, {}, {}, {})",
        lease_.source_id(), lease_.epoch(), header_.batch_id(),
        Literal(pg::ToJson(header_.begin())), Literal(pg::ToJson(header_.end())), header_.more(),
        header_.exclusive(), header_.rows(), header_.changes(), header_.commit_time_us(),
        Literal(log_table_), kLogRowsMax, versions.versions, json(ledger), versions.definitions,
        header_.has_xa() ? Literal(pg::ToJson(header_.xa())) : "NULL",
        json(pg::ToJsonArray(header_.databases())));
    if (header_.rows() > 0) call += "; COMMIT";
    return call;
  }

  absl::Status Reason(const absl::Status& status) const {
    if (status.code() != absl::StatusCode::kAborted) return status;
    return LeaseLost(lease_, Text(status));
  }

  absl::Status Broken(absl::Status status) {
    if (status.ok()) return status;
    state_ = State::kBroken;
    session_->Abandon();
    return WithContext(status, fmt::format("source {}", lease_.source()));
  }

  absl::Status Misused(const char* call) {
    return absl::InternalError(fmt::format("{} out of order or after a failure", call));
  }

  std::unique_ptr<CopyingSession> session_;
  const v1::Lease lease_;
  State state_ = State::kIdle;
  v1::BatchHeader header_;
  v1::Position received_;
  uint64_t last_batch_ = 0;
  std::string log_table_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BatchWriter>> BatchWriter::Open(const TargetConnection& target,
                                                               const v1::Lease& lease) {
  auto session =
      CopyingSession::Connect(target, fmt::format("chameleon ingest {}", lease.source()));
  if (!session.ok()) return session.status();
  auto writer = std::make_unique<PgBatchWriter>(std::move(*session), lease);
  if (absl::Status status = writer->Load(); !status.ok()) return status;
  return writer;
}

}  // namespace chameleon::coordinator::ingest
