#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include "proto/wire/error.h"
#include "tests/unit/binlog/event_bytes.h"
#include "worker/binlog/event.h"

namespace chameleon::worker::binlog {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Zstd(const std::string& plain) {
  std::string out(ZSTD_compressBound(plain.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), 3));
  return out;
}

std::string Payload(const std::string& bytes, uint8_t compression = 0) {
  std::string method = compression == 0 ? Hex("02 01 00") : Hex("02 03 fcff00");
  return method + Hex("03 04 fd000010 | 01 09 fe") + Little(bytes.size(), 8) + Hex("00") + bytes;
}

// Names of the inner events, or the error.
std::vector<std::string> Read(const std::string& body, size_t event_bytes_max = 1 << 20) {
  auto reader = PayloadReader::Open(EventOf(EventType::kTransactionPayload, body), event_bytes_max);
  if (!reader.ok()) return {Text(reader.status())};
  std::vector<std::string> out;
  for (;;) {
    auto event = reader->Next();
    if (!event.ok()) {
      out.push_back(Text(event.status()));
      return out;
    }
    if (!*event) return out;
    out.push_back(EventTypeName(static_cast<uint8_t>((*event)->header.type)) + ":" +
                  std::to_string((*event)->body.size()));
  }
}

std::string Transaction() {
  return RawEvent(EventType::kQuery, std::string(40, 'q')) +
         RawEvent(EventType::kWriteRowsV2, std::string(300000, 'r')) +
         RawEvent(EventType::kXid, Little(3, 8));
}

TEST(Payload, StreamsInnerEvents) {
  for (const std::string& body : {Payload(Zstd(Transaction())), Payload(Transaction(), 255)}) {
    EXPECT_THAT(Read(body), ElementsAre("QUERY:40", "WRITE_ROWS_V2:300000", "XID:8"));
  }
}

TEST(Payload, SeveralFramesAndNone) {
  std::string one = Zstd(RawEvent(EventType::kXid, Little(3, 8)));
  EXPECT_THAT(Read(Payload(one + one)), ElementsAre("XID:8", "XID:8"));
  EXPECT_THAT(Read(Payload("")), ElementsAre());
}

TEST(Payload, LimitIsPerEvent) {
  EXPECT_THAT(Read(Payload(Zstd(Transaction())), 300000),
              ElementsAre("QUERY:40", HasSubstr("an event of 300019 bytes in it (limit 300000)")));
}

TEST(Payload, DamageIsNamed) {
  std::string packed = Zstd(Transaction());
  EXPECT_THAT(Read(Payload(packed.substr(0, packed.size() - 5))).back(),
              HasSubstr("the compressed part is cut off"));
  std::string junk = packed;
  junk[0] = 'x';
  EXPECT_THAT(Read(Payload(junk)), ElementsAre(HasSubstr("zstd: Unknown frame descriptor")));
  std::string half = Transaction();
  half.pop_back();
  EXPECT_THAT(Read(Payload(Zstd(half))).back(), HasSubstr("its last event is cut off"));
  EXPECT_THAT(Read(Payload(half, 255)).back(), HasSubstr("its last event is cut off"));
  EXPECT_THAT(Read(Payload(packed) + "x"), ElementsAre(HasSubstr("its header says")));
  EXPECT_THAT(Read(Hex("02 01 07 00")), ElementsAre(HasSubstr("compression 7 is not known")));
  EXPECT_THAT(Read(Hex("02 01")), ElementsAre(HasSubstr("a field is cut off")));
  std::string nested = RawEvent(EventType::kTransactionPayload, "x");
  EXPECT_THAT(Read(Payload(nested, 255)),
              ElementsAre(HasSubstr("it contains a TRANSACTION_PAYLOAD event")));
  std::string tiny = nested;
  tiny[9] = 5;
  EXPECT_THAT(Read(Payload(tiny, 255)), ElementsAre(HasSubstr("an event of 5 bytes in it")));
}

}  // namespace
}  // namespace chameleon::worker::binlog
