#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <deque>

#include "proto/wire/error.h"
#include "tests/unit/binlog/event_bytes.h"
#include "worker/binlog/event.h"

namespace chameleon::worker::binlog {
namespace {

using ::testing::HasSubstr;

std::string Body(const std::string& vars, std::string_view database, std::string_view text,
                 uint16_t error = 0) {
  return Little(5, 4) + Little(0, 4) + static_cast<char>(database.size()) + Little(error, 2) +
         Little(vars.size(), 2) + vars + std::string(database) + '\0' + std::string(text);
}

// Keeps the bytes: the result points into them.
absl::StatusOr<Query> Parse(const std::string& body) {
  static std::deque<std::string> kept;
  return ParseQuery(EventOf(EventType::kQuery, kept.emplace_back(body)));
}

TEST(Query, Mysql8Variables) {
  std::string body = Body(
      Hex("00 00000001 | 01 2000a04500000000 | 06 03 'std' | 03 01000100 | 04 ff00 ff00 2100 |"
          "05 06 'SYSTEM' | 07 0000 | 08 2d00 | 09 0000000000000000 | 0b 04 'root' 09 'localhost' |"
          "0c 02 'a' 00 'bc' 00 | 0d b50911 | 10 01 | 11 0300000000000000 | 12 ff00 | 13 01 | 14 "
          "02"),
      "shop", "DROP TABLE x", 1062);
  auto query = Parse(body);
  ASSERT_TRUE(query.ok()) << Text(query.status());
  EXPECT_EQ(query->thread_id, 5u);
  EXPECT_EQ(query->error_code, 1062);
  EXPECT_EQ(query->database, "shop");
  EXPECT_EQ(query->statement, "DROP TABLE x");
  EXPECT_EQ(query->flags2, 0x01000000u);
  EXPECT_EQ(query->sql_mode, 0x45a00020u);
  EXPECT_EQ(query->charset_client, 255);
  EXPECT_EQ(query->collation_connection, 255);
  EXPECT_EQ(query->collation_server, 33);
  EXPECT_EQ(query->time_zone, "SYSTEM");
  EXPECT_EQ(query->charset_database, 45);
  EXPECT_EQ(query->explicit_defaults_for_timestamp, 1);
  EXPECT_EQ(query->default_collation_utf8mb4, 255);
  EXPECT_FALSE(query->gtid_flags3.has_value());
}

// MariaDB 11 writes 0x83 before the charset: both must be found.
TEST(Query, MariadbVariables) {
  auto query = Parse(Body(Hex("83 01 2d00 3700 | 04 0800 0800 0800 | 80 010203 |"
                              "81 0700000000000000 | 82 04 c000000000000000"),
                          "", "ALTER TABLE t ADD a int"));
  ASSERT_TRUE(query.ok());
  ASSERT_EQ(query->character_set_collations.size(), 1u);
  EXPECT_EQ(query->character_set_collations[0], std::make_pair(uint16_t{45}, uint16_t{55}));
  EXPECT_EQ(query->charset_client, 8);
  EXPECT_EQ(query->gtid_flags3, 4);
  EXPECT_EQ(query->alter_start_seqno, 0xc0u);
  EXPECT_EQ(Parse(Body(Hex("82 02"), "", "x"))->gtid_flags3, 2);
}

TEST(Query, TooManyDatabasesHaveNoNames) {
  auto query = Parse(Body(Hex("0c fe | 12 ff00"), "", "BEGIN"));
  ASSERT_TRUE(query.ok());
  EXPECT_EQ(query->default_collation_utf8mb4, 255);
}

TEST(Query, UnknownVariableEndsTheVariablesNotTheEvent) {
  auto query = Parse(Body(Hex("01 0100000000000000 | 63 0102 04"), "d", "COMMIT"));
  ASSERT_TRUE(query.ok());
  EXPECT_EQ(query->sql_mode, 1u);
  EXPECT_EQ(query->statement, "COMMIT");
}

TEST(Query, CutOffVariableIsDamage) {
  EXPECT_THAT(Text(Parse(Body(Hex("01 01"), "d", "COMMIT")).status()),
              HasSubstr("damaged QUERY event at byte 14: a status variable is cut off"));
  std::string body = Body("", "d", "COMMIT");
  EXPECT_FALSE(Parse(body.substr(0, 14)).ok());
  body[14] = 'x';
  EXPECT_THAT(Text(Parse(body).status()), HasSubstr("the database name does not end"));
}

std::string Packed(const std::string& text, uint64_t said) {
  uLongf size = compressBound(text.size());
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(text.data()),
           text.size());
  out.resize(size);
  return std::string("\x82") + static_cast<char>(said >> 8) + static_cast<char>(said) + out;
}

TEST(Query, Compressed) {
  std::string text = "ALTER TABLE t COMMENT '" + std::string(40000, 'x') + "'";
  std::string body = Body("", "d", Packed(text, text.size()));
  auto query = ParseQuery(EventOf(EventType::kMariadbQueryCompressed, body));
  ASSERT_TRUE(query.ok()) << Text(query.status());
  EXPECT_EQ(query->statement, text);
  Query copy = *query;
  query = absl::InternalError("gone");
  EXPECT_EQ(copy.statement, text);  // the copy owns what it points to
}

TEST(Query, CompressedWithWrongLength) {
  std::string text(500, 'x');
  for (uint64_t said : {499, 501, 0}) {
    std::string body = Body("", "d", Packed(text, said));
    auto query = ParseQuery(EventOf(EventType::kMariadbQueryCompressed, body));
    EXPECT_THAT(Text(query.status()), HasSubstr("does not unpack to")) << said;
  }
  std::string body = Body("", "d", Hex("92 0208 789c"));
  EXPECT_THAT(Text(ParseQuery(EventOf(EventType::kMariadbQueryCompressed, body)).status()),
              HasSubstr("compression header 92 is not known"));
}

}  // namespace
}  // namespace chameleon::worker::binlog
