#include "worker/stream/batch.h"

#include <fmt/format.h>

#include "proto/wire/error.h"
#include "worker/encode/escape.h"

namespace chameleon::worker::stream {
namespace {

using Columns = encode::TableCodec::Columns;

std::string AllPresent(size_t columns) { return std::string((columns + 7) / 8, '\xff'); }

class LineWriter {
 public:
  LineWriter(uint64_t batch_id, std::string* out) : batch_id_(batch_id), out_(out) {}

  absl::Status Append(const ChangeSet::TableChanges& table, NetChange::State state,
                      const char* operation, uint32_t* rows) {
    const std::string prefix = fmt::format("{}\t{}\t{}\t", batch_id_, table.table->id(), operation);
    for (const NetChange& net : table.net) {
      if (net.state != state) continue;
      auto status = net.layer == 0 ? Slice(net) : SliceLayers(table, net.layer);
      if (!status.ok()) return status;
      out_->append(prefix);
      const auto& map = *map_;
      auto& codec = *table.table->uplink_codec;
      const bool is_delete = state == NetChange::kDelete;
      if (is_delete) {
        status = codec.AppendJson(map, slices_, Columns::kKeyColumns, out_);
      } else if (net.layer == 0 || net.whole || base_is_whole_) {
        out_->append("\\N\t");
        status = codec.AppendJson(map, slices_, Columns::kAllOrDefault, out_);
      } else {
        status = AppendIncomplete(table, net, out_);
      }
      if (!status.ok()) return WithContext(status, "row " + codec.KeyText(map, slices_));
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
  absl::Status Slice(const NetChange& net) {
    const auto& map = net.mapped->map;
    if (&map != map_) {
      map_ = &map;
      present_ = AllPresent(map.columns.size());
    }
    return binlog::SliceImage(map, present_, net.image, &slices_);
  }

  // The newest value of each column.
  absl::Status SliceLayers(const ChangeSet::TableChanges& table, uint32_t newest) {
    map_ = &table.layers[newest - 1].mapped->map;
    present_ = AllPresent(map_->columns.size());
    slices_.assign(map_->columns.size(), {});
    base_is_whole_ = false;
    for (uint32_t at = newest; at != 0; at = table.layers[at - 1].older) {
      const auto& layer = table.layers[at - 1];
      base_is_whole_ = layer.present == nullptr;
      auto status = binlog::SliceImage(
          layer.mapped->map, base_is_whole_ ? present_ : *layer.present, layer.image, &lower_);
      if (!status.ok()) return status;
      for (size_t i = 0; i < slices_.size(); ++i) {
        if (slices_[i].state == binlog::Slice::kAbsent) slices_[i] = lower_[i];
      }
    }
    return absl::OkStatus();
  }

  // Before: the key that finds the row. After: the columns that change.
  absl::Status AppendIncomplete(const ChangeSet::TableChanges& table, const NetChange& net,
                                std::string* out) {
    auto& codec = *table.table->uplink_codec;
    const auto& layer = table.layers[net.layer - 1];
    if (!layer.before.empty()) {
      auto status = binlog::SliceImage(*map_, present_, layer.before, &lower_);
      if (!status.ok()) return status;
    }
    auto status =
        codec.AppendJson(*map_, layer.before.empty() ? slices_ : lower_, Columns::kKeyColumns, out);
    if (!status.ok()) return status;
    out->push_back('\t');
    return codec.AppendJson(*map_, slices_, Columns::kAllColumns, out);
  }

  const uint64_t batch_id_;
  std::string* const out_;
  const binlog::TableMap* map_ = nullptr;
  std::string present_;
  binlog::RowSlices slices_, lower_;
  bool base_is_whole_ = false;  // the oldest layer has all columns
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

void Notes::Count(const v1::LedgerEntry& entry) {
  for (auto& known : ledger) {
    if (known.table_id() != entry.table_id() || known.kind() != entry.kind()) continue;
    known.set_count(known.count() + entry.count());
    return;
  }
  ledger.push_back(entry);
}

void Notes::Take(Notes* later) {
  for (const auto& entry : later->ledger) Count(entry);
  for (auto& changed : later->databases) databases.push_back(std::move(changed));
  later->ledger.clear();
  later->databases.clear();
}

absl::Status EncodeBatch(Batch* batch, v1::BatchHeader* header, std::string* out) {
  for (size_t at = 0; at < batch->ready_lines.size();) {
    const size_t end = batch->ready_lines.find('\n', at) + 1;
    out->append(fmt::format("{}\t", header->batch_id()));
    out->append(batch->ready_lines, at, end - at);
    at = end;
  }
  uint32_t rows = batch->ready_rows;
  for (auto& entry : batch->notes.ledger) *header->add_ledger() = std::move(entry);
  for (auto& changed : batch->notes.databases) *header->add_databases() = std::move(changed);
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
      table.table->uplink_codec->TakeLosses();  // of rows that are not sent
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
