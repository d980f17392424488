// One source at work: at most one thread, which follows it (replication.cc), copies it
// (snapshot_run.cc) or does another long command (operation_run.cc).
//
// Commands are serialised; they move the state in the catalogue by the table in state.h. The data
// plane (loader, writers) reaches the source through its lease. Thread-safe. Destruction stops
// everything and leaves the state as it is, so that a running source is resumed later.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/control.pb.h"
#include "coordinator/config/config.h"
#include "coordinator/ingest/snapshot_loader.h"
#include "coordinator/pg/catalogue.h"
#include "coordinator/replay/replayer.h"
#include "coordinator/sources/operations.h"
#include "coordinator/sources/retry_policy.h"
#include "coordinator/sources/state.h"
#include "coordinator/sources/worker_hosts.h"
#include "coordinator/sources/worker_run.h"
#include "proto/process/launcher.h"

namespace chameleon::coordinator::sources {

// What all sources share. Outlives them.
struct Services {
  std::string worker_program;
  std::string address;  // where workers reach us: "unix:/…/chameleon.sock"
  Operations* operations = nullptr;
  Launcher* launcher = nullptr;
  WorkerRegistry* workers = nullptr;
  WorkerHosts* hosts = nullptr;
  // A configuration is led for the first time: it must be resumed after a restart.
  std::function<void(const std::string& config)> on_lead;
};

class SourceActor {
 public:
  SourceActor(const Services& services, std::shared_ptr<pg::Catalogue> catalogue, uint64_t id,
              std::string name, std::shared_ptr<const Config> config);
  ~SourceActor();

  // Used from the next worker on.
  void SetConfig(std::shared_ptr<const Config> config);
  std::shared_ptr<const Config> config() const;
  bool busy() const;

  absl::StatusOr<v1::CommandResponse> StartReplica();
  absl::StatusOr<v1::CommandResponse> StopReplica();
  absl::StatusOr<v1::CommandResponse> EnableReplica();
  absl::StatusOr<v1::CommandResponse> UpdateSchemaMappings();
  absl::StatusOr<v1::Operation> InitReplica();
  absl::StatusOr<v1::Operation> CopySchema();
  // "schema.table" each, or the single word "disabled".
  absl::StatusOr<v1::Operation> SyncTables(const std::vector<std::string>& tables);
  absl::StatusOr<v1::Operation> RefreshSchema(const std::string& schema);
  absl::StatusOr<v1::Operation> RunMaintenance(bool full);
  absl::StatusOr<v1::Operation> DetachReplica();
  // What a source that runs needs by itself: auto_maintenance, and copies of tables whose rows a
  // schema change has made unknown. Called every few seconds by one thread.
  void Tend();
  // After a crash or a change of leadership: a source that is `running` goes on, one that is
  // `initialising` or `syncing` without an operation of ours becomes `error`.
  absl::Status Recover();
  // Stops the thread; the state stays.
  void Halt();

  // The data plane. ABORTED: not the current lease.
  absl::Status CheckLease(const v1::Lease& lease) const;
  absl::StatusOr<std::shared_ptr<ingest::SnapshotLoader>> Loader(const v1::Lease& lease) const;
  void BatchCommitted();
  // A write failed because PostgreSQL is away: the source is not to blame.
  void TargetAway();

  // What only the running process knows: activity, worker, lag of an idle stream.
  void FillStatus(v1::SourceStatus* status) const;
  // The lease in force: false, if there is none. `*host`: where its worker is.
  bool FillLease(v1::WorkerLease* lease, uint64_t* host) const;

 private:
  // A worker process with a lease. Destroyed: the process is stopped.
  struct Session {
    std::shared_ptr<WorkerRun> run;
    std::unique_ptr<ProcessHandle> process;
    uint64_t host = WorkerHosts::kLocal;
    v1::Lease lease;
    pg::SourceRecord record;
    ~Session();
  };

  const SourceConfig& Settings(const Config& config) const { return config.sources.at(name_); }
  std::string Tag() const { return "src=" + name_; }
  void SetActivity(std::string activity);
  void Notify();
  bool Stopping() const;
  // Runs `work` on the thread; the caller holds command_mutex_ and has seen !busy().
  void Launch(std::function<void()> work);

  // worker_start.cc. Process started, hello received, epoch taken.
  absl::StatusOr<std::unique_ptr<Session>> OpenSession(const Config& config);
  // On the host that the source asks for; waits a while for one to join.
  absl::Status StartWorker(const Config& config, Session* session);
  // What was registered counts: update_schema_mappings changes it.
  static void ApplyMappings(const pg::SourceRecord& record, v1::SourceOptions* options);
  v1::Assignment AssignmentFor(const Config& config, const Session& session) const;
  void Publish(Session* session);  // null: no lease any more
  // Waits for the end of the task; sends Stop when `interrupted()`, and gives up on a worker that
  // does not follow. `on_change` is called without a lock after each report.
  WorkerRun::End AwaitEnd(Session* session, const std::function<bool()>& interrupted,
                          const std::function<void()>& on_change);

  // replication.cc
  void Replicate(bool was_connected);
  RunOutcome RunReplication();
  absl::Status RunOnce(RunOutcome* outcome);
  absl::Status TakeOverIfNeeded(const Config& config, RunOutcome* outcome);
  void WaitBeforeRetry(const RunOutcome& outcome, double wait_s);
  void StartReplayer(const Config& config);
  void StopReplayer(bool drain);

  // operation_run.cc. A long command: `run` works on the actor's thread.
  struct Task {
    const char* command = "";
    v1::SourceState during = v1::SOURCE_STATE_UNSPECIFIED;
    bool failed_is_error = false;  // else a failure leaves the state as it was
    bool ends_replica = false;     // a source that was running does not go on
    std::function<absl::Status(const std::string& operation, std::string* result)> run;
  };
  // The caller holds command_mutex_.
  absl::StatusOr<v1::Operation> Operate(const pg::SourceRecord& record, Task task);
  absl::Status Pause();
  void Unpause();
  void Resume();
  void RunOperation(const std::string& operation, const Task& task, v1::SourceState before);
  // Shows a step as the operation's progress; false: stop.
  std::function<bool(const std::string&)> StepReporter(const std::string& operation);

  bool Streams() const;
  void MaintainIfDue();
  void RecopyIfNeeded();

  // snapshot_run.cc
  struct CopyRequest {
    const char* command;
    ingest::LoadOptions::Kind kind;
    std::vector<v1::TableName> only;
    bool missing_ok;
  };
  absl::Status CheckCanSync(const Config& config) const;
  absl::Status CheckNotDetached(const pg::SourceRecord& record);
  absl::StatusOr<v1::Operation> CopyAll(Command command, CopyRequest request);
  absl::StatusOr<v1::Operation> Sync(Command command, const pg::SourceRecord& record,
                                     CopyRequest request);
  absl::Status AddChildren(CopyRequest* request);
  // Replays everything that was received. When that fails, `failing_allowed` leave the replica and
  // it is tried once more.
  absl::Status Drain(const std::string& operation,
                     const std::vector<v1::TableName>& failing_allowed);
  absl::Status DrainOnce(const Config& config);
  absl::Status RunCopy(const std::string& operation, const CopyRequest& request,
                       std::string* result);
  absl::Status AwaitCopy(Session* session, const std::string& operation, v1::Progress* progress);

  // Stores the state until it is stored or the actor must stop.
  void StoreState(v1::SourceState state, const std::string& error);

  const Services services_;
  const std::shared_ptr<pg::Catalogue> catalogue_;
  const uint64_t id_;
  const std::string name_;

  // Tend's thread: what was copied again last, and when.
  std::string recopied_;
  std::chrono::steady_clock::time_point recopied_at_;

  std::mutex command_mutex_;  // one command at a time; taken before mutex_
  std::thread thread_;        // under command_mutex_

  mutable std::mutex mutex_;  // all below
  mutable std::condition_variable changed_;
  std::shared_ptr<const Config> config_;
  bool busy_ = false;
  bool stop_ = false;
  bool cancel_ = false;  // of the operation only
  std::string activity_;
  std::shared_ptr<WorkerRun> run_;  // of the current lease
  v1::Lease lease_;                 // epoch 0: none
  std::string worker_;              // "host:pid"
  uint64_t host_ = 0;               // of WorkerHosts
  std::shared_ptr<ingest::SnapshotLoader> loader_;
  std::shared_ptr<replay::Replayer> replayer_;
  absl::Status replay_failure_;
  bool target_away_ = false;   // in the current run
  bool advanced_ = false;      // in the current run: a batch was stored
  bool streamed_ = false;      // since the last start
  absl::Status last_failure_;  // of the last run; OK when none or streaming again
};

}  // namespace chameleon::coordinator::sources
