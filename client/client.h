// The connection to a coordinator, and how a command's outcome reaches the user.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "chameleon/v1/control.grpc.pb.h"
#include "client/commands.h"
#include "proto/wire/channel.h"

namespace chameleon::client {

// Exit codes, as docs/operations.md lists them.
enum ExitCode {
  kExitOk = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitPrecondition = 3,  // not found, exists already, or something else must be done first
  kExitUnavailable = 4,   // a server is away: try again
  kExitUnimplemented = 5,
  kExitInterrupted = 130,
};
int ExitCodeOf(const absl::Status& status);

// The address of a coordinator for this configuration, started if there is none. The error was
// printed already when `*exit_code` is not 0.
std::string EnsureCoordinator(const Options& options, int* exit_code);
// Runs chameleon-coordinator --set-configuration-files: the only command without a coordinator.
int RunSetConfigurationFiles(const Options& options);
// Runs chameleon-coordinator --names. What went wrong was printed already: CANCELLED.
absl::Status PrintNames(const Options& options);

class Client {
 public:
  // FAILED_PRECONDITION: a file with a certificate or the token cannot be used.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(const std::string& address,
                                                         const Options& options);
  ~Client();
  // What a failed call says to the user.
  absl::Status Explain(const absl::Status& status) const { return Explained(endpoint_, status); }

  v1::ControlService::Stub& stub() { return *stub_; }
  // Waits for an operation that was started, with progress. Returns its outcome.
  absl::Status Follow(const v1::Operation& operation);
  // --debug: log lines go to standard error until this object ends.
  void ShowLog(const Options& options);

  // Ctrl-C. Interrupts the call that registered itself with a Cancellable, else ends the process.
  void Interrupt();
  bool interrupted() const { return interrupted_; }

  class Cancellable {
   public:
    Cancellable(Client* client, grpc::ClientContext* context);
    ~Cancellable();

   private:
    Client* const client_;
  };

 private:
  Client(Endpoint endpoint, std::shared_ptr<grpc::Channel> channel, bool json);

  const Endpoint endpoint_;
  const bool json_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ControlService::Stub> stub_;
  std::mutex mutex_;
  grpc::ClientContext* cancellable_ = nullptr;  // under mutex_
  std::atomic<bool> interrupted_ = false;
  std::unique_ptr<grpc::ClientContext> log_context_;
  std::thread log_thread_;
};

}  // namespace chameleon::client
