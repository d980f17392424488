// JSON documents: MySQL's binary form to its text, and text that jsonb accepts.
//
// Binary format: the server's sql-common/json_binary.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace chameleon::worker::encode {

struct JsonFlaws {
  uint64_t nul = 0;          // \u0000, removed: jsonb has no such character
  uint64_t surrogate = 0;    // halves of surrogate pairs, removed
  uint64_t undecodable = 0;  // bytes replaced by U+FFFD
};

// Appends the document as MySQL prints it ({"a": 1, "b": [1, 2.0]}). No bytes: null. Returns null
// when done, else what is wrong with the bytes; `out` then holds part of the document.
const char* AppendJsonDocument(std::string_view bytes, std::string* out, JsonFlaws* flaws);

// True when `text` must go through CleanJson.
bool NeedsCleaning(std::string_view text);
// Appends `text` without \u0000 and without halves of surrogate pairs; all else as it is.
void CleanJson(std::string_view text, std::string* out, JsonFlaws* flaws);

}  // namespace chameleon::worker::encode
