#include "coordinator/ingest/copy_pool.h"

#include <fmt/format.h>

#include <utility>

namespace chameleon::coordinator::ingest {
namespace {

class PooledCopy final : public CopySession {
 public:
  PooledCopy(std::shared_ptr<CopyPool> pool, std::unique_ptr<pg::CopyingSession> session,
             std::string guard, std::function<void(const CopyEnd&)> on_end)
      : pool_(std::move(pool)),
        session_(std::move(session)),
        guard_(std::move(guard)),
        on_end_(std::move(on_end)) {}

  ~PooledCopy() override {
    if (!finished_) session_->Abandon();
    pool_->Return(std::move(session_));
  }

  absl::Status Write(std::string_view lines) override { return session_->WriteCopy(lines); }

  absl::Status Finish(uint64_t rows) override {
    auto copied = session_->EndCopy();
    if (!copied.ok()) return copied.status();
    if (*copied != rows) {
      return absl::InternalError(fmt::format("{} rows were sent, {} arrived", rows, *copied));
    }
    absl::Status status = session_->Execute(guard_ + "; COMMIT").status();
    if (status.ok()) finished_ = true;
    const bool lost = !session_->Connected();
    if (status.ok() || lost) on_end_({.committed = status.ok(), .in_doubt = lost, .rows = rows});
    return status;
  }

 private:
  const std::shared_ptr<CopyPool> pool_;
  std::unique_ptr<pg::CopyingSession> session_;
  const std::string guard_;
  const std::function<void(const CopyEnd&)> on_end_;
  bool finished_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<CopySession>> CopyPool::Open(
    const std::string& copy, const std::string& guard, std::function<void(const CopyEnd&)> on_end) {
  auto session = Take();
  if (!session.ok()) return session.status();
  absl::Status status = (*session)->StartCopy("BEGIN; " + copy);
  if (!status.ok()) {
    (*session)->Abandon();
    Return(std::move(*session));
    return status;
  }
  return std::make_unique<PooledCopy>(shared_from_this(), std::move(*session), guard,
                                      std::move(on_end));
}

absl::StatusOr<std::unique_ptr<pg::CopyingSession>> CopyPool::Take() {
  {
    std::lock_guard lock(mutex_);
    while (!idle_.empty()) {
      auto session = std::move(idle_.back());
      idle_.pop_back();
      if (session->Connected()) return session;
    }
  }
  auto session = pg::CopyingSession::Connect(target_, application_name_);
  if (!session.ok()) return session.status();
  // The swap commits after all chunks and waits for the disk.
  auto rows = (*session)->Execute("SET synchronous_commit = off");
  if (!rows.ok()) return rows.status();
  return std::move(*session);
}

void CopyPool::Return(std::unique_ptr<pg::CopyingSession> session) {
  if (!session->Connected()) return;
  std::lock_guard lock(mutex_);
  idle_.push_back(std::move(session));
}

}  // namespace chameleon::coordinator::ingest
