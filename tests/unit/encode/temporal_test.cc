#include "worker/encode/temporal.h"

#include "tests/unit/encode/testing.h"

namespace chameleon::worker::encode {
namespace {

using binlog::ColumnType;

struct Case {
  const char* def;
  v1::Encoding encoding;
  ColumnType type;
  const char* hex;
  const char* select;
  const char* literal;
};

// Bytes from servers (facts 5.4, 5.5) or packed by hand from the documented layout.
const Case kCases[] = {
    {"base_type: DATE", v1::ENCODING_DATE, ColumnType::kDate, "5dd00f", "2024-02-29", "2024-02-29"},
    {"base_type: DATE", v1::ENCODING_DATE, ColumnType::kDate, "000000", "0000-00-00",
     "NULL [zero_date_to_null]"},
    {"base_type: DATE", v1::ENCODING_DATE, ColumnType::kDate, "00d00f", "2024-00-00",
     "NULL [zero_date_to_null]"},
    {"base_type: DATE", v1::ENCODING_DATE, ColumnType::kDate, "9f0100", "0000-12-31",
     "NULL [zero_date_to_null]"},
    {"base_type: DATE", v1::ENCODING_DATE, ColumnType::kDate, "5fd00f", "2024-02-31",
     "NULL [invalid_date_to_null]"},
    {"base_type: DATE", v1::ENCODING_DATE, ColumnType::kDate, "9f1f4e", "9999-12-31", "9999-12-31"},
    {"base_type: DATE", v1::ENCODING_TEXT, ColumnType::kDate, "00d00f", "2024-00-00", "2024-00-00"},
    {"base_type: DATE", v1::ENCODING_DATETIME, ColumnType::kDate, "5dd00f", "2024-02-29",
     "2024-02-29 00:00:00"},
    {"base_type: DATETIME", v1::ENCODING_DATETIME, ColumnType::kDatetime2, "99b2fe0000",
     "2024-03-31 00:00:00", "2024-03-31 00:00:00"},
    {"base_type: DATETIME fsp: 6", v1::ENCODING_DATETIME, ColumnType::kDatetime2,
     "fef3ff7efb 0f423f", "9999-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999"},
    {"base_type: DATETIME fsp: 3", v1::ENCODING_DATETIME, ColumnType::kDatetime2, "99b2fe0000 04d2",
     "2024-03-31 00:00:00.123", "2024-03-31 00:00:00.123"},
    {"base_type: DATETIME fsp: 1", v1::ENCODING_TIMESTAMP, ColumnType::kDatetime2, "99b2fe0000 5a",
     "2024-03-31 00:00:00.9", "2024-03-31 00:00:00.9+00"},
    {"base_type: DATETIME", v1::ENCODING_DATETIME, ColumnType::kDatetime2, "8000000000",
     "0000-00-00 00:00:00", "NULL [zero_date_to_null]"},
    {"base_type: TIMESTAMP", v1::ENCODING_TIMESTAMP, ColumnType::kTimestamp2, "00000001",
     "1970-01-01 00:00:01", "1970-01-01 00:00:01+00"},
    {"base_type: TIMESTAMP", v1::ENCODING_TIMESTAMP, ColumnType::kTimestamp2, "7fffffff",
     "2038-01-19 03:14:07", "2038-01-19 03:14:07+00"},
    {"base_type: TIMESTAMP fsp: 6", v1::ENCODING_TIMESTAMP, ColumnType::kTimestamp2,
     "ffffffff 0f423f", "2106-02-07 06:28:15.999999", "2106-02-07 06:28:15.999999+00"},
    {"base_type: TIMESTAMP", v1::ENCODING_TIMESTAMP, ColumnType::kTimestamp2, "00000000",
     "0000-00-00 00:00:00", "NULL [zero_date_to_null]"},
    {"base_type: TIMESTAMP", v1::ENCODING_DATETIME, ColumnType::kTimestamp2, "671d8908",
     "2024-10-27 00:27:52", "2024-10-27 00:27:52"},
    {"base_type: TIME", v1::ENCODING_TIME, ColumnType::kTime2, "b46efb", "838:59:59", "838:59:59"},
    {"base_type: TIME", v1::ENCODING_TIME, ColumnType::kTime2, "4b9105", "-838:59:59",
     "-838:59:59"},
    {"base_type: TIME fsp: 1", v1::ENCODING_TIME, ColumnType::kTime2, "7fffff ce", "-00:00:00.5",
     "-00:00:00.5"},
    {"base_type: TIME fsp: 6", v1::ENCODING_TIME, ColumnType::kTime2, "4b9104 f0bdc1",
     "-838:59:59.999999", "-838:59:59.999999"},
    {"base_type: TIME fsp: 4", v1::ENCODING_TIME, ColumnType::kTime2, "800000 0001",
     "00:00:00.0001", "00:00:00.0001"},
    // MariaDB with mysql56_temporal_format=OFF, and tables of 5.5.
    {"base_type: TIME", v1::ENCODING_TIME, ColumnType::kTime, "c01dfe", "-12:34:56", "-12:34:56"},
    {"base_type: TIME fsp: 3", v1::ENCODING_TIME, ColumnType::kTime, "00b15478eb", "-12:34:56.789",
     "-12:34:56.789"},
    {"base_type: DATETIME fsp: 3", v1::ENCODING_DATETIME, ColumnType::kDatetime, "00422bb3243cc0",
     "2024-02-29 01:02:03.456", "2024-02-29 01:02:03.456"},
    {"base_type: DATETIME", v1::ENCODING_DATETIME, ColumnType::kDatetime, "1b0ba98b68120000",
     "2024-02-29 01:02:03", "2024-02-29 01:02:03"},
    {"base_type: DATETIME", v1::ENCODING_DATETIME, ColumnType::kDatetime, "0000000000000000",
     "0000-00-00 00:00:00", "NULL [zero_date_to_null]"},
    {"base_type: TIMESTAMP fsp: 3", v1::ENCODING_TIMESTAMP, ColumnType::kTimestamp, "65dfd78b 01c8",
     "2024-02-29 01:02:03.456", "2024-02-29 01:02:03.456+00"},
};

TEST(TemporalTest, BothWaysGiveTheLiteral) {
  for (const Case& c : kCases) {
    OneColumn column(c.def, c.encoding);
    EXPECT_EQ(column.Binlog(c.type, Bytes(c.hex)), c.literal) << c.def << " " << c.hex;
    EXPECT_EQ(column.Select(c.select), c.literal) << c.def << " " << c.select;
  }
}

TEST(TemporalTest, EveryDay) {
  // Days of a Gregorian calendar, counted one by one, against the seconds of TIMESTAMP.
  uint32_t year = 1970, month = 1, day = 1;
  for (uint32_t n = 0; n < 49710; ++n) {
    const uint32_t seconds = n * 86400 + 1;
    const std::string bytes = {static_cast<char>(seconds >> 24), static_cast<char>(seconds >> 16),
                               static_cast<char>(seconds >> 8), static_cast<char>(seconds)};
    DateTime value;
    ASSERT_TRUE(ReadTimestamp2(bytes, 0, &value));
    ASSERT_TRUE(value.year == year && value.month == month && value.day == day) << n;
    ASSERT_FALSE(IsInvalidDate(value));
    value.day++;
    if (IsInvalidDate(value)) {
      day = 1;
      month = month % 12 + 1;
      if (month == 1) ++year;
    } else {
      ++day;
    }
  }
  EXPECT_EQ(year, 2106u);
}

TEST(TemporalTest, DamagedBytesAreNamed) {
  OneColumn date("base_type: DATE", v1::ENCODING_DATE);
  EXPECT_EQ(date.Binlog(ColumnType::kDate, "ab"), "damaged: bytes that are not a date or time");
  EXPECT_EQ(date.Binlog(ColumnType::kDate, Bytes("ffffff")),
            "damaged: bytes that are not a date or time");
  EXPECT_EQ(date.Select("2024-2-1"), "damaged: a text that is not a date or time");
  OneColumn time("base_type: TIME fsp: 6", v1::ENCODING_TIME);
  EXPECT_EQ(time.Binlog(ColumnType::kTime2, Bytes("ffffffffffff")),
            "damaged: bytes that are not a time");
  EXPECT_EQ(time.Select("12:00"), "damaged: a text that is not a time");
}

TEST(TemporalTest, OverridesThatWouldLoseAreRefused) {
  EXPECT_EQ(OneColumn("name: 'd' column_type: 'datetime' base_type: DATETIME", v1::ENCODING_DATE)
                .refusal(),
            "column d: datetime cannot be written as date\n"
            "HINT: Remove or change the type_override that asks for it.");
}

}  // namespace
}  // namespace chameleon::worker::encode
