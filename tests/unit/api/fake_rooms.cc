#include "tests/unit/api/fake_rooms.h"

#include <fmt/format.h>

#include "coordinator/ingest/batch_writer.h"
#include "coordinator/ingest/schema_changer.h"
#include "coordinator/ingest/snapshot_loader.h"
#include "coordinator/ingest/take_over.h"
#include "coordinator/replay/detach.h"
#include "coordinator/replay/maintenance.h"
#include "coordinator/replay/replayer.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator {
namespace test {

namespace {
World* g_world = new World();
}
World& TheWorld() { return *g_world; }
void NewWorld() { g_world = new World(); }

class FakeCatalogue : public pg::Catalogue {
 public:
  absl::StatusOr<bool> SchemaExists() override {
    if (auto status = Away(); !status.ok()) return status;
    std::lock_guard lock(W().mutex);
    return W().schema;
  }
  absl::StatusOr<std::string> SchemaVersion() override { return std::string("1"); }
  absl::Status CreateReplicaSchema() override {
    if (auto status = Away(); !status.ok()) return status;
    std::lock_guard lock(W().mutex);
    if (std::exchange(W().schema, true)) return absl::AlreadyExistsError("exists");
    return absl::OkStatus();
  }
  absl::Status DropReplicaSchema() override {
    std::lock_guard lock(W().mutex);
    W().schema = false;
    W().sources.clear();
    return absl::OkStatus();
  }
  absl::Status TakeLeadership() override {
    if (auto status = Away(); !status.ok()) return status;
    std::lock_guard lock(W().mutex);
    if (!W().other_leader.empty()) {
      return absl::FailedPreconditionError("led by " + W().other_leader);
    }
    return absl::OkStatus();
  }
  absl::Status HoldsLeadership() override { return TakeLeadership(); }
  void GiveUpLeadership() override {}
  absl::StatusOr<pg::SourceRecord> AddSource(
      const std::string& name, const std::string& type,
      const std::map<std::string, std::string>& schema_mappings) override {
    std::lock_guard lock(W().mutex);
    if (W().sources.count(name) != 0) {
      return absl::AlreadyExistsError("source \"" + name + "\" was added already");
    }
    pg::SourceRecord record;
    record.id = W().sources.size() + 1;
    record.name = name;
    record.type = type;
    record.schema_mappings = schema_mappings;
    record.replica_uuid = "uuid";
    W().sources[name] = record;
    return record;
  }
  absl::Status DropSource(const std::string& name) override {
    std::lock_guard lock(W().mutex);
    W().sources.erase(name);
    return absl::OkStatus();
  }
  absl::StatusOr<pg::SourceRecord> GetSource(const std::string& name) override {
    if (auto status = Away(); !status.ok()) return status;
    std::lock_guard lock(W().mutex);
    const auto it = W().sources.find(name);
    if (it == W().sources.end()) {
      return Error(absl::StatusCode::kNotFound, "SOURCE_NOT_ADDED", name,
                   "source \"" + name + "\" was not added", "Run chamctl add_source.");
    }
    return it->second;
  }
  absl::StatusOr<std::vector<pg::SourceRecord>> ListSources() override {
    if (auto status = Away(); !status.ok()) return status;
    std::lock_guard lock(W().mutex);
    std::vector<pg::SourceRecord> list;
    for (const auto& [_, record] : W().sources) list.push_back(record);
    return list;
  }
  absl::Status SetState(uint64_t id, v1::SourceState from, v1::SourceState to,
                        const std::string& error) override {
    if (auto status = Away(); !status.ok()) return status;
    std::lock_guard lock(W().mutex);
    pg::SourceRecord& record = ById(id);
    if (record.state != from) return absl::AbortedError("the state has changed");
    record.state = to;
    W().last_error[record.name] = error;
    return absl::OkStatus();
  }
  absl::Status ForceState(uint64_t id, v1::SourceState to, const std::string& error) override {
    if (auto status = Away(); !status.ok()) return status;
    std::lock_guard lock(W().mutex);
    ById(id).state = to;
    W().last_error[ById(id).name] = error;
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> NewEpoch(uint64_t id, const std::string& worker) override {
    if (auto status = Away(); !status.ok()) return status;
    std::lock_guard lock(W().mutex);
    ById(id).worker = worker;
    return ++ById(id).epoch;
  }
  absl::StatusOr<pg::ReplicationStart> LoadReplication(uint64_t id) override {
    if (auto status = Away(); !status.ok()) return status;
    std::lock_guard lock(W().mutex);
    pg::ReplicationStart start;
    start.received = ById(id).received;
    return start;
  }
  absl::Status SetPaused(uint64_t id, bool paused) override {
    if (auto status = Away(); !status.ok()) return status;
    std::lock_guard lock(W().mutex);
    ById(id).paused = paused;
    return absl::OkStatus();
  }
  absl::Status DisableTables(uint64_t, const std::vector<v1::TableName>&,
                             const std::string&) override {
    return Away();
  }
  absl::StatusOr<std::vector<v1::TableName>> TablesToRecopy(uint64_t) override {
    return std::vector<v1::TableName>{};
  }
  absl::Status SetSkipEvents(uint64_t, const v1::SkipEvents&) override { return Away(); }
  absl::StatusOr<bool> MaintenanceDue(uint64_t, const std::string&) override { return false; }
  absl::StatusOr<std::vector<std::string>> UpdateSchemaMappings(
      uint64_t, const std::map<std::string, std::string>&) override {
    return std::vector<std::string>{};
  }
  absl::Status EndLife(uint64_t id, bool) override {
    std::lock_guard lock(W().mutex);
    ById(id).state = v1::READY;
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> UpgradeReplicaSchema(const Config&) override {
    return std::string("newest");
  }
  absl::Status EnableInOldCatalogue(const std::string&) override { return absl::OkStatus(); }
  absl::Status CheckTarget(const SourceConfig&, bool) override { return Away(); }
  absl::Status LogError(uint64_t, uint64_t, const std::string&, const std::string&,
                        const std::string&, const std::string& message) override {
    std::lock_guard lock(W().mutex);
    W().errors.push_back(message);
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<v1::ErrorEntry>> Errors(uint64_t) override {
    std::lock_guard lock(W().mutex);
    std::vector<v1::ErrorEntry> entries;
    for (const std::string& message : W().errors) {
      entries.emplace_back().set_message(message);
    }
    return entries;
  }
  absl::StatusOr<v1::SourceStatus> Status(const std::string& source, bool) override {
    auto record = GetSource(source);
    if (!record.ok()) return record.status();
    v1::SourceStatus status;
    status.set_source_id(record->id);
    status.set_name(source);
    status.set_state(record->state);
    status.set_read_lag_s(77);
    std::lock_guard lock(W().mutex);
    status.set_last_error(W().last_error[source]);
    return status;
  }

 private:
  static World& W() { return TheWorld(); }
  static absl::Status Away() {
    std::lock_guard lock(W().mutex);
    return W().postgres_away ? absl::UnavailableError("PostgreSQL is away") : absl::OkStatus();
  }
  static pg::SourceRecord& ById(uint64_t id) {
    for (auto& [_, record] : W().sources) {
      if (record.id == id) return record;
    }
    abort();
  }
};

class FakeReplayer : public replay::Replayer {
 public:
  explicit FakeReplayer(std::function<void(const absl::Status&)> on_stopped) {
    std::lock_guard lock(TheWorld().mutex);
    TheWorld().replayer_running = true;
    TheWorld().replayer_stopped = std::move(on_stopped);
  }
  ~FakeReplayer() override { Stop(); }
  void Wake() override {
    std::lock_guard lock(TheWorld().mutex);
    ++TheWorld().wakes;
  }
  void Stop() override {
    std::lock_guard lock(TheWorld().mutex);
    TheWorld().replayer_running = false;
  }
  absl::Status Drain(double) override { return absl::OkStatus(); }
};

class FakeWriter : public ingest::BatchWriter {
 public:
  absl::Status Begin(const v1::BatchHeader& header) override {
    text_ = fmt::format("{}:", header.batch_id());
    return absl::OkStatus();
  }
  absl::Status Data(std::string_view lines) override {
    text_ += lines;
    return absl::OkStatus();
  }
  absl::Status Commit() override {
    std::lock_guard lock(TheWorld().mutex);
    if (!TheWorld().write_error.ok()) return TheWorld().write_error;
    TheWorld().written.push_back(text_);
    return absl::OkStatus();
  }

 private:
  std::string text_;
};

class FakeCopy : public ingest::CopySession {
 public:
  absl::Status Write(std::string_view lines) override {
    text_ += lines;
    return absl::OkStatus();
  }
  absl::Status Finish(uint64_t rows) override {
    std::lock_guard lock(TheWorld().mutex);
    TheWorld().copied.push_back(fmt::format("{} rows: {}", rows, text_));
    return absl::OkStatus();
  }

 private:
  std::string text_;
};

class FakeLoader : public ingest::SnapshotLoader {
 public:
  FakeLoader(std::string source, const ingest::LoadOptions& options)
      : source_(std::move(source)), options_(options) {
    std::lock_guard lock(TheWorld().mutex);
    ++TheWorld().loaders;
  }
  ~FakeLoader() override {
    std::lock_guard lock(TheWorld().mutex);
    --TheWorld().loaders;
  }
  absl::StatusOr<v1::PlanTablesResponse> PlanTables(const v1::PlanTablesRequest& request) override {
    v1::PlanTablesResponse response;
    for (int i = 0; i < request.tables_size(); ++i) response.add_plans()->set_table_id(i + 1);
    return response;
  }
  absl::StatusOr<std::unique_ptr<ingest::CopySession>> OpenCopy(uint64_t, uint32_t) override {
    return std::make_unique<FakeCopy>();
  }
  absl::Status FinishTable(const v1::FinishTableRequest&) override { return absl::OkStatus(); }
  absl::Status FinishSnapshot(const v1::FinishSnapshotRequest& request) override {
    std::lock_guard lock(TheWorld().mutex);
    if (abandoned_) return absl::AbortedError("the copy was given up");
    pg::SourceRecord& record = TheWorld().sources.at(source_);
    if (options_.kind == ingest::LoadOptions::kTables) {
      record.state = v1::SYNCED;
      return absl::OkStatus();
    }
    record.state = v1::INITIALISED;
    record.received = request.position();
    return absl::OkStatus();
  }
  void Abandon() override {
    std::lock_guard lock(TheWorld().mutex);
    abandoned_ = true;
  }
  std::pair<uint32_t, uint32_t> IndexProgress() const override { return {0, 0}; }

 private:
  std::string source_;
  ingest::LoadOptions options_;
  bool abandoned_ = false;
};

}  // namespace test

absl::StatusOr<std::string> replay::MaintainLog(
    const TargetConnection&, const replay::MaintenanceOptions&,
    const std::function<bool(const std::string&)>& step) {
  if (!step("vacuum")) return absl::CancelledError("cancelled");
  return std::string("vacuumed");
}
absl::StatusOr<replay::DetachOutcome> replay::DetachTarget(
    const TargetConnection&, uint64_t, const std::string&,
    const std::function<bool(const std::string&)>&) {
  return replay::DetachOutcome{};
}

std::unique_ptr<pg::Catalogue> pg::Catalogue::Create(const TargetConnection&, const std::string&) {
  return std::make_unique<test::FakeCatalogue>();
}
absl::StatusOr<std::unique_ptr<ingest::BatchWriter>> ingest::BatchWriter::Open(
    const TargetConnection&, const v1::Lease&) {
  return std::make_unique<test::FakeWriter>();
}
absl::StatusOr<std::unique_ptr<ingest::SnapshotLoader>> ingest::SnapshotLoader::Open(
    const Config&, const SourceConfig& source, const v1::Lease&,
    const ingest::LoadOptions& options) {
  return std::make_unique<test::FakeLoader>(source.name, options);
}
absl::StatusOr<v1::ChangeSchemaResponse> ingest::ChangeSchema(const Config&, const SourceConfig&,
                                                              const v1::ChangeSchemaRequest&) {
  return absl::FailedPreconditionError("the fake translates nothing");
}

absl::Status ingest::TakeOver(const Config&, const SourceConfig&, const v1::TakeOverRequest&) {
  return absl::OkStatus();
}

absl::Status ingest::SnapshotLoader::Clean(const TargetConnection&, const SourceConfig&) {
  return absl::OkStatus();
}
std::unique_ptr<replay::Replayer> replay::Replayer::Start(
    const TargetConnection&, const replay::ReplayOptions&,
    std::function<void(const absl::Status&)> on_stopped) {
  return std::make_unique<test::FakeReplayer>(std::move(on_stopped));
}

}  // namespace chameleon::coordinator
