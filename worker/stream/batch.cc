#include "worker/stream/batch.h"

#include <fmt/format.h>

#include "proto/wire/error.h"
#include "worker/encode/escape.h"

namespace chameleon::worker::stream {
namespace {

using Columns = encode::TableCodec::Columns;

// Every image is FULL: the reader refuses others.
std::string AllPresent(size_t columns) { return std::string((columns + 7) / 8, '\xff'); }

class LineWriter {
 public:
  LineWriter(uint64_t batch_id, std::string* out) : batch_id_(batch_id), out_(out) {}

  absl::Status Append(const ChangeSet::TableChanges& table, NetChange::State state,
                      const char* operation, uint32_t* rows) {
    const std::string prefix = fmt::format("{}\t{}\t{}\t", batch_id_, table.table->id(), operation);
    for (const NetChange& net : table.net) {
      if (net.state != state) continue;
      const auto& map = net.mapped->map;
      if (&map != map_) {
        map_ = &map;
        present_ = AllPresent(map.columns.size());
      }
      auto status = binlog::SliceImage(map, present_, net.image, &slices_);
      if (!status.ok()) return status;
      out_->append(prefix);
      const bool is_delete = state == NetChange::kDelete;
      if (!is_delete) out_->append("\\N\t");
      status = table.table->uplink_codec->AppendJson(
          map, slices_, is_delete ? Columns::kKeyColumns : Columns::kAllColumns, out_);
      if (!status.ok()) {
        return WithContext(status,
                           fmt::format("row {}", table.table->uplink_codec->KeyText(map, slices_)));
      }
      out_->append(is_delete ? "\t\\N\t\\N\n" : "\t\\N\n");
      ++*rows;
    }
    return absl::OkStatus();
  }

  void AppendStop(TableState* table, const std::string& reason, v1::BatchHeader* header) {
    table->stopped = true;
    // The version says at once what replay will do later: nobody follows the table from here on.
    auto* version = header->add_versions();
    *version = table->version;
    version->mutable_plan()->set_replicated(false);
    std::string text = reason;
    std::erase(text, '\0');  // PostgreSQL's JSON has none
    version->mutable_plan()->set_reason(text);
    out_->append(fmt::format("{}\t{}\tstop\t\\N\t\\N\t", batch_id_, table->id()));
    encode::AppendText(reason, encode::Escape::kCopy, out_);
    out_->push_back('\n');
  }

 private:
  const uint64_t batch_id_;
  std::string* const out_;
  const binlog::TableMap* map_ = nullptr;
  std::string present_;
  binlog::RowSlices slices_;
};

absl::Status EncodeTable(LineWriter* writer, const ChangeSet::TableChanges& table, uint32_t* rows) {
  auto status = writer->Append(table, NetChange::kDelete, "delete", rows);
  if (status.ok()) status = writer->Append(table, NetChange::kUpdate, "update", rows);
  if (status.ok()) status = writer->Append(table, NetChange::kInsert, "insert", rows);
  return status;
}

void AddLosses(const TableState& table, v1::BatchHeader* header) {
  for (const auto& [kind, loss] : table.uplink_codec->TakeLosses()) {
    auto* entry = header->add_ledger();
    entry->set_table_id(table.id());
    entry->set_kind(kind);
    entry->set_count(loss.count);
    entry->set_example_key(loss.example);
    *entry->mutable_example_position() = header->end();
  }
}

}  // namespace

absl::Status EncodeBatch(Batch* batch, v1::BatchHeader* header, std::string* out) {
  for (size_t at = 0; at < batch->ready_lines.size();) {
    const size_t end = batch->ready_lines.find('\n', at) + 1;
    out->append(fmt::format("{}\t", header->batch_id()));
    out->append(batch->ready_lines, at, end - at);
    at = end;
  }
  uint32_t rows = batch->ready_rows;
  for (auto& entry : batch->ledger) *header->add_ledger() = std::move(entry);
  LineWriter writer(header->batch_id(), out);
  for (const auto& table : batch->changes.tables()) {
    const size_t mark = out->size();
    uint32_t table_rows = 0;
    auto status = EncodeTable(&writer, table, &table_rows);
    if (absl::IsDataLoss(status) || absl::IsInternal(status)) {
      return WithContext(status, "table " + table.table->FullName());
    }
    if (!status.ok()) {  // this value cannot be carried: the table leaves the replica, loudly
      out->resize(mark);
      writer.AppendStop(table.table.get(), Text(status), header);
      table_rows = 1;
    }
    AddLosses(*table.table, header);
    if (table_rows > 0) header->add_table_ids(table.table->id());
    rows += table_rows;
  }
  for (const TableStop& stop : batch->stops) {
    writer.AppendStop(stop.table.get(), stop.reason, header);
    header->add_table_ids(stop.table->id());
    ++rows;
  }
  header->set_rows(rows);
  return absl::OkStatus();
}

}  // namespace chameleon::worker::stream
