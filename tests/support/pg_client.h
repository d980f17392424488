// A plain PostgreSQL connection (libpq) for tests: text in, text out, errors as exceptions.
// One thread per connection. Sessions run in UTC with ISO dates and shortest-exact floats.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

#include "tests/support/mysql_client.h"  // Value, Row, Rows

struct pg_conn;

namespace chameleon::test {

class PgError : public std::runtime_error {
 public:
  PgError(std::string state, const std::string& text)
      : std::runtime_error(text), state_(std::move(state)) {}
  const std::string& state() const { return state_; }  // SQLSTATE; "" without a server's answer

 private:
  std::string state_;
};

struct PgAddress {
  std::string host = "127.0.0.1";  // or the directory of the socket
  int port = 5432;
  std::string user = "postgres";
  std::string password;
  std::string database = "postgres";
};

class Pg {
 public:
  explicit Pg(const PgAddress& address);
  ~Pg();
  Pg(Pg&&) noexcept;
  Pg& operator=(Pg&&) noexcept;

  Rows Query(const std::string& sql);
  std::string One(const std::string& sql);
  void Exec(const std::string& sql);
  // SQLSTATE of the error, "" if it worked.
  std::string TryExec(const std::string& sql);
  // COPY (sql) TO STDOUT in text format: one call per row, the line without its newline, still
  // escaped. The text lives until row() returns.
  void CopyOut(const std::string& sql,
               const std::function<void(const char* line, size_t size)>& row);
  // COPY … FROM STDIN with all of `data`.
  void CopyIn(const std::string& copy_statement, const std::string& data);
  int backend_pid() const;
  pg_conn* handle() { return handle_; }

 private:
  [[noreturn]] void Fail(const std::string& sql);
  pg_conn* handle_ = nullptr;
};

// "name", as an identifier; 'value', as a literal (standard_conforming_strings).
std::string PgName(const std::string& name);
std::string PgLiteral(const std::string& value);

}  // namespace chameleon::test
