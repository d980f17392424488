// One worker process, from its launch to its end, as both of its ends see it: the Work stream
// reports into it, the source's actor waits on it.
//
// Thread-safe. `notify` is called after each change, with no lock held.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "chameleon/v1/worker.pb.h"

namespace chameleon::coordinator::sources {

// The coordinator's end of a Work stream.
class WorkerLink {
 public:
  virtual ~WorkerLink() = default;
  virtual bool Send(const v1::WorkerOrder& order) = 0;
  virtual void Close() = 0;  // breaks the stream; from any thread
};

class WorkerRun {
 public:
  struct End {
    absl::Status status;
    bool worker_died = false;  // without a TaskEnd
  };

  WorkerRun(uint64_t source_id, std::function<void()> notify);
  uint64_t source_id() const { return source_id_; }
  const std::string& token() const { return token_; }

  // The worker's side. `link` is used until Detach() returns.
  void Attach(const v1::WorkerReport::Hello& hello, WorkerLink* link);
  void OnReport(const v1::WorkerReport& report);
  void Detach();
  void ProcessGone(const std::string& how);

  // The actor's side.
  std::optional<v1::WorkerReport::Hello> hello() const;
  std::optional<End> end() const;
  std::optional<v1::StreamStatus> stream() const;
  v1::Progress progress(uint64_t* version) const;
  // Seconds since the last report of a worker that sends keep-alives; 0 for one that does not.
  double SilentSeconds() const;
  bool Send(const v1::WorkerOrder& order);
  void Close();

 private:
  void Changed();

  const uint64_t source_id_;
  const std::string token_;
  const std::function<void()> notify_;
  mutable std::mutex mutex_;  // all below
  WorkerLink* link_ = nullptr;
  std::optional<v1::WorkerReport::Hello> hello_;
  std::optional<End> end_;
  std::optional<v1::StreamStatus> stream_;
  v1::Progress progress_;
  uint64_t progress_version_ = 0;
  bool keeps_alive_ = false;
  std::chrono::steady_clock::time_point last_report_;
};

// Workers that were launched and have not said hello yet. A token is good for one hello.
class WorkerRegistry {
 public:
  void Expect(const std::shared_ptr<WorkerRun>& run);
  // UNAUTHENTICATED: nobody expects this worker.
  absl::StatusOr<std::shared_ptr<WorkerRun>> Admit(const v1::WorkerReport::Hello& hello);

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<WorkerRun>> expected_;
};

}  // namespace chameleon::coordinator::sources
