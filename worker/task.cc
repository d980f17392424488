#include "worker/task.h"

#include <spdlog/spdlog.h>

#include <thread>

#include "proto/wire/error.h"
#include "proto/wire/position.h"
#include "worker/pgsource/snapshot.h"
#include "worker/snapshot/snapshot.h"
#include "worker/source/preflight.h"
#include "worker/source/server.h"
#include "worker/stream/coordinator_link.h"
#include "worker/stream/uplink.h"
#include "worker/take_over.h"

namespace chameleon::worker {
namespace {

// The databases' defaults of today, for a coordinator that does not know those of the position.
std::vector<v1::DatabaseDefault> DatabasesOf(const v1::ServerInfo& server) {
  std::vector<v1::DatabaseDefault> databases;
  for (const auto& [database, charset] : server.databases()) {
    v1::DatabaseDefault& of = databases.emplace_back();
    of.set_database(database);
    *of.mutable_charset() = charset;
  }
  return databases;
}

// "" without such a table.
absl::StatusOr<std::string> CharsetNow(const v1::SourceConnection& source,
                                       const v1::TableName& name) {
  auto table = source::ReadTableNow(source, name);
  if (!table.ok()) return table.status();
  return table->has_value() ? (*table)->charset : std::string();
}

}  // namespace

Task::Task(std::shared_ptr<grpc::Channel> channel, const v1::Assignment& assignment,
           std::function<void(const v1::Progress&)> report)
    : channel_(std::move(channel)), assignment_(assignment), report_(std::move(report)) {}

absl::Status Task::Run() {
  const auto& lease = assignment_.lease();
  if (assignment_.source_type() == "pgsql") return RunPostgres();
  switch (assignment_.task_case()) {
    case v1::Assignment::kPreflight:
      return Preflight();
    case v1::Assignment::kSnapshot:
      spdlog::info("snapshot starts src={} epoch={}", lease.source(), lease.epoch());
      return Snapshot();
    case v1::Assignment::kReplicate:
      spdlog::info("stream starts src={} epoch={} pos={}", lease.source(), lease.epoch(),
                   PositionText(assignment_.replicate().start(), true));
      return Replicate();
    case v1::Assignment::kTakeOver:
      spdlog::info("take over starts src={} epoch={}", lease.source(), lease.epoch());
      return TakeOver();
    case v1::Assignment::TASK_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("an assignment without a task");
}

// A PostgreSQL source is copied; there is nothing else that it can do.
absl::Status Task::RunPostgres() {
  if (assignment_.has_preflight()) {
    return pgsource::PgPreflight(assignment_.connection(), assignment_.options());
  }
  if (!assignment_.has_snapshot()) {
    return absl::InvalidArgumentError("a source of type pgsql can only be copied");
  }
  spdlog::info("snapshot starts src={} epoch={}", assignment_.lease().source(),
               assignment_.lease().epoch());
  stream::CoordinatorLink link(channel_, assignment_.lease(), report_);
  return pgsource::RunPgSnapshot(assignment_, &link, &stop_);
}

absl::Status Task::Preflight() {
  auto result = source::Preflight(assignment_.connection(), assignment_.options(), true);
  return result.status();
}

absl::Status Task::Snapshot() {
  stream::CoordinatorLink link(channel_, assignment_.lease(), report_);
  return snapshot::RunSnapshot(assignment_, &link, &stop_);
}

absl::Status Task::TakeOver() {
  auto checked = source::Preflight(assignment_.connection(), assignment_.options(), false);
  if (!checked.ok()) return checked.status();
  auto proved = ProveTakeOver(assignment_);
  if (!proved.ok()) return proved.status();
  stream::CoordinatorLink link(channel_, assignment_.lease(), report_);
  return link.TakeOver(*proved);
}

absl::Status Task::Replicate() {
  const auto& task = assignment_.replicate();
  const auto& options = assignment_.options();
  auto checked = source::Preflight(assignment_.connection(), options, false);
  if (!checked.ok()) return checked.status();
  for (const std::string& schema : checked->missing_schemas) {
    spdlog::warn("database {} is not there or may not be seen: nothing of it is read src={}",
                 schema, assignment_.lease().source());
  }
  v1::ServerInfo server;
  auto events = source::OpenServerEvents(assignment_.connection(), options, task.start(), &server);
  if (!events.ok()) return events.status();

  const bool is_mariadb = server.kind() == v1::ServerInfo::MARIADB;
  std::vector<v1::DatabaseDefault> databases(task.databases().begin(), task.databases().end());
  std::vector<v1::DatabaseDefault> untold;
  if (databases.empty()) untold = databases = DatabasesOf(server);
  stream::TableRegistry tables(options, is_mariadb, server.lower_case_table_names());
  for (const auto& version : task.tables()) {
    auto status = tables.Put(version);
    if (!status.ok()) return status;
  }
  stream::CoordinatorLink link(channel_, assignment_.lease(), report_);
  stream::SchemaFollower::Source source;
  source.ask = [this](const v1::TableName& name) {
    return source::ReadTableNow(assignment_.connection(), name);
  };
  auto engine = source::ReadDefaultEngine(assignment_.connection());
  if (!engine.ok()) return engine.status();
  source.default_engine = *engine;
  if (source::SessionsKeepDefaults(server)) {
    source.table_charset = [this](const v1::TableName& name) {
      return CharsetNow(assignment_.connection(), name);
    };
  }
  stream::SchemaFollower schema(
      assignment_.lease(), server, databases, &tables,
      [&](const v1::ChangeSchemaRequest& request) { return link.ChangeSchema(request); },
      std::move(source));
  stream::Reader::Options reader_options;
  if (options.replica_batch_size() > 0)
    reader_options.limits.rows_max = options.replica_batch_size();
  if (task.batch_bytes_max() > 0) reader_options.limits.bytes_max = task.batch_bytes_max();
  if (task.batch_delay_ms() > 0) {
    reader_options.limits.delay = std::chrono::milliseconds(task.batch_delay_ms());
  }
  reader_options.by_gtid = options.gtid_enable() && !task.start().gtid().empty();
  reader_options.skip_events = options.skip_events();
  reader_options.prepared.assign(task.prepared().begin(), task.prepared().end());
  reader_options.databases = untold;
  // Found by GTID, the place may be in another file of another server.
  v1::Position start = task.start();
  start.set_server_id(server.server_id());
  if (reader_options.by_gtid) start.clear_file_created();
  auto position = stream::LogPosition::Create(start, is_mariadb);
  if (!position.ok()) return position.status();
  stream::BatchQueue queue(reader_options.limits);
  stream::Reader reader(reader_options, *std::move(position), &tables, &schema, &queue);
  stream::Uplink uplink(channel_, assignment_.lease(), task.start(), task.next_batch_id(), &queue);
  {
    std::lock_guard lock(mutex_);
    events_ = events->get();
    queue_ = &queue;
    reader_ = &reader;
    if (stop_) events_->Interrupt();
  }
  absl::Status sent;
  std::thread uplink_thread([&] {
    sent = uplink.Run();
    events->get()->Interrupt();
  });
  const auto read = reader.Run(events->get());
  queue.Close(/*drop=*/abandoned_);
  uplink_thread.join();
  {
    std::lock_guard lock(mutex_);
    events_ = nullptr;
    queue_ = nullptr;
    reader_ = nullptr;
  }
  // CANCELLED is how our own stop, or a failed uplink, reaches the reader.
  if (!read.ok() && !absl::IsCancelled(read)) return read;
  if (!sent.ok()) return sent;
  return stop_ ? absl::OkStatus() : absl::UnavailableError("the source ended the stream");
}

void Task::Stop() {
  stop_ = true;
  std::lock_guard lock(mutex_);
  if (events_ != nullptr) events_->Interrupt();
}

void Task::Abandon() {
  abandoned_ = true;
  Stop();
  std::lock_guard lock(mutex_);
  if (queue_ != nullptr) queue_->Close(/*drop=*/true);
}

std::optional<v1::StreamStatus> Task::stream_status() {
  std::lock_guard lock(mutex_);
  if (reader_ == nullptr) return std::nullopt;
  auto status = reader_->stream_status();
  *status.mutable_lease() = assignment_.lease();
  return status;
}

}  // namespace chameleon::worker
