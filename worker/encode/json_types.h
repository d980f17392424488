// The type bytes of MySQL's binary JSON, of values and of partial updates alike. Format: MySQL's
// "JSON binary" documentation; checked with logs of MySQL 5.7 to 9.7.
#pragma once

#include <cstdint>

namespace chameleon::worker::encode::json_type {

enum Type : uint8_t {
  kSmallObject = 0,
  kLargeObject = 1,
  kSmallArray = 2,
  kLargeArray = 3,
  kLiteral = 4,
  kInt16 = 5,
  kUint16 = 6,
  kInt32 = 7,
  kUint32 = 8,
  kInt64 = 9,
  kUint64 = 10,
  kDouble = 11,
  kString = 12,
  kOpaque = 15,
};

}  // namespace chameleon::worker::encode::json_type
