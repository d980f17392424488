// The coordinator: which configurations it serves, and what they share. START HERE.
//
//   api/ (gRPC) ──► Coordinator ──► sources::Scheduler, one per configuration
//                                     └─ sources::SourceActor, one per source: worker, lease, state
//                                          ├─ pg::Catalogue          the truth in PostgreSQL
//                                          ├─ ingest::SnapshotLoader, BatchWriter   rows come in
//                                          └─ replay::Replayer       rows become visible
//
// A configuration is read again by each command. Those that were ever led are written to a file in
// the pid directory, so that a new coordinator resumes what the last one was running. Thread-safe.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "coordinator/sources/scheduler.h"

namespace chameleon::coordinator {

class Coordinator {
 public:
  struct Options {
    std::string home;
    std::string address;         // for our workers
    std::string worker_program;  // path
    std::string known_file;      // names of the configurations led, one per line
  };
  explicit Coordinator(const Options& options);
  ~Coordinator();

  const std::string& home() const { return options_.home; }
  sources::Operations& operations() { return operations_; }
  sources::WorkerRegistry& workers() { return workers_; }
  sources::WorkerHosts& hosts() { return hosts_; }

  // The configuration as it is in its file now. With `or_last`, a file that has become invalid is
  // answered with what was read last: stopping must always be possible.
  absl::StatusOr<std::shared_ptr<sources::Scheduler>> Serve(const std::string& config,
                                                            bool or_last = false);
  // A lease's source. ABORTED: not the current one.
  absl::StatusOr<std::shared_ptr<sources::SourceActor>> ActorOf(const v1::Lease& lease);
  // Where workers may run, this host first, and what each of them does.
  v1::ShowWorkersResponse ShowWorkers();
  // Starts to lead and resume the configurations known from earlier. Call when workers can reach
  // the address.
  void Resume();
  // Ends all workers and threads; running sources stay marked so. No command is served after it.
  void Halt();

 private:
  std::shared_ptr<sources::Target> TargetFor(const TargetConnection& connection);  // under mutex_
  void Monitor();
  void LeadKnown();
  void Remember(const std::string& config);

  const Options options_;
  sources::Operations operations_;
  sources::WorkerRegistry workers_;
  sources::WorkerHosts hosts_;
  Launcher launcher_;
  sources::Services services_;

  std::mutex mutex_;  // all below
  std::condition_variable halt_changed_;
  bool halted_ = false;
  std::map<std::string, std::shared_ptr<sources::Scheduler>> schedulers_;
  std::map<std::string, std::weak_ptr<sources::Target>> targets_;
  std::set<std::string> known_;
  std::map<std::string, std::string> last_trouble_;  // logged once per change
  std::thread monitor_;
};

// Empty and the configuration has exactly one source: that one. INVALID_ARGUMENT lists them.
absl::StatusOr<std::string> ResolveSource(const Config& config, const std::string& source);

}  // namespace chameleon::coordinator
