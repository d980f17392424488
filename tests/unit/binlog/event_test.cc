#include "worker/binlog/event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/wire/error.h"
#include "tests/unit/binlog/event_bytes.h"
#include "worker/binlog/byte_cursor.h"

namespace chameleon::worker::binlog {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ByteCursor, ReadsAndFailsForGood) {
  ByteCursor in("\x01\x02\x03\xfc\x04\x05\x09");
  EXPECT_EQ(in.U8(), 1);
  EXPECT_EQ(in.Big(2), 0x0203u);
  EXPECT_EQ(in.Lenenc(), 0x0504u);
  EXPECT_EQ(in.U16(), 0);  // one byte left
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.U8(), 0);  // and it is not given out any more
  EXPECT_EQ(in.remaining(), 0u);
}

TEST(ByteCursor, LenencHasNoNullAndNo255) {
  for (const char* bytes : {"\xfb", "\xff", "\xfd\x01\x02"}) {
    ByteCursor in(bytes);
    in.Lenenc();
    EXPECT_FALSE(in.ok());
  }
  EXPECT_EQ(ByteCursor("\xfd\x01\x02\x03").Lenenc(), 0x030201u);
  EXPECT_EQ(ByteCursor(Hex("fe 0102030405060708")).Lenenc(), 0x0807060504030201u);
}

TEST(ByteCursor, Varints) {
  struct Case {
    const char* hex;
    uint64_t value;
  };
  for (const Case& c : {Case{"02", 1}, Case{"72", 57}, Case{"e0", 0x70}, Case{"85 02", 0xa1},
                        Case{"7f 01020304050607", 0x07060504030201},
                        Case{"ff 0102030405060708", 0x0807060504030201}}) {
    std::string bytes = Hex(c.hex);
    ByteCursor in(bytes);
    EXPECT_EQ(in.Varint(), c.value) << c.hex;
    EXPECT_TRUE(in.ok() && in.AtEnd()) << c.hex;
  }
  EXPECT_EQ(ByteCursor(Hex("04")).SignedVarint(), 1);
  EXPECT_EQ(ByteCursor(Hex("02")).SignedVarint(), -1);
}

TEST(EventParser, HeaderFields) {
  std::string raw = RawEvent(EventType::kXid, Little(9, 8), false, 0x20);
  EventParser parser;
  auto event = parser.Parse(raw);
  ASSERT_TRUE(event.ok());
  EXPECT_EQ(event->header.timestamp, 1700000000u);
  EXPECT_EQ(event->header.type, EventType::kXid);
  EXPECT_EQ(event->header.server_id, 77u);
  EXPECT_EQ(event->header.size, raw.size());
  EXPECT_EQ(event->header.end_pos, 1000u);
  EXPECT_EQ(event->header.flags, kFlagArtificial);
  EXPECT_EQ(*ParseXid(*event), 9u);
}

TEST(EventParser, SizeMismatchIsNamed) {
  std::string raw = RawEvent(EventType::kXid, Little(9, 8));
  EventParser parser;
  absl::Status status = parser.Parse(raw + "x").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Text(status), HasSubstr("damaged XID event at byte 0: its header says 27 bytes, "
                                      "there are 28\nHINT: "));
  EXPECT_EQ(DetailOf(status).reason(), "EVENT_DAMAGED");
  EXPECT_FALSE(parser.Parse(raw.substr(0, 18)).ok());
  EXPECT_FALSE(parser.Parse("").ok());
}

// The rule of facts 3.2, through a change of binlog_checksum and back.
TEST(EventParser, ChecksumIsAPropertyOfTheFile) {
  EventParser parser;
  std::string rotate = Little(4, 8) + "bin.000002";
  std::string with = FormatBody("8.0.36", true, 1), without = FormatBody("8.0.36", true, 0);
  auto parse = [&](EventType type, const std::string& body, bool checksum) {
    std::string raw = RawEvent(type, body, checksum);
    auto event = parser.Parse(raw);
    return event.ok() && event->body == body;
  };
  EXPECT_TRUE(parse(EventType::kRotate, rotate, false));  // fake, before any format description
  EXPECT_TRUE(parse(EventType::kFormatDescription, with, true));
  EXPECT_TRUE(parse(EventType::kXid, Little(1, 8), true));
  EXPECT_TRUE(parse(EventType::kRotate, rotate, true));
  EXPECT_TRUE(parse(EventType::kRotate, rotate, true));  // fake, by the rule of the old file
  EXPECT_TRUE(parse(EventType::kFormatDescription, without, true));
  EXPECT_FALSE(parser.format().has_checksum);
  EXPECT_TRUE(parse(EventType::kXid, Little(1, 8), false));
  EXPECT_TRUE(parse(EventType::kHeartbeat, "bin.000002", false));
  EXPECT_TRUE(parse(EventType::kFormatDescription, with, true));
  EXPECT_TRUE(parse(EventType::kHeartbeat, "bin.000002", true));
}

TEST(EventParser, WireChecksumOfTheFirstRotate) {
  EventParser parser;
  parser.SetWireChecksum(true);
  std::string raw = RawEvent(EventType::kRotate, Little(4, 8) + "b.1", true);
  auto event = parser.Parse(raw);
  ASSERT_TRUE(event.ok());
  EXPECT_EQ(ParseRotate(*event)->file.size(), 3u);
}

TEST(EventParser, DamagedByteFailsTheChecksum) {
  EventParser parser, trusting(false);
  std::string format = RawEvent(EventType::kFormatDescription, FormatBody("8.0.36", true, 1), true);
  std::string raw = RawEvent(EventType::kXid, Little(1, 8), true);
  raw[20] ^= 1;
  ASSERT_TRUE(parser.Parse(format).ok() && trusting.Parse(format).ok());
  EXPECT_THAT(Text(parser.Parse(raw).status()),
              HasSubstr("damaged XID event at byte 8: its checksum is"));
  EXPECT_TRUE(trusting.Parse(raw).ok());
}

TEST(EventParser, InUseFlagIsOutsideTheChecksum) {
  std::string raw = RawEvent(EventType::kFormatDescription, FormatBody("8.0.36", true, 1), true);
  raw[17] |= 1;
  EXPECT_TRUE(EventParser().Parse(raw).ok());
  raw[17] |= 2;
  EXPECT_FALSE(EventParser().Parse(raw).ok());
}

TEST(EventParser, ServerVersionDecidesWhetherThereIsAnAlgorithm) {
  struct Case {
    const char* version;
    bool checksums;
  };
  for (const Case& c :
       {Case{"5.0.96", false}, Case{"5.1.34sp1-enterprise-log", false}, Case{"5.5.27-log", false},
        Case{"5.6.0-m4", false}, Case{"5.6.1", true}, Case{"5.7.44-log", true}, Case{"9.7.0", true},
        Case{"5.2.14-MariaDB", false}, Case{"5.3.12-MariaDB", true}, Case{"5.5.68-MariaDB", true},
        Case{"10.11.6-MariaDB-log", true}}) {
    EventParser parser;
    std::string raw =
        RawEvent(EventType::kFormatDescription, FormatBody(c.version, c.checksums, 1), c.checksums);
    ASSERT_TRUE(parser.Parse(raw).ok()) << c.version;
    EXPECT_EQ(parser.format().has_checksum, c.checksums) << c.version;
    EXPECT_EQ(parser.format().server_version, c.version);
    EXPECT_EQ(parser.format().post_header_lengths.size(), 40u) << c.version;
  }
}

TEST(EventParser, UnknownAlgorithmOrVersionIsRefused) {
  std::string alg = RawEvent(EventType::kFormatDescription, FormatBody("8.0.1", true, 2), true);
  EXPECT_THAT(Text(EventParser().Parse(alg).status()), HasSubstr("checksum algorithm 2"));
  std::string body = FormatBody("4.1.22", false, 0);
  body[0] = 3;
  EXPECT_THAT(Text(EventParser().Parse(RawEvent(EventType::kFormatDescription, body)).status()),
              HasSubstr("version 3 with"));
}

// Trees before 5.1.18 gave events other numbers and wrote rows events of other forms; what they
// wrote would be read as something else.
TEST(EventParser, LogsOfPreviewReleasesAreRefusedByName) {
  const auto refusal = [](std::string_view version, EventType type, char bytes) {
    std::string lengths = PostHeaderLengths();
    lengths[static_cast<size_t>(type) - 1] = bytes;
    const auto parsed = EventParser().Parse(
        RawEvent(EventType::kFormatDescription, FormatBody(version, false, 0, lengths)));
    return parsed.ok() ? "" : DetailOf(parsed.status()).reason() + ": " + Text(parsed.status());
  };
  EXPECT_EQ(refusal("5.1.30-log", EventType::kQuery, 13), "");
  EXPECT_THAT(refusal("5.2.2-a_drop6p13", EventType::kXid, 6),
              AllOf(HasSubstr("LOG_FORMAT_REFUSED: the binary log of server 5.2.2-a_drop6p13"),
                    HasSubstr("event type 16 has a post-header of 6 bytes"), HasSubstr("HINT: ")));
  EXPECT_THAT(refusal("5.1.17-beta", EventType::kWriteRowsV0, 8), HasSubstr("event type 20"));
  EXPECT_THAT(refusal("5.1.17-beta", EventType::kQuery, 11), HasSubstr("event type 2 "));
  std::string google = FormatBody("5.1.63-google-log", false, 0);
  google[56] = 27;
  EXPECT_THAT(Text(EventParser().Parse(RawEvent(EventType::kFormatDescription, google)).status()),
              HasSubstr("version 4 with 27-byte event headers"));
}

TEST(SmallEvents, Bodies) {
  std::string body = Little(1234567890123, 8) + "mysql-bin.000007";
  auto rotate = ParseRotate(EventOf(EventType::kRotate, body));
  ASSERT_TRUE(rotate.ok());
  EXPECT_EQ(rotate->position, 1234567890123u);
  EXPECT_EQ(rotate->file, "mysql-bin.000007");

  body = Hex("00 07000000 02000000 01000000 78 31 62");
  auto xa = ParseXaPrepare(EventOf(EventType::kXaPrepare, body));
  ASSERT_TRUE(xa.ok());
  EXPECT_FALSE(xa->one_phase);
  EXPECT_EQ(ToHex(xa->xid), "070000000200000001000000783162");
  EXPECT_FALSE(ParseXaPrepare(EventOf(EventType::kXaPrepare, body + "x")).ok());

  body = Hex("0100 0b 'lost events'");
  auto incident = ParseIncident(EventOf(EventType::kIncident, body));
  ASSERT_TRUE(incident.ok());
  EXPECT_EQ(incident->code, 1);
  EXPECT_EQ(incident->message, "lost events");
  EXPECT_TRUE(ParseIncident(EventOf(EventType::kIncident, body + "abcd")).ok()) << "MySQL 9.7";
  EXPECT_FALSE(ParseIncident(EventOf(EventType::kIncident, body.substr(0, 8))).ok());
}

TEST(SmallEvents, Heartbeats) {
  auto v1 = ParseHeartbeat(EventOf(EventType::kHeartbeat, "bin.000003"));
  ASSERT_TRUE(v1.ok());
  EXPECT_EQ(v1->file, "bin.000003");
  EXPECT_EQ(v1->position, 1000u);
  EXPECT_FALSE(v1->position_is_64bit);

  std::string body = Hex("01 10 'mysql-bin.000003' 02 03 fcd901 00");
  auto v2 = ParseHeartbeat(EventOf(EventType::kHeartbeatV2, body));
  ASSERT_TRUE(v2.ok());
  EXPECT_EQ(v2->file, "mysql-bin.000003");
  EXPECT_EQ(v2->position, 0x1d9u);
  EXPECT_TRUE(v2->position_is_64bit);
  body = Hex("01 10 'mysql-bin.000003' 00");
  EXPECT_THAT(Text(ParseHeartbeat(EventOf(EventType::kHeartbeatV2, body)).status()),
              HasSubstr("no position"));
}

TEST(Dispositions, WhatIsRefusedSaysWhy) {
  EXPECT_THAT(Text(RefusedEvent(EventType::kStartV3)),
              AllOf(HasSubstr("START_V3 cannot be carried: a server before MySQL 5.0"),
                    HasSubstr("HINT: Upgrade the source")));
  EXPECT_THAT(Text(RefusedEvent(EventType::kBeginLoadQuery)), HasSubstr("binlog_format=ROW"));
  EXPECT_THAT(Text(RefusedEvent(static_cast<EventType>(48))),
              AllOf(HasSubstr("TYPE_48 cannot be carried"), HasSubstr("HINT: ")));
}

TEST(Dispositions, EveryCodeIsDecided) {
  std::string refused, benign;
  for (int code = 0; code < 256; ++code) {
    EventHeader header;
    header.type = static_cast<EventType>(code);
    std::string name = EventTypeName(static_cast<uint8_t>(code));
    const bool named = name.find("TYPE_") != 0;
    if (named && DispositionOf(header) == Disposition::kRefused) refused += name + " ";
    if (named && DispositionOf(header) == Disposition::kBenign) benign += name + " ";
    if (!named) {
      EXPECT_EQ(DispositionOf(header), Disposition::kRefused) << name;
      header.flags = kFlagIgnorable;
      EXPECT_EQ(DispositionOf(header), Disposition::kBenign) << name;
    }
  }
  EXPECT_EQ(refused,
            "UNKNOWN START_V3 LOAD SLAVE CREATE_FILE APPEND_BLOCK EXEC_LOAD DELETE_FILE NEW_LOAD "
            "BEGIN_LOAD_QUERY EXECUTE_LOAD_QUERY WRITE_ROWS_V0 UPDATE_ROWS_V0 DELETE_ROWS_V0 ");
  EXPECT_EQ(benign,
            "STOP INTVAR RAND USER_VAR IGNORABLE ROWS_QUERY PREVIOUS_GTIDS TRANSACTION_CONTEXT "
            "VIEW_CHANGE MARIADB_BINLOG_CHECKPOINT MARIADB_GTID_LIST "
            "MARIADB_START_ENCRYPTION ");
  EXPECT_EQ(EventTypeName(30), "WRITE_ROWS_V2");
  EXPECT_EQ(EventTypeName(200), "TYPE_200");
}

}  // namespace
}  // namespace chameleon::worker::binlog
