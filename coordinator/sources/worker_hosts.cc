#include "coordinator/sources/worker_hosts.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>

#include "proto/process/version.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::sources {
namespace {

using std::chrono::duration;
using std::chrono::steady_clock;

struct Process {
  std::function<void(const std::string&)> on_exit;  // empty: nobody waits any more
};

std::string Labels(const v1::WorkerReport::Hello& hello) {
  std::string text;
  for (const auto& label : hello.labels()) text += (text.empty() ? "" : ",") + label;
  return text;
}

}  // namespace

struct WorkerHosts::Host {
  v1::WorkerReport::Hello hello;
  std::string address;
  WorkerLink* link = nullptr;
  bool leaving = false;
  steady_clock::time_point last_report;
  int64_t joined_s = 0;  // seconds since the epoch
  std::map<uint64_t, Process> processes;

  double SilentS() const { return duration<double>(steady_clock::now() - last_report).count(); }
  bool Offers(const std::string& label) const {
    return label.empty() ||
           std::find(hello.labels().begin(), hello.labels().end(), label) != hello.labels().end();
  }
  double Load() const { return static_cast<double>(processes.size()) / hello.capacity(); }
};

struct WorkerHosts::Shared {
  mutable std::mutex mutex;
  std::condition_variable changed;
  uint64_t last_id = kLocal;
  uint64_t last_process = 0;
  std::map<uint64_t, Host> hosts;

  // Takes the process from its host; the caller calls what it returns, without the lock.
  std::function<void(const std::string&)> Take(uint64_t host, uint64_t process) {
    const auto it = hosts.find(host);
    if (it == hosts.end()) return {};
    const auto found = it->second.processes.find(process);
    if (found == it->second.processes.end()) return {};
    auto on_exit = std::move(found->second.on_exit);
    it->second.processes.erase(found);
    changed.notify_all();
    return on_exit;
  }
  bool Runs(uint64_t host, uint64_t process) const {
    const auto it = hosts.find(host);
    return it != hosts.end() && it->second.processes.count(process) != 0;
  }
};

class WorkerHosts::RemoteProcess final : public ProcessHandle {
 public:
  RemoteProcess(std::shared_ptr<Shared> shared, uint64_t host, uint64_t process)
      : shared_(std::move(shared)), host_(host), process_(process) {}

  ~RemoteProcess() override {
    Stop(0);
    std::lock_guard lock(shared_->mutex);
    const auto it = shared_->hosts.find(host_);
    if (it == shared_->hosts.end()) return;
    // It keeps its place on the host until the host says that it is gone.
    const auto found = it->second.processes.find(process_);
    if (found != it->second.processes.end()) found->second.on_exit = nullptr;
  }

  bool WaitGone(double seconds) override {
    std::unique_lock lock(shared_->mutex);
    return shared_->changed.wait_for(lock, duration<double>(seconds),
                                     [this] { return !shared_->Runs(host_, process_); });
  }

  void Stop(double grace_s) override {
    if (grace_s > 0) {
      Kill(false);
      if (WaitGone(grace_s)) return;
    }
    Kill(true);
  }

 private:
  void Kill(bool force) {
    std::lock_guard lock(shared_->mutex);
    if (!shared_->Runs(host_, process_)) return;
    const Host& host = shared_->hosts.at(host_);
    v1::WorkerOrder order;
    order.mutable_kill()->set_process_id(process_);
    order.mutable_kill()->set_force(force);
    if (host.link != nullptr) host.link->Send(order);
  }

  const std::shared_ptr<Shared> shared_;
  const uint64_t host_, process_;
};

WorkerHosts::WorkerHosts() : shared_(std::make_shared<Shared>()) {}

absl::StatusOr<uint64_t> WorkerHosts::Join(const v1::WorkerReport::Hello& hello,
                                           const std::string& address, WorkerLink* link) {
  if (hello.version() != kVersion) {
    return Error(absl::StatusCode::kFailedPrecondition, "VERSION_MISMATCH", hello.host(),
                 fmt::format("worker host {} has version {}, the coordinator {}", hello.host(),
                             hello.version(), kVersion),
                 "Install the same version on all hosts.");
  }
  if (hello.capacity() == 0) {
    return Error(absl::StatusCode::kInvalidArgument, "NO_CAPACITY", hello.host(),
                 fmt::format("worker host {} offers no capacity", hello.host()),
                 "Start chameleon-worker with --capacity 1 or more.");
  }
  std::vector<uint64_t> replaced;
  uint64_t id = 0;
  {
    std::lock_guard lock(shared_->mutex);
    if (shared_->hosts.size() >= kHostsMax) {
      return Error(absl::StatusCode::kResourceExhausted, "TOO_MANY_WORKERS", hello.host(),
                   fmt::format("{} worker hosts have joined already", shared_->hosts.size()), "");
    }
    for (auto& [other, host] : shared_->hosts) {
      if (host.hello.worker_id() == hello.worker_id() && host.link != nullptr) {
        host.link->Close();
        replaced.push_back(other);
      }
    }
    v1::WorkerOrder order;
    order.mutable_welcome();
    link->Send(order);
    id = ++shared_->last_id;
    Host& host = shared_->hosts[id];
    host.hello = hello;
    host.hello.clear_join_token();
    host.address = address;
    host.link = link;
    host.last_report = steady_clock::now();
    host.joined_s = std::chrono::duration_cast<std::chrono::seconds>(
                        std::chrono::system_clock::now().time_since_epoch())
                        .count();
  }
  for (const uint64_t other : replaced) Leave(other);
  spdlog::info("a worker host joined host={} address={} labels={} capacity={}", hello.host(),
               address, Labels(hello), hello.capacity());
  return id;
}

void WorkerHosts::OnReport(uint64_t id, const v1::WorkerReport& report) {
  std::function<void(const std::string&)> on_exit;
  {
    std::lock_guard lock(shared_->mutex);
    const auto it = shared_->hosts.find(id);
    if (it == shared_->hosts.end()) return;
    it->second.last_report = steady_clock::now();
    if (report.has_leaving()) it->second.leaving = true;
    if (report.has_process_end()) on_exit = shared_->Take(id, report.process_end().process_id());
  }
  if (on_exit) on_exit(report.process_end().how());
}

void WorkerHosts::Leave(uint64_t id) {
  Host host;
  {
    std::lock_guard lock(shared_->mutex);
    const auto it = shared_->hosts.find(id);
    if (it == shared_->hosts.end()) return;
    host = std::move(it->second);
    shared_->hosts.erase(it);
    shared_->changed.notify_all();
  }
  spdlog::log(host.leaving || host.processes.empty() ? spdlog::level::info : spdlog::level::warn,
              "a worker host {} host={} processes={}", host.leaving ? "left" : "is lost",
              host.hello.host(), host.processes.size());
  for (auto& [_, process] : host.processes) {
    if (process.on_exit) {
      process.on_exit(fmt::format("was on host {}, which {}", host.hello.host(),
                                  host.leaving ? "has left" : "is lost"));
    }
  }
}

void WorkerHosts::DropSilent() {
  std::lock_guard lock(shared_->mutex);
  for (auto& [_, host] : shared_->hosts) {
    if (host.link != nullptr && host.SilentS() > kSilentMaxS) host.link->Close();
  }
}

absl::StatusOr<WorkerHosts::Placed> WorkerHosts::Place(
    const std::string& label, v1::Launch launch, std::function<void(const std::string&)> on_exit) {
  std::lock_guard lock(shared_->mutex);
  std::pair<const uint64_t, Host>* best = nullptr;
  bool offered = false;
  for (auto& entry : shared_->hosts) {
    Host& host = entry.second;
    if (!host.Offers(label) || host.leaving || host.SilentS() > kFreshS) continue;
    offered = true;
    if (host.processes.size() >= host.hello.capacity()) continue;
    if (best == nullptr || host.Load() < best->second.Load()) best = &entry;
  }
  if (best == nullptr) {
    const std::string which = label.empty() ? "" : fmt::format(" with label \"{}\"", label);
    return offered
               ? Error(absl::StatusCode::kUnavailable, "WORKERS_FULL", label,
                       fmt::format("all workers{} are full", which),
                       "Raise --capacity of chameleon-worker, or let another host join.")
               : Error(absl::StatusCode::kUnavailable, "NO_WORKER", label,
                       fmt::format("no worker{} has joined", which),
                       "chamctl show_workers lists them. Start chameleon-worker on that host, or "
                       "set the source's worker to local.");
  }
  Placed placed;
  placed.host = best->first;
  launch.set_process_id(++shared_->last_process);
  v1::WorkerOrder order;
  *order.mutable_launch() = launch;
  if (!best->second.link->Send(order)) {
    return absl::UnavailableError(
        fmt::format("worker host {} is being lost", best->second.hello.host()));
  }
  best->second.processes[launch.process_id()].on_exit = std::move(on_exit);
  placed.process = std::make_unique<RemoteProcess>(shared_, best->first, launch.process_id());
  return placed;
}

std::vector<std::pair<uint64_t, v1::WorkerHost>> WorkerHosts::List() const {
  std::lock_guard lock(shared_->mutex);
  std::vector<std::pair<uint64_t, v1::WorkerHost>> list;
  for (const auto& [id, host] : shared_->hosts) {
    v1::WorkerHost& entry = list.emplace_back(id, v1::WorkerHost()).second;
    entry.set_name(host.hello.host());
    entry.set_address(host.address);
    entry.set_version(host.hello.version());
    *entry.mutable_labels() = host.hello.labels();
    entry.set_capacity(host.hello.capacity());
    entry.set_processes(static_cast<uint32_t>(host.processes.size()));
    entry.mutable_joined()->set_seconds(host.joined_s);
    entry.set_silent_s(host.SilentS());
    entry.set_leaving(host.leaving);
  }
  return list;
}

}  // namespace chameleon::coordinator::sources
