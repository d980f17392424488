#include "coordinator/pg/session.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <charconv>
#include <cstdlib>

#include "absl/strings/cord.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::pg {
namespace {

constexpr char kSqlStateUrl[] = "chameleon/sqlstate";

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

bool Starts(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

absl::StatusCode CodeOf(std::string_view state) {
  if (state.empty() || Starts(state, "08") || Starts(state, "53") || Starts(state, "57") ||
      Starts(state, "58") || state == "55P03" || state == "55006" || state == "25006" ||
      state == "25P03") {
    return absl::StatusCode::kUnavailable;
  }
  if (Starts(state, "40") || state == "CH001" || state == "CH002") {
    return absl::StatusCode::kAborted;
  }
  if (state == "42501") return absl::StatusCode::kPermissionDenied;
  if (state == "CH012" || Starts(state, "XX")) return absl::StatusCode::kInternal;
  return absl::StatusCode::kFailedPrecondition;
}

std::string Trimmed(const char* text) {
  std::string out = text == nullptr ? "" : text;
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  return out;
}

absl::Status MakeError(std::string_view state, const std::string& text) {
  absl::Status status(CodeOf(state), text);
  status.SetPayload(kSqlStateUrl, absl::Cord(std::string(state)));
  return status;
}

absl::Status ErrorOf(const PGresult* result, PGconn* conn) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (state == nullptr) return MakeError("", Trimmed(PQerrorMessage(conn)));
  std::string text = Trimmed(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
  for (auto [field, name] :
       {std::pair{PG_DIAG_MESSAGE_DETAIL, "DETAIL"}, std::pair{PG_DIAG_CONTEXT, "CONTEXT"}}) {
    if (const char* more = PQresultErrorField(result, field); more != nullptr && *more != '\0') {
      text += fmt::format("\n{}: {}", name, Trimmed(more));
    }
  }
  return MakeError(state, text);
}

// libpq wants no empty keyword values for some options, so only what is set is passed.
absl::StatusOr<PGconn*> Open(const TargetConnection& target, std::string_view application_name) {
  std::vector<std::pair<std::string, std::string>> options = {
      {"host", target.host},
      {"port", std::to_string(target.port)},
      {"user", target.user},
      {"password", target.password},
      {"dbname", target.database},
      {"sslmode", target.sslmode},
      {"sslrootcert", target.sslrootcert},
      {"sslcert", target.sslcert},
      {"sslkey", target.sslkey},
      {"connect_timeout", std::to_string(target.connect_timeout_s)},
      {"application_name", std::string(application_name)},
      {"client_encoding", "UTF8"},
      {"keepalives", "1"},
      {"keepalives_idle", "10"},
      {"keepalives_interval", "5"},
      {"keepalives_count", "3"},
  };
  std::vector<const char*> keys, values;
  for (const auto& [key, value] : options) {
    if (value.empty()) continue;
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* conn = PQconnectdbParams(keys.data(), values.data(), 0);
  if (conn == nullptr) return absl::ResourceExhaustedError("out of memory");
  if (PQstatus(conn) == CONNECTION_OK) return conn;
  std::string text = Trimmed(PQerrorMessage(conn));
  PQfinish(conn);
  const std::string object = fmt::format("{}:{}/{}", target.host, target.port, target.database);
  // The server refused for a reason that waiting does not mend. libpq gives no SQLSTATE here.
  for (std::string_view fatal :
       {"password authentication failed", "does not exist", "no pg_hba.conf entry",
        "permission denied", "no password supplied"}) {
    if (text.find(fatal) != std::string::npos) {
      return Error(absl::StatusCode::kFailedPrecondition, "TARGET_REFUSED", object,
                   fmt::format("target {}: {}", object, text),
                   "Check pg_conn in the configuration and the server's pg_hba.conf.");
    }
  }
  return Error(absl::StatusCode::kUnavailable, "TARGET_UNAVAILABLE", object,
               fmt::format("target {}: {}", object, text), "");
}

// idle_session_timeout exists since 14, transaction_timeout since 17.
constexpr std::string_view kSetup =
    "SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'; SET intervalstyle = 'postgres';"
    "SET bytea_output = 'hex'; SET extra_float_digits = 1; SET statement_timeout = 0;"
    "SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;"
    "SET standard_conforming_strings = on; SET client_min_messages = warning;"
    "SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings"
    " WHERE name IN ('idle_session_timeout', 'transaction_timeout')";

class LibpqSession final : public Session {
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
  absl::Status Lost() { return MakeError("", Trimmed(PQerrorMessage(conn_))); }

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

int64_t Rows::Int(size_t row, size_t column) const {
  int64_t value = 0;
  const std::string text = Text(row, column);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

double Rows::Real(size_t row, size_t column) const {
  return std::strtod(Text(row, column).c_str(), nullptr);
}

std::vector<std::string> Rows::Array(size_t row, size_t column) const {
  std::vector<std::string> out;
  const std::string text = Text(row, column);
  for (size_t i = 1; i + 1 < text.size(); ++i) {  // between the braces
    std::string item;
    if (text[i] == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\') ++i;
        item += text[i];
      }
      ++i;
    } else {
      while (i + 1 < text.size() && text[i] != ',') item += text[i++];
    }
    out.push_back(std::move(item));
  }
  return out;
}

absl::StatusOr<std::unique_ptr<Session>> Session::Connect(const TargetConnection& target,
                                                          std::string_view application_name) {
  auto conn = Open(target, application_name);
  if (!conn.ok()) return conn.status();
  auto session = std::make_unique<LibpqSession>(*conn);
  auto rows = session->Execute(kSetup);
  if (!rows.ok()) return rows.status();
  return session;
}

std::string SqlState(const absl::Status& status) {
  auto payload = status.GetPayload(kSqlStateUrl);
  return payload ? std::string(*payload) : "";
}

Transaction::~Transaction() {
  if (open_) session_->Abandon();
}

absl::Status Transaction::Begin() {
  open_ = true;
  return session_->Execute("BEGIN").status();
}

absl::Status Transaction::Commit() {
  auto rows = session_->Execute("COMMIT");
  if (rows.ok()) open_ = false;
  return rows.status();
}

}  // namespace chameleon::coordinator::pg
