// Positions: wrapped headers, zero headers, rotations, heartbeats, resets.
#include "worker/stream/log_position.h"

#include <gtest/gtest.h>

#include "proto/wire/error.h"

namespace chameleon::worker::stream {
namespace {

using binlog::EventHeader;
using binlog::EventType;

v1::Position Start(uint64_t offset, uint32_t created = 0) {
  v1::Position position;
  position.set_file("bin.000007");
  position.set_offset(offset);
  position.set_file_created(created);
  return position;
}

EventHeader Header(uint32_t size, uint32_t end, EventType type = EventType::kXid,
                   uint16_t flags = 0) {
  EventHeader header;
  header.size = size;
  header.end_pos = end;
  header.type = type;
  header.flags = flags;
  return header;
}

TEST(LogPositionTest, HeadersWrapAtFourGigabytes) {
  auto position = LogPosition::Create(Start(0xfffffff0), false).value();
  EXPECT_TRUE(position.AddressableByFile());
  position.Seen(Header(0x20, 0x10));
  EXPECT_EQ(position.current().offset(), 0x1'0000'0010u);
  EXPECT_FALSE(position.AddressableByFile());
  position.Seen(Header(0x10, 0x20));
  EXPECT_EQ(position.current().offset(), 0x1'0000'0020u);
}

TEST(LogPositionTest, ZeroHeadersAreCountedAndGapsAreAccepted) {
  auto position = LogPosition::Create(Start(100), true).value();
  position.Seen(Header(40, 0));  // MariaDB 11 inside a transaction
  EXPECT_EQ(position.current().offset(), 140u);
  position.Seen(Header(31, 900));  // an annotation before it was not sent
  EXPECT_EQ(position.current().offset(), 900u);
}

TEST(LogPositionTest, ArtificialEventsAndHeartbeatsStandNowhere) {
  auto position = LogPosition::Create(Start(100), false).value();
  position.Seen(Header(44, 0, EventType::kRotate, binlog::kFlagArtificial));
  position.Seen(Header(123, 0, EventType::kFormatDescription));
  position.Seen(Header(40, 5000, EventType::kHeartbeat));
  EXPECT_EQ(position.current().offset(), 100u);
  position.ReachedByHeartbeat("bin.000007", 5000, true);
  EXPECT_EQ(position.current().offset(), 5000u);
  position.ReachedByHeartbeat("bin.000007", 4000, true);  // never back
  EXPECT_EQ(position.current().offset(), 5000u);
  position.ReachedByHeartbeat("bin.000008", 9000, true);  // another file: its ROTATE comes first
  EXPECT_EQ(position.current().offset(), 5000u);
}

TEST(LogPositionTest, HeartbeatsOfOldServersWrap) {
  auto position = LogPosition::Create(Start(0x1'0000'0000), false).value();
  position.ReachedByHeartbeat("bin.000007", 0x20, false);
  EXPECT_EQ(position.current().offset(), 0x1'0000'0020u);
}

TEST(LogPositionTest, RotationForgetsTheFile) {
  auto position = LogPosition::Create(Start(100, 1234), false).value();
  ASSERT_TRUE(position.FileCreated(1234).ok());
  position.Rotated("bin.000008", 4);
  EXPECT_EQ(position.current().file(), "bin.000008");
  EXPECT_EQ(position.current().offset(), 4u);
  EXPECT_EQ(position.current().file_created(), 0u);
  ASSERT_TRUE(position.FileCreated(9999).ok());
  EXPECT_EQ(position.current().file_created(), 9999u);
}

TEST(LogPositionTest, AFileOfAnotherTimeIsDataLoss) {
  auto position = LogPosition::Create(Start(100, 1234), false).value();
  position.Rotated("bin.000007", 100);  // the fake ROTATE at the start
  const auto status = position.FileCreated(5678);
  ASSERT_TRUE(absl::IsDataLoss(status));
  EXPECT_EQ(Text(status),
            "binary log bin.000007 was created at another time (5678) than the one that was being "
            "read (1234): the source was reset or restored\n"
            "HINT: Run `chamctl init_replica` for this source to copy it anew.");
}

TEST(LogPositionTest, GtidsJoinAtCommitOnly) {
  auto start = Start(100);
  start.set_gtid("0-1-41,7-2-9");
  auto position = LogPosition::Create(start, true).value();
  binlog::MariadbGtid gtid;
  gtid.domain = 0;
  gtid.server_id = 1;
  gtid.sequence = 42;
  position.Begin(gtid);
  EXPECT_EQ(position.current().gtid(), "0-1-41,7-2-9");
  position.Commit();
  EXPECT_EQ(position.current().gtid(), "0-1-42,7-2-9");
  position.Commit();  // a group without a GTID of its own
  EXPECT_EQ(position.current().gtid(), "0-1-42,7-2-9");
}

}  // namespace
}  // namespace chameleon::worker::stream
