// COPY of ready-made lines over libpq.
#include <fmt/format.h>
#include <libpq-fe.h>

#include <cstdlib>

#include "coordinator/pg/connecting.h"
#include "coordinator/pg/session.h"

namespace chameleon::coordinator::pg {
namespace {

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

absl::Status ErrorOf(const PGresult* result, PGconn* conn) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (state == nullptr) return StatementError("", Trimmed(PQerrorMessage(conn)));
  std::string text = Trimmed(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
  for (auto [field, name] :
       {std::pair{PG_DIAG_MESSAGE_DETAIL, "DETAIL"}, std::pair{PG_DIAG_CONTEXT, "CONTEXT"}}) {
    if (const char* more = PQresultErrorField(result, field); more != nullptr && *more != '\0') {
      text += fmt::format("\n{}: {}", name, Trimmed(more));
    }
  }
  return StatementError(state, text);
}

class LibpqSession final : public CopyingSession {
 public:
  explicit LibpqSession(PGconn* conn) : conn_(conn), cancel_(PQgetCancel(conn)) {
    PQsetNoticeProcessor(
        conn_, [](void*, const char*) {}, nullptr);
  }
  ~LibpqSession() override {
    if (cancel_ != nullptr) PQfreeCancel(cancel_);
    PQfinish(conn_);
  }

  absl::StatusOr<Rows> Execute(std::string_view sql) override {
    if (!PQsendQuery(conn_, std::string(sql).c_str())) return Lost();
    return Collect();
  }

  absl::StatusOr<Rows> Query(std::string_view sql, const std::vector<Param>& params) override {
    std::vector<const char*> values;
    for (const Param& p : params) values.push_back(p ? p->c_str() : nullptr);
    if (!PQsendQueryParams(conn_, std::string(sql).c_str(), static_cast<int>(values.size()),
                           nullptr, values.data(), nullptr, nullptr, 0)) {
      return Lost();
    }
    return Collect();
  }

  absl::Status StartCopy(std::string_view sql) override {
    if (!PQsendQuery(conn_, std::string(sql).c_str())) return Lost();
    while (Result result{PQgetResult(conn_), &PQclear}) {
      const ExecStatusType kind = PQresultStatus(result.get());
      if (kind == PGRES_COPY_IN) return absl::OkStatus();
      if (kind == PGRES_FATAL_ERROR || kind == PGRES_BAD_RESPONSE) {
        absl::Status error = ErrorOf(result.get(), conn_);
        Drain();
        return error;
      }
    }
    return absl::InternalError("the statement did not start a COPY");
  }

  absl::Status WriteCopy(std::string_view data) override {
    // libpq's lengths are int; a message is bounded long before that.
    constexpr size_t kPiece = 16 << 20;
    while (!data.empty()) {
      const size_t n = std::min(data.size(), kPiece);
      if (PQputCopyData(conn_, data.data(), static_cast<int>(n)) != 1) return CopyError();
      data.remove_prefix(n);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> EndCopy() override {
    if (PQputCopyEnd(conn_, nullptr) != 1) return CopyError();
    uint64_t rows = 0;
    absl::Status status;
    while (Result result{PQgetResult(conn_), &PQclear}) {
      if (PQresultStatus(result.get()) == PGRES_COMMAND_OK) {
        rows = std::strtoull(PQcmdTuples(result.get()), nullptr, 10);
      } else if (status.ok()) {
        status = ErrorOf(result.get(), conn_);
      }
    }
    if (!status.ok()) return status;
    return rows;
  }

  void Abandon() override {
    if (!Connected()) return;
    PQputCopyEnd(conn_, "abandoned");  // an error unless a COPY is open: ignored
    Drain();
    if (Connected() && PQtransactionStatus(conn_) != PQTRANS_IDLE) {
      Result(PQexec(conn_, "ROLLBACK"), &PQclear);
    }
  }

  void Cancel() override {
    char text[256];
    if (cancel_ != nullptr) PQcancel(cancel_, text, sizeof text);
  }

  bool Connected() const override { return !lost_ && PQstatus(conn_) == CONNECTION_OK; }
  int ServerVersion() const override { return PQserverVersion(conn_); }

 private:
  absl::Status Lost() { return StatementError("", Trimmed(PQerrorMessage(conn_))); }

  // The server ends a COPY it refuses at once; the reason is in the result that waits.
  absl::Status CopyError() {
    absl::Status status = Lost();
    PQputCopyEnd(conn_, "failed");
    while (Result result{PQgetResult(conn_), &PQclear}) {
      if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR) {
        status = ErrorOf(result.get(), conn_);
        break;
      }
      if (PQresultStatus(result.get()) == PGRES_COPY_IN) break;
    }
    Drain();
    return status;
  }

  // On a broken connection libpq can offer the open COPY for ever: then only closing ends it.
  void Drain() {
    while (Result result{PQgetResult(conn_), &PQclear}) {
      if (PQresultStatus(result.get()) != PGRES_COPY_IN) continue;
      if (PQputCopyEnd(conn_, "abandoned") == 1) continue;
      lost_ = true;
      return;
    }
  }

  absl::StatusOr<Rows> Collect() {
    Rows::Data rows;
    absl::Status status;
    while (Result result{PQgetResult(conn_), &PQclear}) {
      switch (PQresultStatus(result.get())) {
        case PGRES_TUPLES_OK:
          rows.clear();
          Take(result.get(), &rows);
          break;
        case PGRES_COMMAND_OK:
        case PGRES_EMPTY_QUERY:
          break;
        case PGRES_COPY_IN:
          if (PQputCopyEnd(conn_, "not expected") != 1) return Lost();
          break;
        default:
          if (status.ok()) status = ErrorOf(result.get(), conn_);
      }
      if (PQstatus(conn_) != CONNECTION_OK) break;
    }
    if (status.ok() && PQstatus(conn_) != CONNECTION_OK) status = Lost();
    if (!status.ok()) return status;
    return Rows(std::move(rows));
  }

  static void Take(const PGresult* result, Rows::Data* rows) {
    const int columns = PQnfields(result);
    for (int r = 0; r < PQntuples(result); ++r) {
      std::vector<Param>& row = rows->emplace_back();
      row.reserve(columns);
      for (int c = 0; c < columns; ++c) {
        if (PQgetisnull(result, r, c)) {
          row.emplace_back();
        } else {
          row.emplace_back(std::string(PQgetvalue(result, r, c), PQgetlength(result, r, c)));
        }
      }
    }
  }

  PGconn* conn_;
  PGcancel* cancel_;
  bool lost_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<CopyingSession>> CopyingSession::Connect(
    const TargetConnection& target, std::string_view application_name) {
  PGconn* conn = PQconnectdb(ConnectionText(target, application_name).c_str());
  if (conn == nullptr) return absl::ResourceExhaustedError("out of memory");
  if (PQstatus(conn) != CONNECTION_OK) {
    const std::string text = Trimmed(PQerrorMessage(conn));
    PQfinish(conn);
    return ConnectError(target, text);
  }
  auto session = std::make_unique<LibpqSession>(conn);
  auto rows = session->Execute(kSessionSetup);
  if (!rows.ok()) return rows.status();
  return session;
}

}  // namespace chameleon::coordinator::pg
