// Foreign SQL played against a running replica: source, coordinator, worker and target are real.
//
// Statements that the server itself refuses are counted and left out. At each Settle() every mapped
// schema must be equal: same tables, columns, rows. A table may have left the replica only with a
// reason in the catalogue; sync_tables, as the reason's hint says, must then bring it back.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/support/replica.h"

namespace chameleon::test {

class LivePlayer {
 public:
  struct Counts {
    int ran = 0;
    int refused = 0;                      // by the source server
    int settled = 0;                      // comparisons of everything
    int tables = 0;                       // that were compared, each time
    uint64_t rows = 0;                    // of these
    int unreadable = 0;                   // comparisons that the source itself refused
    int different = 0;                    // comparisons that found a difference: bugs
    std::map<std::string, int> repaired;  // by the reason for which the table had left
    std::map<std::string, int> stopped;   // by the reason for which the source had stopped
    int not_glanced = 0;                  // glances at which the replica could not come up to date
  };

  explicit LivePlayer(SourceKind kind, SourceOptions options = {});

  // Tables that are made without a key get an invisible one, so that their rows are followed, too:
  // MySQL's generated key, or a column that is added to MariaDB's.
  void GiveKeys();

  // Runs the statements on a connection of their own that begins in `database` (made if needed).
  void Play(const std::string& database, const std::vector<std::string>& statements);
  // One statement of a session of the caller's own; the server's error number.
  unsigned Run(Mysql* session, const std::string& statement);
  // The statement that gives the table of a CREATE TABLE without a key one; "" for all others.
  static std::string KeyFor(const std::string& statement, SourceKind kind);
  // A session as Play() has it.
  std::unique_ptr<Mysql> Session(const std::string& database);
  // The snapshot and the start of the stream; schemas that are not there are made.
  void Begin(const std::set<std::string>& schemas);
  // Of the replica, between Begin() and the end: stop_replica, start_replica, kill -9 of the
  // worker.
  void Stop() { replica_->Stop("s"); }
  void Start() { replica_->Start("s"); }
  void KillWorker();
  // Waits, compares, repairs, compares again; differences are failures of the current test.
  void Settle(const std::string& where);
  // The same while sessions of others may hold locks: what cannot be brought up to date soon, or
  // has left, is not compared, and nothing is repaired.
  void Glance(const std::string& where);
  void Report(const std::string& what) const;
  const Counts& counts() const { return counts_; }

  SourceServer& server() { return *server_; }

 private:
  void Repair(const std::string& where);
  void CatchUp();
  void BeginAgain(const std::string& where, const std::string& why);
  void AddKey(Mysql* session, const std::string& statement);
  // `all`: tables that have left are differences, unless they cannot be followed.
  std::string Differences(bool all);
  std::set<std::string> SchemasWithTables();
  void ShowDifferences(const std::string& where, const std::string& differences);
  void CountLeft(const std::string& where);
  void WaitForCopies();
  Rows TablesThatLeft();

  PostgresServer postgres_;
  std::unique_ptr<SourceServer> server_;
  std::unique_ptr<Replica> replica_;  // ends before the servers
  std::set<std::string> schemas_;
  Counts counts_;
  bool give_keys_ = false;
  std::set<std::string> shown_;  // lines of differences
  std::set<std::string> left_;   // tables and reasons, counted once
  // Tables that were not compared: they are shown as not followed, with this reason.
  std::set<std::string> keyless_, key_not_held_;
};

}  // namespace chameleon::test
