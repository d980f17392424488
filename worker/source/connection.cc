#include "worker/source/connection.h"

#include <errmsg.h>
#include <fmt/format.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdlib>
#include <mutex>

#include "absl/strings/cord.h"
#include "proto/wire/error.h"

namespace chameleon::worker::source {
namespace {

constexpr char kErrnoUrl[] = "chameleon/server-errno";
constexpr uint32_t kReadTimeoutDefaultS = 600;
constexpr uint32_t kConnectTimeoutDefaultS = 10;
// A server that is gone without a word is noticed after about idle + interval * count seconds.
constexpr int kKeepIdleS = 3, kKeepIntervalS = 1, kKeepCount = 5;

absl::StatusCode CodeOf(int server_errno) {
  switch (server_errno) {
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST:
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_SERVER_HANDSHAKE_ERR:
    case CR_SERVER_LOST_EXTENDED:
    case 1040:  // too many connections
    case 1053:  // server shutdown in progress
    case 3032:  // offline_mode
    case 1152:  // aborted connection
    case 1158:
    case 1159:
    case 1160:
    case 1161:  // network packet errors
    case 1203:
    case 1205:  // lock wait timeout
    case 1213:  // deadlock
    case 1226:  // user has exceeded a resource
    case 1317:  // query interrupted
    case 1927:  // connection was killed
    case 3169:  // session was killed
    case 4031:  // disconnected because of inactivity
      return absl::StatusCode::kUnavailable;
    case 1044:
    case 1045:
    case 1049:
    case 1129:
    case 1130:
    case 1142:
    case 1143:
    case 1227:
    case 1251:
    case 1698:
    case 1820:
    case 1862:
    case 3118:
    case 4151:
    case CR_SSL_CONNECTION_ERROR:
    case CR_AUTH_PLUGIN_CANNOT_LOAD:
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::StatusCode::kInternal;
  }
}

std::string_view ReasonOf(absl::StatusCode code) {
  if (code == absl::StatusCode::kUnavailable) return "SOURCE_UNAVAILABLE";
  if (code == absl::StatusCode::kFailedPrecondition) return "SOURCE_REFUSED";
  return "SOURCE_ERROR";
}

absl::Status MakeError(int server_errno, std::string_view object, std::string_view text,
                       std::string_view hint) {
  absl::StatusCode code = CodeOf(server_errno);
  absl::Status status = Error(code, ReasonOf(code), object, text, hint);
  status.SetPayload(kErrnoUrl, absl::Cord(std::to_string(server_errno)));
  return status;
}

std::string Endpoint(const v1::SourceConnection& config) {
  if (!config.unix_socket().empty()) return config.unix_socket();
  return fmt::format("{}:{}", config.host(), config.port() == 0 ? 3306 : config.port());
}

bool IsLocal(const v1::SourceConnection& config) {
  return !config.unix_socket().empty() || config.host() == "localhost" ||
         config.host() == "127.0.0.1" || config.host() == "::1";
}

std::string HintOf(int server_errno, const v1::SourceConnection& config) {
  switch (server_errno) {
    case 1045:
      return fmt::format(
          "Check user and password. If they are right and the server is local, an anonymous "
          "account "
          "''@'localhost' may hide '{}'@'%': look for it with SELECT user, host FROM mysql.user.",
          config.user());
    case 1040:
      return "The server has no free connection: raise max_connections.";
    case 1129:
      return "Run FLUSH HOSTS on the server.";
    case 1130:
      return "The account does not allow connections from this host.";
    case CR_SSL_CONNECTION_ERROR:
      return "Check ssl_mode and the certificates of this source.";
    default:
      return "";
  }
}

enum class Tls { kOff, kTry, kRequire };

// "": plain to this host, else as "preferred".
Tls TlsOf(const v1::SourceConnection& config) {
  const std::string& mode = config.ssl_mode();
  if (mode == "disabled") return Tls::kOff;
  if (mode == "required" || mode == "verify_ca" || mode == "verify_identity") return Tls::kRequire;
  return IsLocal(config) ? Tls::kOff : Tls::kTry;
}

// Every TLS option is set, because the library's own defaults differ between its versions.
void SetTls(MYSQL* mysql, const v1::SourceConnection& config, Tls tls) {
  auto path = [](const std::string& s) { return s.empty() ? nullptr : s.c_str(); };
  if (tls != Tls::kOff) {
    mysql_ssl_set(mysql, path(config.ssl_key()), path(config.ssl_cert()), path(config.ssl_ca()),
                  nullptr, nullptr);
  }
  my_bool enforce = tls != Tls::kOff;
  my_bool verify = config.ssl_mode() == "verify_ca" || config.ssl_mode() == "verify_identity";
  mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &enforce);
  mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
}

void SetKeepAlive(int fd) {
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);  // fails on unix sockets: no need there
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &kKeepIdleS, sizeof kKeepIdleS);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &kKeepIntervalS, sizeof kKeepIntervalS);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &kKeepCount, sizeof kKeepCount);
}

}  // namespace

int ServerErrno(const absl::Status& status) {
  auto payload = status.GetPayload(kErrnoUrl);
  return payload ? std::atoi(std::string(*payload).c_str()) : 0;
}

int Table::Find(std::string_view column) const {
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].size() == column.size() &&
        strncasecmp(columns[i].data(), column.data(), column.size()) == 0) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

std::string Table::Get(size_t row, int column) const {
  if (column < 0 || row >= rows.size() || !rows[row][column]) return "";
  return *rows[row][column];
}

struct Connection::Impl {
  MYSQL* mysql = nullptr;
  std::string endpoint;
  std::mutex mutex;  // guards fd against Interrupt() after close
  int fd = -1;
  std::atomic<bool> interrupted{false};

  ~Impl() { Close(); }
  void Close() {
    {
      std::lock_guard lock(mutex);
      fd = -1;
    }
    if (mysql != nullptr) mysql_close(mysql);
    mysql = nullptr;
  }
  void Interrupt() {
    interrupted = true;
    std::lock_guard lock(mutex);
    if (fd >= 0) ::shutdown(fd, SHUT_RDWR);
  }
  absl::Status LastError() {
    if (interrupted) return absl::CancelledError("interrupted");
    int number = static_cast<int>(mysql_errno(mysql));
    return MakeError(number, endpoint,
                     fmt::format("{}: {} (error {})", endpoint, mysql_error(mysql), number), "");
  }
  absl::Status Send(std::string_view sql) {
    if (interrupted) return absl::CancelledError("interrupted");
    if (mysql_real_query(mysql, sql.data(), sql.size()) != 0) return LastError();
    return absl::OkStatus();
  }
};

struct RowStream::Impl {
  Connection::Impl* connection;
  MYSQL_RES* result;
  bool ended = false;
  Impl(Connection::Impl* c, MYSQL_RES* r) : connection(c), result(r) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (!ended) connection->Interrupt();
    mysql_free_result(result);
  }
};

RowStream::RowStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  columns_ = mysql_num_fields(impl_->result);
}
RowStream::RowStream(RowStream&&) noexcept = default;
RowStream::~RowStream() = default;

bool RowStream::Next() {
  MYSQL_ROW row = mysql_fetch_row(impl_->result);
  if (row != nullptr) [[likely]] {
    values_ = row;
    lengths_ = mysql_fetch_lengths(impl_->result);
    return true;
  }
  if (impl_->ended) return false;
  impl_->ended = true;
  if (impl_->connection->interrupted || mysql_errno(impl_->connection->mysql) != 0) {
    status_ = impl_->connection->LastError();
  }
  return false;
}

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

namespace {

void SetOptions(MYSQL* mysql, const v1::SourceConnection& config, uint32_t read_timeout_s,
                Tls tls) {
  unsigned connect_s =
      config.connect_timeout_s() == 0 ? kConnectTimeoutDefaultS : config.connect_timeout_s();
  unsigned read_s = read_timeout_s > 0                ? read_timeout_s
                    : config.net_read_timeout_s() > 0 ? config.net_read_timeout_s()
                                                      : kReadTimeoutDefaultS;
  unsigned infile = 0;  // a server must not be able to ask for our files
  unsigned long packet_max = 1UL << 30;
  my_bool reconnect = 0;  // a silent reconnect would lose the session's view
  mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
  mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &read_s);
  mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &read_s);
  mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &infile);
  mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_max);
  mysql_options(mysql, MYSQL_OPT_RECONNECT, &reconnect);
  mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  SetTls(mysql, config, tls);
}

// The library's text without "(115)": that is EINPROGRESS of its own non-blocking connect.
std::string ConnectText(MYSQL* mysql) {
  std::string text = mysql_error(mysql);
  constexpr std::string_view kInProgress = " (115)";
  if (text.ends_with(kInProgress)) text.resize(text.size() - kInProgress.size());
  return text;
}

// nullptr with `error` set, or a connected handle.
MYSQL* Connect(const v1::SourceConnection& config, uint32_t read_timeout_s, Tls tls,
               absl::Status* error) {
  MYSQL* mysql = mysql_init(nullptr);
  if (mysql == nullptr) {
    *error = absl::ResourceExhaustedError("out of memory");
    return nullptr;
  }
  SetOptions(mysql, config, read_timeout_s, tls);
  bool by_socket = !config.unix_socket().empty();
  // The library takes "localhost" for its default unix socket, whatever the port is.
  std::string host =
      config.host() == "localhost" && config.port() != 0 ? "127.0.0.1" : config.host();
  if (mysql_real_connect(mysql, by_socket ? nullptr : host.c_str(), config.user().c_str(),
                         config.password().c_str(), nullptr, config.port(),
                         by_socket ? config.unix_socket().c_str() : nullptr, 0) != nullptr) {
    return mysql;
  }
  int number = static_cast<int>(mysql_errno(mysql));
  *error = MakeError(number, Endpoint(config),
                     fmt::format("cannot connect to {} as '{}': {} (error {})", Endpoint(config),
                                 config.user(), ConnectText(mysql), number),
                     HintOf(number, config));
  mysql_close(mysql);
  return nullptr;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const v1::SourceConnection& config,
                                                             uint32_t read_timeout_s) {
  static const int library = mysql_library_init(0, nullptr, nullptr);
  if (library != 0) return absl::InternalError("cannot initialise libmariadb");
  auto impl = std::make_unique<Impl>();
  impl->endpoint = Endpoint(config);
  Tls tls = TlsOf(config);
  absl::Status error;
  impl->mysql = Connect(config, read_timeout_s, tls, &error);
  if (impl->mysql == nullptr && tls == Tls::kTry && ServerErrno(error) == CR_SSL_CONNECTION_ERROR) {
    impl->mysql = Connect(config, read_timeout_s, Tls::kOff, &error);
  }
  if (impl->mysql == nullptr) return error;
  if (tls == Tls::kRequire && mysql_get_ssl_cipher(impl->mysql) == nullptr) {
    return Error(absl::StatusCode::kFailedPrecondition, "TLS_REQUIRED", impl->endpoint,
                 fmt::format("cannot connect to {}: ssl_mode is {} but the server offers no TLS",
                             impl->endpoint, config.ssl_mode()),
                 "Set up TLS on the server, or another ssl_mode.");
  }
  impl->fd = mysql_get_socket(impl->mysql);
  if (config.unix_socket().empty()) SetKeepAlive(impl->fd);
  std::unique_ptr<Connection> connection(new Connection(std::move(impl)));
  // What global settings and init_connect may have made different: they must not choose rows,
  // characters or times for us.
  for (const char* sql :
       {"SET NAMES utf8mb4",
        "SET SESSION sql_mode='', time_zone='+00:00', autocommit=1, completion_type=0, "
        "sql_select_limit=18446744073709551615, "
        "sql_quote_show_create=1"}) {
    if (auto s = connection->Exec(sql); !s.ok()) return s;
  }
  return connection;
}

absl::StatusOr<Table> Connection::Query(std::string_view sql) {
  if (auto s = impl_->Send(sql); !s.ok()) return s;
  Table table;
  MYSQL_RES* result = mysql_store_result(impl_->mysql);
  if (result == nullptr) {
    if (mysql_errno(impl_->mysql) != 0) return impl_->LastError();
    return table;
  }
  unsigned columns = mysql_num_fields(result);
  MYSQL_FIELD* fields = mysql_fetch_fields(result);
  for (unsigned i = 0; i < columns; ++i) table.columns.emplace_back(fields[i].name);
  while (MYSQL_ROW row = mysql_fetch_row(result)) {
    unsigned long* lengths = mysql_fetch_lengths(result);
    Table::Row out(columns);
    for (unsigned i = 0; i < columns; ++i) {
      if (row[i] != nullptr) out[i].emplace(row[i], lengths[i]);
    }
    table.rows.push_back(std::move(out));
  }
  mysql_free_result(result);
  return table;
}

absl::Status Connection::Exec(std::string_view sql) { return Query(sql).status(); }

absl::StatusOr<RowStream> Connection::Stream(std::string_view sql) {
  if (auto s = impl_->Send(sql); !s.ok()) return s;
  MYSQL_RES* result = mysql_use_result(impl_->mysql);
  if (result == nullptr) {
    if (mysql_errno(impl_->mysql) != 0) return impl_->LastError();
    return absl::InternalError("a statement that returns no rows was streamed");
  }
  return RowStream(std::make_unique<RowStream::Impl>(impl_.get(), result));
}

absl::Status Connection::SendCommand(uint8_t command, std::string_view body) {
  if (impl_->interrupted) return absl::CancelledError("interrupted");
  constexpr my_bool kSkipCheck = 1;  // do not wait for an OK packet
  if (impl_->mysql->methods->db_command(impl_->mysql, static_cast<enum_server_command>(command),
                                        body.data(), body.size(), kSkipCheck, nullptr) != 0) {
    return impl_->LastError();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string_view> Connection::ReadPacket() {
  if (impl_->interrupted) return absl::CancelledError("interrupted");
  unsigned long length = mysql_net_read_packet(impl_->mysql);
  // packet_error is an unsigned int: comparing all 64 bits with -1 would never match.
  if (static_cast<unsigned>(length) == packet_error) return impl_->LastError();
  return std::string_view(reinterpret_cast<const char*>(impl_->mysql->net.read_pos), length);
}

void Connection::Interrupt() { impl_->Interrupt(); }
bool Connection::interrupted() const { return impl_->interrupted; }
uint64_t Connection::thread_id() const { return mysql_thread_id(impl_->mysql); }
bool Connection::encrypted() const { return mysql_get_ssl_cipher(impl_->mysql) != nullptr; }

absl::Status PrepareReadingSession(Connection* connection, uint32_t lock_wait_s) {
  for (const std::string& sql :
       {std::string("SET SESSION sql_mode='', time_zone='+00:00', character_set_results=NULL"),
        std::string("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"),
        std::string("SET SESSION net_write_timeout=86400, wait_timeout=86400"),
        fmt::format("SET SESSION lock_wait_timeout={}", lock_wait_s)}) {
    if (auto s = connection->Exec(sql); !s.ok()) return s;
  }
  // Limits that some servers know and set globally.
  constexpr int kUnknownVariable = 1193;
  for (const char* variable : {"max_execution_time", "max_statement_time",
                               "idle_transaction_timeout", "idle_readonly_transaction_timeout"}) {
    auto s = connection->Exec(fmt::format("SET SESSION {}=0", variable));
    if (!s.ok() && ServerErrno(s) != kUnknownVariable) return s;
  }
  return absl::OkStatus();
}

}  // namespace chameleon::worker::source
