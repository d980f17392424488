#include "coordinator/sources/scheduler.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "proto/wire/error.h"

namespace chameleon::coordinator::sources {
namespace {
constexpr char kOldCatalogue[] = "REPLICA_SCHEMA_VERSION";
}

absl::Status Target::Lead(uint64_t* generation) {
  std::lock_guard lock(mutex_);
  if (leads_) {
    const absl::Status held = catalogue_->HoldsLeadership();
    if (held.ok()) {
      *generation = generation_;
      return held;
    }
    leads_ = false;
    if (absl::IsUnavailable(held)) return held;
  }
  if (auto status = catalogue_->TakeLeadership(); !status.ok()) return status;
  leads_ = true;
  *generation = ++generation_;
  return absl::OkStatus();
}

absl::Status Target::Claim(uint64_t source_id, const std::string& config) {
  std::lock_guard lock(mutex_);
  const auto [it, fresh] = claims_.emplace(source_id, config);
  if (fresh || it->second == config) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "SOURCE_SERVED_ELSEWHERE", config,
               fmt::format("this source is served under configuration \"{}\"", it->second),
               fmt::format("Use --config {}, or give the source another name.", it->second));
}

void Target::Disclaim(const std::string& config) {
  std::lock_guard lock(mutex_);
  for (auto it = claims_.begin(); it != claims_.end();) {
    it = it->second == config ? claims_.erase(it) : std::next(it);
  }
}

std::string Target::KeyOf(const TargetConnection& t) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", t.host, t.port, t.database, t.user,
                     t.password, t.sslmode, t.sslrootcert, t.sslcert, t.sslkey, t.charset);
}

Scheduler::Scheduler(const Services& services, std::shared_ptr<Target> target,
                     std::shared_ptr<const Config> config)
    : services_(services), target_(std::move(target)), config_(std::move(config)) {}

Scheduler::~Scheduler() { Halt(); }

std::shared_ptr<const Config> Scheduler::config() const {
  std::lock_guard lock(mutex_);
  return config_;
}

void Scheduler::SetConfig(std::shared_ptr<const Config> config) {
  std::lock_guard lock(mutex_);
  config_ = config;
  for (const auto& [name, actor] : actors_) {
    // A source that left the file keeps the settings it was started with until it is stopped.
    if (config->sources.count(name) != 0) actor->SetConfig(config);
  }
}

bool Scheduler::AnyBusy() const {
  std::lock_guard lock(mutex_);
  for (const auto& [_, actor] : actors_) {
    if (actor->busy()) return true;
  }
  return false;
}

void Scheduler::Halt() {
  std::map<std::string, std::shared_ptr<SourceActor>> actors;
  {
    std::lock_guard lock(mutex_);
    actors.swap(actors_);
  }
  std::vector<std::thread> threads;
  for (const auto& [_, actor] : actors) threads.emplace_back([&actor] { actor->Halt(); });
  for (std::thread& thread : threads) thread.join();
  target_->Disclaim(config()->name);
}

absl::Status Scheduler::Lead() {
  std::lock_guard lock(lead_mutex_);
  uint64_t generation = 0;
  const absl::Status status = target_->Lead(&generation);
  if (absl::IsFailedPrecondition(status)) {
    if (AnyBusy()) {
      spdlog::error("leadership is lost: {} config={}", Text(status), config()->name);
      Halt();
    }
    return status;
  }
  if (!status.ok()) return status;
  if (!engaged_.exchange(true)) services_.on_lead(config()->name);
  if (generation == recovered_) return absl::OkStatus();
  if (auto recovered = Recover(); !recovered.ok()) return recovered;
  recovered_ = generation;
  return absl::OkStatus();
}

absl::Status Scheduler::Recover() {
  auto exists = catalogue().SchemaExists();
  if (!exists.ok()) return exists.status();
  if (!*exists) return absl::OkStatus();
  auto records = catalogue().ListSources();
  if (!records.ok()) return records.status();
  const auto config = this->config();
  for (const pg::SourceRecord& record : *records) {
    if (config->sources.count(record.name) == 0) continue;
    if (record.state != v1::RUNNING && record.state != v1::INITIALISING &&
        record.state != v1::SYNCING && !record.paused) {
      continue;
    }
    auto actor = Actor(record.name);
    absl::Status status = actor.ok() ? (*actor)->Recover() : actor.status();
    if (absl::IsUnavailable(status)) return status;
    if (!status.ok()) spdlog::error("not resumed: {} src={}", Text(status), record.name);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<SourceActor>> Scheduler::Actor(const std::string& source) {
  const auto config = this->config();
  if (auto settings = config->Source(source); !settings.ok()) return settings.status();
  auto record = catalogue().GetSource(source);
  if (!record.ok()) return record.status();
  if (auto status = target_->Claim(record->id, config->name); !status.ok()) return status;
  std::lock_guard lock(mutex_);
  std::shared_ptr<SourceActor>& actor = actors_[source];
  if (actor == nullptr) {
    actor =
        std::make_shared<SourceActor>(services_, target_->catalogue(), record->id, source, config);
  }
  return actor;
}

absl::StatusOr<std::shared_ptr<SourceActor>> Scheduler::LeadAndActor(const std::string& source) {
  // The file says at once that a source does not exist; no database is needed for that.
  if (auto settings = config()->Source(source); !settings.ok()) return settings.status();
  if (auto status = Lead(); !status.ok()) return status;
  return Actor(source);
}

absl::StatusOr<v1::CommandResponse> Scheduler::CreateReplicaSchema() {
  if (auto status = Lead(); !status.ok()) return status;
  if (auto status = catalogue().CreateReplicaSchema(); !status.ok()) return status;
  v1::CommandResponse response;
  response.set_message(
      fmt::format("replica schema sch_chameleon created in {}", TargetText(config()->target)));
  return response;
}

absl::StatusOr<v1::CommandResponse> Scheduler::DropReplicaSchema() {
  if (auto status = Lead(); !status.ok()) return status;
  if (AnyBusy()) {
    return Error(absl::StatusCode::kFailedPrecondition, "SOURCES_BUSY", config()->name,
                 "the replica schema cannot be dropped while a source is at work",
                 "Run chamctl stop_all_replicas, and wait for operations to end.");
  }
  if (auto status = catalogue().DropReplicaSchema(); !status.ok()) return status;
  {
    std::lock_guard lock(mutex_);
    actors_.clear();
  }
  target_->Disclaim(config()->name);
  v1::CommandResponse response;
  response.set_message(
      fmt::format("replica schema sch_chameleon dropped from {}; the replicated "
                  "tables were kept",
                  TargetText(config()->target)));
  return response;
}

absl::StatusOr<v1::CommandResponse> Scheduler::AddSource(const std::string& source) {
  auto settings = config()->Source(source);
  if (!settings.ok()) return settings.status();
  if (auto status = Lead(); !status.ok()) return status;
  const auto& mappings = (*settings)->options.schema_mappings();
  auto record =
      catalogue().AddSource(source, (*settings)->type, {mappings.begin(), mappings.end()});
  if (!record.ok()) return record.status();
  v1::CommandResponse response;
  response.set_message(fmt::format("source \"{}\" added", source));
  return response;
}

absl::StatusOr<v1::CommandResponse> Scheduler::DropSource(const std::string& source) {
  // A source that left the file can still be dropped.
  if (auto status = Lead(); !status.ok()) return status;
  auto record = catalogue().GetSource(source);
  if (!record.ok()) return record.status();
  if (auto allowed = Next(Command::kDropSource, record->state, source); !allowed.ok()) {
    return allowed.status();
  }
  if (auto status = catalogue().DropSource(source); !status.ok()) return status;
  std::shared_ptr<SourceActor> actor;
  {
    std::lock_guard lock(mutex_);
    const auto it = actors_.find(source);
    if (it != actors_.end()) actor = std::move(it->second);
    actors_.erase(source);
  }
  v1::CommandResponse response;
  response.set_message(
      fmt::format("source \"{}\" dropped; its replicated tables were kept", source));
  return response;
}

absl::StatusOr<v1::CommandResponse> Scheduler::StartReplica(const std::string& source) {
  auto actor = LeadAndActor(source);
  if (!actor.ok()) return actor.status();
  return (*actor)->StartReplica();
}

absl::StatusOr<v1::CommandResponse> Scheduler::StopReplica(const std::string& source) {
  std::shared_ptr<SourceActor> actor;
  {
    std::lock_guard lock(mutex_);
    const auto it = actors_.find(source);
    if (it != actors_.end()) actor = it->second;
  }
  // A running source is stopped even when PostgreSQL is away.
  if (actor != nullptr && actor->busy()) return actor->StopReplica();
  auto found = LeadAndActor(source);
  if (!found.ok()) return found.status();
  return (*found)->StopReplica();
}

absl::StatusOr<v1::CommandResponse> Scheduler::StopAllReplicas() {
  if (auto status = Lead(); !status.ok()) return status;
  auto records = catalogue().ListSources();
  if (!records.ok()) return records.status();
  v1::CommandResponse response;
  std::vector<std::string> stopped;
  for (const pg::SourceRecord& record : *records) {
    if (record.state != v1::RUNNING) continue;
    auto result = StopReplica(record.name);
    if (result.ok()) {
      stopped.push_back(record.name);
    } else {
      response.add_warnings(fmt::format("{}: {}", record.name, Text(result.status())));
    }
  }
  response.set_message(stopped.empty() ? "no replica was running"
                                       : fmt::format("stopped: {}", fmt::join(stopped, ", ")));
  if (stopped.empty() && response.warnings_size() > 0) {
    return Error(absl::StatusCode::kUnavailable, "NOT_STOPPED", config()->name,
                 fmt::format("{}", fmt::join(response.warnings(), "\n")), "");
  }
  return response;
}

// A catalogue that is not ours yet cannot be recovered from; the lead is ours all the same.
absl::Status Scheduler::LeadOldCatalogue() {
  absl::Status status = Lead();
  return DetailOf(status).reason() == kOldCatalogue ? absl::OkStatus() : status;
}

absl::StatusOr<v1::CommandResponse> Scheduler::EnableReplica(const std::string& source) {
  auto actor = LeadAndActor(source);
  if (DetailOf(actor.status()).reason() == kOldCatalogue) {
    if (auto status = catalogue().EnableInOldCatalogue(source); !status.ok()) return status;
    v1::CommandResponse response;
    response.set_message(
        fmt::format("source \"{}\" of the old catalogue is stopped; upgrade_replica_schema takes "
                    "it over",
                    source));
    return response;
  }
  if (!actor.ok()) return actor.status();
  return (*actor)->EnableReplica();
}

absl::StatusOr<v1::Operation> Scheduler::InitReplica(const std::string& source) {
  auto actor = LeadAndActor(source);
  if (!actor.ok()) return actor.status();
  return (*actor)->InitReplica();
}

absl::StatusOr<v1::CommandResponse> Scheduler::UpgradeReplicaSchema() {
  if (auto status = LeadOldCatalogue(); !status.ok()) return status;
  if (AnyBusy()) {
    return Error(absl::StatusCode::kFailedPrecondition, "SOURCES_BUSY", config()->name,
                 "the replica schema cannot be upgraded while a source is at work",
                 "Run chamctl stop_all_replicas, and wait for operations to end.");
  }
  auto done = catalogue().UpgradeReplicaSchema(*config());
  if (!done.ok()) return done.status();
  v1::CommandResponse response;
  response.set_message(*done);
  return response;
}

absl::StatusOr<v1::CommandResponse> Scheduler::UpdateSchemaMappings(const std::string& source) {
  auto actor = LeadAndActor(source);
  if (!actor.ok()) return actor.status();
  return (*actor)->UpdateSchemaMappings();
}

absl::StatusOr<v1::Operation> Scheduler::CopySchema(const std::string& source) {
  auto actor = LeadAndActor(source);
  if (!actor.ok()) return actor.status();
  return (*actor)->CopySchema();
}

absl::StatusOr<v1::Operation> Scheduler::RefreshSchema(const std::string& source,
                                                       const std::string& schema) {
  auto actor = LeadAndActor(source);
  if (!actor.ok()) return actor.status();
  return (*actor)->RefreshSchema(schema);
}

absl::StatusOr<v1::Operation> Scheduler::SyncTables(const std::string& source,
                                                    const std::vector<std::string>& tables) {
  auto actor = LeadAndActor(source);
  if (!actor.ok()) return actor.status();
  return (*actor)->SyncTables(tables);
}

absl::StatusOr<v1::Operation> Scheduler::RunMaintenance(const std::string& source, bool full) {
  auto actor = LeadAndActor(source);
  if (!actor.ok()) return actor.status();
  return (*actor)->RunMaintenance(full);
}

absl::StatusOr<v1::Operation> Scheduler::DetachReplica(const std::string& source) {
  auto actor = LeadAndActor(source);
  if (!actor.ok()) return actor.status();
  return (*actor)->DetachReplica();
}

void Scheduler::Tend() {
  std::map<std::string, std::shared_ptr<SourceActor>> actors;
  {
    std::lock_guard lock(mutex_);
    actors = actors_;
  }
  for (const auto& [_, actor] : actors) actor->Tend();
}

absl::StatusOr<v1::ShowStatusResponse> Scheduler::ShowStatus(const std::string& source) {
  std::vector<std::string> names;
  if (!source.empty()) {
    if (auto settings = config()->Source(source); !settings.ok()) return settings.status();
    names.push_back(source);
  } else {
    auto records = catalogue().ListSources();
    if (!records.ok()) return records.status();
    for (const pg::SourceRecord& record : *records) names.push_back(record.name);
  }
  v1::ShowStatusResponse response;
  for (const std::string& name : names) {
    auto status = catalogue().Status(name, !source.empty());
    if (!status.ok()) return status.status();
    std::shared_ptr<SourceActor> actor;
    {
      std::lock_guard lock(mutex_);
      const auto it = actors_.find(name);
      if (it != actors_.end()) actor = it->second;
    }
    if (actor != nullptr) actor->FillStatus(&*status);
    response.add_sources()->Swap(&*status);
  }
  return response;
}

absl::StatusOr<v1::ShowErrorsResponse> Scheduler::ShowErrors(uint64_t log_id) {
  auto errors = catalogue().Errors(log_id);
  if (!errors.ok()) return errors.status();
  v1::ShowErrorsResponse response;
  for (v1::ErrorEntry& entry : *errors) response.add_errors()->Swap(&entry);
  return response;
}

v1::ShowSourcesResponse Scheduler::ShowSources() {
  const auto config = this->config();
  std::set<std::string> registered;
  // The file is worth showing also when PostgreSQL or the catalogue is not there.
  if (auto records = catalogue().ListSources(); records.ok()) {
    for (const pg::SourceRecord& record : *records) registered.insert(record.name);
  }
  v1::ShowSourcesResponse response;
  for (const auto& [name, settings] : config->sources) {
    auto* source = response.add_sources();
    source->set_name(name);
    source->set_type(settings.type);
    source->set_host(settings.connection.unix_socket().empty() ? settings.connection.host()
                                                               : settings.connection.unix_socket());
    source->set_port(settings.connection.port());
    *source->mutable_schema_mappings() = settings.options.schema_mappings();
    source->set_registered(registered.count(name) != 0);
  }
  return response;
}

std::vector<std::pair<uint64_t, v1::WorkerLease>> Scheduler::Leases() const {
  std::lock_guard lock(mutex_);
  std::vector<std::pair<uint64_t, v1::WorkerLease>> leases;
  for (const auto& [_, actor] : actors_) {
    uint64_t host = WorkerHosts::kLocal;
    v1::WorkerLease lease;
    if (actor->FillLease(&lease, &host)) leases.emplace_back(host, std::move(lease));
  }
  return leases;
}

absl::StatusOr<std::shared_ptr<SourceActor>> Scheduler::ActorOf(const v1::Lease& lease) const {
  std::shared_ptr<SourceActor> actor;
  {
    std::lock_guard lock(mutex_);
    const auto it = actors_.find(lease.source());
    if (it != actors_.end()) actor = it->second;
  }
  if (actor == nullptr) {
    return Error(absl::StatusCode::kAborted, "LEASE_LOST", lease.source(),
                 fmt::format("source \"{}\" is not being served", lease.source()), "");
  }
  if (auto status = actor->CheckLease(lease); !status.ok()) return status;
  return actor;
}

}  // namespace chameleon::coordinator::sources
