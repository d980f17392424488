#include "tests/support/servers.h"

#include <fmt/format.h>
#include <pwd.h>
#include <signal.h>
#include <sys/shm.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace chameleon::test {
namespace {

namespace fs = std::filesystem;

constexpr auto kStartTimeout = std::chrono::seconds(60);
constexpr auto kStopTimeout = std::chrono::seconds(60);

// CacheDir()/templates/NAME, made by `make` in a private directory first, so that two tests which
// start at the same time on a fresh machine do not see half of it.
fs::path Template(const std::string& name, const std::function<void(const fs::path&)>& make) {
  fs::path path = CacheDir() / "templates" / name;
  if (fs::exists(path)) return path;
  fs::create_directories(path.parent_path());
  fs::path fresh = path.string() + fmt::format(".{}", getpid());
  fs::remove_all(fresh);
  make(fresh);
  std::error_code lost_race;
  fs::rename(fresh, path, lost_race);
  if (lost_race) fs::remove_all(fresh);
  return path;
}

void CopyTree(const fs::path& from, const fs::path& to) {
  MustRun({.argv = {"cp", "-a", "--reflink=auto", from, to}});
}

std::string FindProgram(const std::vector<std::string>& candidates, const std::string& package) {
  for (const auto& path : candidates) {
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  throw std::runtime_error(
      fmt::format("{} not found; install {} (./test.sh does)", candidates.front(), package));
}

// "…/mysqld Ver 10.11.19-MariaDB…" → a word that is fit for a file name.
std::string VersionWord(const std::vector<std::string>& argv) {
  std::string text = MustRun({.argv = argv});
  if (size_t at = text.find("Ver "); at != std::string::npos) text = text.substr(at + 4);
  std::string word;
  for (char c : text.substr(0, 40)) {
    word += std::isalnum(static_cast<unsigned char>(c)) || c == '.' ? c : '_';
  }
  return word;
}

const char* const kSourceUsers =
    "CREATE USER 'repl'@'%' IDENTIFIED BY 'repl';\n"
    "GRANT SELECT, RELOAD, REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO 'repl'@'%';\n"
    "CREATE USER 'root'@'%' IDENTIFIED BY '';\n"
    "GRANT ALL PRIVILEGES ON *.* TO 'root'@'%' WITH GRANT OPTION;\n";

}  // namespace

int Server::StopSignal() const { return SIGTERM; }

void Server::Start() {
  if (process_.Running()) return;
  process_ = ChildProcess(Command());
  auto end = std::chrono::steady_clock::now() + kStartTimeout;
  while (!Ready()) {
    if (!process_.Running()) {
      throw std::runtime_error(fmt::format("server ended at start:\n{}", Tail(log_path())));
    }
    if (std::chrono::steady_clock::now() > end) {
      throw std::runtime_error(fmt::format("server does not start:\n{}", Tail(log_path())));
    }
    std::this_thread::sleep_for(Millis(20));
  }
}

void Server::Stop() {
  process_.Signal(StopSignal());
  if (!process_.Wait(kStopTimeout)) Kill9();
}

void Server::Kill9() {
  process_.Signal(SIGKILL);
  process_.Wait(kStopTimeout);
}

void Server::Restart() {
  Stop();
  Start();
}

const char* Name(SourceKind kind) {
  switch (kind) {
    case SourceKind::kMariadb:
      return "mariadb";
    case SourceKind::kMysql:
      return "mysql";
    case SourceKind::kMariadb11:
      break;
  }
  return "mariadb11";
}

bool Wanted(SourceKind kind) {
  const char* without = std::getenv("CHAMELEON_WITHOUT_MYSQL");
  return kind == SourceKind::kMariadb || without == nullptr || std::string(without) != "1";
}

MysqlAddress SourceServer::Address(const std::string& database) const {
  return {.port = port_, .socket = socket(), .database = database};
}

bool SourceServer::Ready() {
  try {
    Connect();
    return true;
  } catch (const MysqlError&) {
    return false;
  }
}

void SourceServer::LoadFile(const fs::path& file, const std::string& database,
                            const std::string& prelude) {
  std::vector<std::string> argv = {"mariadb", "--no-defaults", "--socket=" + socket(),
                                   "--user=root", "--default-character-set=utf8mb4"};
  if (!prelude.empty()) argv.push_back("--init-command=" + prelude);
  if (!database.empty()) argv.push_back(database);
  MustRun({.argv = argv}, file.string());
}

void SourceServer::LoadText(const std::string& sql, const std::string& database) {
  TempDir dir("cham-sql");
  WriteFile(dir.path() / "sql", sql);
  LoadFile(dir.path() / "sql", database);
}

std::vector<std::string> SourceServer::CommonArguments() const {
  std::string dir = directory().string();
  return {fmt::format("--datadir={}/data", dir),
          fmt::format("--socket={}", socket()),
          fmt::format("--pid-file={}/pid", dir),
          fmt::format("--tmpdir={}", dir),
          fmt::format("--port={}", port_),
          fmt::format("--log-bin={}/data/binlog", dir),
          "--bind-address=127.0.0.1",
          "--user=root",
          "--server-id=1",
          "--binlog-format=ROW",
          "--binlog-row-image=FULL",
          "--sync-binlog=0",
          "--innodb-flush-log-at-trx-commit=2",
          "--innodb-buffer-pool-size=256M",
          "--innodb-flush-method=nosync",
          "--innodb-doublewrite=0",
          "--character-set-server=utf8mb4",
          "--default-time-zone=+00:00",
          "--max-connections=200",
          "--max-allowed-packet=256M",
          "--performance-schema=OFF",
          "--skip-name-resolve"};
}

// ---- MariaDB ----

MariadbServer::MariadbServer(SourceOptions options) : SourceServer("cham-mdb", std::move(options)) {
  std::string mariadbd = FindProgram({"/usr/sbin/mariadbd"}, "mariadb-server-core");
  std::string name = "mariadb-" + VersionWord({mariadbd, "--version"}) + "-1";
  fs::path data = Template(name, [](const fs::path& path) {
    MustRun({.argv = {"mariadb-install-db", "--no-defaults", "--datadir=" + path.string(),
                      "--auth-root-authentication-method=normal", "--skip-test-db",
                      "--innodb-log-file-size=16M"}});
    // Bootstrap runs without the grant tables until they are loaded.
    fs::path init = path / "users.sql";
    WriteFile(init, fmt::format("DELETE FROM mysql.global_priv WHERE User='';\n"
                                "FLUSH PRIVILEGES;\n{}",
                                kSourceUsers));
    MustRun({.argv = {"/usr/sbin/mariadbd", "--no-defaults", "--bootstrap", "--user=root",
                      "--datadir=" + path.string(), "--innodb-log-file-size=16M"}},
            init);
    fs::remove(init);
  });
  CopyTree(data, directory() / "data");
}

Spawn MariadbServer::Command() {
  Spawn spawn{
      .argv = {"/usr/sbin/mariadbd", "--no-defaults"}, .log = log_path(), .own_session = true};
  for (auto& arg : CommonArguments()) spawn.argv.push_back(arg);
  spawn.argv.push_back("--innodb-log-file-size=64M");
  for (auto& arg : options_.args) spawn.argv.push_back(arg);
  return spawn;
}

// ---- what fetch_mysql.sh has unpacked ----

namespace {

// The server by its own loader: the libraries of its distribution are newer than ours.
std::vector<std::string> UnpackedServer(const std::string& name, const std::string& program,
                                        const std::string& share) {
  fs::path root = CacheDir() / name / "root";
  for (const char* loader : {"usr/lib64/ld-linux-x86-64.so.2", "usr/lib/ld-linux-aarch64.so.1"}) {
    if (!fs::exists(root / loader)) continue;
    std::string libraries;
    for (const auto& entry : fs::directory_iterator(root / "usr/lib")) {
      if (entry.path().filename().string().ends_with("-linux-gnu")) libraries = entry.path();
    }
    const std::string usr = root / "usr";
    return {root / loader,
            "--library-path",
            libraries,
            root / "usr/sbin" / program,
            "--no-defaults",
            "--basedir=" + usr,
            "--lc-messages-dir=" + usr + "/share/" + share,
            "--character-sets-dir=" + usr + "/share/" + share + "/charsets",
            "--secure-file-priv="};
  }
  throw std::runtime_error(fmt::format(
      "no {} in {}; run tests/support/fetch_mysql.sh (./test.sh does)", program, root.string()));
}

std::vector<std::string> MysqldArguments() {
  std::vector<std::string> argv = UnpackedServer("mysql-sid", "mysqld", "mysql");
  const std::string usr = CacheDir() / "mysql-sid/root/usr";
  argv.push_back("--plugin-dir=" + usr + "/lib/mysql/plugin");
  argv.push_back("--mysqlx=OFF");
  return argv;
}

std::vector<std::string> Mariadb11Arguments() {
  return UnpackedServer("mariadb-trixie", "mariadbd", "mariadb");
}

std::vector<std::string> Plus(std::vector<std::string> argv, const std::vector<std::string>& more) {
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

}  // namespace

// ---- MariaDB 11.8 ----

Mariadb11Server::Mariadb11Server(SourceOptions options)
    : SourceServer("cham-mdb11", std::move(options)) {
  std::string name = "mariadb-" + VersionWord(Plus(Mariadb11Arguments(), {"--version"})) + "-1";
  fs::path data = Template(name, [](const fs::path& path) {
    // What mariadb-install-db of that version would do; ours has other file names.
    const fs::path share = CacheDir() / "mariadb-trixie/root/usr/share/mariadb";
    std::string sql = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n";
    for (const char* file : {"mariadb_system_tables.sql", "mariadb_performance_tables.sql",
                             "mariadb_system_tables_data.sql"}) {
      sql += ReadFile(share / file) + "\n";
    }
    sql += fmt::format("DELETE FROM mysql.global_priv WHERE User='';\nFLUSH PRIVILEGES;\n{}",
                       kSourceUsers);
    fs::create_directories(path);
    WriteFile(path.string() + ".sql", sql);
    MustRun({.argv = Plus(Mariadb11Arguments(),
                          {"--bootstrap", "--user=root", "--datadir=" + path.string(),
                           "--innodb-log-file-size=16M"})},
            path.string() + ".sql");
    fs::remove(path.string() + ".sql");
  });
  CopyTree(data, directory() / "data");
}

Spawn Mariadb11Server::Command() {
  Spawn spawn{.argv = Mariadb11Arguments(), .log = log_path(), .own_session = true};
  for (auto& arg : CommonArguments()) spawn.argv.push_back(arg);
  spawn.argv.push_back("--innodb-log-file-size=64M");
  for (auto& arg : options_.args) spawn.argv.push_back(arg);
  return spawn;
}

// ---- MySQL ----

MysqlServer::MysqlServer(SourceOptions options) : SourceServer("cham-my", std::move(options)) {
  std::vector<std::string> version = MysqldArguments();
  version.push_back("--version");
  std::string name = "mysql-" + VersionWord(version) + "-1";
  fs::path data = Template(name, [](const fs::path& path) {
    WriteFile(path.string() + ".sql", kSourceUsers);
    Spawn spawn{.argv = MysqldArguments()};
    for (const std::string& arg :
         {std::string("--initialize-insecure"), std::string("--user=root"),
          "--datadir=" + path.string(), "--init-file=" + path.string() + ".sql",
          std::string("--innodb-redo-log-capacity=8M"), std::string("--skip-log-bin")}) {
      spawn.argv.push_back(arg);
    }
    MustRun(spawn);
    fs::remove(path.string() + ".sql");
    // Each copy gets a server_uuid of its own.
    fs::remove(path / "auto.cnf");
  });
  CopyTree(data, directory() / "data");
}

Spawn MysqlServer::Command() {
  Spawn spawn{.argv = MysqldArguments(), .log = log_path(), .own_session = true};
  for (auto& arg : CommonArguments()) spawn.argv.push_back(arg);
  spawn.argv.push_back("--innodb-redo-log-capacity=128M");
  for (auto& arg : options_.args) spawn.argv.push_back(arg);
  return spawn;
}

std::unique_ptr<SourceServer> StartSource(SourceKind kind, SourceOptions options) {
  std::unique_ptr<SourceServer> server;
  switch (kind) {
    case SourceKind::kMariadb:
      server = std::make_unique<MariadbServer>(std::move(options));
      break;
    case SourceKind::kMysql:
      server = std::make_unique<MysqlServer>(std::move(options));
      break;
    case SourceKind::kMariadb11:
      server = std::make_unique<Mariadb11Server>(std::move(options));
      break;
  }
  server->Start();
  return server;
}

// ---- PostgreSQL ----

namespace {

std::string PostgresBin() {
  for (int version = 18; version >= 12; --version) {
    std::string path = fmt::format("/usr/lib/postgresql/{}/bin/", version);
    if (access((path + "postgres").c_str(), X_OK) == 0) return path;
  }
  throw std::runtime_error("no PostgreSQL under /usr/lib/postgresql; ./test.sh installs it");
}

// PostgreSQL refuses to run as root.
void AsPostgres(Spawn* spawn) {
  if (geteuid() != 0) return;
  const passwd* user = getpwnam("postgres");
  if (user == nullptr) throw std::runtime_error("no user postgres");
  spawn->uid = user->pw_uid;
  spawn->gid = user->pw_gid;
}

}  // namespace

PostgresServer::PostgresServer(PostgresOptions options)
    : Server("cham-pg"), options_(std::move(options)) {
  std::string bin = PostgresBin();
  std::string name = "postgres-" + VersionWord({bin + "postgres", "--version"}) + "-1";
  fs::path data = Template(name, [&](const fs::path& path) {
    // In a directory that the user postgres can reach; the cache may be in root's home.
    TempDir place("cham-initdb");
    fs::permissions(place.path(), fs::perms(0777));
    Spawn initdb{.argv = {bin + "initdb", "-D", place.path() / "data", "-U", "postgres", "-A",
                          "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"},
                 .directory = "/"};
    AsPostgres(&initdb);
    MustRun(initdb);
    CopyTree(place.path() / "data", path);
  });
  CopyTree(data, directory() / "data");
  fs::permissions(directory(), fs::perms(0777));
  WriteFile(log_path(), "");
  fs::permissions(log_path(), fs::perms(0666));
}

namespace {

// Backends of a killed postmaster live a moment longer than it, and until they have let go of its
// memory (the id is in postmaster.pid) no other one starts.
void WaitForOldBackends(const fs::path& data) {
  constexpr int kSharedMemoryLine = 7;
  std::ifstream pid(data / "postmaster.pid");
  std::string line;
  for (int i = 0; i < kSharedMemoryLine; ++i) {
    if (!std::getline(pid, line)) return;
  }
  int64_t key = 0;
  int id = 0;
  if (!(std::istringstream(line) >> key >> id)) return;
  const auto end = std::chrono::steady_clock::now() + kStopTimeout;
  shmid_ds memory{};
  while (shmctl(id, IPC_STAT, &memory) == 0 && memory.shm_nattch > 0 &&
         std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(Millis(20));
  }
}

}  // namespace

Spawn PostgresServer::Command() {
  WaitForOldBackends(directory() / "data");
  std::string dir = directory().string();
  Spawn spawn{.argv = {PostgresBin() + "postgres", "-D", dir + "/data"},
              .log = log_path(),
              .directory = "/",
              .own_session = true};
  std::vector<std::string> settings = {"listen_addresses=127.0.0.1",
                                       fmt::format("port={}", port_),
                                       "unix_socket_directories=" + dir,
                                       "fsync=off",
                                       "full_page_writes=off",
                                       "shared_buffers=256MB",
                                       "max_wal_size=4GB",
                                       "checkpoint_timeout=30min",
                                       "max_connections=100",
                                       "timezone=UTC",
                                       "log_line_prefix=%m [%p] %a ",
                                       "restart_after_crash=on"};
  settings.insert(settings.end(), options_.settings.begin(), options_.settings.end());
  for (const auto& setting : settings) {
    spawn.argv.push_back("-c");
    spawn.argv.push_back(setting);
  }
  AsPostgres(&spawn);
  // A killed postmaster leaves its lock files; the same port comes back at once.
  std::error_code ignored;
  fs::remove(directory() / fmt::format(".s.PGSQL.{}.lock", port_), ignored);
  return spawn;
}

bool PostgresServer::Ready() {
  try {
    Connect();
    return true;
  } catch (const PgError&) {
    return false;
  }
}

int PostgresServer::StopSignal() const { return SIGINT; }

PgAddress PostgresServer::Address(const std::string& database) const {
  return {.port = port_, .database = database};
}

void PostgresServer::CreateDatabase(const std::string& name) {
  Connect().Exec("CREATE DATABASE " + PgName(name));
}

}  // namespace chameleon::test
