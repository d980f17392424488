// The hosts that joined: each starts worker processes for us, as many as it offers.
//
// A host's Work stream is its lifeline. It sends a keep-alive every half second; one that was not
// heard of for kFreshS gets no new process, after kSilentMaxS it is given up. The processes have
// streams and leases of their own: what a lost host still sends is refused by its epoch.
// Thread-safe; on_exit is called with no lock held.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/control.pb.h"
#include "chameleon/v1/worker.pb.h"
#include "coordinator/sources/worker_run.h"
#include "proto/process/launcher.h"

namespace chameleon::coordinator::sources {

class WorkerHosts {
 public:
  static constexpr uint64_t kLocal = 0;  // the coordinator's own host
  static constexpr double kFreshS = 3;
  static constexpr double kSilentMaxS = 10;
  static constexpr size_t kHostsMax = 1000;

  WorkerHosts();

  // A host says hello; `link` is used until Leave(). The same process may join again before its
  // last connection was found to be dead. FAILED_PRECONDITION: another version.
  absl::StatusOr<uint64_t> Join(const v1::WorkerReport::Hello& hello, const std::string& address,
                                WorkerLink* link);
  void OnReport(uint64_t id, const v1::WorkerReport& report);
  void Leave(uint64_t id);
  // Breaks the streams of hosts that were not heard of for too long. Every few seconds.
  void DropSilent();

  struct Placed {
    uint64_t host = kLocal;
    std::unique_ptr<ProcessHandle> process;
  };
  // On the host with the most room among those with the label ("": any). UNAVAILABLE: none.
  absl::StatusOr<Placed> Place(const std::string& label, v1::Launch launch,
                               std::function<void(const std::string&)> on_exit);

  // By the numbers that Place() gave, in the order of joining; without leases.
  std::vector<std::pair<uint64_t, v1::WorkerHost>> List() const;

 private:
  struct Shared;
  struct Host;
  class RemoteProcess;
  const std::shared_ptr<Shared> shared_;  // outlives the processes' handles
};

}  // namespace chameleon::coordinator::sources
