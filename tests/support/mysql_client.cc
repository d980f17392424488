#include "tests/support/mysql_client.h"

#include <fmt/format.h>
#include <mysql.h>

#include <utility>

namespace chameleon::test {

Mysql::Mysql(const MysqlAddress& address) {
  handle_ = mysql_init(nullptr);
  my_bool no = 0;
  // libmariadb 3.4 asks for TLS unless told not to; the private servers have none.
  mysql_options(handle_, MYSQL_OPT_SSL_ENFORCE, &no);
  mysql_options(handle_, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &no);
  mysql_options(handle_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  unsigned timeout_s = 30;
  mysql_options(handle_, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
  if (address.read_timeout_s > 0) {
    mysql_options(handle_, MYSQL_OPT_READ_TIMEOUT, &address.read_timeout_s);
  }
  const char* socket = address.socket.empty() ? nullptr : address.socket.c_str();
  if (mysql_real_connect(handle_, socket ? "localhost" : address.host.c_str(), address.user.c_str(),
                         address.password.c_str(),
                         address.database.empty() ? nullptr : address.database.c_str(),
                         socket ? 0 : address.port, socket,
                         CLIENT_MULTI_STATEMENTS | CLIENT_FOUND_ROWS) == nullptr) {
    MysqlError error(mysql_errno(handle_), fmt::format("connect: {}", mysql_error(handle_)));
    mysql_close(handle_);
    handle_ = nullptr;
    throw error;
  }
}

Mysql::~Mysql() {
  if (handle_ != nullptr) mysql_close(handle_);
}

Mysql::Mysql(Mysql&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Mysql& Mysql::operator=(Mysql&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

void Mysql::Fail(const std::string& sql) {
  throw MysqlError(mysql_errno(handle_), fmt::format("{} {} in: {}", mysql_errno(handle_),
                                                     mysql_error(handle_), sql.substr(0, 500)));
}

void Mysql::Send(const std::string& sql) {
  if (mysql_real_query(handle_, sql.data(), sql.size()) != 0) Fail(sql);
}

Rows Mysql::Query(const std::string& sql) {
  Send(sql);
  Rows rows;
  do {
    MYSQL_RES* result = mysql_store_result(handle_);
    if (result == nullptr) {
      if (mysql_field_count(handle_) != 0) Fail(sql);
      continue;
    }
    rows.clear();
    unsigned columns = mysql_num_fields(result);
    while (MYSQL_ROW data = mysql_fetch_row(result)) {
      const unsigned long* sizes = mysql_fetch_lengths(result);
      Row& row = rows.emplace_back();
      for (unsigned i = 0; i < columns; ++i) {
        row.push_back(data[i] == nullptr ? Value() : Value(std::string(data[i], sizes[i])));
      }
    }
    mysql_free_result(result);
  } while (mysql_next_result(handle_) == 0);
  if (mysql_errno(handle_) != 0) Fail(sql);
  return rows;
}

std::string Mysql::One(const std::string& sql) {
  Rows rows = Query(sql);
  return rows.empty() || rows[0].empty() ? "" : rows[0][0].value_or("");
}

uint64_t Mysql::Exec(const std::string& sql) {
  Send(sql);
  uint64_t affected = 0;
  do {
    if (MYSQL_RES* result = mysql_store_result(handle_)) {
      mysql_free_result(result);
    } else {
      affected += mysql_affected_rows(handle_);
    }
  } while (mysql_next_result(handle_) == 0);
  if (mysql_errno(handle_) != 0) Fail(sql);
  return affected;
}

unsigned Mysql::TryExec(const std::string& sql) {
  try {
    Exec(sql);
    return 0;
  } catch (const MysqlError& error) {
    return error.code();
  }
}

void Mysql::Stream(const std::string& sql,
                   const std::function<void(const char* const*, const size_t*)>& row) {
  static_assert(sizeof(unsigned long) == sizeof(size_t));
  Send(sql);
  MYSQL_RES* result = mysql_use_result(handle_);
  if (result == nullptr) Fail(sql);
  std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> guard(result, mysql_free_result);
  while (MYSQL_ROW data = mysql_fetch_row(result)) {
    row(data, reinterpret_cast<const size_t*>(mysql_fetch_lengths(result)));
  }
  if (mysql_errno(handle_) != 0) Fail(sql);
}

std::string Mysql::Quote(const std::string& value) {
  std::string out(value.size() * 2 + 1, '\0');
  out.resize(mysql_real_escape_string(handle_, out.data(), value.data(), value.size()));
  return "'" + out + "'";
}

unsigned long Mysql::thread_id() const { return mysql_thread_id(handle_); }

std::string MysqlName(const std::string& name) {
  std::string out = "`";
  for (char c : name) out += c == '`' ? "``" : std::string(1, c);
  return out + "`";
}

}  // namespace chameleon::test
