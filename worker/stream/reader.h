// Binary log events → committed transactions in the batch queue. The state argument:
//
//   A position is remembered when seen and handed on only with the commit that it follows, in the
//   same batch as the rows before it. Rows of an open transaction sit in `tx_`; a savepoint is an
//   index into it. What is not understood stops the stream by name; nothing is skipped unnamed.
//
// Runs on one thread; stream_status() may be called from any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "chameleon/v1/worker.pb.h"
#include "worker/binlog/event.h"
#include "worker/binlog/row_image.h"
#include "worker/source/event_source.h"
#include "worker/stream/batch_queue.h"
#include "worker/stream/cascade.h"
#include "worker/stream/log_position.h"
#include "worker/stream/schema_follower.h"
#include "worker/stream/table_registry.h"

namespace chameleon::worker::stream {

class Reader {
 public:
  struct Options {
    BatchLimits limits;
    bool by_gtid = false;  // restarts go by GTID: offsets beyond 4 GiB do not matter
    v1::SkipEvents skip_events;
    std::vector<v1::XaPrepared> prepared;        // what the coordinator keeps aside
    std::vector<v1::DatabaseDefault> databases;  // the coordinator does not know them: to be told
  };

  // None of the pointers is owned; all outlive the reader.
  Reader(const Options& options, LogPosition position, TableRegistry* tables,
         SchemaFollower* schema, BatchQueue* queue);

  // Reads until the source ends (CANCELLED), fails, or an event must stop the stream.
  absl::Status Run(source::EventSource* events);

  v1::StreamStatus stream_status() const;

 private:
  enum class Group { kNone, kTransaction, kStandalone };
  static constexpr auto kAdvanceEvery = std::chrono::seconds(1);

  absl::Status Handle(const binlog::Event& event);
  absl::Status HandleMapped(const binlog::Event& event);
  absl::Status OnFormatDescription(const binlog::Event& event);
  absl::Status OnRotate(const binlog::Event& event);
  absl::Status OnHeartbeat(const binlog::Event& event);
  absl::Status OnGtid(const binlog::Event& event);
  absl::Status OnMariadbGtid(const binlog::Event& event);
  absl::Status OnQuery(const binlog::Event& event);
  absl::Status OnBegin();
  absl::Status OnOtherQuery(const binlog::Query& query);
  absl::Status OnXaPrepare(const binlog::Event& event);
  absl::Status OnPayload(const binlog::Event& event);
  absl::Status OnAnnotate(const binlog::Event& event);
  absl::Status OnTableMap(const binlog::Event& event);
  absl::Status OnRows(const binlog::Event& event);
  absl::Status OnRows(const binlog::RowsEvent& rows);

  absl::Status TakeRows(const binlog::RowsEvent& rows, const std::shared_ptr<MappedTable>& mapped);
  void Derive(const MappedTable& mapped, binlog::RowKind kind, const absl::Status& readable);
  void StopChildren(const MappedTable& mapped, binlog::RowKind kind);
  void StopChild(const MappedTable& mapped, const CascadeRule& rule);
  absl::Status FlushCascade();
  absl::Status TakeKeys(RowChange* change);
  absl::Status TakeRow(const binlog::RowCursor& cursor, RowChange* change);
  absl::Status TakeIncompleteRow(RowChange* change);
  std::optional<bool> IsReplace() const;
  absl::Status TakeReplaced(const std::shared_ptr<MappedTable>& mapped, RowChange* change);

  absl::Status BeginGroup(Group group);
  absl::Status DropUnfinished();
  absl::Status Commit();
  int64_t EndGroup();
  bool CanEndHere() const;
  void Ended();
  absl::Status Defer(int64_t time_us, v1::XaStep xa);
  absl::Status EndDeferred();
  absl::Status XaEnd(v1::XaStep::Kind kind, const std::string& xid);
  absl::Status EndXa(v1::XaStep step);
  absl::Status EndWith(const v1::XaStep& xa, int64_t time_us);
  absl::Status Rollback();
  absl::Status Savepoint(const std::string& name);
  absl::Status RollbackTo(const std::string& name);
  absl::Status Spill();
  void UndoSince(size_t first);
  void StopTable(const std::shared_ptr<TableState>& table, const std::string& reason);
  absl::Status AdvanceIfDue();
  absl::Status Advance();
  absl::Status PutChange(std::unique_ptr<Batch> batch, bool inside);
  absl::Status CopyUnknown(bool inside);
  bool Skips(const TableState& table, binlog::RowKind kind) const;
  void Ignored(const std::string& kind, uint64_t table_id);
  std::string Where() const;

  const Options options_;
  TableRegistry* const tables_;
  SchemaFollower* const schema_;
  BatchQueue* const queue_;

  binlog::EventParser parser_;
  binlog::FormatDescription format_;
  LogPosition position_;
  binlog::EventHeader header_;  // of the current event, or of the payload around it
  Group group_ = Group::kNone;
  bool alter_pending_ = false;  // the group is the first phase of an ALTER, or its undoing

  struct CachedMap {
    std::string body;
    std::shared_ptr<MappedTable> mapped;
  };
  absl::flat_hash_map<uint64_t, CachedMap> maps_;  // by table id

  Transaction tx_;
  std::set<std::pair<std::string, std::string>> unknown_;  // rows of these have come
  std::set<std::shared_ptr<TableState>> copied_;  // of the open group: their copies have its rows
  bool tx_spilled_ = false;
  bool rows_spilled_ = false;     // likewise, rows among it, not definitions alone
  bool commit_deferred_ = false;  // until the rotation: see LogPosition::AddressableByFile
  v1::XaStep deferred_xa_;        // of the deferred commit
  int64_t tx_time_us_ = 0;        // commit time from the GTID; 0: not sent
  struct SavepointMark {
    std::string name;
    size_t changes;
    bool spilled;  // rows after it may be on their way already
  };
  std::vector<SavepointMark> savepoints_;
  absl::flat_hash_map<std::string, uint32_t> prepared_;  // xid → parts kept by the coordinator
  std::string statement_;  // the beginning of that of the rows to come, as MariaDB annotates it
  Cascade cascade_;        // of the rows that were read last, behind which it belongs
  uint64_t cascade_table_id_ = 0;
  binlog::RowKind cascade_kind_ = binlog::RowKind::kInsert;
  binlog::RowSlices before_, after_;
  std::string key_;

  v1::Position advanced_;  // last position handed to the queue
  std::chrono::steady_clock::time_point next_advance_;

  mutable std::mutex status_mutex_;
  v1::StreamStatus status_;  // guarded by status_mutex_; refreshed a few times a second
  uint64_t events_ = 0, rows_ = 0;
  bool idle_ = false;
  void PublishStatus();
  std::chrono::steady_clock::time_point next_publish_;
};

}  // namespace chameleon::worker::stream
