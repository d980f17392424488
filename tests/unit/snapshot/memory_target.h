// A coordinator in memory: plans every column as text or number, keeps the lines that arrive.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "worker/snapshot/snapshot.h"

namespace chameleon::worker::snapshot {

class MemoryTarget : public SnapshotTarget {
 public:
  struct Table {
    v1::TableDef def;
    std::vector<std::string> lines;
    std::set<uint32_t> chunks;
    int plans = 0;
    bool finished = false;
    uint64_t rows = 0;
    v1::Position position;
  };

  absl::StatusOr<v1::PlanTablesResponse> PlanTables(const v1::PlanTablesRequest& request) override;
  absl::StatusOr<std::unique_ptr<ChunkWriter>> OpenChunk(uint64_t table_id,
                                                         uint32_t chunk) override;
  absl::Status FinishTable(const v1::FinishTableRequest& request) override;
  absl::Status FinishSnapshot(const v1::FinishSnapshotRequest& request) override;
  void Report(const v1::Progress& progress) override;

  // After everything: by table name.
  Table& Get(const std::string& table);
  // The values of one column (counted from 0) of all lines, as numbers.
  std::vector<long> Numbers(const std::string& table, size_t column);

  // Called with the table's name when a chunk has been opened, on the lane's thread.
  std::function<void(const std::string& table)> on_chunk;
  bool keep_lines = true;

  std::mutex mutex;
  std::map<uint64_t, Table> tables;  // by id
  v1::FinishSnapshotRequest finish;
  bool swapped = false;
  std::vector<std::string> phases;
  v1::Progress last;
  uint64_t lines_total = 0, bytes_total = 0;
};

}  // namespace chameleon::worker::snapshot
