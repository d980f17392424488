// Dates and times: from storage bytes, from text, to text. Calendar rules of PostgreSQL's limits.
//
// Formats: the server's sql-common/my_time.cc (TIME2, DATETIME2, TIMESTAMP2, big-endian with an
// offset), MariaDB's sql/field.cc for the old ones (5.5, mysql56_temporal_format=OFF).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace chameleon::worker::encode {

struct DateTime {
  uint32_t year = 0, month = 0, day = 0;
  uint32_t hour = 0, minute = 0, second = 0, micros = 0;
};

struct TimeOfDay {
  bool negative = false;
  uint32_t hours = 0, minute = 0, second = 0, micros = 0;  // hours up to 838
};

// All return false when the bytes are no such value. `fsp`: 0 to 6.
bool ReadDate(std::string_view bytes, DateTime* out);
bool ReadDateTime2(std::string_view bytes, unsigned fsp, DateTime* out);
bool ReadOldDateTime(std::string_view bytes, unsigned fsp, DateTime* out);
bool ReadTimestamp2(std::string_view bytes, unsigned fsp, DateTime* out);  // zero: all parts zero
bool ReadOldTimestamp(std::string_view bytes, unsigned fsp, DateTime* out);
bool ReadTime2(std::string_view bytes, unsigned fsp, TimeOfDay* out);
bool ReadOldTime(std::string_view bytes, unsigned fsp, TimeOfDay* out);

// The packed 64-bit forms inside JSON documents.
void UnpackDateTime(int64_t packed, DateTime* out);
void UnpackTime(int64_t packed, TimeOfDay* out);

// "2024-02-29", optionally with " 23:59:59[.ffffff]".
bool ParseDateTime(std::string_view text, bool with_time, DateTime* out);
bool ParseTime(std::string_view text, TimeOfDay* out);

void AppendDate(const DateTime& value, std::string* out);
void AppendDateTime(const DateTime& value, unsigned fsp, std::string* out);
void AppendTime(const TimeOfDay& value, unsigned fsp, std::string* out);

// Year, month or day is zero: PostgreSQL has no such date.
bool IsZeroDate(const DateTime& value);
// The month has no such day (ALLOW_INVALID_DATES). Not for zero dates.
bool IsInvalidDate(const DateTime& value);

}  // namespace chameleon::worker::encode
