// A plain MySQL/MariaDB connection for tests: text in, text out, errors as exceptions.
// One thread per connection.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

struct st_mysql;

namespace chameleon::test {

using Value = std::optional<std::string>;  // nullopt is SQL NULL
using Row = std::vector<Value>;
using Rows = std::vector<Row>;

class MysqlError : public std::runtime_error {
 public:
  MysqlError(unsigned code, const std::string& text) : std::runtime_error(text), code_(code) {}
  unsigned code() const { return code_; }

 private:
  unsigned code_;
};

struct MysqlAddress {
  std::string host = "127.0.0.1";  // ignored when there is a socket
  int port = 0;
  std::string socket;
  std::string user = "root";
  std::string password;
  std::string database;
  unsigned read_timeout_s = 0;  // 0: waits as long as the server takes
};

class Mysql {
 public:
  // Session: utf8mb4, autocommit on.
  explicit Mysql(const MysqlAddress& address);
  ~Mysql();
  Mysql(Mysql&&) noexcept;
  Mysql& operator=(Mysql&&) noexcept;

  Rows Query(const std::string& sql);
  // The first value of the first row; "" if there is none.
  std::string One(const std::string& sql);
  // Affected rows.
  uint64_t Exec(const std::string& sql);
  // Error number of the server or client, 0 if it worked.
  unsigned TryExec(const std::string& sql);
  // Calls row() for each row while the server sends them; the values live until it returns.
  // data[i] is null for SQL NULL.
  void Stream(const std::string& sql,
              const std::function<void(const char* const* data, const size_t* size)>& row);
  std::string Quote(const std::string& value);
  unsigned long thread_id() const;
  st_mysql* handle() { return handle_; }

 private:
  void Send(const std::string& sql);
  [[noreturn]] void Fail(const std::string& sql);
  st_mysql* handle_ = nullptr;
};

// `name`, as an identifier.
std::string MysqlName(const std::string& name);

}  // namespace chameleon::test
