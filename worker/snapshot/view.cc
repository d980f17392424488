#include "worker/snapshot/view.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "proto/wire/error.h"
#include "proto/wire/position.h"
#include "worker/source/dump.h"
#include "worker/source/schema_reader.h"
#include "worker/source/server.h"
#include "worker/source/sql_text.h"

namespace chameleon::worker::snapshot {
namespace {

using source::Connection;
using source::ServerErrno;

constexpr int kLockWaitTimeout = 1205, kPrivilegeNeeded = 1227, kTableDenied = 1142,
              kDatabaseDenied = 1044;
constexpr uint32_t kLockTimeoutDefaultS = 10;
constexpr uint32_t kLaneLockWaitS = 60;
constexpr int kQuietAttemptsMax = 5;
constexpr size_t kStatementShown = 60;

bool IsDenied(const absl::Status& s) {
  int e = ServerErrno(s);
  return e == kPrivilegeNeeded || e == kTableDenied || e == kDatabaseDenied;
}

absl::Status CannotLock(const absl::Status& cause, uint32_t timeout_s) {
  if (ServerErrno(cause) != kLockWaitTimeout) return cause;
  return Error(absl::StatusCode::kFailedPrecondition, "LOCK_TIMEOUT", "",
               fmt::format("the tables could not be locked within {} s", timeout_s),
               "Look for long statements and open transactions in SHOW PROCESSLIST and try again.");
}

class Opener {
 public:
  explicit Opener(const ViewRequest& request) : request_(request) {
    timeout_s_ = request.options->lock_timeout_s();
    if (timeout_s_ == 0) timeout_s_ = kLockTimeoutDefaultS;
  }

  absl::StatusOr<View> Run() {
    if (auto s = Connect(); !s.ok()) return s;
    if (auto s = ReadTables(); !s.ok()) return s;
    absl::Status opened = Lock();
    if (opened.ok()) opened = BeginAndRead();
    if (!opened.ok()) return opened;
    if (locker_) {
      if (auto s = locker_->Exec("UNLOCK TABLES"); !s.ok()) return s;
    }
    auto created =
        source::ReadFileCreated(*request_.connection, view_.server, view_.position.file());
    if (!created.ok()) return created.status();
    view_.position.set_file_created(*created);
    return std::move(view_);
  }

 private:
  bool IsMariadb() const { return view_.server.kind() == v1::ServerInfo::MARIADB; }

  absl::Status Connect() {
    auto catalogue = Connection::Open(*request_.connection);
    if (!catalogue.ok()) return catalogue.status();
    view_.catalogue = std::move(*catalogue);
    auto server = source::ReadServerInfo(view_.catalogue.get());
    if (!server.ok()) return server.status();
    view_.server = *server;
    return absl::OkStatus();
  }

  absl::Status ReadTables() {
    auto schemas = source::ReadSchemaNames(view_.catalogue.get(), *request_.filter);
    if (!schemas.ok()) return schemas.status();
    auto schema =
        source::ReadSchema(view_.catalogue.get(), view_.server, *schemas, *request_.filter);
    if (!schema.ok()) return schema.status();
    if (view_.tables.empty()) {
      for (const std::string& note : schema->notes) spdlog::warn("{}", note);
    }
    view_.tables = std::move(schema->tables);
    return absl::OkStatus();
  }

  std::vector<const v1::TableDef*> NonTransactional() const {
    std::vector<const v1::TableDef*> result;
    for (const auto& def : view_.tables) {
      if (!def.transactional()) result.push_back(&def);
    }
    return result;
  }

  // --- locking ---------------------------------------------------------------------------------

  absl::Status Lock() {
    bool all_transactional = NonTransactional().empty();
    // MariaDB tells the position of one session's view: with one lane nothing needs a lock.
    if (IsMariadb() && request_.lanes <= 1 && all_transactional) return Lockless();
    if (request_.prefer_table_lock) {
      auto s = LockAllTables();
      if (s.ok() || !IsDenied(s)) return s;
    }
    auto s = LockGlobally();
    if (s.ok() || !IsDenied(s)) return s;
    if (IsMariadb() && all_transactional) {
      spdlog::info("no privilege for FLUSH TABLES WITH READ LOCK: copying over one connection");
      return Lockless();
    }
    spdlog::info("no privilege for FLUSH TABLES WITH READ LOCK: locking the tables by name");
    return LockAllTables();
  }

  absl::Status Lockless() {
    lockless_ = true;
    return absl::OkStatus();
  }

  absl::Status LockGlobally() {
    if (auto s = OpenLocker(&locker_); !s.ok()) return s;
    // On MySQL a waiting, and even a failed, FTWRL makes others' reads wait (facts 2.2).
    if (!IsMariadb()) {
      if (auto s = WaitForLongStatements(); !s.ok()) return s;
    }
    auto s = locker_->Exec("FLUSH TABLES WITH READ LOCK");
    if (!s.ok()) {
      locker_.reset();
      return CannotLock(s, timeout_s_);
    }
    auto tables = NonTransactional();
    if (tables.empty()) return absl::OkStatus();
    if (auto opened = OpenLocker(&view_.table_lock); !opened.ok()) return opened;
    if (auto held = view_.table_lock->Exec(LockStatement(tables)); !held.ok()) {
      if (!IsDenied(held)) return CannotLock(held, timeout_s_);
      // Without LOCK TABLES the global lock itself must stay until these tables are copied.
      spdlog::warn(
          "privilege LOCK TABLES is missing: the source is read-only until {} "
          "non-transactional tables are copied",
          tables.size());
      view_.table_lock = std::move(locker_);
      return absl::OkStatus();
    }
    spdlog::info("non-transactional tables stay locked until they are copied: {}", tables.size());
    return absl::OkStatus();
  }

  // All in one statement: a second LOCK TABLES would release the first.
  absl::Status LockAllTables() {
    std::vector<const v1::TableDef*> tables;
    for (const auto& def : view_.tables) tables.push_back(&def);
    if (tables.empty()) return absl::OkStatus();
    std::unique_ptr<Connection> holder;
    if (auto s = OpenLocker(&holder); !s.ok()) return s;
    if (auto s = holder->Exec(LockStatement(tables)); !s.ok()) return CannotLock(s, timeout_s_);
    bool keep = !NonTransactional().empty();
    (keep ? view_.table_lock : locker_) = std::move(holder);
    return absl::OkStatus();
  }

  absl::Status OpenLocker(std::unique_ptr<Connection>* out) {
    auto connection = Connection::Open(*request_.connection);
    if (!connection.ok()) return connection.status();
    *out = std::move(*connection);
    auto s = (*out)->Exec("SET SESSION wait_timeout=86400");
    return s.ok() ? (*out)->Exec(fmt::format("SET SESSION lock_wait_timeout={}", timeout_s_)) : s;
  }

  static std::string LockStatement(const std::vector<const v1::TableDef*>& tables) {
    std::string sql;
    for (const v1::TableDef* def : tables) {
      sql += fmt::format("{}{} READ", sql.empty() ? "LOCK TABLES " : ", ",
                         source::QuoteName(def->name().schema(), def->name().table()));
    }
    return sql;
  }

  // Waits as long as the lock may take for statements that are older than that.
  absl::Status WaitForLongStatements() {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(timeout_s_);
    for (;;) {
      auto found = FindLongStatement();
      if (!found.ok() || found->empty()) return found.status();
      if (std::chrono::steady_clock::now() >= deadline) {
        return Error(
            absl::StatusCode::kFailedPrecondition, "LONG_STATEMENT", "",
            fmt::format("the tables cannot be locked while a long statement runs: {}", *found),
            "Let it end, or KILL it, and try again.");
      }
      if (*request_.stop) return absl::CancelledError("stopped");
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
  }

  absl::StatusOr<std::string> FindLongStatement() {
    auto t = locker_->Query("SHOW FULL PROCESSLIST");
    if (!t.ok()) return t.status();
    for (size_t i = 0; i < t->rows.size(); ++i) {
      std::string command = t->Get(i, "Command"), info = t->Get(i, "Info");
      if ((command != "Query" && command != "Execute") || info.empty()) continue;
      if (std::strtoull(t->Get(i, "Time").c_str(), nullptr, 10) < timeout_s_) continue;
      // Only its first word: the rest may hold values.
      info = info.substr(0, std::min(info.find_first_of(" \t\n("), kStatementShown));
      return fmt::format("connection {} of {}, {} for {} s", t->Get(i, "Id"), t->Get(i, "User"),
                         info, t->Get(i, "Time"));
    }
    return std::string();
  }

  // --- views and position ----------------------------------------------------------------------

  absl::Status BeginAndRead() {
    if (!lockless_) {
      if (auto s = OpenLanes(request_.lanes); !s.ok()) return s;
      if (auto s = ReadCharsets(); !s.ok()) return s;
      auto status = source::ReadBinlogStatus(view_.catalogue.get(), view_.server);
      if (!status.ok()) return status.status();
      SetPosition(status->file, status->offset, status->gtid);
      if (auto s = ReadTables(); !s.ok()) return s;
      // Locks on single tables do not keep ALTER DATABASE away.
      if (!CharsetsStay()) return Moving();
      return CheckPreparedXa();
    }
    // No lock keeps DDL away: the definitions before and after the view must be the same.
    for (int attempt = 0; attempt < kQuietAttemptsMax; ++attempt) {
      std::vector<v1::TableDef> before = view_.tables;
      if (auto s = ReadCharsets(); !s.ok()) return s;
      view_.lanes.clear();
      if (auto s = OpenLanes(1); !s.ok()) return s;
      if (auto s = ReadSnapshotPosition(); !s.ok()) return s;
      if (auto s = ReadTables(); !s.ok()) return s;
      if (SameTables(before, view_.tables) && CharsetsStay()) return CheckPreparedXa();
    }
    return Moving();
  }

  static absl::Status Moving() {
    return absl::UnavailableError("the source's tables keep changing: no consistent view");
  }

  absl::Status ReadCharsets() { return source::ReadCharsets(view_.catalogue.get(), &view_.server); }

  // Are the databases' defaults those that were read before?
  bool CharsetsStay() {
    const auto before = view_.server.databases();
    if (!ReadCharsets().ok() || before.size() != view_.server.databases().size()) return false;
    return std::all_of(before.begin(), before.end(), [&](const auto& entry) {
      const auto now = view_.server.databases().find(entry.first);
      return now != view_.server.databases().end() &&
             now->second.charset() == entry.second.charset() &&
             now->second.collation() == entry.second.collation();
    });
  }

  static bool SameTables(const std::vector<v1::TableDef>& a, const std::vector<v1::TableDef>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
      return x.name().schema() == y.name().schema() && x.name().table() == y.name().table() &&
             source::SameColumns(x, y);
    });
  }

  absl::Status OpenLanes(uint32_t lanes) {
    for (uint32_t i = 0; i < std::max(lanes, 1u); ++i) {
      auto lane = Connection::Open(*request_.connection);
      if (!lane.ok()) return lane.status();
      if (auto s = BeginLane(lane->get()); !s.ok()) return s;
      view_.lanes.push_back(std::move(*lane));
    }
    return absl::OkStatus();
  }

  absl::Status BeginLane(Connection* lane) {
    if (auto s = source::PrepareReadingSession(lane, kLaneLockWaitS); !s.ok()) return s;
    // With binary logging on, MariaDB keeps metadata locks even over a rollback to a savepoint.
    if (IsMariadb()) {
      auto s = lane->Exec("SET SESSION sql_log_bin=0");
      if (!s.ok() && !IsDenied(s)) return s;
      if (!s.ok() && view_.lanes.empty()) {
        spdlog::info(
            "no privilege for sql_log_bin: an ALTER of a copied table waits for the end of "
            "the copy");
      }
    }
    auto s = lane->Exec("START TRANSACTION WITH CONSISTENT SNAPSHOT");
    return s.ok() ? lane->Exec("SAVEPOINT chameleon") : s;
  }

  absl::Status ReadSnapshotPosition() {
    auto t = view_.lanes[0]->Query("SHOW STATUS LIKE 'binlog_snapshot_%'");
    if (!t.ok()) return t.status();
    std::string file;
    uint64_t offset = 0;
    for (size_t i = 0; i < t->rows.size(); ++i) {
      std::string name = source::LowerAscii(t->Get(i, 0));
      if (name == "binlog_snapshot_file") file = t->Get(i, 1);
      if (name == "binlog_snapshot_position")
        offset = std::strtoull(t->Get(i, 1).c_str(), nullptr, 10);
    }
    if (file.empty()) return absl::InternalError("the server does not tell its snapshot position");
    auto gtid = source::MariadbGtidPosition(view_.catalogue.get(), file, offset);
    if (!gtid.ok()) return gtid.status();
    SetPosition(file, offset, *gtid);
    return absl::OkStatus();
  }

  void SetPosition(const std::string& file, uint64_t offset, const std::string& gtid) {
    view_.position.set_file(file);
    view_.position.set_offset(offset);
    view_.position.set_gtid(gtid);
    view_.position.set_server_id(view_.server.server_id());
  }

  // Its rows are neither in the view nor in the stream after it.
  absl::Status CheckPreparedXa() {
    auto count = source::CountPreparedXa(view_.catalogue.get());
    if (!count.ok()) {  // not allowed to look: the preflight has warned
      return count.status().code() == absl::StatusCode::kFailedPrecondition ? absl::OkStatus()
                                                                            : count.status();
    }
    if (*count == 0) return absl::OkStatus();
    return Error(absl::StatusCode::kFailedPrecondition, "XA_PREPARED", "XA RECOVER",
                 fmt::format("{} XA transaction{} prepared: a copy would miss the rows", *count,
                             *count == 1 ? " is" : "s are"),
                 "See XA RECOVER and commit or roll back what it lists.");
  }

  const ViewRequest& request_;
  uint32_t timeout_s_;
  bool lockless_ = false;
  View view_;
  std::unique_ptr<Connection> locker_;  // released when the view is complete
};

}  // namespace

absl::StatusOr<View> OpenView(const ViewRequest& request) { return Opener(request).Run(); }

absl::Status ReleaseMetadataLocks(Connection* lane) {
  return lane->Exec("ROLLBACK TO SAVEPOINT chameleon");
}

}  // namespace chameleon::worker::snapshot
