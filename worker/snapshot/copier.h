// Copies planned tables over the lanes of one view: the queue of work and the loops that empty it.
//
// Each lane is one thread with one connection. A table is first cut into chunks by whichever lane
// takes it, then its chunks are the next work for all. A table whose definition changed under the
// view (errors 1412, 1146, 1054) is given up and reported in changed().
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "worker/snapshot/progress.h"
#include "worker/snapshot/snapshot.h"
#include "worker/snapshot/view.h"

namespace chameleon::worker::snapshot {

struct CopyJob {
  v1::TableDef def;
  v1::TablePlan plan;
  TableCount* count = nullptr;
};

struct CopyOptions {
  uint64_t copy_max_memory_bytes = 0;
  bool to_file = false;
  std::string out_dir;
};

class Copier {
 public:
  // `jobs` and `view` outlive the copier; `filter`: see View::catalogue.
  Copier(View* view, std::vector<CopyJob>* jobs, const source::TableFilter* filter,
         CopyOptions options, SnapshotTarget* target, ProgressMeter* progress);
  ~Copier();
  // Returns when all tables are copied and finished at the target, or with the first error, or with
  // CANCELLED soon after `stop` became true.
  absl::Status Run(const std::atomic<bool>* stop);
  const std::vector<CopyJob*>& changed() const { return changed_; }

 private:
  struct TableState;
  struct Work;
  struct Lane;

  void RunLane(source::Connection* connection);
  std::optional<Work> TakeWork();
  void WorkDone(const Work& work, const absl::Status& status, source::Connection* connection);
  absl::Status PlanTable(Lane* lane, TableState* table);
  absl::StatusOr<std::vector<std::string>> Predicates(Lane* lane, TableState* table);
  absl::StatusOr<std::vector<std::string>> Sample(Lane* lane, TableState* table, uint32_t chunks);
  absl::Status CopyChunk(Lane* lane, const Work& work);
  absl::Status FinishTable(TableState* table);
  absl::StatusOr<bool> IsUnchanged(const v1::TableDef& def);
  void Fail(const absl::Status& status);

  View* view_;
  const source::TableFilter* filter_;
  CopyOptions options_;
  SnapshotTarget* target_;
  ProgressMeter* progress_;
  uint64_t chunk_bytes_ = 0;

  std::mutex catalogue_mutex_;  // view_->catalogue
  std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_ from here on.
  std::deque<TableState> tables_;
  std::deque<Work> queue_;
  size_t busy_ = 0;           // works taken and not yet done
  size_t locked_tables_ = 0;  // non-transactional ones that are not yet copied
  size_t running_lanes_ = 0;
  absl::Status error_;
  std::vector<CopyJob*> changed_;
};

}  // namespace chameleon::worker::snapshot
