#include "worker/host.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "proto/process/version.h"
#include "proto/wire/error.h"
#include "proto/wire/status.h"

namespace chameleon::worker {
namespace {

constexpr auto kKeepAliveEvery = std::chrono::milliseconds(500);
constexpr double kLostGraceS = 3;       // nothing that they send counts any more
constexpr double kShutdownGraceS = 15;  // to send what is committed

std::string OwnProgram() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

}  // namespace

Host::Host(std::shared_ptr<grpc::Channel> channel, const HostOptions& options, Launcher* launcher)
    : options_(options),
      launcher_(launcher),
      stub_(v1::WorkerService::NewStub(std::move(channel))) {}

Host::~Host() { EndProcesses(0); }

absl::Status Host::Run() {
  {
    std::lock_guard lock(send_mutex_);
    stream_ = stub_->Work(&context_);
  }
  v1::WorkerReport hello;
  auto* fields = hello.mutable_hello();
  fields->set_host(options_.name);
  fields->set_pid(getpid());
  fields->set_worker_id(fmt::format("{}:{}", options_.name, getpid()));
  fields->set_version(kVersion);
  fields->set_capacity(options_.capacity);
  for (const auto& label : options_.labels) fields->add_labels(label);
  Send(hello);

  std::atomic<bool> ended = false;
  std::thread keep_alive(&Host::KeepAlive, this, &ended);
  v1::WorkerOrder order;
  while (stream_->Read(&order)) {
    joined_ = true;
    if (order.has_welcome()) {
      spdlog::info("joined {} capacity={}", context_.peer(), options_.capacity);
    }
    if (order.has_launch()) Launch(order.launch());
    if (order.has_kill()) Kill(order.kill());
  }
  ended = true;
  keep_alive.join();
  EndProcesses(kLostGraceS);
  auto status = FromGrpc(stream_->Finish());
  if (shutdown_) return absl::CancelledError("shutdown");
  return status.ok() ? absl::UnavailableError("the coordinator has ended the connection") : status;
}

void Host::Shutdown() {
  if (shutdown_.exchange(true)) return;
  v1::WorkerReport report;
  report.mutable_leaving();
  Send(report);
  EndProcesses(kShutdownGraceS);
  context_.TryCancel();
}

void Host::Send(const v1::WorkerReport& report) {
  std::lock_guard lock(send_mutex_);
  if (stream_ != nullptr) stream_->Write(report);  // the reading thread notices a broken stream
}

void Host::Launch(const v1::Launch& order) {
  const auto ended = [this, id = order.process_id()](const std::string& how) {
    v1::WorkerReport report;
    report.mutable_process_end()->set_process_id(id);
    report.mutable_process_end()->set_how(how);
    Send(report);
  };
  if (shutdown_) return ended("was not started: its host is being shut down");
  LaunchSpec spec;
  spec.program = OwnProgram();
  spec.arguments = options_.arguments;
  for (const std::string& argument :
       {std::string("--launched-for"), fmt::format("{}", order.source_id()),
        std::string("--config"), order.config(), std::string("--log-level"), order.log_level()}) {
    spec.arguments.push_back(argument);
  }
  spec.environment = options_.environment;
  spec.environment.push_back("CHAMELEON_LAUNCH_TOKEN=" + order.token());
  spec.label = "src=" + order.source();
  spec.on_exit = ended;
  auto process = launcher_->Launch(std::move(spec));
  if (!process.ok()) {
    spdlog::error("{} src={}", Text(process.status()), order.source());
    return ended("was not started: " + Text(process.status()));
  }
  spdlog::info("worker started pid={} src={} config={}", (*process)->pid(), order.source(),
               order.config());
  std::lock_guard lock(mutex_);
  processes_[order.process_id()] = *std::move(process);
}

void Host::Kill(const v1::Kill& order) {
  std::lock_guard lock(mutex_);
  const auto it = processes_.find(order.process_id());
  if (it != processes_.end()) it->second->Signal(order.force() ? SIGKILL : SIGTERM);
}

void Host::KeepAlive(const std::atomic<bool>* ended) {
  v1::WorkerReport report;
  report.mutable_keep_alive();
  while (!*ended) {
    std::this_thread::sleep_for(kKeepAliveEvery);
    Send(report);
    std::lock_guard lock(mutex_);
    for (auto it = processes_.begin(); it != processes_.end();) {
      it = it->second->WaitGone(0) ? processes_.erase(it) : std::next(it);
    }
  }
}

void Host::EndProcesses(double grace_s) {
  std::map<uint64_t, std::unique_ptr<WorkerProcess>> processes;
  {
    std::lock_guard lock(mutex_);
    processes.swap(processes_);
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(grace_s);
  for (const auto& [_, process] : processes) process->Signal(grace_s > 0 ? SIGTERM : SIGKILL);
  for (const auto& [_, process] : processes) {
    const std::chrono::duration<double> left = deadline - std::chrono::steady_clock::now();
    process->WaitGone(std::max(0.0, left.count()));
  }
}

}  // namespace chameleon::worker
