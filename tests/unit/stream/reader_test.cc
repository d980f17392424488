// The reader's groups, on MariaDB's form of them: one table t (INT PRIMARY KEY), rows of it.
#include "worker/stream/reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

#include "proto/wire/error.h"
#include "tests/unit/binlog/event_bytes.h"

namespace chameleon::worker::stream {
namespace {

using binlog::EventType;
using binlog::Hex;
using binlog::Little;

v1::TableVersion IntTable(uint64_t id, const std::string& name) {
  v1::TableVersion version;
  version.mutable_def()->mutable_name()->set_schema("d");
  version.mutable_def()->mutable_name()->set_table(name);
  version.mutable_plan()->set_table_id(id);
  version.mutable_plan()->set_replicated(true);
  auto* column = version.mutable_def()->add_columns();
  column->set_name("id");
  column->set_base_type(v1::INT);
  auto* planned = version.mutable_plan()->add_columns();
  planned->set_target_name("id");
  planned->set_target_type("integer");
  planned->set_encoding(v1::ENCODING_NUMBER);
  planned->set_is_key(true);
  return version;
}

// Events with ascending end positions; ends with CANCELLED.
class Events : public source::EventSource {
 public:
  absl::StatusOr<std::string_view> Next() override {
    if (at_ == raw_.size()) return absl::CancelledError("the end");
    return raw_[at_++];
  }
  void Interrupt() override {}
  bool first_rotate_has_checksum() const override { return false; }

  void Add(EventType type, const std::string& body, uint16_t flags = 0) {
    const size_t crc_bytes = type == EventType::kFormatDescription ? 4 : 0;
    std::string raw = binlog::RawEvent(type, body + std::string(crc_bytes, '\0'), false, flags);
    end_ = type == EventType::kRotate ? 4 : end_ + raw.size();
    raw.replace(13, 4, Little(end_, 4));
    if (crc_bytes > 0) {
      raw.resize(raw.size() - crc_bytes);
      raw += Little(crc32(0, reinterpret_cast<const Bytef*>(raw.data()), raw.size()), 4);
    }
    raw_.push_back(std::move(raw));
  }
  void NewFile(const std::string& name) {
    Add(EventType::kRotate, Little(4, 8) + name, binlog::kFlagArtificial);
    Add(EventType::kFormatDescription, binlog::FormatBody("10.11.6-MariaDB", true, 0));
  }
  void Gtid(uint64_t sequence) {
    Add(EventType::kMariadbGtid, Little(sequence, 8) + Little(0, 4) + '\0' + std::string(6, '\0'));
  }
  void Map(uint64_t id, const std::string& table) {
    Add(EventType::kTableMap, Little(id, 6) + Little(1, 2) + '\1' + "d" + '\0' +
                                  static_cast<char>(table.size()) + table + '\0' +
                                  Hex("01 03 00 00"));
  }
  void Insert(uint64_t id, uint32_t value, bool last = true) {
    Add(EventType::kWriteRowsV1,
        Little(id, 6) + Little(last ? 1 : 0, 2) + Hex("01 ff 00") + Little(value, 4));
  }
  void Xid() { Add(EventType::kXid, Little(1, 8)); }

 private:
  std::vector<std::string> raw_;
  size_t at_ = 0;
  uint32_t end_ = 4;
};

class ReaderTest : public testing::Test {
 protected:
  ReaderTest()
      : tables_(Options(), true),
        schema_({}, {}, {}, &tables_, Copied,
                {.ask = [this](const v1::TableName&) { return on_source_; }}) {
    EXPECT_TRUE(tables_.Put(IntTable(1, "t")).ok());
    EXPECT_TRUE(tables_.Put(IntTable(2, "u")).ok());
  }

  static v1::SourceOptions Options() {
    v1::SourceOptions options;
    (*options.mutable_schema_mappings())["d"] = "d";
    return options;
  }

  // The coordinator's answer: the table leaves, to be copied.
  static absl::StatusOr<v1::ChangeSchemaResponse> Copied(const v1::ChangeSchemaRequest& request) {
    v1::ChangeSchemaResponse response;
    auto* plan = response.add_plans();
    plan->set_table_id(3);
    plan->set_reason(request.changes(0).reason());
    response.set_log_data(fmt::format("{} is copied\n", request.changes(0).name().table()));
    response.set_log_rows(1);
    return response;
  }

  // Reads all events; the log lines of what was committed.
  std::string Read(BatchLimits limits = {}) {
    BatchQueue queue(limits);
    v1::Position start;
    start.set_file("f.000001");
    start.set_offset(4);
    Reader::Options options;
    options.limits = limits;
    Reader reader(options, *LogPosition::Create(start, true), &tables_, &schema_, &queue);
    std::thread source([&] {
      status_ = reader.Run(&events_);
      queue.Close(false);
    });
    std::string text, open;  // parts wait for their end, as in the coordinator
    while (auto batch = queue.Take()) {
      v1::BatchHeader header;
      std::string lines;
      EXPECT_TRUE(EncodeBatch(batch.get(), &header, &lines).ok());
      open += lines;
      if (!batch->more) text += std::exchange(open, {});
      parts_ += batch->more ? "more " : batch->advance ? "advance " : "end ";
      end_ = batch->end;
    }
    source.join();
    return text;
  }

  Events events_;
  std::string parts_;                          // what each batch was
  std::optional<source::TableNow> on_source_;  // whatever the name
  TableRegistry tables_;
  SchemaFollower schema_;
  absl::Status status_;
  v1::Position end_;
};

// A source that dies while it writes a transaction rolls it back; MariaDB leaves its beginning in
// the file and goes on in the next one.
TEST_F(ReaderTest, ATransactionWithoutAnEndIsNotPartOfTheNext) {
  events_.NewFile("f.000001");
  events_.Gtid(1);
  events_.Map(7, "t");
  events_.Insert(7, 1);
  events_.Xid();
  events_.Gtid(2);
  events_.Map(7, "t");
  events_.Insert(7, 2);
  events_.NewFile("f.000002");
  events_.Gtid(2);
  events_.Map(8, "t");
  events_.Insert(8, 3);
  events_.Xid();
  EXPECT_EQ(Read(),
            "0\t1\tinsert\t\\N\t{\"id\":\"1\"}\t\\N\n"
            "0\t1\tinsert\t\\N\t{\"id\":\"3\"}\t\\N\n");
  EXPECT_EQ(end_.file(), "f.000002");
  EXPECT_EQ(end_.gtid(), "0-77-2");
}

TEST_F(ReaderTest, ATransactionWithoutAnEndWhoseRowsWereSentStopsTheStream) {
  events_.NewFile("f.000001");
  events_.Gtid(1);
  events_.Map(7, "t");
  for (uint32_t i = 1; i <= 3; ++i) events_.Insert(7, i, false);
  events_.NewFile("f.000002");
  BatchLimits limits;
  limits.rows_max = 2;
  EXPECT_EQ(Read(limits), "");
  EXPECT_EQ(DetailOf(status_).reason(), "ROLLBACK_AFTER_PARTS");
}

// Without it nobody knows whether events end in a checksum.
TEST_F(ReaderTest, EventsBeforeTheDescriptionOfTheFormatAreRefusedByName) {
  events_.Add(EventType::kRotate, Little(4, 8) + "f.000001", binlog::kFlagArtificial);
  events_.Gtid(1);
  EXPECT_EQ(Read(), "");
  EXPECT_EQ(DetailOf(status_).reason(), "LOG_FORMAT_REFUSED") << status_;
}

TEST_F(ReaderTest, ATransactionEndsWithAnIdAndNothingElse) {
  events_.NewFile("f.000001");
  events_.Gtid(1);
  events_.Map(7, "t");
  events_.Insert(7, 1);
  events_.Add(EventType::kXid, Little(1, 8) + "more");
  EXPECT_EQ(Read(), "");
  EXPECT_EQ(DetailOf(status_).reason(), "EVENT_DAMAGED") << status_;
}

// Logs without GTIDs: nothing else tells where a transaction begins.
TEST_F(ReaderTest, ATransactionInsideOfAnotherIsRefusedByName) {
  const std::string begin = Little(0, 8) + '\0' + Little(0, 4) + '\0' + "BEGIN";
  events_.NewFile("f.000001");
  events_.Add(EventType::kQuery, begin);
  events_.Add(EventType::kQuery, begin);  // the first has changed nothing
  events_.Map(7, "t");
  events_.Insert(7, 1);
  events_.Add(EventType::kQuery, begin);
  events_.Map(7, "t");
  events_.Insert(7, 2);
  events_.Xid();
  EXPECT_EQ(Read(), "");
  EXPECT_EQ(DetailOf(status_).reason(), "TRANSACTION_UNFINISHED") << status_;
}

// The position behind the rows and the word that the table must be copied are durable together.
TEST_F(ReaderTest, ATableThatNobodyHasDescribedIsCopiedInTheTransactionOfItsRows) {
  on_source_ = source::TableNow{.is_table = true, .charset = "utf8mb4", .engine = "InnoDB"};
  events_.NewFile("f.000001");
  events_.Gtid(1);
  events_.Map(7, "t");
  events_.Insert(7, 1);
  events_.Map(9, "x");
  events_.Insert(9, 1);
  events_.Xid();
  events_.Gtid(2);
  events_.Map(9, "x");
  events_.Insert(9, 2);
  events_.Xid();
  EXPECT_EQ(Read(), "0\t1\tinsert\t\\N\t{\"id\":\"1\"}\t\\N\n0\tx is copied\n");
  EXPECT_EQ(parts_, "more more end advance ");
}

// A server gives a table a new id whenever it opens it again.
TEST_F(ReaderTest, ManyTableIds) {
  events_.NewFile("f.000001");
  events_.Gtid(1);
  events_.Map(50, "t");
  events_.Insert(50, 1'000'000);
  events_.Xid();
  for (uint32_t i = 0; i < 6'000; ++i) {
    events_.Gtid(i + 2);
    events_.Map(100 + 2 * i, "t");
    events_.Map(101 + 2 * i, "u");
    events_.Insert(100 + 2 * i, i, false);
    events_.Insert(101 + 2 * i, i);
    events_.Xid();
  }
  Read({.rows_max = 1'000'000});
  EXPECT_TRUE(absl::IsCancelled(status_)) << Text(status_);
}

}  // namespace
}  // namespace chameleon::worker::stream
