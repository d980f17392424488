// The catalogue's implementation, shared by the files that hold its calls.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "coordinator/pg/catalogue.h"
#include "coordinator/pg/connected.h"
#include "coordinator/pg/leadership.h"

namespace chameleon::coordinator::pg {

// {…,"schema_mappings":{…}}
std::string MappingsJson(const std::map<std::string, std::string>& mappings);
std::string_view StateText(v1::SourceState state);
v1::SourceState StateOf(std::string_view text);

class PgCatalogue final : public Catalogue {
 public:
  PgCatalogue(const TargetConnection& target, const std::string& application_name)
      : application_name_(application_name), session_(target, application_name) {}

  absl::StatusOr<bool> SchemaExists() override;
  absl::StatusOr<std::string> SchemaVersion() override;
  absl::Status CreateReplicaSchema() override;
  absl::Status DropReplicaSchema() override;
  absl::Status TakeLeadership() override;
  absl::Status HoldsLeadership() override;
  void GiveUpLeadership() override;
  absl::StatusOr<SourceRecord> AddSource(
      const std::string& name, const std::string& type,
      const std::map<std::string, std::string>& schema_mappings) override;
  absl::Status DropSource(const std::string& name) override;
  absl::StatusOr<SourceRecord> GetSource(const std::string& name) override;
  absl::StatusOr<std::vector<SourceRecord>> ListSources() override;
  absl::Status SetState(uint64_t source_id, v1::SourceState from, v1::SourceState to,
                        const std::string& error) override;
  absl::Status ForceState(uint64_t source_id, v1::SourceState to,
                          const std::string& error) override;
  absl::StatusOr<uint64_t> NewEpoch(uint64_t source_id, const std::string& worker) override;
  absl::StatusOr<ReplicationStart> LoadReplication(uint64_t source_id) override;
  absl::Status SetPaused(uint64_t source_id, bool paused) override;
  absl::Status DisableTables(uint64_t source_id, const std::vector<v1::TableName>& tables,
                             const std::string& reason) override;
  absl::StatusOr<std::vector<v1::TableName>> TablesToRecopy(uint64_t source_id) override;
  absl::Status SetSkipEvents(uint64_t source_id, const v1::SkipEvents& skip) override;
  absl::StatusOr<bool> MaintenanceDue(uint64_t source_id, const std::string& interval) override;
  absl::StatusOr<std::vector<std::string>> UpdateSchemaMappings(
      uint64_t source_id, const std::map<std::string, std::string>& schema_mappings) override;
  absl::Status EndLife(uint64_t source_id, bool keep_tables) override;
  absl::StatusOr<std::string> UpgradeReplicaSchema(const Config& config) override;
  absl::Status EnableInOldCatalogue(const std::string& source) override;
  absl::Status CheckTarget(const SourceConfig& source, bool initialised) override;
  absl::Status LogError(uint64_t source_id, uint64_t batch_id, const std::string& schema,
                        const std::string& table, const std::string& sql,
                        const std::string& message) override;
  absl::StatusOr<std::vector<v1::ErrorEntry>> Errors(uint64_t log_id) override;
  absl::StatusOr<v1::SourceStatus> Status(const std::string& source, bool detail) override;

 private:
  // All below: mutex_ held.
  absl::StatusOr<std::vector<SourceRecord>> Sources(const std::string& where,
                                                    const std::vector<Param>& params);
  absl::StatusOr<SourceRecord> Find(const std::string& name);
  absl::Status Detail(uint64_t source_id, v1::SourceStatus* status);

  const std::string application_name_;
  std::mutex mutex_;
  Connected session_;      // guarded by mutex_
  Leadership leadership_;  // guarded by mutex_
};

// One line per failed condition, each with what to do.
absl::Status CheckTargetConditions(Session* session, const SourceConfig& source, bool initialised);

}  // namespace chameleon::coordinator::pg
