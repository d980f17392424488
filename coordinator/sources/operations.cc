#include "coordinator/sources/operations.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>
#include <unistd.h>

#include "proto/wire/error.h"

namespace chameleon::coordinator::sources {
namespace {

using google::protobuf::util::TimeUtil;

absl::Status NotFound(const std::string& id) {
  return Error(absl::StatusCode::kNotFound, "OPERATION_NOT_FOUND", id,
               fmt::format("there is no operation \"{}\"", id),
               "chamctl operations list shows those of this coordinator.");
}

}  // namespace

bool Operations::Ended(const v1::Operation& operation) {
  return operation.state() == v1::Operation::SUCCEEDED ||
         operation.state() == v1::Operation::FAILED ||
         operation.state() == v1::Operation::CANCELLED;
}

Operations::Entry* Operations::Find(const std::string& id) {
  for (Entry& entry : entries_) {
    if (entry.operation.id() == id) return &entry;
  }
  return nullptr;
}

const Operations::Entry* Operations::Find(const std::string& id) const {
  return const_cast<Operations*>(this)->Find(id);
}

void Operations::Trim() {
  size_t ended = 0;
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (Ended(it->operation) && ++ended > kEndedMax) {
      it = entries_.erase(it);
    } else {
      ++it;
    }
  }
}

absl::StatusOr<std::string> Operations::Begin(const std::string& command, const std::string& config,
                                              const std::string& source,
                                              std::function<void()> cancel) {
  std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) {
    const v1::Operation& other = entry.operation;
    if (Ended(other) || other.config() != config || other.source() != source) continue;
    return Error(absl::StatusCode::kAborted, "OPERATION_IN_PROGRESS", source,
                 fmt::format("{} is not possible: {} of source \"{}\" is in progress ({})", command,
                             other.command(), source, other.id()),
                 fmt::format("Wait for it, or run chamctl operations cancel {}.", other.id()));
  }
  Entry& entry = entries_.emplace_front();
  // The process id keeps names apart from those of an earlier coordinator.
  entry.operation.set_id(fmt::format("{}-{}-{}", command, getpid(), ++last_));
  entry.operation.set_command(command);
  entry.operation.set_config(config);
  entry.operation.set_source(source);
  entry.operation.set_state(v1::Operation::ACTIVE);
  *entry.operation.mutable_started() = TimeUtil::GetCurrentTime();
  entry.cancel = std::move(cancel);
  Trim();
  return entry.operation.id();
}

void Operations::SetProgress(const std::string& id, const v1::Progress& progress) {
  std::lock_guard lock(mutex_);
  Entry* entry = Find(id);
  if (entry == nullptr || Ended(entry->operation)) return;
  *entry->operation.mutable_progress() = progress;
  *entry->operation.mutable_progress()->mutable_started() = entry->operation.started();
  ++entry->version;
  changed_.notify_all();
}

void Operations::Finish(const std::string& id, const absl::Status& status,
                        const std::string& result) {
  std::lock_guard lock(mutex_);
  Entry* entry = Find(id);
  if (entry == nullptr || Ended(entry->operation)) return;
  v1::Operation* operation = &entry->operation;
  *operation->mutable_ended() = TimeUtil::GetCurrentTime();
  if (status.ok()) {
    operation->set_state(v1::Operation::SUCCEEDED);
    operation->set_result(result);
  } else {
    operation->set_state(absl::IsCancelled(status) ? v1::Operation::CANCELLED
                                                   : v1::Operation::FAILED);
    operation->set_error_code(static_cast<int>(status.code()));
    operation->set_error_message(Text(status));
    *operation->mutable_error_detail() = DetailOf(status);
  }
  entry->cancel = nullptr;
  ++entry->version;
  changed_.notify_all();
}

absl::StatusOr<v1::Operation> Operations::Get(const std::string& id) const {
  std::lock_guard lock(mutex_);
  const Entry* entry = Find(id);
  if (entry == nullptr) return NotFound(id);
  return entry->operation;
}

std::vector<v1::Operation> Operations::List(const std::string& config) const {
  std::lock_guard lock(mutex_);
  std::vector<v1::Operation> list;
  for (const Entry& entry : entries_) {
    if (config.empty() || entry.operation.config() == config) list.push_back(entry.operation);
  }
  return list;
}

absl::StatusOr<v1::Operation> Operations::Cancel(const std::string& id) {
  std::function<void()> cancel;
  v1::Operation operation;
  {
    std::lock_guard lock(mutex_);
    Entry* entry = Find(id);
    if (entry == nullptr) return NotFound(id);
    if (Ended(entry->operation)) {
      return Error(absl::StatusCode::kFailedPrecondition, "OPERATION_ENDED", id,
                   fmt::format("operation \"{}\" has ended already", id), "");
    }
    cancel = std::exchange(entry->cancel, nullptr);
    operation = entry->operation;
  }
  if (cancel) cancel();
  return operation;
}

absl::StatusOr<v1::Operation> Operations::Wait(const std::string& id, uint64_t* version,
                                               std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const Entry* entry = Find(id);
    if (entry == nullptr) return NotFound(id);
    if (entry->version != *version ||
        changed_.wait_until(lock, deadline) == std::cv_status::timeout) {
      entry = Find(id);
      if (entry == nullptr) return NotFound(id);
      *version = entry->version;
      return entry->operation;
    }
  }
}

}  // namespace chameleon::coordinator::sources
