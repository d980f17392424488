#include "worker/pgsource/connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include "proto/wire/error.h"

namespace chameleon::worker::pgsource {
namespace {

constexpr char kSetup[] =
    "SET search_path = pg_catalog; SET datestyle = 'ISO, YMD'; SET timezone = 'UTC';"
    "SET intervalstyle = 'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 3;"
    "SET row_security = off; SET statement_timeout = 0; SET quote_all_identifiers = off;"
    "SET idle_in_transaction_session_timeout = 0; SET standard_conforming_strings = on";

// The file says it as for MySQL.
std::string SslMode(const std::string& mode) {
  if (mode == "disabled") return "disable";
  if (mode == "preferred") return "prefer";
  if (mode == "required") return "require";
  if (mode == "verify_ca") return "verify-ca";
  if (mode == "verify_identity") return "verify-full";
  return mode;
}

std::string Trimmed(const char* text) {
  std::string out = text == nullptr ? "" : text;
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  return out;
}

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

std::string Doubled(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  return out + quote;
}

}  // namespace

struct Connection::Impl {
  PGconn* handle = nullptr;
  PGcancel* cancel = nullptr;
  std::string where;

  ~Impl() {
    PQfreeCancel(cancel);
    PQfinish(handle);
  }
  absl::Status Failed(const PGresult* result) const {
    const std::string text = fmt::format(
        "source {}: {}", where,
        Trimmed(result != nullptr ? PQresultErrorMessage(result) : PQerrorMessage(handle)));
    if (PQstatus(handle) == CONNECTION_BAD) return absl::UnavailableError(text);
    const char* state = result != nullptr ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    const std::string_view code = state == nullptr ? "" : state;
    if (code == "57014") return absl::CancelledError(text);
    if (code.starts_with("08") || code.starts_with("53") || code.starts_with("57") ||
        code == "55P03" || code == "40001") {
      return absl::UnavailableError(text);
    }
    return absl::FailedPreconditionError(text);
  }
};

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const v1::SourceConnection& config) {
  const std::vector<std::pair<std::string, std::string>> given = {
      {"host", config.unix_socket().empty() ? config.host() : config.unix_socket()},
      {"port", std::to_string(config.port())},
      {"user", config.user()},
      {"password", config.password()},
      {"dbname", config.database()},
      {"sslmode", SslMode(config.ssl_mode())},
      {"sslrootcert", config.ssl_ca()},
      {"sslcert", config.ssl_cert()},
      {"sslkey", config.ssl_key()},
      {"connect_timeout",
       std::to_string(config.connect_timeout_s() == 0 ? 10 : config.connect_timeout_s())},
      {"application_name", "chameleon source"},
      {"client_encoding", "UTF8"}};
  std::vector<const char*> keys, values;
  for (const auto& [key, value] : given) {
    if (value.empty()) continue;
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  auto impl = std::make_unique<Impl>();
  impl->where = fmt::format("{}:{}/{}", config.host(), config.port(), config.database());
  impl->handle = PQconnectdbParams(keys.data(), values.data(), 0);
  if (PQstatus(impl->handle) != CONNECTION_OK) {
    const std::string text = Trimmed(PQerrorMessage(impl->handle));
    for (std::string_view fatal : {"authentication failed", "does not exist", "no pg_hba.conf",
                                   "permission denied", "no password supplied"}) {
      if (text.find(fatal) == std::string::npos) continue;
      return Error(absl::StatusCode::kFailedPrecondition, "SOURCE_REFUSED", impl->where,
                   fmt::format("source {}: {}", impl->where, text),
                   "Check db_conn of the source and the server's pg_hba.conf.");
    }
    return absl::UnavailableError(fmt::format("source {}: {}", impl->where, text));
  }
  impl->cancel = PQgetCancel(impl->handle);
  std::unique_ptr<Connection> connection(new Connection(std::move(impl)));
  if (auto set = connection->Query(kSetup); !set.ok()) return set.status();
  return connection;
}

absl::StatusOr<std::vector<Row>> Connection::Query(const std::string& sql) {
  const Result result(PQexec(impl_->handle, sql.c_str()), &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return impl_->Failed(result.get());
  std::vector<Row> rows(static_cast<size_t>(PQntuples(result.get())));
  for (int i = 0; i < PQntuples(result.get()); ++i) {
    for (int c = 0; c < PQnfields(result.get()); ++c) {
      Row& row = rows[static_cast<size_t>(i)];
      if (PQgetisnull(result.get(), i, c)) {
        row.emplace_back();
      } else {
        row.emplace_back(std::in_place, PQgetvalue(result.get(), i, c),
                         static_cast<size_t>(PQgetlength(result.get(), i, c)));
      }
    }
  }
  return rows;
}

absl::Status Connection::CopyOut(const std::string& sql,
                                 const std::function<absl::Status(std::string_view)>& line) {
  {
    const Result begun(PQexec(impl_->handle, sql.c_str()), &PQclear);
    if (PQresultStatus(begun.get()) != PGRES_COPY_OUT) return impl_->Failed(begun.get());
  }
  absl::Status written;
  while (true) {
    char* data = nullptr;
    const int size = PQgetCopyData(impl_->handle, &data, 0);
    if (size == -2) return impl_->Failed(nullptr);
    if (size < 0) break;
    if (written.ok()) {
      written = line({data, static_cast<size_t>(size)});
      if (!written.ok()) Cancel();  // the rest is read and dropped
    }
    PQfreemem(data);
  }
  absl::Status ended;
  while (PGresult* raw = PQgetResult(impl_->handle)) {
    const Result result(raw, &PQclear);
    if (PQresultStatus(raw) != PGRES_COMMAND_OK) ended = impl_->Failed(raw);
  }
  return written.ok() ? ended : written;
}

void Connection::Cancel() {
  char text[256];
  PQcancel(impl_->cancel, text, sizeof(text));
}

std::string QuoteName(std::string_view name) { return Doubled(name, '"'); }
std::string QuoteText(std::string_view text) { return Doubled(text, '\''); }

}  // namespace chameleon::worker::pgsource
