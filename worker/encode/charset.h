// MySQL's character sets, as the servers themselves convert them to UTF-8.
//
// Single-byte tables come from the servers (tools/make_charset_tables.py); double-byte ones are
// ICU's with the differences that the servers showed. Objects live as long as the process and are
// shared by threads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace chameleon::worker::encode {

class Charset {
 public:
  // By the server's name ("latin1"; empty: binary). INVALID_ARGUMENT: no such character set.
  static absl::StatusOr<const Charset*> Find(std::string_view name);
  virtual ~Charset() = default;

  // Bytes are UTF-8 (utf8mb4, utf8mb3) or taken for it (binary): no conversion.
  virtual bool is_utf8() const { return false; }
  // Bytes below 0x80 are ASCII wherever they stand alone.
  virtual bool ascii_compatible() const { return true; }
  // Bytes of the longest character: what the server multiplies lengths with.
  virtual unsigned bytes_max() const = 0;

  // Builds its tables, once; Find() has done it. False: ICU cannot.
  virtual bool Prepare() const { return true; }

  // Appends UTF-8. Returns how many byte sequences have no meaning: each became U+FFFD.
  virtual uint64_t Decode(std::string_view bytes, std::string* out) const = 0;
};

}  // namespace chameleon::worker::encode
