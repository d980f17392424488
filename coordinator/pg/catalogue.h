// The catalogue sch_chameleon: who the sources are, where they stand, who may write.
//
// One connection, opened lazily and again after it was lost; calls are serialised by a mutex. Every
// call is one transaction with a name, not a general query. Errors: UNAVAILABLE (PostgreSQL is
// away, in recovery or out of connections: try again), FAILED_PRECONDITION with a HINT (no
// catalogue, wrong version, missing privilege), NOT_FOUND, ALREADY_EXISTS, ABORTED (a stale epoch).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/control.pb.h"
#include "chameleon/v1/types.pb.h"
#include "chameleon/v1/worker.pb.h"
#include "coordinator/config/config.h"

namespace chameleon::coordinator::pg {

struct SourceRecord {
  uint64_t id = 0;
  std::string name, type;
  v1::SourceState state = v1::READY;
  bool paused = false;  // it was running, and goes on when the operation that paused it has ended
  std::map<std::string, std::string> schema_mappings;
  uint64_t epoch = 0;
  std::string worker;     // lease holder, "host:pid"
  v1::Position received;  // file empty: not initialised
  v1::Position replayed;
  std::string replica_uuid;  // made by AddSource, stable
  bool take_over = false;    // of pg_chameleon: its schema history is to be proved first
};

// What a worker needs to go on.
struct ReplicationStart {
  v1::Position received;
  uint64_t next_batch_id = 1;
  // Followed ones, each with the version valid at `received`; the others by name, with the reason.
  std::vector<v1::TableVersion> tables;
  std::vector<v1::XaPrepared> prepared;
  std::vector<v1::DatabaseDefault> databases;  // empty: not known yet
};

class Catalogue {
 public:
  static std::unique_ptr<Catalogue> Create(const TargetConnection& target,
                                           const std::string& application_name);
  virtual ~Catalogue() = default;

  virtual absl::StatusOr<bool> SchemaExists() = 0;
  virtual absl::StatusOr<std::string> SchemaVersion() = 0;
  virtual absl::Status CreateReplicaSchema() = 0;  // ALREADY_EXISTS
  // Refused while a source is running. Replicated tables stay.
  virtual absl::Status DropReplicaSchema() = 0;

  // One coordinator per target: a session advisory lock on a connection of its own, which is
  // checked by each call of HoldsLeadership. FAILED_PRECONDITION names the holder.
  virtual absl::Status TakeLeadership() = 0;
  virtual absl::Status HoldsLeadership() = 0;
  virtual void GiveUpLeadership() = 0;

  virtual absl::StatusOr<SourceRecord> AddSource(
      const std::string& name, const std::string& type,
      const std::map<std::string, std::string>& schema_mappings) = 0;
  virtual absl::Status DropSource(const std::string& name) = 0;
  virtual absl::StatusOr<SourceRecord> GetSource(const std::string& name) = 0;
  virtual absl::StatusOr<std::vector<SourceRecord>> ListSources() = 0;

  // ABORTED when the state is not `from` any more.
  virtual absl::Status SetState(uint64_t source_id, v1::SourceState from, v1::SourceState to,
                                const std::string& error) = 0;
  // Whatever it is: enable_replica and crash recovery.
  virtual absl::Status ForceState(uint64_t source_id, v1::SourceState to,
                                  const std::string& error) = 0;
  // Starts a new lease: epoch + 1, holder stored. All writes under an older epoch are refused.
  virtual absl::StatusOr<uint64_t> NewEpoch(uint64_t source_id, const std::string& worker) = 0;

  virtual absl::StatusOr<ReplicationStart> LoadReplication(uint64_t source_id) = 0;

  // Whether an operation has paused a running source: survives the coordinator.
  virtual absl::Status SetPaused(uint64_t source_id, bool paused) = 0;
  // The tables leave the replica, with the reason.
  virtual absl::Status DisableTables(uint64_t source_id, const std::vector<v1::TableName>& tables,
                                     const std::string& reason) = 0;
  // Tables that left the replica because only their rows are missing: see kRecopyReason.
  virtual absl::StatusOr<std::vector<v1::TableName>> TablesToRecopy(uint64_t source_id) = 0;
  // Tables of which some events are skipped; replay does not hold absent rows against them.
  virtual absl::Status SetSkipEvents(uint64_t source_id, const v1::SkipEvents& skip) = 0;
  // `interval`: PostgreSQL's. True also when it was never run.
  virtual absl::StatusOr<bool> MaintenanceDue(uint64_t source_id, const std::string& interval) = 0;
  // Renames the target schemas and what names them in the catalogue, in one transaction. A line
  // for each change. FAILED_PRECONDITION: rows to replay, or one line per conflict.
  virtual absl::StatusOr<std::vector<std::string>> UpdateSchemaMappings(
      uint64_t source_id, const std::map<std::string, std::string>& schema_mappings) = 0;
  // Back to `ready`, without position; detach_replica keeps the tables' rows in the catalogue.
  virtual absl::Status EndLife(uint64_t source_id, bool keep_tables) = 0;
  // Brings the catalogue to this program's version, also one of pg_chameleon (see upgrade.h); the
  // answer says what was done.
  virtual absl::StatusOr<std::string> UpgradeReplicaSchema(const Config& config) = 0;
  // enable_replica in a catalogue of pg_chameleon: the source is at rest, so that it can be
  // upgraded.
  virtual absl::Status EnableInOldCatalogue(const std::string& source) = 0;

  // Is the target usable for this source? Schemas present (when `initialised`) or creatable,
  // privileges sufficient. FAILED_PRECONDITION, one line per failed condition.
  virtual absl::Status CheckTarget(const SourceConfig& source, bool initialised) = 0;

  virtual absl::Status LogError(uint64_t source_id, uint64_t batch_id, const std::string& schema,
                                const std::string& table, const std::string& sql,
                                const std::string& message) = 0;
  virtual absl::StatusOr<std::vector<v1::ErrorEntry>> Errors(uint64_t log_id) = 0;
  // Fills everything that the catalogue knows; `detail` also tables, losses and newest errors.
  virtual absl::StatusOr<v1::SourceStatus> Status(const std::string& source, bool detail) = 0;
};

}  // namespace chameleon::coordinator::pg
