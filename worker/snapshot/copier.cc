#include "worker/snapshot/copier.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "proto/wire/error.h"
#include "worker/encode/table_codec.h"
#include "worker/snapshot/plan.h"
#include "worker/snapshot/spool.h"
#include "worker/source/schema_reader.h"
#include "worker/source/sql_text.h"

namespace chameleon::worker::snapshot {
namespace {

constexpr size_t kPieceBytes = 256 << 10;
constexpr auto kReportInterval = std::chrono::milliseconds(200);
constexpr auto kStopPoll = std::chrono::milliseconds(50);

// The view cannot show the table any more as it was planned.
bool IsDefinitionChanged(const absl::Status& status) {
  switch (source::ServerErrno(status)) {
    case 1412:  // table definition has changed
    case 1146:  // no such table
    case 1054:  // unknown column
      return true;
    default:
      return false;
  }
}

std::string NameText(const v1::TableName& name) {
  return fmt::format("{}.{}", name.schema(), name.table());
}

}  // namespace

struct Copier::TableState {
  CopyJob* job = nullptr;
  SplitKey key;
  std::vector<std::string> predicates;
  size_t chunks_left = 0;
  bool changed = false;
  encode::LossCounts losses;  // of the chunks that are done
};

struct Copier::Work {
  TableState* table;
  int chunk;  // -1: cut the table into chunks
};

// What belongs to one thread.
struct Copier::Lane {
  source::Connection* connection;
  std::unique_ptr<Spool> spool;
  std::string buffer;
  const TableState* codec_of = nullptr;
  std::unique_ptr<encode::TableCodec> codec;
};

Copier::Copier(View* view, std::vector<CopyJob>* jobs, const source::TableFilter* filter,
               CopyOptions options, SnapshotTarget* target, ProgressMeter* progress)
    : view_(view),
      filter_(filter),
      options_(std::move(options)),
      target_(target),
      progress_(progress) {
  uint64_t bytes = 0;
  std::vector<CopyJob*> order;
  for (CopyJob& job : *jobs) {
    bytes += job.def.bytes_estimate();
    order.push_back(&job);
  }
  chunk_bytes_ =
      ChunkBytes(bytes, options_.copy_max_memory_bytes, static_cast<uint32_t>(view->lanes.size()));
  // Locked tables first, because their writers wait; then the largest, so that lanes end together.
  std::stable_sort(order.begin(), order.end(), [](const CopyJob* a, const CopyJob* b) {
    if (a->def.transactional() != b->def.transactional()) return b->def.transactional();
    return a->def.bytes_estimate() > b->def.bytes_estimate();
  });
  for (CopyJob* job : order) {
    TableState& table = tables_.emplace_back();
    table.job = job;
    table.key = ChooseKey(job->def);
    queue_.push_back({&table, -1});
    if (!job->def.transactional()) ++locked_tables_;
  }
}

Copier::~Copier() = default;

absl::Status Copier::Run(const std::atomic<bool>* stop) {
  std::vector<std::thread> threads;
  running_lanes_ = view_->lanes.size();
  for (auto& lane : view_->lanes) {
    threads.emplace_back([this, connection = lane.get()] { RunLane(connection); });
  }
  {
    auto next_report = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    while (running_lanes_ > 0) {
      wake_.wait_for(lock, kStopPoll);
      bool stopped = *stop && error_.ok();
      lock.unlock();
      if (stopped) Fail(absl::CancelledError("stopped"));
      if (auto now = std::chrono::steady_clock::now(); now >= next_report) {
        progress_->Report();
        next_report = now + kReportInterval;
      }
      lock.lock();
    }
  }
  for (std::thread& thread : threads) thread.join();
  progress_->Report();
  return error_;
}

void Copier::RunLane(source::Connection* connection) {
  Lane lane{connection, nullptr, {}, nullptr, nullptr};
  while (std::optional<Work> work = TakeWork()) {
    absl::Status status = work->chunk < 0 ? PlanTable(&lane, work->table) : CopyChunk(&lane, *work);
    WorkDone(*work, status, connection);
  }
  std::lock_guard lock(mutex_);
  --running_lanes_;
  wake_.notify_all();
}

std::optional<Copier::Work> Copier::TakeWork() {
  std::unique_lock lock(mutex_);
  // A busy lane may be cutting a table: more work can still come.
  wake_.wait(lock, [&] { return !queue_.empty() || busy_ == 0 || !error_.ok(); });
  if (queue_.empty() || !error_.ok()) return std::nullopt;
  Work work = queue_.front();
  queue_.pop_front();
  ++busy_;
  return work;
}

void Copier::WorkDone(const Work& work, const absl::Status& status,
                      source::Connection* connection) {
  TableState* table = work.table;
  absl::Status result = status;
  bool last = false;
  {
    std::lock_guard lock(mutex_);
    if (IsDefinitionChanged(result)) {
      spdlog::info("table changed on the source while it was copied, it is read again tbl={}",
                   NameText(table->job->def.name()));
      if (!table->changed) changed_.push_back(table->job);
      table->changed = true;
      if (work.chunk < 0) table->chunks_left = 1;
      result = absl::OkStatus();
    }
    if (work.chunk >= 0 || table->changed) last = --table->chunks_left == 0;
  }
  if (result.ok()) result = ReleaseMetadataLocks(connection);
  if (result.ok() && last) result = FinishTable(table);
  if (!result.ok()) {
    Fail(WithContext(result, "table " + NameText(table->job->def.name())));
  }
  std::lock_guard lock(mutex_);
  --busy_;
  wake_.notify_all();
}

void Copier::Fail(const absl::Status& status) {
  {
    std::lock_guard lock(mutex_);
    if (!error_.ok()) return;
    error_ = status;
    wake_.notify_all();
  }
  for (auto& lane : view_->lanes) lane->Interrupt();
}

absl::Status Copier::PlanTable(Lane* lane, TableState* table) {
  auto predicates = Predicates(lane, table);
  if (!predicates.ok()) return predicates.status();
  std::lock_guard lock(mutex_);
  table->predicates = std::move(*predicates);
  table->chunks_left = table->predicates.size();
  for (size_t i = table->predicates.size(); i-- > 0;) {
    queue_.push_front({table, static_cast<int>(i)});
  }
  wake_.notify_all();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Copier::Predicates(Lane* lane, TableState* table) {
  const v1::TableDef& def = table->job->def;
  std::vector<std::string> whole = {""};
  uint32_t chunks = ChunkCount(def, {.chunk_bytes = chunk_bytes_});
  if (chunks <= 1 || table->key.columns.empty()) return whole;
  if (!table->key.by_range) return Sample(lane, table, chunks);
  const v1::ColumnDef& column = def.columns(table->key.columns[0]);
  auto t = lane->connection->Query(
      fmt::format("SELECT MIN({0}), MAX({0}) FROM {1}", source::QuoteName(column.name()),
                  source::QuoteName(def.name().schema(), def.name().table())));
  if (!t.ok()) return t.status();
  auto predicates = RangePredicates(column, t->Get(0, 0), t->Get(0, 1), chunks);
  return predicates ? std::move(*predicates) : Sample(lane, table, chunks);
}

absl::StatusOr<std::vector<std::string>> Copier::Sample(Lane* lane, TableState* table,
                                                        uint32_t chunks) {
  const v1::TableDef& def = table->job->def;
  uint64_t rows = std::max<uint64_t>(def.rows_estimate() / chunks, 1);
  std::vector<Bound> bounds;
  while (bounds.size() + 1 < chunks) {
    auto t = lane->connection->Query(
        BoundQuery(def, table->key, bounds.empty() ? nullptr : &bounds.back(), rows));
    if (!t.ok()) return t.status();
    if (t->rows.empty()) break;
    Bound bound;
    for (auto& value : t->rows[0]) bound.push_back(value.value_or(""));
    bounds.push_back(std::move(bound));
  }
  return BoundPredicates(def, table->key, bounds);
}

namespace {

std::string ChunkQuery(const v1::TableDef& def, const SplitKey& key, const std::string& select_list,
                       const std::string& predicate) {
  std::string sql = fmt::format("SELECT {} FROM {}", select_list,
                                source::QuoteName(def.name().schema(), def.name().table()));
  if (predicate.empty()) return sql;
  // Without the hint an optimizer with poor statistics reads the whole table for each chunk.
  return fmt::format("{} FORCE INDEX ({}) WHERE {}", sql, source::QuoteName(key.index), predicate);
}

// Where a chunk's lines go: opened with the first piece, so that an empty chunk costs nothing.
class Sink {
 public:
  Sink(SnapshotTarget* target, uint64_t table_id, uint32_t chunk, Spool* spool)
      : target_(target), table_id_(table_id), chunk_(chunk), spool_(spool) {}

  absl::Status Write(std::string_view lines) {
    if (spool_ != nullptr) return spool_->Append(lines);
    if (auto s = Open(); !s.ok()) return s;
    return writer_->Write(lines);
  }
  absl::Status Finish(uint64_t rows) {
    if (rows == 0) return absl::OkStatus();
    if (auto s = Open(); !s.ok()) return s;
    if (spool_ != nullptr) {
      if (auto s = spool_->SendTo(writer_.get()); !s.ok()) return s;
    }
    return writer_->Finish(rows);
  }

 private:
  absl::Status Open() {
    if (writer_) return absl::OkStatus();
    auto writer = target_->OpenChunk(table_id_, chunk_);
    if (!writer.ok()) return writer.status();
    writer_ = std::move(*writer);
    return absl::OkStatus();
  }
  SnapshotTarget* target_;
  uint64_t table_id_;
  uint32_t chunk_;
  Spool* spool_;
  std::unique_ptr<ChunkWriter> writer_;
};

// The hot loop: one row, one line.
absl::Status CopyRows(source::RowStream* stream, encode::TableCodec* codec, Sink* sink,
                      TableCount* count, std::string* buffer, uint64_t* rows) {
  uint64_t counted = 0;
  auto flush = [&]() -> absl::Status {
    absl::Status s = sink->Write(*buffer);
    count->rows += *rows - counted;
    count->bytes += buffer->size();
    counted = *rows;
    buffer->clear();
    return s;
  };
  buffer->clear();
  while (stream->Next()) {
    auto s = codec->AppendTextRow(stream->values(), stream->lengths(), buffer);
    if (!s.ok()) [[unlikely]]
      return s;
    ++*rows;
    if (buffer->size() >= kPieceBytes) [[unlikely]] {
      if (s = flush(); !s.ok()) return s;
    }
  }
  if (!stream->status().ok()) return stream->status();
  return buffer->empty() ? absl::OkStatus() : flush();
}

}  // namespace

absl::Status Copier::CopyChunk(Lane* lane, const Work& work) {
  TableState* table = work.table;
  {
    std::lock_guard lock(mutex_);
    if (table->changed) return absl::OkStatus();
  }
  const CopyJob& job = *table->job;
  if (lane->codec_of != table) {
    auto codec = encode::TableCodec::Create(job.def, job.plan);
    if (!codec.ok()) return codec.status();
    lane->codec = std::move(*codec);
    lane->codec_of = table;
    lane->buffer.reserve(kPieceBytes * 2);
  }
  if (options_.to_file && lane->spool == nullptr) {
    auto spool = Spool::Create(options_.out_dir);
    if (!spool.ok()) return spool.status();
    lane->spool = std::move(*spool);
  }
  if (lane->spool) {
    if (auto s = lane->spool->Clear(); !s.ok()) return s;
  }
  const std::string& predicate = table->predicates[static_cast<size_t>(work.chunk)];
  auto stream = lane->connection->Stream(
      ChunkQuery(job.def, table->key, lane->codec->SelectList(), predicate));
  if (!stream.ok()) return stream.status();
  Sink sink(target_, job.plan.table_id(), static_cast<uint32_t>(work.chunk), lane->spool.get());
  uint64_t rows = 0;
  if (auto s = CopyRows(&*stream, lane->codec.get(), &sink, job.count, &lane->buffer, &rows);
      !s.ok()) {
    return s;
  }
  if (auto s = sink.Finish(rows); !s.ok()) return s;
  std::lock_guard lock(mutex_);
  for (auto& [kind, loss] : lane->codec->TakeLosses()) {
    encode::LossCount& total = table->losses[kind];
    if (total.count == 0) total.example = loss.example;
    total.count += loss.count;
  }
  return absl::OkStatus();
}

absl::Status Copier::FinishTable(TableState* table) {
  const CopyJob& job = *table->job;
  bool changed;
  {
    std::lock_guard lock(mutex_);
    changed = table->changed;
    if (!job.def.transactional() && --locked_tables_ == 0) view_->table_lock.reset();
  }
  if (changed) return absl::OkStatus();
  auto unchanged = IsUnchanged(job.def);
  if (!unchanged.ok()) return unchanged.status();
  if (!*unchanged) {
    spdlog::info("table changed on the source while it was copied, it is read again tbl={}",
                 NameText(job.def.name()));
    std::lock_guard lock(mutex_);
    table->changed = true;
    changed_.push_back(table->job);
    return absl::OkStatus();
  }
  v1::FinishTableRequest request;
  request.set_table_id(job.plan.table_id());
  request.set_rows(job.count->rows);
  {
    std::lock_guard lock(mutex_);
    for (const auto& [kind, loss] : table->losses) {
      v1::LedgerEntry* entry = request.add_ledger();
      entry->set_kind(kind);
      entry->set_count(loss.count);
      entry->set_example_key(loss.example);
    }
  }
  if (auto s = target_->FinishTable(request); !s.ok()) return s;
  job.count->done = true;
  return absl::OkStatus();
}

// MySQL refuses to read a changed table in an old view (1412). MariaDB reads it, and columns that
// have exchanged their names would be taken for each other.
absl::StatusOr<bool> Copier::IsUnchanged(const v1::TableDef& def) {
  if (view_->server.kind() != v1::ServerInfo::MARIADB) return true;
  std::lock_guard lock(catalogue_mutex_);
  auto now = source::ReadTable(view_->catalogue.get(), view_->server, def.name(), *filter_);
  if (!now.ok()) return now.status();
  return now->has_value() && source::SameColumns(**now, def);
}

}  // namespace chameleon::worker::snapshot
