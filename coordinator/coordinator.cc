#include "coordinator/coordinator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include "proto/process/version.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator {
namespace {

constexpr std::chrono::seconds kMonitorInterval{5};

}  // namespace

absl::StatusOr<std::string> ResolveSource(const Config& config, const std::string& source) {
  if (!source.empty()) return source;
  if (config.sources.size() == 1) return config.sources.begin()->first;
  std::vector<std::string> names;
  for (const auto& [name, _] : config.sources) names.push_back(name);
  return Error(
      absl::StatusCode::kInvalidArgument, "SOURCE_REQUIRED", config.name,
      fmt::format("configuration \"{}\" has {} sources: say which", config.name, names.size()),
      fmt::format("Add --source with one of: {}.", fmt::join(names, ", ")));
}

Coordinator::Coordinator(const Options& options) : options_(options) {
  services_.worker_program = options_.worker_program;
  services_.address = options_.address;
  services_.operations = &operations_;
  services_.launcher = &launcher_;
  services_.workers = &workers_;
  services_.hosts = &hosts_;
  services_.on_lead = [this](const std::string& config) { Remember(config); };
  std::ifstream file(options_.known_file);
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) known_.insert(line);
  }
}

Coordinator::~Coordinator() { Halt(); }

std::shared_ptr<sources::Target> Coordinator::TargetFor(const TargetConnection& connection) {
  std::weak_ptr<sources::Target>& slot = targets_[sources::Target::KeyOf(connection)];
  std::shared_ptr<sources::Target> target = slot.lock();
  if (target == nullptr) {
    target = std::make_shared<sources::Target>(
        pg::Catalogue::Create(connection, "chameleon coordinator"));
    slot = target;
  }
  return target;
}

absl::StatusOr<std::shared_ptr<sources::Scheduler>> Coordinator::Serve(const std::string& name,
                                                                       bool or_last) {
  const std::string config_name = name.empty() ? "default" : name;
  auto loaded = LoadConfig(options_.home, config_name);
  std::lock_guard lock(mutex_);
  if (halted_) return absl::UnavailableError("the coordinator is stopping");
  const auto it = schedulers_.find(config_name);
  if (!loaded.ok()) {
    if (or_last && it != schedulers_.end()) return it->second;
    return loaded.status();
  }
  auto config = std::make_shared<const Config>(*std::move(loaded));
  if (it != schedulers_.end()) {
    const auto before = it->second->config();
    if (sources::Target::KeyOf(before->target) == sources::Target::KeyOf(config->target)) {
      it->second->SetConfig(config);
      return it->second;
    }
    if (it->second->AnyBusy()) {
      if (or_last) return it->second;
      return Error(absl::StatusCode::kFailedPrecondition, "TARGET_CHANGED", config_name,
                   "pg_conn was changed while sources are at work",
                   "Run chamctl stop_all_replicas, then repeat this command.");
    }
    schedulers_.erase(it);
  }
  auto scheduler =
      std::make_shared<sources::Scheduler>(services_, TargetFor(config->target), config);
  schedulers_[config_name] = scheduler;
  return scheduler;
}

absl::StatusOr<std::shared_ptr<sources::SourceActor>> Coordinator::ActorOf(const v1::Lease& lease) {
  std::shared_ptr<sources::Scheduler> scheduler;
  {
    std::lock_guard lock(mutex_);
    const auto it = schedulers_.find(lease.config());
    if (it != schedulers_.end()) scheduler = it->second;
  }
  if (scheduler == nullptr) {
    return Error(absl::StatusCode::kAborted, "LEASE_LOST", lease.source(),
                 fmt::format("configuration \"{}\" is not being served", lease.config()), "");
  }
  return scheduler->ActorOf(lease);
}

void Coordinator::Resume() {
  std::lock_guard lock(mutex_);
  if (!monitor_.joinable()) monitor_ = std::thread([this] { Monitor(); });
}

void Coordinator::Monitor() {
  for (;;) {
    LeadKnown();
    hosts_.DropSilent();
    std::unique_lock lock(mutex_);
    if (halt_changed_.wait_for(lock, kMonitorInterval, [this] { return halted_; })) return;
  }
}

void Coordinator::LeadKnown() {
  std::set<std::string> names;
  {
    std::lock_guard lock(mutex_);
    names = known_;
    for (const auto& [name, scheduler] : schedulers_) {
      if (scheduler->engaged()) names.insert(name);
    }
  }
  for (const std::string& name : names) {
    auto scheduler = Serve(name, true);
    const absl::Status status = scheduler.ok() ? (*scheduler)->Lead() : scheduler.status();
    if (status.ok()) (*scheduler)->Tend();
    const std::string trouble = status.ok() ? "" : Text(status);
    std::lock_guard lock(mutex_);
    if (halted_) return;
    std::string& last = last_trouble_[name];
    if (trouble != last && !trouble.empty()) {
      spdlog::warn("not serving for now: {} config={}", trouble, name);
    } else if (trouble != last) {
      spdlog::info("serving again config={}", name);
    }
    last = trouble;
  }
}

v1::ShowWorkersResponse Coordinator::ShowWorkers() {
  v1::ShowWorkersResponse response;
  std::map<uint64_t, v1::WorkerHost*> hosts;
  v1::WorkerHost* local = response.add_hosts();
  char name[256] = {};
  local->set_name(gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown");
  local->set_version(kVersion);
  local->add_labels(kWorkerLocal);
  for (auto& [id, host] : hosts_.List()) {
    hosts[id] = response.add_hosts();
    hosts[id]->Swap(&host);
  }
  local = response.mutable_hosts(0);
  std::map<std::string, std::shared_ptr<sources::Scheduler>> schedulers;
  {
    std::lock_guard lock(mutex_);
    schedulers = schedulers_;
  }
  for (const auto& [_, scheduler] : schedulers) {
    for (auto& [host, lease] : scheduler->Leases()) {
      const auto it = hosts.find(host);
      if (host != sources::WorkerHosts::kLocal && it == hosts.end()) continue;  // lost just now
      v1::WorkerHost* at = host == sources::WorkerHosts::kLocal ? local : it->second;
      at->add_leases()->Swap(&lease);
    }
  }
  local->set_processes(static_cast<uint32_t>(local->leases_size()));
  return response;
}

void Coordinator::Remember(const std::string& config) {
  std::lock_guard lock(mutex_);
  if (!known_.insert(config).second) return;
  const std::string fresh = options_.known_file + ".new";
  std::ofstream file(fresh);
  file << fmt::format("{}\n", fmt::join(known_, "\n"));
  file.close();
  if (!file || std::rename(fresh.c_str(), options_.known_file.c_str()) != 0) {
    spdlog::error("cannot write {}: sources will not be resumed after a restart",
                  options_.known_file);
  }
}

void Coordinator::Halt() {
  std::map<std::string, std::shared_ptr<sources::Scheduler>> schedulers;
  std::thread monitor;
  {
    std::lock_guard lock(mutex_);
    halted_ = true;
    halt_changed_.notify_all();
    schedulers.swap(schedulers_);
    monitor.swap(monitor_);
  }
  if (monitor.joinable()) monitor.join();
  // Sources of one configuration end together; those of another need not wait for them.
  std::vector<std::thread> threads;
  for (const auto& [_, scheduler] : schedulers) {
    threads.emplace_back([&scheduler] { scheduler->Halt(); });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace chameleon::coordinator
