// The batch invariant against a real PostgreSQL.
#include "coordinator/ingest/batch_writer.h"

#include <random>
#include <thread>

#include "tests/unit/ingest/log_batch.h"
#include "tests/unit/pg/target_fixture.h"

namespace chameleon::coordinator {
namespace {

using ingest::BatchWriter;

constexpr char kRow[] = R"({"id":"1"})";

class BatchWriterTest : public TargetTest {
 protected:
  void SetUp() override {
    TargetTest::SetUp();
    CreateSource();
  }
  std::unique_ptr<BatchWriter> Open() {
    auto writer = BatchWriter::Open(target_, lease_);
    EXPECT_TRUE(writer.ok()) << writer.status().ToString();
    return writer.ok() ? std::move(*writer) : nullptr;
  }
  std::string Received() {
    return Get(
        "SELECT i_last_batch, t_binlog_name, i_binlog_position, b_batch_open"
        " FROM sch_chameleon.t_sources");
  }
  std::string Log() {
    return Get(
        "SELECT i_id_batch, count(*) FROM sch_chameleon.t_log_replica GROUP BY 1 ORDER BY 1");
  }
};

TEST_F(BatchWriterTest, RowsAndPositionTogether) {
  auto writer = Open();
  ASSERT_OK(LogBatch(1, 4, 100)
                .Insert(kRow)
                .Insert(R"({"id":"2","note":"a\\\"b"})")
                .WriteTo(writer.get()));
  EXPECT_EQ(Received(), "1|b.1|100|f");
  EXPECT_EQ(Get("SELECT i_id_batch, i_binlog_position, i_rows, b_more, b_replayed, v_log_table,"
                " ts_source_commit FROM sch_chameleon.t_replica_batch"),
            "1|100|2|f|f|t_log_replica_1_1|2023-11-14 22:13:20+00");
  EXPECT_EQ(Get("SELECT jsb_event_after->>'note' FROM sch_chameleon.t_log_replica"
                " WHERE jsb_event_after->>'id' = '2'"),
            "a\\\"b");
}

TEST_F(BatchWriterTest, StaleEpochIsRefusedAtOpen) {
  ASSERT_TRUE(catalogue_->NewEpoch(lease_.source_id(), "host:2").ok());
  auto writer = BatchWriter::Open(target_, lease_);
  EXPECT_EQ(writer.status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Text(writer.status()), "epoch 1 of source shop is over, the current one is 2");
}

TEST_F(BatchWriterTest, ZombieIsRefusedAtCommitAndLeavesNothing) {
  auto writer = Open();
  LogBatch batch(1, 4, 100);
  batch.Insert(kRow);
  ASSERT_OK(writer->Begin(batch.header()));
  ASSERT_OK(writer->Data(batch.lines()));
  ASSERT_TRUE(catalogue_->NewEpoch(lease_.source_id(), "host:2").ok());  // does not wait for it
  const absl::Status status = writer->Commit();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(Text(status), HasSubstr("epoch 1 of source 1 is over, the current one is 2"));
  EXPECT_EQ(Received(), "0|b.1|4|f");
  EXPECT_EQ(Log(), "");
  EXPECT_EQ(Get("SELECT count(*) FROM sch_chameleon.t_replica_batch"), "0");
  EXPECT_EQ(writer->Begin(batch.header()).code(), absl::StatusCode::kInternal);  // unusable
}

TEST_F(BatchWriterTest, GapDuplicateAndWrongNumberAreRefused) {
  ASSERT_OK(LogBatch(1, 4, 100).Insert(kRow).WriteTo(Open().get()));
  struct Case {
    uint64_t id, begin;
    const char* text;
  };
  for (const Case& c : {Case{2, 150, "begins at b.1:150, the received position is b.1:100"},
                        Case{1, 4, "batch 1 of source shop is not the next one, 2"},
                        Case{3, 100, "batch 3 of source shop is not the next one, 2"}}) {
    const absl::Status status = LogBatch(c.id, c.begin, 200).Insert(kRow).WriteTo(Open().get());
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
    EXPECT_THAT(Text(status), HasSubstr(c.text));
  }
  EXPECT_EQ(Received(), "1|b.1|100|f");
  EXPECT_EQ(Log(), "1|1");
}

// Two streams under one epoch: the early checks of both pass, the catalogue decides.
TEST_F(BatchWriterTest, SecondStreamIsRefusedByTheCatalogue) {
  auto first = Open(), second = Open();
  ASSERT_OK(LogBatch(1, 4, 100).Insert(kRow).WriteTo(first.get()));
  EXPECT_EQ(LogBatch(1, 4, 100).Insert(kRow).WriteTo(second.get()).code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(Log(), "1|1");
}

// Every field of the position counts.
TEST_F(BatchWriterTest, PositionsAreComparedWhole) {
  for (const char* field : {"gtid", "server", "created"}) {
    LogBatch batch(1, 4, 100);
    v1::Position* begin = batch.header().mutable_begin();
    if (*field == 'g') begin->set_gtid("0-1-7");
    if (*field == 's') begin->set_server_id("other");
    if (*field == 'c') begin->set_file_created(5);
    EXPECT_EQ(batch.Insert(kRow).WriteTo(Open().get()).code(), absl::StatusCode::kAborted) << field;
  }
}

TEST_F(BatchWriterTest, WrongRowCountIsRefused) {
  LogBatch batch(1, 4, 100);
  batch.Insert(kRow).header().set_rows(2);
  const absl::Status status = batch.WriteTo(Open().get());
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Text(status), "source shop: batch 1 has 1 lines, its header says 2");
  EXPECT_EQ(Log(), "");
}

TEST_F(BatchWriterTest, BadJsonNamesTheLine) {
  const absl::Status status =
      LogBatch(1, 4, 100).Insert(kRow).Insert("{broken").WriteTo(Open().get());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Text(status), HasSubstr("line 2"));
  EXPECT_EQ(Log(), "");
}

TEST_F(BatchWriterTest, DestructionRollsBack) {
  {
    auto writer = Open();
    LogBatch batch(1, 4, 100);
    ASSERT_OK(writer->Begin(batch.Insert(kRow).header()));
    ASSERT_OK(writer->Data(batch.lines()));
  }
  EXPECT_EQ(Received(), "0|b.1|4|f");
  EXPECT_EQ(Log(), "");
}

TEST_F(BatchWriterTest, IdleAdvanceLeavesNoRow) {
  auto writer = Open();
  LogBatch idle(1, 4, 100);
  idle.header().set_commit_time_us(0);
  ASSERT_OK(idle.WriteTo(writer.get()));
  EXPECT_EQ(Received(), "1|b.1|100|f");
  EXPECT_EQ(Get("SELECT count(*) FROM sch_chameleon.t_replica_batch"), "0");
  EXPECT_EQ(Get("SELECT i_binlog_position, i_last_batch FROM sch_chameleon.t_last_replayed"),
            "100|1");
  EXPECT_EQ(Get("SELECT f_read_lag FROM sch_chameleon.v_replica_status"), "0");
  // While something waits for replay, readers are not there yet.
  ASSERT_OK(LogBatch(2, 100, 200).Insert(kRow).WriteTo(writer.get()));
  ASSERT_OK(LogBatch(3, 200, 300).WriteTo(writer.get()));
  EXPECT_EQ(Get("SELECT i_binlog_position FROM sch_chameleon.t_last_replayed"), "100");
  EXPECT_EQ(Received(), "3|b.1|300|f");
}

TEST_F(BatchWriterTest, NewLeaseDropsTheOpenTransaction) {
  {
    auto writer = Open();
    ASSERT_OK(LogBatch(1, 4, 100).Insert(kRow).WriteTo(writer.get()));
    ASSERT_OK(LogBatch(2, 100, 0).Insert(kRow).More().WriteTo(writer.get()));
    ASSERT_OK(LogBatch(3, 100, 0).Insert(kRow).Insert(kRow).More().WriteTo(writer.get()));
  }
  EXPECT_EQ(Received(), "3|b.1|100|t");
  lease_.set_epoch(*catalogue_->NewEpoch(lease_.source_id(), "host:2"));
  EXPECT_EQ(Received(), "1|b.1|100|f");
  EXPECT_EQ(Log(), "1|1");
  auto start = catalogue_->LoadReplication(lease_.source_id());
  ASSERT_TRUE(start.ok());
  EXPECT_EQ(start->next_batch_id, 2u);
  EXPECT_EQ(start->received.offset(), 100u);
  ASSERT_OK(LogBatch(2, 100, 200).Insert(kRow).WriteTo(Open().get()));
}

TEST_F(BatchWriterTest, VersionsAndLedgerTravelWithTheBatch) {
  LogBatch batch(1, 4, 100);
  v1::TableVersion* version = batch.header().add_versions();
  version->mutable_def()->add_columns()->set_default_value(std::string("a\0b", 3));
  v1::TablePlan* plan = version->mutable_plan();
  plan->set_table_id(7);
  plan->mutable_source()->set_schema("shop");
  plan->mutable_source()->set_table("orders");
  plan->set_target_schema("shop");
  plan->set_target_table("orders");
  plan->set_replicated(true);
  v1::ColumnPlan* column = plan->add_columns();
  column->set_target_name("id");
  column->set_target_type("integer");
  column->set_is_key(true);
  v1::LedgerEntry* entry = batch.header().add_ledger();
  entry->set_table_id(7);
  entry->set_kind("zero_date_to_null");
  entry->set_count(3);
  *batch.header().add_ledger() = *entry;  // twice in one batch
  auto writer = Open();
  ASSERT_OK(batch.WriteTo(writer.get()));
  batch.header().set_batch_id(2);
  batch.header().clear_versions();
  *batch.header().mutable_begin() = At(100);
  ASSERT_OK(batch.WriteTo(writer.get()));
  EXPECT_EQ(Get("SELECT i_count FROM sch_chameleon.t_ledger"), "12");
  EXPECT_EQ(Get("SELECT i_id_table, v_table_name, v_table_pkey, b_replica_enabled"
                " FROM sch_chameleon.t_replica_tables"),
            "7|orders|{id}|t");
  auto start = catalogue_->LoadReplication(lease_.source_id());
  ASSERT_TRUE(start.ok()) << start.status().ToString();
  ASSERT_EQ(start->tables.size(), 1u);
  EXPECT_EQ(start->tables[0].def().columns(0).default_value(), std::string("a\0b", 3));
  EXPECT_TRUE(start->tables[0].plan().columns(0).is_key());
}

// kill of the backend at random moments: a lost answer is looked up, never guessed.
TEST_F(BatchWriterTest, KilledBackendsLoseAndRepeatNothing) {
  constexpr int kKills = 10;
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::atomic<int> kills{0};
  std::thread killer([&] {
    std::mt19937 random(seed);
    test::Pg pg(Server().Address(target_.database));
    while (kills < kKills) {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 100000));
      kills += static_cast<int>(
          pg.Query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                   " WHERE application_name = 'chameleon ingest shop'")
              .size());
    }
  });
  uint64_t stored = 0;
  while (kills < kKills) {
    auto start = catalogue_->LoadReplication(lease_.source_id());
    ASSERT_TRUE(start.ok());
    auto writer = BatchWriter::Open(target_, lease_);
    if (!writer.ok()) {
      EXPECT_EQ(writer.status().code(), absl::StatusCode::kUnavailable) << writer.status();
      continue;
    }
    uint64_t id = start->next_batch_id, begin = start->received.offset();
    stored = id - 1;
    for (; kills < kKills; ++id, begin += 10) {
      LogBatch batch(id, begin, begin + 10);
      for (int i = 0; i < 100; ++i) batch.Insert(kRow);
      if (absl::Status status = batch.WriteTo(writer->get()); !status.ok()) {
        EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
        break;
      }
      stored = id;
    }
  }
  killer.join();
  // The last answer may have been lost too.
  const uint64_t last = catalogue_->LoadReplication(lease_.source_id())->next_batch_id - 1;
  EXPECT_TRUE(last == stored || last == stored + 1) << last << " " << stored;
  EXPECT_EQ(Received(), fmt::format("{}|b.1|{}|f", last, 4 + 10 * last));
  EXPECT_EQ(Get("SELECT count(*), count(*) FILTER (WHERE n <> 100) FROM (SELECT i_id_batch,"
                " count(*) n FROM sch_chameleon.t_log_replica GROUP BY 1) x"),
            fmt::format("{}|0", last));
}

}  // namespace
}  // namespace chameleon::coordinator
