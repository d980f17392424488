// Private database servers for tests: each in its own temporary directory, with a unix socket and
// a free TCP port on 127.0.0.1, tuned for speed and not for safety; killed and removed with the
// object. The first start on a machine initialises a data directory that later ones copy
// (CacheDir()/templates), so a start takes about a second.
//
// kill -9 of a server loses nothing that it had committed: what is not synced to disk is still in
// the kernel.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/mysql_client.h"
#include "tests/support/pg_client.h"
#include "tests/support/process.h"

namespace chameleon::test {

// What all private servers can do. Start from the main thread (see ChildProcess).
class Server {
 public:
  virtual ~Server() = default;
  void Start();    // and waits until it accepts connections
  void Stop();     // cleanly
  void Kill9();    // SIGKILL, returns when it is gone
  void Restart();  // Stop + Start, same port and socket
  bool Running() { return process_.Running(); }
  pid_t pid() const { return process_.pid(); }
  int port() const { return port_; }
  const std::filesystem::path& directory() const { return dir_.path(); }
  std::string log_path() const { return (directory() / "log").string(); }

 protected:
  Server(const std::string& prefix) : dir_(prefix), port_(FreePort()) {}
  virtual Spawn Command() = 0;
  virtual bool Ready() = 0;        // one attempt to connect
  virtual int StopSignal() const;  // SIGTERM

  TempDir dir_;
  int port_;
  ChildProcess process_;  // after dir_: ends before the directory is removed
};

// kMariadb11: what only the newer MariaDB has; most cases run on the first two (both_servers.h).
enum class SourceKind { kMariadb, kMysql, kMariadb11 };
const char* Name(SourceKind kind);  // "mariadb", "mysql", "mariadb11"
// False only when the user asked to do without it (CHAMELEON_WITHOUT_MYSQL=1: without what is
// downloaded).
bool Wanted(SourceKind kind);

struct SourceOptions {
  std::vector<std::string> args;  // later than ours, so they win: "--log-bin=OFF" …
};

// A MariaDB or MySQL with log_bin, ROW, FULL, server_id 1, utf8mb4, UTC; root without a password
// on the socket; user repl/repl from anywhere with all that a replica needs.
class SourceServer : public Server {
 public:
  virtual SourceKind kind() const = 0;
  bool is_mariadb() const { return kind() != SourceKind::kMysql; }
  std::string socket() const { return (directory() / "mysql.sock").string(); }
  MysqlAddress Address(const std::string& database = "") const;
  Mysql Connect(const std::string& database = "") const { return Mysql(Address(database)); }
  // Runs a file of SQL through the mariadb client (DELIMITER and all). `prelude` goes first.
  void LoadFile(const std::filesystem::path& file, const std::string& database = "",
                const std::string& prelude = "");
  void LoadText(const std::string& sql, const std::string& database = "");

 protected:
  SourceServer(const std::string& prefix, SourceOptions options)
      : Server(prefix), options_(std::move(options)) {}
  bool Ready() override;
  std::vector<std::string> CommonArguments() const;

  SourceOptions options_;
};

// MariaDB of the system (10.11 on Debian 12).
class MariadbServer : public SourceServer {
 public:
  explicit MariadbServer(SourceOptions options = {});
  SourceKind kind() const override { return SourceKind::kMariadb; }

 protected:
  Spawn Command() override;
};

// MariaDB 11.8 of Debian 13, unpacked by fetch_mysql.sh trixie mariadb-trixie mariadb-server-core.
// Like MySQL's, it runs with its own loader and libraries, so it needs neither root nor chroot.
class Mariadb11Server : public SourceServer {
 public:
  explicit Mariadb11Server(SourceOptions options = {});
  SourceKind kind() const override { return SourceKind::kMariadb11; }

 protected:
  Spawn Command() override;
};

// MySQL 9.7, unpacked by tests/support/fetch_mysql.sh.
class MysqlServer : public SourceServer {
 public:
  explicit MysqlServer(SourceOptions options = {});
  SourceKind kind() const override { return SourceKind::kMysql; }
  static bool Wanted() { return test::Wanted(SourceKind::kMysql); }

 protected:
  Spawn Command() override;
};

std::unique_ptr<SourceServer> StartSource(SourceKind kind, SourceOptions options = {});

struct PostgresOptions {
  std::vector<std::string> settings;  // "work_mem=64MB" …
};

// PostgreSQL 15 or newer; superuser postgres without a password; runs as user postgres when the
// test is root.
class PostgresServer : public Server {
 public:
  explicit PostgresServer(PostgresOptions options = {});
  PgAddress Address(const std::string& database = "postgres") const;
  Pg Connect(const std::string& database = "postgres") const { return Pg(Address(database)); }
  void CreateDatabase(const std::string& name);

 protected:
  Spawn Command() override;
  bool Ready() override;
  int StopSignal() const override;  // SIGINT: fast shutdown

 private:
  PostgresOptions options_;
};

}  // namespace chameleon::test
