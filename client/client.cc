#include "client/client.h"

#include <errno.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "client/printers.h"
#include "client/progress.h"
#include "proto/wire/error.h"
#include "proto/wire/status.h"
#include "proto/wire/token.h"

namespace chameleon::client {
namespace {

std::string CoordinatorProgram() {
  if (const char* program = std::getenv("CHAMELEON_COORDINATOR")) return program;
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / "chameleon-coordinator").string();
}

// Runs the coordinator's program; its errors go to our standard error. `out` may be null: then its
// output is ours.
int RunCoordinator(const std::vector<std::string>& arguments, std::string* out) {
  const std::string program = CoordinatorProgram();
  std::vector<std::string> texts = {program};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& text : texts) argv.push_back(text.data());
  argv.push_back(nullptr);
  int ends[2];
  if (pipe(ends) != 0) return kExitFailed;
  const pid_t pid = fork();
  if (pid == 0) {
    if (out != nullptr) dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execv(program.c_str(), argv.data());
    fmt::print(stderr,
               "error: cannot run {}: {}\nHINT: Install chameleon-coordinator beside chamctl, or "
               "give --address.\n",
               program, strerror(errno));
    _exit(kExitUnavailable);
  }
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    return kExitFailed;
  }
  char buffer[1024];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR);) {
    if (n > 0 && out != nullptr) out->append(buffer, static_cast<size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : kExitFailed;
}

std::vector<std::string> HomeArguments(const Options& options) {
  if (options.home.empty()) return {};
  return {"--home", options.home};
}

}  // namespace

int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return kExitPrecondition;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return kExitUnavailable;
    case absl::StatusCode::kUnimplemented:
      return kExitUnimplemented;
    default:
      return kExitFailed;
  }
}

std::string EnsureCoordinator(const Options& options, int* exit_code) {
  std::vector<std::string> arguments = {"--ensure", "--config", options.config, "--rollbar-level",
                                        options.rollbar_level};
  for (std::string& argument : HomeArguments(options)) arguments.push_back(std::move(argument));
  std::string address;
  *exit_code = RunCoordinator(arguments, &address);
  while (!address.empty() && address.back() == '\n') address.pop_back();
  return address;
}

int RunSetConfigurationFiles(const Options& options) {
  std::vector<std::string> arguments = {"--set-configuration-files"};
  if (options.json) arguments.push_back("--json");
  for (std::string& argument : HomeArguments(options)) arguments.push_back(std::move(argument));
  return RunCoordinator(arguments, nullptr);
}

absl::Status PrintNames(const Options& options) {
  std::vector<std::string> arguments = {"--names", options.kind, "--config", options.config};
  if (!options.source.empty()) arguments.insert(arguments.end(), {"--source", options.source});
  for (std::string& argument : HomeArguments(options)) arguments.push_back(std::move(argument));
  return RunCoordinator(arguments, nullptr) == 0 ? absl::OkStatus() : absl::CancelledError();
}

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const std::string& address,
                                                        const Options& options) {
  Endpoint endpoint{address, options.tls_ca, options.tls_cert, options.tls_key, ""};
  auto token = TokenFrom(options.token_file);
  if (!token.ok()) return token.status();
  endpoint.token = *std::move(token);
  auto channel = OpenChannel(endpoint);
  if (!channel.ok()) return channel.status();
  return std::unique_ptr<Client>(new Client(std::move(endpoint), *channel, options.json));
}

Client::Client(Endpoint endpoint, std::shared_ptr<grpc::Channel> channel, bool json)
    : endpoint_(std::move(endpoint)),
      json_(json),
      channel_(std::move(channel)),
      stub_(v1::ControlService::NewStub(channel_)) {}

Client::~Client() {
  if (log_context_) log_context_->TryCancel();
  if (log_thread_.joinable()) log_thread_.join();
}

Client::Cancellable::Cancellable(Client* client, grpc::ClientContext* context) : client_(client) {
  std::lock_guard lock(client_->mutex_);
  client_->cancellable_ = context;
}

Client::Cancellable::~Cancellable() {
  std::lock_guard lock(client_->mutex_);
  client_->cancellable_ = nullptr;
}

void Client::Interrupt() {
  std::lock_guard lock(mutex_);
  if (interrupted_.exchange(true) || cancellable_ == nullptr) _exit(kExitInterrupted);
  cancellable_->TryCancel();
}

absl::Status Client::Follow(const v1::Operation& started) {
  grpc::ClientContext context;
  Cancellable cancellable(this, &context);
  v1::OperationRequest request;
  request.set_id(started.id());
  auto reader = stub_->WatchOperation(&context, request);
  // Machine-readable output stays alone on standard output.
  FILE* out = json_ ? stderr : stdout;
  ProgressPrinter printer(out, isatty(fileno(out)) == 1);
  v1::Operation operation = started;
  while (reader->Read(&operation)) printer.Show(operation);
  printer.Finish();
  const grpc::Status status = reader->Finish();
  if (interrupted_) {
    fmt::print(stderr, "{} goes on in the coordinator: chamctl operations watch {}\n",
               operation.command(), operation.id());
    return absl::CancelledError("interrupted");
  }
  if (!status.ok()) return FromGrpc(status);
  if (json_) PrintJson(stdout, operation);
  if (operation.state() == v1::Operation::SUCCEEDED) {
    if (!json_) fmt::print("{}\n", operation.result());
    return absl::OkStatus();
  }
  return absl::Status(static_cast<absl::StatusCode>(operation.error_code()),
                      operation.error_message());
}

void Client::ShowLog(const Options& options) {
  log_context_ = std::make_unique<grpc::ClientContext>();
  v1::WatchLogRequest request;
  request.set_config(options.config);
  request.set_source(options.source);
  request.set_level("debug");
  std::shared_ptr<grpc::ClientReader<v1::LogLine>> reader =
      stub_->WatchLog(log_context_.get(), request);
  // From the headers on, no line is missed: the command's first ones are among them.
  reader->WaitForInitialMetadata();
  log_thread_ = std::thread([reader] {
    v1::LogLine line;
    while (reader->Read(&line)) fmt::print(stderr, "{}\n", LogText(line));
    reader->Finish();
  });
}

}  // namespace chameleon::client
