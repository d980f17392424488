// A host that joins a coordinator: it starts a worker process for each source that it is given,
// up to its capacity, and stays for the next.
//
//   Work stream ── Launch, Kill ─► child processes, which dial the coordinator by themselves
//              ◄─ keep-alive, ProcessEnd, Leaving ──
//
// The stream is the lifeline of all: when it breaks, the processes are ended, so that the
// coordinator's count of free places is always right. What they would still send is refused by its
// epoch in any case.
#pragma once

#include <grpcpp/channel.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "chameleon/v1/worker.grpc.pb.h"
#include "proto/process/launcher.h"

namespace chameleon::worker {

struct HostOptions {
  std::string name;  // under which it is shown
  std::vector<std::string> labels;
  uint32_t capacity = 1;
  // Of each child: address and certificates as arguments, the token in the environment.
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
};

class Host {
 public:
  Host(std::shared_ptr<grpc::Channel> channel, const HostOptions& options, Launcher* launcher);
  ~Host();

  // Until the stream ends: UNAVAILABLE when the connection is lost or the coordinator ends, else
  // why it refused us. CANCELLED after Shutdown().
  absl::Status Run();
  // Has the coordinator taken us?
  bool joined() const { return joined_; }
  // From any thread. Takes no more launches, lets the children end their batches, then ends.
  void Shutdown();

 private:
  void Send(const v1::WorkerReport& report);
  void Launch(const v1::Launch& order);
  void Kill(const v1::Kill& order);
  void KeepAlive(const std::atomic<bool>* ended);
  void EndProcesses(double grace_s);

  const HostOptions options_;
  Launcher* const launcher_;
  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::WorkerReport, v1::WorkerOrder>> stream_;
  std::mutex send_mutex_;  // one writer at a time
  std::atomic<bool> joined_ = false;
  std::atomic<bool> shutdown_ = false;

  std::mutex mutex_;
  std::map<uint64_t, std::unique_ptr<WorkerProcess>> processes_;  // under mutex_
};

}  // namespace chameleon::worker
