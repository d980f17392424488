// How many bytes a value of each column type takes in a row image.
#include "worker/binlog/row_image.h"

namespace chameleon::worker::binlog {
namespace {

constexpr uint8_t kFspMax = 6;
constexpr size_t kDigitsPerWord = 9;

size_t DecimalBytes(size_t digits) {
  constexpr uint8_t kPartBytes[kDigitsPerWord] = {0, 1, 1, 2, 2, 3, 3, 4, 4};
  return digits / kDigitsPerWord * 4 + kPartBytes[digits % kDigitsPerWord];
}

// MariaDB's old temporal types, by fraction digits (facts 5.5).
constexpr uint8_t kOldTimeBytes[kFspMax + 1] = {3, 4, 4, 5, 5, 5, 6};
constexpr uint8_t kOldDatetimeBytes[kFspMax + 1] = {8, 6, 6, 7, 7, 7, 8};
constexpr uint8_t kOldTimestampBytes[kFspMax + 1] = {4, 5, 5, 6, 6, 7, 7};

bool Fixed(ColumnMap* column, size_t bytes) {
  column->prefix_bytes = 0;
  column->fixed_bytes = static_cast<uint16_t>(bytes);
  return true;
}

bool Prefixed(ColumnMap* column, size_t prefix_bytes) {
  if (prefix_bytes < 1 || prefix_bytes > 4) return false;
  column->prefix_bytes = static_cast<uint8_t>(prefix_bytes);
  return true;
}

bool Temporal(ColumnMap* column, size_t base_bytes) {
  if (column->length > kFspMax) return false;
  return Fixed(column, base_bytes + (column->length + 1) / 2);
}

bool Decimal(ColumnMap* column) {
  constexpr uint16_t kPrecisionMax = 65;
  if (column->length > kPrecisionMax || column->scale > column->length) return false;
  return Fixed(column, DecimalBytes(column->length - column->scale) + DecimalBytes(column->scale));
}

bool OldTemporal(ColumnMap* column, const uint8_t (&bytes)[kFspMax + 1], uint8_t fsp) {
  return fsp <= kFspMax && Fixed(column, bytes[fsp]);
}

bool SmallNumber(ColumnMap* column, uint16_t bytes_max) {
  return column->length >= 1 && column->length <= bytes_max && Fixed(column, column->length);
}

}  // namespace

bool LayOut(ColumnMap* column, uint8_t old_fsp) {
  column->prefix_bytes = kLayoutUnknown;
  column->fixed_bytes = 0;
  switch (column->type) {
    case ColumnType::kNull:
      return Fixed(column, 0);
    case ColumnType::kTiny:
    case ColumnType::kYear:
      return Fixed(column, 1);
    case ColumnType::kShort:
      return Fixed(column, 2);
    case ColumnType::kInt24:
    case ColumnType::kDate:
    case ColumnType::kNewDate:
      return Fixed(column, 3);
    case ColumnType::kLong:
      return Fixed(column, 4);
    case ColumnType::kLongLong:
      return Fixed(column, 8);
    case ColumnType::kFloat:
      return column->length == 4 && Fixed(column, 4);
    case ColumnType::kDouble:
      return column->length == 8 && Fixed(column, 8);
    case ColumnType::kTime:
      return OldTemporal(column, kOldTimeBytes, old_fsp);
    case ColumnType::kDatetime:
      return OldTemporal(column, kOldDatetimeBytes, old_fsp);
    case ColumnType::kTimestamp:
      return OldTemporal(column, kOldTimestampBytes, old_fsp);
    case ColumnType::kTime2:
      return Temporal(column, 3);
    case ColumnType::kTimestamp2:
      return Temporal(column, 4);
    case ColumnType::kDatetime2:
      return Temporal(column, 5);
    case ColumnType::kNewDecimal:
      return Decimal(column);
    case ColumnType::kBit:
      return column->length >= 1 && column->length <= 64 && Fixed(column, (column->length + 7) / 8);
    case ColumnType::kEnum:
      return SmallNumber(column, 2);
    case ColumnType::kSet:
      return SmallNumber(column, 8);
    case ColumnType::kVarchar:
    case ColumnType::kMariadbVarcharCompressed:
    case ColumnType::kString:
      return Prefixed(column, column->length > 255 ? 2 : 1);
    case ColumnType::kTinyBlob:
    case ColumnType::kMediumBlob:
    case ColumnType::kLongBlob:
    case ColumnType::kBlob:
    case ColumnType::kMariadbBlobCompressed:
    case ColumnType::kGeometry:
    case ColumnType::kJson:
    case ColumnType::kVector:
      return Prefixed(column, column->length);
    // Not in row images of any server that writes V1 or V2 rows.
    case ColumnType::kDecimal:
    case ColumnType::kTypedArray:
    case ColumnType::kInvalid:
    case ColumnType::kBool:
    case ColumnType::kVarString:
      return false;
  }
  return false;
}

}  // namespace chameleon::worker::binlog
