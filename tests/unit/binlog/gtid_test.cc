#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/wire/error.h"
#include "tests/unit/binlog/event_bytes.h"
#include "worker/binlog/event.h"
#include "worker/binlog/gtid_set.h"

namespace chameleon::worker::binlog {
namespace {

using ::testing::HasSubstr;

constexpr char kUuid[] = "e3e2a4ee-b6dc-11ea-8bcf-0242ac150002";

std::string Uuid(const MysqlGtid& gtid) {
  return ToHex(std::string_view(reinterpret_cast<const char*>(gtid.uuid), 16));
}

TEST(MysqlGtid, Of57) {  // from mysql-cdc-rs/5.7/02_query
  std::string body =
      Hex("00 e3e2a4eeb6dc11ea8bcf0242ac150002 0100000000000000 02 0000000000000000 "
          "0100000000000000");
  auto gtid = ParseMysqlGtid(EventOf(EventType::kGtid, body));
  ASSERT_TRUE(gtid.ok());
  EXPECT_EQ(Uuid(*gtid), "e3e2a4eeb6dc11ea8bcf0242ac150002");
  EXPECT_EQ(gtid->gno, 1);
  EXPECT_FALSE(gtid->anonymous);
  EXPECT_EQ(gtid->commit_time_us, 0u);
  EXPECT_EQ(gtid->server_version, 0u);
}

TEST(MysqlGtid, Of80) {  // from rust_mysql_common/mysql-enum-string-set
  std::string body =
      Hex("00 0193e95066a2f411ec9b699657f0ae95 0e00000000000000 02 0000000000000000 "
          "0100000000000000 9d65100d1dda05 fc5001 9c380100");
  auto gtid = ParseMysqlGtid(EventOf(EventType::kGtid, body));
  ASSERT_TRUE(gtid.ok());
  EXPECT_EQ(gtid->gno, 14);
  EXPECT_EQ(gtid->commit_time_us, 0x05da1d0d10659du);
  EXPECT_EQ(gtid->transaction_length, 336u);
  EXPECT_EQ(gtid->server_version, 80028u);
}

TEST(MysqlGtid, RelayedCarriesTheOriginalToo) {
  std::string body =
      Hex("00 0193e95066a2f411ec9b699657f0ae95 0e00000000000000 02 0000000000000000 "
          "0100000000000000 9d65100d1dda85 01020304050607 fc5001 9c380180 11223344");
  auto gtid = ParseMysqlGtid(EventOf(EventType::kGtid, body));
  ASSERT_TRUE(gtid.ok());
  EXPECT_EQ(gtid->commit_time_us, 0x05da1d0d10659du);
  EXPECT_EQ(gtid->transaction_length, 336u);
  EXPECT_EQ(gtid->server_version, 80028u);
}

TEST(MysqlGtid, AnonymousHasNoNumber) {
  std::string body = std::string(25, '\0');
  EXPECT_TRUE(ParseMysqlGtid(EventOf(EventType::kAnonymousGtid, body))->anonymous);
  EXPECT_THAT(Text(ParseMysqlGtid(EventOf(EventType::kGtid, body)).status()),
              HasSubstr("transaction number 0"));
}

TEST(MysqlGtid, Tagged) {
  std::string uuid;
  for (int i = 0; i < 16; ++i) uuid += static_cast<char>((0x10 + i) << 1);
  uuid.replace(1, 1, Hex("85 02"));
  std::string body = Hex("02 72 12 | 00 02 | 02") + uuid +
                     Hex("| 04 04 | 06 0a 'mytag' | 08 00 | 0a 04 | 0c 7f 9d65100d1dda05 |"
                         "10 e0 | 12 53 0b 0b");
  body[1] = static_cast<char>(body.size() << 1);
  auto gtid = ParseMysqlGtid(EventOf(EventType::kGtidTagged, body));
  ASSERT_TRUE(gtid.ok()) << Text(gtid.status());
  EXPECT_EQ(Uuid(*gtid), "10a112131415161718191a1b1c1d1e1f");
  EXPECT_EQ(gtid->gno, 1);
  EXPECT_EQ(gtid->tag, "mytag");
  EXPECT_EQ(gtid->commit_time_us, 0x05da1d0d10659du);
  EXPECT_EQ(gtid->transaction_length, 0x70u);
  EXPECT_EQ(gtid->server_version, 90474u);
  body[2] = 0x40;
  EXPECT_THAT(Text(ParseMysqlGtid(EventOf(EventType::kGtidTagged, body)).status()),
              HasSubstr("field 32 is not known"));
}

TEST(MariadbGtid, Forms) {
  struct Case {
    const char* hex;
    uint8_t flags, extra;
    uint64_t start;
    const char* xid;
  };
  for (const Case& c : {
           Case{"29 | 00 00 00 00 00 00", 0x29, 0, 0, nullptr},
           Case{"29 | 02 00 00 00 00 00", 0x29, 2, 0, nullptr},
           Case{"29 | 04 c0 00 00 00 00 00 00 00", 0x29, 4, 0xc0, nullptr},
           Case{"0c | 10 4d010000 00", 0x0c, 16, 0, nullptr},
           Case{"4c 07000000 02 01 783162 01 ff", 0x4c, 1, 0, "070000000200000001000000783162"},
           Case{"0e 1100000000000000", 0x0e, 0, 0, nullptr},
       }) {
    std::string body = Hex("2a00000000000000 07000000") + Hex(c.hex);
    for (const std::string& padded : {body, body + std::string(3000, '\0')}) {
      auto gtid = ParseMariadbGtid(EventOf(EventType::kMariadbGtid, padded));
      ASSERT_TRUE(gtid.ok()) << c.hex;
      EXPECT_EQ(gtid->sequence, 42u);
      EXPECT_EQ(gtid->domain, 7u);
      EXPECT_EQ(gtid->server_id, 77u);
      EXPECT_EQ(gtid->flags, c.flags) << c.hex;
      EXPECT_EQ(gtid->flags_extra, c.extra) << c.hex;
      EXPECT_EQ(gtid->alter_start_seqno, c.start) << c.hex;
      EXPECT_EQ(gtid->xid.has_value(), c.xid != nullptr) << c.hex;
      EXPECT_EQ(ToHex(gtid->xid.value_or("")), c.xid != nullptr ? c.xid : "");
    }
  }
}

TEST(MariadbGtid, List) {
  std::string body =
      Hex("02000010 | 00000000 14000000 0700000000000000 | 07000000 14000000 "
          "0100000000000000");
  auto list = ParseMariadbGtidList(EventOf(EventType::kMariadbGtidList, body));
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->entries.size(), 2u);
  EXPECT_EQ(list->entries[0].sequence, 7u);
  EXPECT_EQ(list->entries[1].domain, 7u);
  EXPECT_EQ(list->entries[1].server_id, 20u);
  body.resize(35);
  EXPECT_FALSE(ParseMariadbGtidList(EventOf(EventType::kMariadbGtidList, body)).ok());
}

TEST(MysqlGtidSet, ParsesAndPrintsCanonically) {
  struct Case {
    std::string text, canonical;
  };
  const std::string u = kUuid;
  for (const Case& c : {
           Case{"", ""},
           Case{u + ":1", u + ":1"},
           Case{u + ":7:1-3:2-5", u + ":1-5:7"},
           Case{u + ":1-3:4-5", u + ":1-5"},
           Case{u + ":1-2:5-6:3-4", u + ":1-6"},
           Case{"E3E2A4EEB6DC11EA8BCF0242AC150002:2 ,\n " + u + ": 1", u + ":1-2"},
           Case{u + ":1-5:MyTag:3:2", u + ":1-5," + u + ":mytag:2-3"},
           Case{u + ":b:1," + u + ":a:1", u + ":a:1," + u + ":b:1"},
           Case{u + ":9223372036854775806", u + ":9223372036854775806"},
       }) {
    auto set = MysqlGtidSet::Parse(c.text);
    ASSERT_TRUE(set.ok()) << c.text << ": " << Text(set.status());
    EXPECT_EQ(set->ToString(), c.canonical) << c.text;
    auto again = MysqlGtidSet::Decode(set->Encode());
    ASSERT_TRUE(again.ok()) << c.text;
    EXPECT_EQ(again->ToString(), c.canonical) << c.text;
  }
}

TEST(MysqlGtidSet, RefusesWhatItDoesNotUnderstand) {
  const std::string u = kUuid;
  for (const std::string& text : std::vector<std::string>{
           u, "x:1", u + ":0", u + ":3-2", u + ":1-", u + ":-1", u + ":tag", u + ":tag:t2:1",
           u + ":1::2", u + ":9223372036854775807", u + ":1x", "e3e2a4ee:1"}) {
    absl::Status status = MysqlGtidSet::Parse(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(MysqlGtidSet, AddFillsGaps) {
  MysqlGtidSet set;
  MysqlGtid gtid;
  for (int64_t gno : {1, 2, 5, 4, 9, 3, 2}) {
    gtid.gno = gno;
    set.Add(gtid);
  }
  EXPECT_EQ(set.ToString(), "00000000-0000-0000-0000-000000000000:1-5:9");
  gtid.gno = 6;
  EXPECT_FALSE(set.Contains(gtid));
  gtid.gno = 9;
  EXPECT_TRUE(set.Contains(gtid));
  gtid.tag = "t";
  EXPECT_FALSE(set.Contains(gtid));
  gtid.anonymous = true;
  MysqlGtidSet empty;
  empty.Add(gtid);
  EXPECT_TRUE(empty.empty());
}

TEST(MysqlGtidSet, WireForm) {
  EXPECT_EQ(ToHex(MysqlGtidSet().Encode()), "0000000000000000");
  auto set = MysqlGtidSet::Parse(std::string(kUuid) + ":1-5:7");
  EXPECT_EQ(ToHex(set->Encode()),
            "0100000000000000"
            "e3e2a4eeb6dc11ea8bcf0242ac150002"
            "0200000000000000"
            "0100000000000000"
            "0600000000000000"
            "0700000000000000"
            "0800000000000000");
  set = MysqlGtidSet::Parse(std::string(kUuid) + ":1-165:mytag:1");
  EXPECT_EQ(ToHex(set->Encode()),
            "0102000000000001"
            "e3e2a4eeb6dc11ea8bcf0242ac150002"
            "00"
            "0100000000000000"
            "0100000000000000"
            "a600000000000000"
            "e3e2a4eeb6dc11ea8bcf0242ac150002"
            "0a6d79746167"
            "0100000000000000"
            "0100000000000000"
            "0200000000000000");
}

TEST(MysqlGtidSet, PreviousGtidsEvent) {
  std::string body = MysqlGtidSet::Parse(std::string(kUuid) + ":1-5:7")->Encode();
  Event event = EventOf(EventType::kPreviousGtids, body);
  EXPECT_EQ(*ParsePreviousGtids(event), std::string(kUuid) + ":1-5:7");
  for (size_t size = 0; size < body.size(); ++size) {
    event.body = std::string_view(body).substr(0, size);
    EXPECT_FALSE(ParsePreviousGtids(event).ok()) << size;
  }
}

TEST(MariadbGtidPosition, KeepsTheLastOfEachDomain) {
  auto position = MariadbGtidPosition::Parse(" 7-2-9,0-1-42 ");
  ASSERT_TRUE(position.ok());
  EXPECT_EQ(position->ToString(), "0-1-42,7-2-9");
  position->Set(0, 3, 43);
  position->Set(1, 1, 1);
  EXPECT_EQ(position->ToString(), "0-3-43,1-1-1,7-2-9");
  EXPECT_TRUE(MariadbGtidPosition::Parse("")->empty());
  for (const char* text : {"0-1", "0-1-2-3", "a-1-2", "0-1-2,0-1-3", "0-1-", "4294967296-1-1"}) {
    EXPECT_FALSE(MariadbGtidPosition::Parse(text).ok()) << text;
  }
}

}  // namespace
}  // namespace chameleon::worker::binlog
