// Batches as a worker sends them, for tests of ingest and replay.
#pragma once

#include <fmt/format.h>

#include <string>

#include "chameleon/v1/worker.pb.h"
#include "coordinator/ingest/batch_writer.h"

namespace chameleon::coordinator {

class LogBatch {
 public:
  LogBatch(uint64_t id, uint64_t begin, uint64_t end) {
    header_.set_batch_id(id);
    *header_.mutable_begin() = At(begin);
    *header_.mutable_end() = At(end);
    header_.set_commit_time_us(1'700'000'000'000'000);
  }

  // Images are JSON; empty: NULL.
  LogBatch& Add(uint64_t table, const std::string& event, const std::string& before,
                const std::string& after, const std::string& query = "") {
    lines_ += fmt::format("{}\t{}\t{}\t{}\t{}\t{}\n", header_.batch_id(), table, event,
                          Field(before), Field(after), Field(query));
    header_.set_rows(header_.rows() + 1);
    header_.set_changes(header_.rows());
    return *this;
  }
  LogBatch& Insert(const std::string& after, uint64_t table = 1) {
    return Add(table, "insert", "", after);
  }
  LogBatch& Update(const std::string& after, uint64_t table = 1) {
    return Add(table, "update", "", after);
  }
  LogBatch& Delete(const std::string& before, uint64_t table = 1) {
    return Add(table, "delete", before, "");
  }
  LogBatch& More() {
    header_.set_more(true);
    *header_.mutable_end() = header_.begin();
    return *this;
  }
  LogBatch& Exclusive() {
    header_.set_exclusive(true);
    return *this;
  }

  v1::BatchHeader& header() { return header_; }
  const std::string& lines() const { return lines_; }

  absl::Status WriteTo(ingest::BatchWriter* writer) const {
    if (absl::Status s = writer->Begin(header_); !s.ok()) return s;
    if (absl::Status s = writer->Data(lines_); !s.ok()) return s;
    return writer->Commit();
  }

 private:
  static v1::Position At(uint64_t offset) {
    v1::Position position;
    position.set_file("b.1");
    position.set_offset(offset);
    return position;
  }
  static std::string Field(const std::string& text) {
    if (text.empty()) return "\\N";
    std::string out;
    for (char c : text) out += c == '\\' ? "\\\\" : std::string(1, c);
    return out;
  }

  v1::BatchHeader header_;
  std::string lines_;
};

}  // namespace chameleon::coordinator
