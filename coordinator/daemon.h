// The process around the coordinator: its files in pid_dir, and starting one in the background.
//
// chameleon.sock is the socket, chameleon.lock decides who may serve (flock: a dead owner holds
// nothing), chameleon.pid is for people, chameleon.configs lists what to resume.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/config/config.h"

namespace chameleon::coordinator {

struct ServerFiles {
  std::string directory, socket, lock, pid, configs;
  std::string address() const { return "unix:" + socket; }
};
// Creates pid_dir and log_dir (mode 0700). FAILED_PRECONDITION: not possible, or a path that is too
// long for a socket.
absl::StatusOr<ServerFiles> PrepareFiles(const Config& config);

// Held until the process ends. ALREADY_EXISTS names the process that holds it.
class ServerLock {
 public:
  static absl::StatusOr<ServerLock> Take(const ServerFiles& files);
  ServerLock(ServerLock&& other) noexcept;
  ~ServerLock();

 private:
  explicit ServerLock(int fd) : fd_(fd) {}
  int fd_;
};

// Runs this program again as a daemon (session of its own, output appended to `output_file`) with
// `arguments` and --ready-fd; returns when it reports that it serves, or its error.
absl::Status StartDaemon(const std::vector<std::string>& arguments, const std::string& output_file);
// The daemon's side: an OK status, or the error that ends it. Closes `fd`; -1 does nothing.
void ReportReady(int fd, const absl::Status& status);

// Refused without CHAMELEON_ALLOW_ROOT=1 or the option.
absl::Status CheckNotRoot(bool allowed);

}  // namespace chameleon::coordinator
