#include "tests/support/pg_client.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <memory>
#include <utility>

namespace chameleon::test {
namespace {

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

std::string Doubled(const std::string& text, char quote) {
  std::string out(1, quote);
  for (char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  return out + quote;
}

[[noreturn]] void FailWith(PGconn* connection, const PGresult* result, const std::string& sql) {
  const char* state = result != nullptr ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
  std::string text = result != nullptr ? PQresultErrorMessage(result) : PQerrorMessage(connection);
  throw PgError(state != nullptr ? state : "", fmt::format("{}in: {}", text, sql.substr(0, 500)));
}

}  // namespace

Pg::Pg(const PgAddress& address) {
  std::string port = std::to_string(address.port);
  const char* keys[] = {"host",
                        "port",
                        "user",
                        "password",
                        "dbname",
                        "options",
                        "application_name",
                        "connect_timeout",
                        nullptr};
  const char* values[] = {address.host.c_str(),
                          port.c_str(),
                          address.user.c_str(),
                          address.password.c_str(),
                          address.database.c_str(),
                          "-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=postgres"
                          " -c extra_float_digits=3 -c bytea_output=hex -c jit=off"
                          " -c client_min_messages=warning",
                          "chameleon-test",
                          "30",
                          nullptr};
  handle_ = PQconnectdbParams(keys, values, 0);
  if (PQstatus(handle_) != CONNECTION_OK) {
    std::string text = PQerrorMessage(handle_);
    PQfinish(handle_);
    handle_ = nullptr;
    throw PgError("", text);
  }
}

Pg::~Pg() {
  if (handle_ != nullptr) PQfinish(handle_);
}

Pg::Pg(Pg&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Pg& Pg::operator=(Pg&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

void Pg::Fail(const std::string& sql) { FailWith(handle_, nullptr, sql); }

Rows Pg::Query(const std::string& sql) {
  Result result(PQexec(handle_, sql.c_str()), PQclear);
  ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
    FailWith(handle_, result.get(), sql);
  }
  Rows rows(PQntuples(result.get()));
  for (size_t r = 0; r < rows.size(); ++r) {
    for (int c = 0; c < PQnfields(result.get()); ++c) {
      rows[r].push_back(PQgetisnull(result.get(), r, c)
                            ? Value()
                            : Value(std::string(PQgetvalue(result.get(), r, c),
                                                PQgetlength(result.get(), r, c))));
    }
  }
  return rows;
}

std::string Pg::One(const std::string& sql) {
  Rows rows = Query(sql);
  return rows.empty() || rows[0].empty() ? "" : rows[0][0].value_or("");
}

void Pg::Exec(const std::string& sql) { Query(sql); }

std::string Pg::TryExec(const std::string& sql) {
  try {
    Query(sql);
    return "";
  } catch (const PgError& error) {
    return error.state().empty() ? "connection" : error.state();
  }
}

void Pg::CopyOut(const std::string& sql, const std::function<void(const char*, size_t)>& row) {
  std::string statement = fmt::format("COPY ({}) TO STDOUT", sql);
  Result start(PQexec(handle_, statement.c_str()), PQclear);
  if (PQresultStatus(start.get()) != PGRES_COPY_OUT) FailWith(handle_, start.get(), sql);
  char* buffer = nullptr;
  int size = 0;
  while ((size = PQgetCopyData(handle_, &buffer, 0)) > 0) {
    std::unique_ptr<char, decltype(&PQfreemem)> guard(buffer, PQfreemem);
    row(buffer, static_cast<size_t>(size) - 1);
  }
  Result end(PQgetResult(handle_), PQclear);
  if (size == -2 || PQresultStatus(end.get()) != PGRES_COMMAND_OK) {
    FailWith(handle_, end.get(), sql);
  }
  Result last(PQgetResult(handle_), PQclear);
}

void Pg::CopyIn(const std::string& copy_statement, const std::string& data) {
  Result start(PQexec(handle_, copy_statement.c_str()), PQclear);
  if (PQresultStatus(start.get()) != PGRES_COPY_IN) {
    FailWith(handle_, start.get(), copy_statement);
  }
  if (PQputCopyData(handle_, data.data(), static_cast<int>(data.size())) != 1 ||
      PQputCopyEnd(handle_, nullptr) != 1) {
    Fail(copy_statement);
  }
  Result end(PQgetResult(handle_), PQclear);
  if (PQresultStatus(end.get()) != PGRES_COMMAND_OK) FailWith(handle_, end.get(), copy_statement);
  Result last(PQgetResult(handle_), PQclear);
}

int Pg::backend_pid() const { return PQbackendPID(handle_); }

std::string PgName(const std::string& name) { return Doubled(name, '"'); }
std::string PgLiteral(const std::string& value) { return Doubled(value, '\''); }

}  // namespace chameleon::test
