// The hand-over: what closes a batch, what blocks, and what a close leaves.
#include "worker/stream/batch_queue.h"

#include <gtest/gtest.h>

#include <thread>

namespace chameleon::worker::stream {
namespace {

v1::Position At(uint64_t offset) {
  v1::Position position;
  position.set_file("bin.000001");
  position.set_offset(offset);
  return position;
}

class BatchQueueTest : public testing::Test {
 protected:
  BatchQueueTest() : mapped_(std::make_shared<MappedTable>()) {
    mapped_->table = std::make_shared<TableState>();
  }
  // A transaction that inserts `rows` new keys.
  Transaction Inserts(int rows) {
    Transaction tx;
    for (int i = 0; i < rows; ++i) {
      RowChange change{.mapped = mapped_, .kind = binlog::RowKind::kInsert};
      change.key_after = tx.arena.Copy(std::to_string(++last_key_));
      change.after = tx.arena.Copy("image");
      tx.changes.push_back(change);
    }
    tx.changes_read = rows;
    return tx;
  }
  std::shared_ptr<MappedTable> mapped_;
  int last_key_ = 0;
};

TEST_F(BatchQueueTest, CommitsWaitTogetherUntilTheDelayIsOver) {
  BatchQueue queue({.delay = std::chrono::milliseconds(30)});
  for (int i = 1; i <= 3; ++i) {
    auto tx = Inserts(2);
    ASSERT_TRUE(queue.Commit(&tx, At(i * 100), i).ok());
    EXPECT_TRUE(tx.empty());
  }
  auto batch = queue.Take();
  EXPECT_EQ(batch->commits, 3u);
  EXPECT_EQ(batch->changes_read, 6u);
  EXPECT_EQ(batch->end.offset(), 300u);
  EXPECT_EQ(batch->commit_time_us, 3);
  EXPECT_FALSE(batch->more);
}

TEST_F(BatchQueueTest, AFullBatchIsTakenAtOnce) {
  BatchQueue queue({.rows_max = 4, .delay = std::chrono::hours(1)});
  auto tx = Inserts(4);
  ASSERT_TRUE(queue.Commit(&tx, At(100), 1).ok());
  EXPECT_EQ(queue.Take()->changes_read, 4u);
}

TEST_F(BatchQueueTest, PartsComeAfterWhatWasCommittedBefore) {
  BatchQueue queue({.delay = std::chrono::hours(1)});
  auto small = Inserts(1);
  ASSERT_TRUE(queue.Commit(&small, At(100), 1).ok());
  auto part = Inserts(5);
  ASSERT_TRUE(queue.Part(&part, false, At(150), 0).ok());
  EXPECT_EQ(queue.Take()->end.offset(), 100u);
  auto first = queue.Take();
  EXPECT_TRUE(first->more);
  auto last = Inserts(2);
  ASSERT_TRUE(queue.Part(&last, true, At(200), 2).ok());
  auto second = queue.Take();
  EXPECT_FALSE(second->more);
  EXPECT_EQ(second->end.offset(), 200u);
}

TEST_F(BatchQueueTest, AFullQueueBlocksTheReaderAndCloseReleasesIt) {
  BatchQueue queue({.rows_max = 1});
  for (size_t i = 0; i < BatchQueue::kQueuedMax; ++i) {
    auto tx = Inserts(1);
    ASSERT_TRUE(queue.Commit(&tx, At(i), 1).ok());
  }
  std::atomic<bool> returned = false;
  absl::Status status;
  std::thread reader([&] {
    auto tx = Inserts(1);
    status = queue.Commit(&tx, At(99), 1);
    returned = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(returned);
  queue.Close(false);
  reader.join();
  EXPECT_TRUE(absl::IsCancelled(status));
}

TEST_F(BatchQueueTest, CloseHandsOutCommitsButNoBeginningWithoutAnEnd) {
  BatchQueue queue({.delay = std::chrono::hours(1)});
  auto tx = Inserts(1);
  ASSERT_TRUE(queue.Commit(&tx, At(100), 1).ok());
  auto part = Inserts(5);
  ASSERT_TRUE(queue.Part(&part, false, At(150), 0).ok());
  queue.Close(false);
  EXPECT_EQ(queue.Take()->end.offset(), 100u);
  EXPECT_EQ(queue.Take(), nullptr);
}

TEST_F(BatchQueueTest, DropLeavesNothing) {
  BatchQueue queue({.delay = std::chrono::hours(1)});
  auto tx = Inserts(1);
  ASSERT_TRUE(queue.Commit(&tx, At(100), 1).ok());
  queue.Close(true);
  EXPECT_EQ(queue.Take(), nullptr);
}

TEST_F(BatchQueueTest, ATransactionThatCannotBeNettedLeavesNoHalf) {
  for (const bool alone : {true, false}) {
    BatchQueue queue({.delay = std::chrono::hours(1)});
    auto good = Inserts(1);
    if (!alone) {
      ASSERT_TRUE(queue.Commit(&good, At(100), 1).ok());
    }
    auto bad = Inserts(2);
    bad.changes.push_back(bad.changes[0]);  // what was inserted is inserted again
    EXPECT_TRUE(absl::IsDataLoss(queue.Commit(&bad, At(200), 2)));
    queue.Close(false);
    EXPECT_EQ(queue.Take(), nullptr);
  }
}

TEST_F(BatchQueueTest, NotesTravelWithThePositionBehindThem) {
  BatchQueue queue({.delay = std::chrono::milliseconds(1)});
  Transaction nothing_of_ours;
  v1::LedgerEntry entry;
  entry.set_kind("statement_ignored:grant");
  entry.set_count(1);
  for (int i = 0; i < 3; ++i) nothing_of_ours.notes.Count(entry);
  ASSERT_TRUE(queue.Advance(&nothing_of_ours, At(7)).ok());
  auto batch = queue.Take();
  EXPECT_TRUE(batch->advance);
  ASSERT_EQ(batch->notes.ledger.size(), 1u);
  EXPECT_EQ(batch->notes.ledger[0].kind(), "statement_ignored:grant");
  EXPECT_EQ(batch->notes.ledger[0].count(), 3u);
  EXPECT_TRUE(nothing_of_ours.notes.ledger.empty());
}

// A transaction that is read again from its beginning would be counted twice.
TEST_F(BatchQueueTest, PartsThatGoOnHaveNoNotes) {
  BatchQueue queue({.delay = std::chrono::milliseconds(1)});
  auto tx = Inserts(1);
  v1::LedgerEntry entry;
  entry.set_kind("unknown_table:d.x");
  entry.set_count(1);
  tx.notes.Count(entry);
  ASSERT_TRUE(queue.Part(&tx, false, At(7), 0).ok());
  EXPECT_TRUE(queue.Take()->notes.ledger.empty());
  ASSERT_TRUE(queue.Part(&tx, true, At(9), 0).ok());
  EXPECT_EQ(queue.Take()->notes.ledger.size(), 1u);
}

}  // namespace
}  // namespace chameleon::worker::stream
