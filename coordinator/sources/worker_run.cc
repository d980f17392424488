#include "coordinator/sources/worker_run.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <utility>

#include "proto/wire/error.h"

namespace chameleon::coordinator::sources {
namespace {

std::string RandomToken() {
  unsigned char bytes[32];
  size_t have = 0;
  while (have < sizeof bytes) {
    const ssize_t n = getrandom(bytes + have, sizeof bytes - have, 0);
    if (n > 0) have += static_cast<size_t>(n);
  }
  std::string token;
  for (const unsigned char byte : bytes) token += fmt::format("{:02x}", byte);
  return token;
}

absl::Status StatusOf(const v1::WorkerReport::TaskEnd& end) {
  if (end.code() == 0) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(end.code());
  absl::Status status(code, end.message());
  if (end.detail().reason().empty()) return status;
  // The hint is part of the message already; Error() with the detail keeps the reason.
  absl::Status detailed = Error(code, end.detail().reason(), end.detail().object(), "", "");
  detailed.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { status.SetPayload(url, payload); });
  return status;
}

}  // namespace

WorkerRun::WorkerRun(uint64_t source_id, std::function<void()> notify)
    : source_id_(source_id), token_(RandomToken()), notify_(std::move(notify)) {}

void WorkerRun::Changed() { notify_(); }

void WorkerRun::Attach(const v1::WorkerReport::Hello& hello, WorkerLink* link) {
  {
    std::lock_guard lock(mutex_);
    hello_ = hello;
    hello_->clear_join_token();
    link_ = link;
    last_report_ = std::chrono::steady_clock::now();
  }
  Changed();
}

void WorkerRun::OnReport(const v1::WorkerReport& report) {
  {
    std::lock_guard lock(mutex_);
    last_report_ = std::chrono::steady_clock::now();
    switch (report.report_case()) {
      case v1::WorkerReport::kProgress:
        progress_ = report.progress();
        ++progress_version_;
        break;
      case v1::WorkerReport::kStream:
        stream_ = report.stream();
        break;
      case v1::WorkerReport::kEnd:
        if (!end_) end_ = End{StatusOf(report.end()), false};
        break;
      case v1::WorkerReport::kKeepAlive:
        keeps_alive_ = true;
        return;
      default:
        return;
    }
  }
  Changed();
}

void WorkerRun::Detach() {
  {
    std::lock_guard lock(mutex_);
    link_ = nullptr;
    if (!end_) {
      end_ = End{absl::UnavailableError("the worker's connection to the coordinator ended"), true};
    }
  }
  Changed();
}

void WorkerRun::ProcessGone(const std::string& how) {
  {
    std::lock_guard lock(mutex_);
    // What the process did says more than that its stream ended.
    if (!end_ || end_->worker_died) {
      end_ = End{absl::UnavailableError(fmt::format("the worker {}", how)), true};
    }
  }
  Changed();
}

std::optional<v1::WorkerReport::Hello> WorkerRun::hello() const {
  std::lock_guard lock(mutex_);
  return hello_;
}

std::optional<WorkerRun::End> WorkerRun::end() const {
  std::lock_guard lock(mutex_);
  return end_;
}

std::optional<v1::StreamStatus> WorkerRun::stream() const {
  std::lock_guard lock(mutex_);
  return stream_;
}

v1::Progress WorkerRun::progress(uint64_t* version) const {
  std::lock_guard lock(mutex_);
  *version = progress_version_;
  return progress_;
}

double WorkerRun::SilentSeconds() const {
  std::lock_guard lock(mutex_);
  if (!keeps_alive_) return 0;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - last_report_).count();
}

bool WorkerRun::Send(const v1::WorkerOrder& order) {
  std::lock_guard lock(mutex_);
  return link_ != nullptr && link_->Send(order);
}

void WorkerRun::Close() {
  std::lock_guard lock(mutex_);
  if (link_ != nullptr) link_->Close();
}

void WorkerRegistry::Expect(const std::shared_ptr<WorkerRun>& run) {
  std::lock_guard lock(mutex_);
  for (auto it = expected_.begin(); it != expected_.end();) {
    it = it->second.expired() ? expected_.erase(it) : std::next(it);
  }
  expected_[run->token()] = run;
}

absl::StatusOr<std::shared_ptr<WorkerRun>> WorkerRegistry::Admit(
    const v1::WorkerReport::Hello& hello) {
  std::shared_ptr<WorkerRun> run;
  {
    std::lock_guard lock(mutex_);
    const auto it = expected_.find(hello.join_token());
    if (it != expected_.end()) {
      run = it->second.lock();
      expected_.erase(it);
    }
  }
  if (run == nullptr || run->source_id() != hello.launched_for_source()) {
    return Error(absl::StatusCode::kUnauthenticated, "JOIN_TOKEN_INVALID", hello.worker_id(),
                 "the join token is not known or was used already",
                 "Local workers are started by the coordinator itself.");
  }
  return run;
}

}  // namespace chameleon::coordinator::sources
