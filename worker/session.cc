#include "worker/session.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>

#include "proto/process/version.h"
#include "proto/wire/error.h"
#include "proto/wire/status.h"

namespace chameleon::worker {
namespace {

constexpr auto kKeepAliveEvery = std::chrono::milliseconds(500);

}  // namespace

Session::Session(std::shared_ptr<grpc::Channel> channel, const SessionOptions& options)
    : channel_(channel), options_(options), stub_(v1::WorkerService::NewStub(channel)) {}

Session::~Session() { EndTask(/*abandon=*/true); }

absl::Status Session::Run() {
  stream_ = stub_->Work(&context_);
  v1::WorkerReport hello;
  auto* fields = hello.mutable_hello();
  fields->set_host(options_.name);
  fields->set_pid(getpid());
  fields->set_worker_id(fmt::format("{}:{}", fields->host(), getpid()));
  fields->set_version(kVersion);
  fields->set_join_token(options_.join_token);
  fields->set_capacity(1);
  fields->set_launched_for_source(options_.launched_for_source);
  Send(hello);

  std::atomic<bool> ended = false;
  std::thread keep_alive(&Session::KeepAlive, this, &ended);
  v1::WorkerOrder order;
  while (stream_->Read(&order)) {
    if (order.has_assignment()) {
      EndTask(/*abandon=*/false);
      StartTask(order.assignment());
    } else if (order.has_stop()) {
      spdlog::info("stop requested: {}", order.stop().reason());
      std::lock_guard lock(task_mutex_);
      if (task_ != nullptr) task_->Stop();
    }
  }
  ended = true;
  keep_alive.join();
  EndTask(/*abandon=*/true);
  auto status = FromGrpc(stream_->Finish());
  return shutdown_ ? absl::CancelledError("shutdown") : status;
}

void Session::Shutdown() {
  shutdown_ = true;
  std::lock_guard lock(task_mutex_);
  if (task_ != nullptr) {
    task_->Stop();
  } else {
    context_.TryCancel();
  }
}

void Session::Send(const v1::WorkerReport& report) {
  std::lock_guard lock(send_mutex_);
  stream_->Write(report);  // a broken stream is noticed by the reading thread
}

void Session::StartTask(const v1::Assignment& assignment) {
  auto task = std::make_unique<Task>(channel_, assignment, [this](const v1::Progress& progress) {
    v1::WorkerReport report;
    *report.mutable_progress() = progress;
    Send(report);
  });
  Task* running = task.get();
  {
    std::lock_guard lock(task_mutex_);
    task_ = std::move(task);
  }
  task_thread_ = std::thread([this, running, lease = assignment.lease()] {
    const auto status = running->Run();
    if (absl::IsUnauthenticated(status)) {
      // No trouble of the source's: our token has been replaced. Another process has the new one.
      spdlog::warn("ends, to be started again: {}", Text(status));
      context_.TryCancel();
      return;
    }
    v1::WorkerReport report;
    auto* end = report.mutable_end();
    *end->mutable_lease() = lease;
    end->set_code(static_cast<int>(status.code()));
    end->set_message(Text(status));
    *end->mutable_detail() = DetailOf(status);
    Send(report);
    if (shutdown_) context_.TryCancel();
  });
}

void Session::EndTask(bool abandon) {
  if (!task_thread_.joinable()) return;
  if (abandon) {
    std::lock_guard lock(task_mutex_);
    task_->Abandon();
  }
  task_thread_.join();
  std::lock_guard lock(task_mutex_);
  task_.reset();
}

void Session::KeepAlive(const std::atomic<bool>* ended) {
  while (!*ended) {
    std::this_thread::sleep_for(kKeepAliveEvery);
    v1::WorkerReport report;
    report.mutable_keep_alive();
    {
      std::lock_guard lock(task_mutex_);
      if (task_ != nullptr) {
        if (auto status = task_->stream_status()) *report.mutable_stream() = *std::move(status);
      }
    }
    Send(report);
  }
}

}  // namespace chameleon::worker
