#include "worker/encode/temporal.h"

#include <array>

#include "worker/encode/number.h"

namespace chameleon::worker::encode {
namespace {

constexpr unsigned kFspMax = 6;
constexpr uint32_t kPowers[kFspMax + 1] = {1, 10, 100, 1000, 10000, 100000, 1000000};

// Bytes of a fraction, and micros per unit of it.
constexpr unsigned FractionBytes(unsigned fsp) { return (fsp + 1) / 2; }
uint32_t FractionMicros(uint64_t raw, unsigned fsp) {
  return static_cast<uint32_t>(raw * kPowers[kFspMax - 2 * FractionBytes(fsp)]);
}

bool Plausible(const DateTime& v) {
  return v.year <= 9999 && v.month <= 12 && v.day <= 31 && v.hour <= 23 && v.minute <= 59 &&
         v.second <= 59 && v.micros < 1000000;
}

bool Plausible(const TimeOfDay& v) {
  return v.hours <= 838 && v.minute <= 59 && v.second <= 59 && v.micros < 1000000;
}

// Days since 1970-01-01 to a date (proleptic Gregorian).
void FromDays(int64_t days, DateTime* out) {
  days += 719468;
  const int64_t era = days / 146097;
  const auto doe = static_cast<uint32_t>(days - era * 146097);
  const uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const uint32_t mp = (5 * doy + 2) / 153;
  out->day = doy - (153 * mp + 2) / 5 + 1;
  out->month = mp < 10 ? mp + 3 : mp - 9;
  out->year = static_cast<uint32_t>(yoe + era * 400) + (out->month <= 2 ? 1 : 0);
}

bool FromUnix(uint64_t seconds, uint32_t micros, DateTime* out) {
  *out = {};
  if (micros >= 1000000) return false;
  if (seconds == 0 && micros == 0) return true;  // '0000-00-00 00:00:00'
  FromDays(static_cast<int64_t>(seconds / 86400), out);
  const auto rest = static_cast<uint32_t>(seconds % 86400);
  out->hour = rest / 3600;
  out->minute = rest / 60 % 60;
  out->second = rest % 60;
  out->micros = micros;
  return true;
}

void UnpackDay(uint64_t ymd, DateTime* out) {
  out->day = ymd & 31;
  out->month = (ymd >> 5) % 13;
  out->year = static_cast<uint32_t>((ymd >> 5) / 13);
}

void Two(uint32_t v, char* at) {
  at[0] = static_cast<char>('0' + v / 10);
  at[1] = static_cast<char>('0' + v % 10);
}

void AppendFraction(uint32_t micros, unsigned fsp, std::string* out) {
  if (fsp == 0) return;
  char text[1 + kFspMax];
  text[0] = '.';
  uint32_t v = micros / kPowers[kFspMax - fsp];
  for (unsigned i = fsp; i > 0; v /= 10) text[i--] = static_cast<char>('0' + v % 10);
  out->append(text, 1 + fsp);
}

void AppendClock(uint32_t minute, uint32_t second, std::string* out) {
  char text[6] = {':', 0, 0, ':', 0, 0};
  Two(minute, text + 1);
  Two(second, text + 4);
  out->append(text, 6);
}

// Reads exactly `count` digits.
bool Digits(std::string_view* text, size_t count, uint32_t* value) {
  if (text->size() < count) return false;
  uint32_t v = 0;
  for (size_t i = 0; i < count; ++i) {
    const char c = (*text)[i];
    if (c < '0' || c > '9') return false;
    v = v * 10 + (c - '0');
  }
  text->remove_prefix(count);
  *value = v;
  return true;
}

bool Take(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

// The rest: nothing, or a point and up to six digits.
bool Fraction(std::string_view text, uint32_t* micros) {
  *micros = 0;
  if (text.empty()) return true;
  if (!Take(&text, '.')) return false;
  const size_t count = text.size();
  if (count == 0 || count > kFspMax || !Digits(&text, count, micros)) return false;
  *micros *= kPowers[kFspMax - count];
  return true;
}

}  // namespace

bool ReadDate(std::string_view bytes, DateTime* out) {
  if (bytes.size() != 3) return false;
  const uint64_t raw = LoadLittle(bytes);
  *out = {};
  out->day = raw & 31;
  out->month = raw >> 5 & 15;
  out->year = static_cast<uint32_t>(raw >> 9);
  return Plausible(*out);
}

bool ReadDateTime2(std::string_view bytes, unsigned fsp, DateTime* out) {
  constexpr uint64_t kOffset = 0x8000000000;
  if (fsp > kFspMax || bytes.size() != 5 + FractionBytes(fsp)) return false;
  const uint64_t raw = LoadBig(bytes.substr(0, 5));
  if (raw < kOffset) return false;
  const uint64_t value = raw - kOffset;
  UnpackDay(value >> 17, out);
  out->hour = value >> 12 & 31;
  out->minute = value >> 6 & 63;
  out->second = value & 63;
  out->micros = FractionMicros(LoadBig(bytes.substr(5)), fsp);
  return Plausible(*out);
}

bool ReadOldDateTime(std::string_view bytes, unsigned fsp, DateTime* out) {
  if (fsp > kFspMax) return false;
  *out = {};
  if (fsp == 0) {
    if (bytes.size() != 8) return false;
    uint64_t v = LoadLittle(bytes);
    const auto next = [&v] {
      const auto part = static_cast<uint32_t>(v % 100);
      v /= 100;
      return part;
    };
    out->second = next();
    out->minute = next();
    out->hour = next();
    out->day = next();
    out->month = next();
    if (v > 9999) return false;
    out->year = static_cast<uint32_t>(v);
    return Plausible(*out);
  }
  constexpr unsigned kBytes[kFspMax + 1] = {8, 6, 6, 7, 7, 7, 8};
  if (bytes.size() != kBytes[fsp]) return false;
  uint64_t v = LoadBig(bytes);
  const auto next = [&v](uint64_t base) {
    const auto part = static_cast<uint32_t>(v % base);
    v /= base;
    return part;
  };
  out->micros = next(kPowers[fsp]) * kPowers[kFspMax - fsp];
  out->second = next(60);
  out->minute = next(60);
  out->hour = next(24);
  out->day = next(32);
  out->month = next(13);
  if (v > 9999) return false;
  out->year = static_cast<uint32_t>(v);
  return Plausible(*out);
}

bool ReadTimestamp2(std::string_view bytes, unsigned fsp, DateTime* out) {
  if (fsp > kFspMax || bytes.size() != 4 + FractionBytes(fsp)) return false;
  return FromUnix(LoadBig(bytes.substr(0, 4)), FractionMicros(LoadBig(bytes.substr(4)), fsp), out);
}

bool ReadOldTimestamp(std::string_view bytes, unsigned fsp, DateTime* out) {
  if (fsp > kFspMax) return false;
  if (fsp == 0) return bytes.size() == 4 && FromUnix(LoadLittle(bytes), 0, out);
  if (bytes.size() != 4 + FractionBytes(fsp)) return false;
  const uint64_t fraction = LoadBig(bytes.substr(4));
  if (fraction >= kPowers[fsp]) return false;
  return FromUnix(LoadBig(bytes.substr(0, 4)),
                  static_cast<uint32_t>(fraction) * kPowers[kFspMax - fsp], out);
}

bool ReadTime2(std::string_view bytes, unsigned fsp, TimeOfDay* out) {
  if (fsp > kFspMax || bytes.size() != 3 + FractionBytes(fsp)) return false;
  const unsigned shift = 8 * FractionBytes(fsp);
  // Whole and fraction together are one offset number: its absolute value has the parts.
  const auto value = static_cast<int64_t>(LoadBig(bytes)) - (int64_t{0x800000} << shift);
  const uint64_t magnitude = value < 0 ? -value : value;
  const uint64_t whole = magnitude >> shift;
  out->negative = value < 0;
  out->hours = static_cast<uint32_t>(whole >> 12);
  out->minute = whole >> 6 & 63;
  out->second = whole & 63;
  out->micros = FractionMicros(magnitude & ((uint64_t{1} << shift) - 1), fsp);
  return Plausible(*out);
}

bool ReadOldTime(std::string_view bytes, unsigned fsp, TimeOfDay* out) {
  if (fsp > kFspMax) return false;
  *out = {};
  if (fsp == 0) {
    if (bytes.size() != 3) return false;
    auto value = static_cast<int32_t>(LoadLittle(bytes) << 8) >> 8;
    out->negative = value < 0;
    if (value < 0) value = -value;
    out->second = value % 100;
    out->minute = value / 100 % 100;
    out->hours = value / 10000;
    return Plausible(*out);
  }
  constexpr unsigned kBytes[kFspMax + 1] = {3, 4, 4, 5, 5, 5, 6};
  constexpr int64_t kZeroSeconds = 3020400;  // 839 hours
  if (bytes.size() != kBytes[fsp]) return false;
  int64_t value = static_cast<int64_t>(LoadBig(bytes)) - kZeroSeconds * kPowers[fsp];
  out->negative = value < 0;
  if (value < 0) value = -value;
  out->micros = static_cast<uint32_t>(value % kPowers[fsp]) * kPowers[kFspMax - fsp];
  value /= kPowers[fsp];
  if (value >= kZeroSeconds) return false;
  out->second = value % 60;
  out->minute = value / 60 % 60;
  out->hours = static_cast<uint32_t>(value / 3600);
  return Plausible(*out);
}

void UnpackDateTime(int64_t packed, DateTime* out) {
  const uint64_t value = packed < 0 ? 0 - static_cast<uint64_t>(packed) : packed;
  const uint64_t whole = value >> 24;
  UnpackDay(whole >> 17, out);
  out->hour = whole >> 12 & 31;
  out->minute = whole >> 6 & 63;
  out->second = whole & 63;
  out->micros = value & 0xFFFFFF;
}

void UnpackTime(int64_t packed, TimeOfDay* out) {
  const uint64_t value = packed < 0 ? 0 - static_cast<uint64_t>(packed) : packed;
  const uint64_t whole = value >> 24;
  out->negative = packed < 0;
  out->hours = whole >> 12 & 0x3FF;
  out->minute = whole >> 6 & 63;
  out->second = whole & 63;
  out->micros = value & 0xFFFFFF;
}

bool ParseDateTime(std::string_view text, bool with_time, DateTime* out) {
  *out = {};
  if (!Digits(&text, 4, &out->year) || !Take(&text, '-') || !Digits(&text, 2, &out->month) ||
      !Take(&text, '-') || !Digits(&text, 2, &out->day)) {
    return false;
  }
  if (!with_time) return text.empty() && Plausible(*out);
  return Take(&text, ' ') && Digits(&text, 2, &out->hour) && Take(&text, ':') &&
         Digits(&text, 2, &out->minute) && Take(&text, ':') && Digits(&text, 2, &out->second) &&
         Fraction(text, &out->micros) && Plausible(*out);
}

bool ParseTime(std::string_view text, TimeOfDay* out) {
  *out = {};
  out->negative = Take(&text, '-');
  const size_t colon = text.find(':');
  if (colon != 2 && colon != 3) return false;
  return Digits(&text, colon, &out->hours) && Take(&text, ':') && Digits(&text, 2, &out->minute) &&
         Take(&text, ':') && Digits(&text, 2, &out->second) && Fraction(text, &out->micros) &&
         Plausible(*out);
}

void AppendDate(const DateTime& value, std::string* out) {
  char text[10];
  Two(value.year / 100 % 100, text);
  Two(value.year % 100, text + 2);
  text[4] = text[7] = '-';
  Two(value.month % 100, text + 5);
  Two(value.day % 100, text + 8);
  out->append(text, 10);
}

void AppendDateTime(const DateTime& value, unsigned fsp, std::string* out) {
  AppendDate(value, out);
  char hour[3] = {' ', 0, 0};
  Two(value.hour % 100, hour + 1);
  out->append(hour, 3);
  AppendClock(value.minute, value.second, out);
  AppendFraction(value.micros, fsp, out);
}

void AppendTime(const TimeOfDay& value, unsigned fsp, std::string* out) {
  if (value.negative) out->push_back('-');
  if (value.hours < 10) out->push_back('0');
  AppendUnsigned(value.hours, out);
  AppendClock(value.minute, value.second, out);
  AppendFraction(value.micros, fsp, out);
}

bool IsZeroDate(const DateTime& value) {
  return value.year == 0 || value.month == 0 || value.day == 0;
}

bool IsInvalidDate(const DateTime& value) {
  static constexpr std::array<uint8_t, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = value.year % 4 == 0 && (value.year % 100 != 0 || value.year % 400 == 0);
  const uint32_t days = kDays[(value.month - 1) % 12] + (leap && value.month == 2 ? 1u : 0u);
  return value.day > days;
}

}  // namespace chameleon::worker::encode
