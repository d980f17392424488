// MariaDB COMPRESSED columns as they are stored and logged.
#pragma once

#include <string>
#include <string_view>

namespace chameleon::worker::encode {

// Sets `plain` to the value: a part of `bytes`, or of `buffer` when it was packed. Null when done,
// else what is wrong. Format (MariaDB sql/field.cc): a header byte (0: stored as it is; else bits
// 4-7 the method, 8 = zlib, bit 3 without zlib's frame, bits 0-2 the bytes of the length), the
// original length big-endian, the data. No bytes: the empty value.
const char* Unpack(std::string_view bytes, std::string* buffer, std::string_view* plain);

}  // namespace chameleon::worker::encode
