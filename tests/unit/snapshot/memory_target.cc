#include "tests/unit/snapshot/memory_target.h"

#include <algorithm>
#include <stdexcept>

namespace chameleon::worker::snapshot {
namespace {

v1::Encoding EncodingOf(const v1::ColumnDef& c) {
  switch (c.base_type()) {
    case v1::FLOAT:
      return v1::ENCODING_FLOAT;
    case v1::DOUBLE:
      return v1::ENCODING_DOUBLE;
    case v1::BIT:
      return v1::ENCODING_BIT;
    case v1::DATE:
      return v1::ENCODING_DATE;
    case v1::TIME:
      return v1::ENCODING_TIME;
    case v1::DATETIME:
      return v1::ENCODING_DATETIME;
    case v1::TIMESTAMP:
      return v1::ENCODING_TIMESTAMP;
    case v1::ENUM:
      return v1::ENCODING_ENUM;
    case v1::SET:
      return v1::ENCODING_SET;
    case v1::BINARY:
    case v1::VARBINARY:
    case v1::BLOB:
    case v1::LONGBLOB:
      return v1::ENCODING_BYTEA;
    default:
      return c.base_type() <= v1::DECIMAL || c.base_type() == v1::YEAR ? v1::ENCODING_NUMBER
                                                                       : v1::ENCODING_TEXT;
  }
}

class MemoryWriter : public ChunkWriter {
 public:
  MemoryWriter(MemoryTarget* target, uint64_t table_id) : target_(target), table_id_(table_id) {}
  absl::Status Write(std::string_view lines) override {
    if (lines.empty() || lines.back() != '\n') return absl::InternalError("not whole lines");
    bytes_ += lines.size();
    if (!target_->keep_lines) {
      count_ += static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
      return absl::OkStatus();
    }
    while (!lines.empty()) {
      size_t end = lines.find('\n');
      lines_.emplace_back(lines.substr(0, end));
      lines.remove_prefix(end + 1);
    }
    return absl::OkStatus();
  }
  absl::Status Finish(uint64_t rows) override {
    uint64_t have = target_->keep_lines ? lines_.size() : count_;
    if (rows != have) return absl::InternalError("rows do not match the lines");
    std::lock_guard lock(target_->mutex);
    auto& table = target_->tables.at(table_id_);
    table.lines.insert(table.lines.end(), lines_.begin(), lines_.end());
    target_->lines_total += have;
    target_->bytes_total += bytes_;
    return absl::OkStatus();
  }

 private:
  MemoryTarget* target_;
  uint64_t table_id_, count_ = 0, bytes_ = 0;
  std::vector<std::string> lines_;
};

}  // namespace

absl::StatusOr<v1::PlanTablesResponse> MemoryTarget::PlanTables(
    const v1::PlanTablesRequest& request) {
  std::lock_guard lock(mutex);
  v1::PlanTablesResponse response;
  for (const v1::TableDef& def : request.tables()) {
    uint64_t id = tables.size() + 1;
    for (const auto& [known, table] : tables) {
      if (table.def.name().table() == def.name().table()) id = known;
    }
    if (tables.contains(id) != request.replace()) return absl::InternalError("replace?");
    Table& table = tables[id];
    table.def = def;
    table.lines.clear();
    table.chunks.clear();
    table.finished = false;
    table.position = request.position();
    ++table.plans;
    v1::TablePlan* plan = response.add_plans();
    plan->set_table_id(id);
    *plan->mutable_source() = def.name();
    plan->set_target_schema("target");
    plan->set_target_table(def.name().table());
    plan->set_replicated(true);
    for (const v1::ColumnDef& c : def.columns()) {
      v1::ColumnPlan* column = plan->add_columns();
      column->set_target_name(c.name());
      column->set_encoding(EncodingOf(c));
      column->set_nullable(c.nullable());
    }
  }
  return response;
}

absl::StatusOr<std::unique_ptr<ChunkWriter>> MemoryTarget::OpenChunk(uint64_t table_id,
                                                                     uint32_t chunk) {
  std::string name;
  {
    std::lock_guard lock(mutex);
    Table& table = tables.at(table_id);
    if (table.finished) return absl::InternalError("a chunk after the end of its table");
    if (!table.chunks.insert(chunk).second) return absl::InternalError("a chunk twice");
    name = table.def.name().table();
  }
  if (on_chunk) on_chunk(name);
  return std::make_unique<MemoryWriter>(this, table_id);
}

absl::Status MemoryTarget::FinishTable(const v1::FinishTableRequest& request) {
  std::lock_guard lock(mutex);
  const uint64_t rows = request.rows();
  Table& table = tables.at(request.table_id());
  if (table.finished) return absl::InternalError("finished twice");
  if (keep_lines && rows != table.lines.size()) return absl::InternalError("rows of the table");
  table.finished = true;
  table.rows = rows;
  return absl::OkStatus();
}

absl::Status MemoryTarget::FinishSnapshot(const v1::FinishSnapshotRequest& request) {
  std::lock_guard lock(mutex);
  for (const auto& [id, table] : tables) {
    if (!table.finished) return absl::InternalError("not finished: " + table.def.name().table());
  }
  finish = request;
  swapped = true;
  return absl::OkStatus();
}

void MemoryTarget::Report(const v1::Progress& progress) {
  std::lock_guard lock(mutex);
  if (phases.empty() || phases.back() != progress.phase()) phases.push_back(progress.phase());
  last = progress;
}

MemoryTarget::Table& MemoryTarget::Get(const std::string& name) {
  for (auto& [id, table] : tables) {
    if (table.def.name().table() == name) return table;
  }
  throw std::runtime_error("no table " + name);
}

std::vector<long> MemoryTarget::Numbers(const std::string& table, size_t column) {
  std::vector<long> values;
  for (const std::string& line : Get(table).lines) {
    size_t at = 0;
    for (size_t i = 0; i < column; ++i) at = line.find('\t', at) + 1;
    values.push_back(std::stol(line.substr(at)));
  }
  return values;
}

}  // namespace chameleon::worker::snapshot
