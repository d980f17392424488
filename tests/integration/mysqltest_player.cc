#include "tests/integration/mysqltest_player.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

namespace chameleon::test {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

fs::path SuitePath(SourceKind kind) {
  return kind == SourceKind::kMysql ? CacheDir() / "mysql-tests/root/usr/lib/mysql-test"
                                    : CacheDir() / "mariadb-tests/root/usr/share/mysql/mysql-test";
}

fs::path Root(SourceKind kind) {
  return CacheDir() / (kind == SourceKind::kMysql ? "mysql-tests/root" : "mariadb-test-bin/root");
}

fs::path Program(SourceKind kind) {
  return Root(kind) /
         (kind == SourceKind::kMysql ? "usr/lib/mysql-test/bin/mysqltest" : "usr/bin/mariadb-test");
}

std::vector<std::string> Libraries(const fs::path& root) {
  std::string found;
  for (const auto& entry : fs::directory_iterator(root / "usr/lib")) {
    if (entry.path().filename().string().ends_with("-linux-gnu")) {
      found += (found.empty() ? "" : ":") + entry.path().string();
    }
  }
  if (fs::exists(root / "lib")) {
    for (const auto& entry : fs::directory_iterator(root / "lib")) {
      if (entry.path().filename().string().ends_with("-linux-gnu")) {
        found += ":" + entry.path().string();
      }
    }
  }
  for (const char* loader : {"usr/lib64/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2",
                             "usr/lib/ld-linux-aarch64.so.1", "lib/ld-linux-aarch64.so.1"}) {
    if (fs::exists(root / loader)) return {root / loader, "--library-path", found};
  }
  throw std::runtime_error("no loader in " + root.string());
}

// Other servers, other programs, replicas, hours.
bool IsLeftOut(const std::string& path) {
  for (const char* word : {"rpl",
                           "galera",
                           "wsrep",
                           "ndb",
                           "group_replication",
                           "suite/x/",
                           "perfschema",
                           "router",
                           "clone",
                           "thread_pool",
                           "encryption",
                           "federated",
                           "spider",
                           "rocksdb",
                           "mroonga",
                           "connect/",
                           "s3/",
                           "mariabackup",
                           "auth_sec",
                           "audit",
                           "component_",
                           "telemetry",
                           "service",
                           "multi_source",
                           "stress",
                           "large_tests",
                           "mysqldump",
                           "mysqlbinlog",
                           "debug",
                           "crash",
                           "interactive",
                           "network_namespace",
                           "hashicorp",
                           "sphinx",
                           "oqgraph",
                           "secondary_engine",
                           "sysschema",
                           "opt_trace",
                           "lock_order",
                           "gssapi",
                           "mtr",
                           "max_parts",
                           "query_rewrite",
                           "shutdown",
                           "mysql_upgrade",
                           "upgrade",
                           "ssl",
                           "xtrabackup",
                           "atomic",
                           "storage_engine",
                           "binlog_gtid",
                           "mysqlhotcopy",
                           "read_only",
                           "log_tables",
                           "innodb_zip",
                           "import_big",
                           "memory-limit"}) {
    if (path.find(word) != std::string::npos) return true;
  }
  return false;
}

void KillAll(pid_t session) { kill(-session, SIGKILL); }

}  // namespace

bool MysqltestPlayer::Available(SourceKind kind) {
  return fs::exists(SuitePath(kind)) && fs::exists(Program(kind));
}

MysqltestPlayer::MysqltestPlayer(const SourceServer* server,
                                 std::function<std::string(const std::string&)> key_for)
    : server_(server), dir_("cham-mtr"), suite_(SuitePath(server->kind())) {
  tree_ = dir_.path() / "suite";
  const fs::path ask = dir_.path() / "ask", answer = dir_.path() / "answer";
  if (mkfifo(ask.c_str(), 0600) != 0 || mkfifo(answer.c_str(), 0600) != 0) {
    throw std::runtime_error("mkfifo failed");
  }
  ask_ = open(ask.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  answer_ = open(answer.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  const fs::path hook = dir_.path() / "hook";
  WriteFile(hook, fmt::format("echo x >{}\nread answer <{}\n", ask.string(), answer.string()));
  for (const char* name : {"var", "var/tmp", "var/log", "var/run"}) {
    fs::create_directories(dir_.path() / name);
  }
  for (const char* name : {"std_data", "std_data_ln"}) {
    fs::create_directory_symlink(suite_ / "std_data", dir_.path() / "var" / name);
  }
  rules_ = {.hook = "sh " + hook.string(),
            .std_data = dir_.path() / "var/std_data",
            .key_for = std::move(key_for)};
  MakeTree();
}

MysqltestPlayer::~MysqltestPlayer() {
  close(ask_);
  close(answer_);
}

// Texts that are included are changed here, tests when they are played; the rest are links.
void MysqltestPlayer::MakeTree() {
  fs::create_directories(tree_);
  for (auto it = fs::recursive_directory_iterator(suite_); it != fs::end(it); ++it) {
    const fs::path to = tree_ / it->path().lexically_relative(suite_);
    const std::string name = it->path().filename();
    if (it->is_directory() && !it->is_symlink()) {
      if (name == "r" || name == "std_data" || name == "bin" || name == "lib") {
        fs::create_directory_symlink(it->path(), to);
        it.disable_recursion_pending();
      } else {
        fs::create_directories(to);
      }
    } else if (name.ends_with(".inc") || name.ends_with(".test")) {
      Prepare(it->path(), to);
    } else if (!name.ends_with(".result")) {
      fs::create_symlink(it->path(), to);
    }
  }
}

void MysqltestPlayer::Prepare(const fs::path& from, const fs::path& to) {
  if (IsEmptied(from.filename())) {
    WriteFile(to, "");
  } else {
    WriteFile(to, PrepareForMysqltest(ReadFile(from), rules_, /*first=*/false));
  }
}

std::vector<std::string> MysqltestPlayer::Files(const std::string& containing) const {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(suite_)) {
    const std::string path = entry.path().lexically_relative(suite_);
    if (!path.ends_with(".test") || IsLeftOut(path)) continue;
    if (path.find(containing) != std::string::npos) files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

namespace {

// "suite/binlog/" of "suite/binlog/t/a.test", "main/" of "main/a.test".
std::string SuiteOf(const fs::path& file) {
  fs::path directory = file.parent_path();
  if (directory.filename() == "t") directory = directory.parent_path();
  return directory.string() + "/";
}

}  // namespace

Spawn MysqltestPlayer::Command(const std::string& file) const {
  const fs::path var = dir_.path() / "var", root = Root(server_->kind());
  Spawn spawn{.argv = Libraries(root), .log = dir_.path() / "log", .directory = tree_};
  const auto add = [&](const std::string& arg) { spawn.argv.push_back(arg); };
  add(Program(server_->kind()));
  add("--no-defaults");
  add("--user=root");
  add("--database=test");
  add("--socket=" + server_->socket());
  add(fmt::format("--port={}", server_->port()));
  add("--tmpdir=" + (var / "tmp").string());
  add("--logdir=" + (var / "log").string());
  add("--silent");
  add("--max-connect-retries=3");
  add("--test-file=" + file);
  if (server_->is_mariadb()) {
    add("--continue-on-error");
    add("--suite-dir=" + SuiteOf(file));
    add("--overlay-dir=" + SuiteOf(file));
    add("--character-sets-dir=/usr/share/mysql/charsets");
  } else {
    add("--no-skip");
    add("--character-sets-dir=" +
        (CacheDir() / "mysql-sid/root/usr/share/mysql/charsets").string());
  }
  const std::string port = std::to_string(server_->port());
  spawn.env = {"MYSQLTEST_VARDIR=" + var.string(),
               "MYSQL_TMP_DIR=" + (var / "tmp").string(),
               "MYSQL_TEST_DIR=" + tree_.string(),
               "MYSQLTEST_FILE=" + file,
               "SECURE_LOAD_PATH=" + var.string(),
               "MASTER_MYPORT=" + port,
               "MASTER_MYSOCK=" + server_->socket(),
               "MASTER_MYSOCK1=" + server_->socket(),
               "DEFAULT_MASTER_PORT=" + port,
               "MYSQLD_DATADIR=" + (server_->directory() / "data").string() + "/",
               "MYSQL_BINDIR=" + (root / "usr/bin").string(),
               "MYSQL_SHAREDIR=/usr/share/mysql",
               "MYSQL_CHARSETSDIR=/usr/share/mysql/charsets",
               "CHARSETSDIR=/usr/share/mysql/charsets",
               "INNODB_PAGE_SIZE=16k",
               "MTR_SUITE_DIR=" + SuiteOf(file),
               "DEFAULT_ENGINE=InnoDB",
               "ENGINE=InnoDB"};
  return spawn;
}

MysqltestPlayer::Result MysqltestPlayer::Play(const std::string& file, std::chrono::seconds limit,
                                              const std::function<void()>& on_hook) {
  WriteFile(tree_ / file, PrepareForMysqltest(ReadFile(suite_ / file), rules_, /*first=*/true));
  WriteFile(dir_.path() / "log", "");
  char byte[64];
  while (read(ask_, byte, sizeof(byte)) > 0 || read(answer_, byte, sizeof(byte)) > 0) {
  }
  Result result{.outcome = Outcome::kPlayed};
  Spawn spawn = Command(file);
  spawn.own_session = true;
  ChildProcess child(spawn);
  auto until = Clock::now() + limit;
  while (child.Running()) {
    pollfd waits{.fd = ask_, .events = POLLIN, .revents = 0};
    if (poll(&waits, 1, 50) > 0) {
      const auto began = Clock::now();
      while (read(ask_, byte, sizeof(byte)) > 0) {
      }
      ++result.hooks;
      on_hook();
      until += Clock::now() - began;
      if (write(answer_, "x\n", 2) != 2) throw std::runtime_error("the hook cannot be answered");
    }
    if (Clock::now() > until) {
      KillAll(child.pid());
      child.Wait(std::chrono::seconds(5));
      result.outcome = Outcome::kCutShort;
      return result;
    }
  }
  const int code = child.Wait(std::chrono::seconds(1)).value_or(1);
  KillAll(child.pid());
  if (code == 62) result.outcome = Outcome::kSkipped;
  if (code != 0 && code != 62) {
    result.outcome = Outcome::kEndedEarly;
    result.message = Tail(dir_.path() / "log", 8);
  }
  return result;
}

}  // namespace chameleon::test
