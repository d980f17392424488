// UTF-8 text into a COPY field, a JSON string, or a JSON string inside a COPY field, in one pass:
// validation, escaping and copying of clean runs together. The hottest loop of the worker.
//
// COPY text format: postgresql.org/docs/current/sql-copy.html; JSON: RFC 8259.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace chameleon::worker::encode {

enum class Escape : uint8_t {
  kNone,        // messages
  kCopy,        // a field of COPY text
  kJson,        // inside the quotes of a JSON string, as MySQL writes it
  kJsonInCopy,  // the same, and then as part of a COPY field
};

// What could not be kept.
struct TextFlaws {
  uint64_t nul = 0;          // NUL characters, removed
  uint64_t undecodable = 0;  // bytes that are not UTF-8, each replaced by U+FFFD
};

// Appends `utf8`, escaped. Surrogates and overlong forms are not UTF-8.
TextFlaws AppendText(std::string_view utf8, Escape escape, std::string* out);

// Two lower-case digits per byte.
void AppendHex(std::string_view bytes, std::string* out);

// True when every byte is below 0x80.
bool IsAscii(std::string_view bytes);

// Appends a code point as UTF-8.
void AppendUtf8(char32_t code, std::string* out);

}  // namespace chameleon::worker::encode
