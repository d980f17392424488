// START HERE: a worker's life. Dial the coordinator, say hello, run one assignment at a time.
//
//   Work stream ── Assignment ─► task thread ─► snapshot, or: events → reader → queue → uplink
//              ◄─ progress, stream status, keep-alive, TaskEnd ──
//
// A session ends when the Work stream does. The task is then abandoned at once: the coordinator
// gives the lease to somebody else, and whatever we still send is refused by its epoch.
#pragma once

#include <grpcpp/channel.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "chameleon/v1/worker.grpc.pb.h"
#include "worker/task.h"

namespace chameleon::worker {

struct SessionOptions {
  std::string name;  // of this host
  std::string join_token;
  uint64_t launched_for_source = 0;
};

class Session {
 public:
  Session(std::shared_ptr<grpc::Channel> channel, const SessionOptions& options);
  ~Session();

  // Runs until the coordinator closes the stream (OK), the connection is lost (UNAVAILABLE), or
  // Shutdown() was called and the task has ended (CANCELLED).
  absl::Status Run();
  // From any thread: finish the current task cleanly, then end.
  void Shutdown();

 private:
  using WorkStream = grpc::ClientReaderWriter<v1::WorkerReport, v1::WorkerOrder>;

  void Send(const v1::WorkerReport& report);
  void StartTask(const v1::Assignment& assignment);
  void EndTask(bool abandon);
  void KeepAlive(const std::atomic<bool>* ended);

  const std::shared_ptr<grpc::Channel> channel_;
  const SessionOptions options_;
  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<WorkStream> stream_;
  std::mutex send_mutex_;  // one writer at a time

  std::mutex task_mutex_;
  std::unique_ptr<Task> task_;  // guarded by task_mutex_; replaced only by the reading thread
  std::thread task_thread_;
  std::atomic<bool> shutdown_ = false;
};

}  // namespace chameleon::worker
