// One configuration: its target's catalogue and leadership, and an actor per source.
//
// Commands take the leadership of the target first: without it they fail with the holder's name.
// What was running or half done when leadership is gained is recovered then. Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/control.pb.h"
#include "coordinator/config/config.h"
#include "coordinator/pg/catalogue.h"
#include "coordinator/sources/source_actor.h"

namespace chameleon::coordinator::sources {

// One target database. Configurations that name the same one share it, so that two of them in one
// coordinator do not lock each other out, and no source is served twice.
class Target {
 public:
  explicit Target(std::shared_ptr<pg::Catalogue> catalogue) : catalogue_(std::move(catalogue)) {}
  const std::shared_ptr<pg::Catalogue>& catalogue() const { return catalogue_; }
  // Leads already or takes the lead. `*generation` grows each time it is gained.
  absl::Status Lead(uint64_t* generation);
  // FAILED_PRECONDITION: another configuration of this coordinator serves the source.
  absl::Status Claim(uint64_t source_id, const std::string& config);
  void Disclaim(const std::string& config);
  // Of the connection parameters: what makes two configurations share.
  static std::string KeyOf(const TargetConnection& connection);

 private:
  const std::shared_ptr<pg::Catalogue> catalogue_;
  std::mutex mutex_;
  bool leads_ = false;
  uint64_t generation_ = 0;
  std::map<uint64_t, std::string> claims_;
};

class Scheduler {
 public:
  Scheduler(const Services& services, std::shared_ptr<Target> target,
            std::shared_ptr<const Config> config);
  ~Scheduler();

  std::shared_ptr<const Config> config() const;
  void SetConfig(std::shared_ptr<const Config> config);
  bool AnyBusy() const;

  // Leadership and recovery, called by commands and every few seconds. FAILED_PRECONDITION:
  // another coordinator leads; the sources are left to it.
  absl::Status Lead();
  // It has led at least once.
  bool engaged() const { return engaged_; }
  // Ends all threads and workers; the states stay, so that running sources are resumed later.
  void Halt();

  absl::StatusOr<v1::CommandResponse> CreateReplicaSchema();
  absl::StatusOr<v1::CommandResponse> DropReplicaSchema();
  absl::StatusOr<v1::CommandResponse> AddSource(const std::string& source);
  absl::StatusOr<v1::CommandResponse> DropSource(const std::string& source);
  absl::StatusOr<v1::CommandResponse> StartReplica(const std::string& source);
  absl::StatusOr<v1::CommandResponse> StopReplica(const std::string& source);
  absl::StatusOr<v1::CommandResponse> StopAllReplicas();
  absl::StatusOr<v1::CommandResponse> EnableReplica(const std::string& source);
  absl::StatusOr<v1::CommandResponse> UpgradeReplicaSchema();
  absl::StatusOr<v1::CommandResponse> UpdateSchemaMappings(const std::string& source);
  absl::StatusOr<v1::Operation> InitReplica(const std::string& source);
  absl::StatusOr<v1::Operation> CopySchema(const std::string& source);
  absl::StatusOr<v1::Operation> RefreshSchema(const std::string& source, const std::string& schema);
  absl::StatusOr<v1::Operation> SyncTables(const std::string& source,
                                           const std::vector<std::string>& tables);
  absl::StatusOr<v1::Operation> RunMaintenance(const std::string& source, bool full);
  absl::StatusOr<v1::Operation> DetachReplica(const std::string& source);
  // What the sources that run need by themselves. Every few seconds.
  void Tend();

  absl::StatusOr<v1::ShowStatusResponse> ShowStatus(const std::string& source);
  absl::StatusOr<v1::ShowErrorsResponse> ShowErrors(uint64_t log_id);
  v1::ShowSourcesResponse ShowSources();
  // Those in force, each with the number of its host (worker_hosts.h).
  std::vector<std::pair<uint64_t, v1::WorkerLease>> Leases() const;

  // The data plane's way in. ABORTED: no such lease.
  absl::StatusOr<std::shared_ptr<SourceActor>> ActorOf(const v1::Lease& lease) const;

 private:
  pg::Catalogue& catalogue() { return *target_->catalogue(); }
  // Of a source that is configured and registered.
  absl::StatusOr<std::shared_ptr<SourceActor>> Actor(const std::string& source);
  absl::StatusOr<std::shared_ptr<SourceActor>> LeadAndActor(const std::string& source);
  absl::Status Recover();
  absl::Status LeadOldCatalogue();

  const Services services_;
  const std::shared_ptr<Target> target_;
  mutable std::mutex mutex_;  // config_, actors_
  std::shared_ptr<const Config> config_;
  std::map<std::string, std::shared_ptr<SourceActor>> actors_;
  std::mutex lead_mutex_;
  std::atomic<bool> engaged_ = false;
  uint64_t recovered_ = 0;  // generation of leadership, under lead_mutex_
};

}  // namespace chameleon::coordinator::sources
