#include "coordinator/ingest/index_pool.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "proto/wire/error.h"

namespace chameleon::coordinator::ingest {
namespace {

// Commits need not wait for the disk: the swap's does, and it comes after all of them in the WAL.
constexpr std::string_view kSetup =
    "SET maintenance_work_mem = '256MB'; SET synchronous_commit = off";

constexpr std::string_view kCreateUnique = "CREATE UNIQUE INDEX ";
constexpr std::string_view kUniqueViolation = "23505";

}  // namespace

IndexPool::IndexPool(TargetConnection target, std::string application_name, int threads)
    : target_(std::move(target)),
      application_name_(std::move(application_name)),
      sessions_(threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this, i] { Run(i); });
}

IndexPool::~IndexPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    jobs_.clear();
    for (const auto& session : sessions_) {
      if (session != nullptr) session->Cancel();
    }
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void IndexPool::Add(const std::string& table, std::vector<std::string> create,
                    std::vector<std::string> finish, size_t must_be_unique) {
  auto entry = std::make_shared<Table>(Table{table, create.size(), std::move(finish)});
  // A table without indexes still has its finish statements: one job that does nothing first.
  if (create.empty()) {
    create.emplace_back("");
    entry->open = 1;
  }
  {
    std::lock_guard lock(mutex_);
    known_ += static_cast<uint32_t>(create.size());
    for (size_t i = 0; i < create.size(); ++i) {
      jobs_.push_back({entry, std::move(create[i]), i < must_be_unique});
    }
  }
  changed_.notify_all();
}

absl::Status IndexPool::Wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stop_ || !error_.ok() || (jobs_.empty() && busy_ == 0); });
  return error_;
}

absl::Status IndexPool::error() const {
  std::lock_guard lock(mutex_);
  return error_;
}

std::pair<uint32_t, uint32_t> IndexPool::Progress() const {
  std::lock_guard lock(mutex_);
  return {done_, known_};
}

void IndexPool::Run(size_t slot) {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stop_ || (!jobs_.empty() && error_.ok()); });
    if (stop_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    ++busy_;
    lock.unlock();
    absl::Status status = Execute(slot, job);
    lock.lock();
    if (status.ok() && --job.table->open == 0) {
      for (const std::string& statement : job.table->finish) {
        lock.unlock();
        status = Execute(slot, {job.table, statement});
        lock.lock();
        if (!status.ok()) break;
      }
    }
    --busy_;
    ++done_;
    if (!status.ok() && error_.ok()) {
      error_ = WithContext(status, fmt::format("table {}", job.table->name));
    }
    changed_.notify_all();
  }
}

absl::Status IndexPool::Execute(size_t slot, const Job& job) {
  if (job.statement.empty()) return absl::OkStatus();
  pg::Session* session = sessions_[slot].get();  // set by this thread only
  if (session == nullptr) {
    auto opened = pg::Session::Connect(target_, application_name_);
    if (!opened.ok()) return opened.status();
    if (absl::Status status = (*opened)->Execute(kSetup).status(); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    if (stop_) return absl::CancelledError("the snapshot was given up");
    sessions_[slot] = std::move(*opened);
    session = sessions_[slot].get();
  }
  const absl::Status status = session->Execute(job.statement).status();
  const bool can_be_plain = !job.must_be_unique && job.statement.starts_with(kCreateUnique);
  return can_be_plain && pg::SqlState(status) == kUniqueViolation ? BuildPlain(session, job)
                                                                  : status;
}

absl::Status IndexPool::BuildPlain(pg::Session* session, const Job& job) {
  const std::string note = fmt::format(
      "table {}: built without being unique, because values of the source that differ "
      "are equal here: {}",
      job.table->name, job.statement);
  spdlog::warn("{}", note);
  {
    std::lock_guard lock(mutex_);
    notes_.push_back(note);
  }
  return session->Execute("CREATE INDEX " + job.statement.substr(kCreateUnique.size())).status();
}

std::vector<std::string> IndexPool::notes() const {
  std::lock_guard lock(mutex_);
  return notes_;
}

}  // namespace chameleon::coordinator::ingest
