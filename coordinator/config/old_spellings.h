// Keys of older manuals (0.1, 1.x) that a file may still have: where their meaning went.
#pragma once

#include <string>
#include <string_view>

namespace chameleon::coordinator::config {

// What to write instead of `key` in the section at `path` ("" is the file), or "".
std::string OldSpellingHint(std::string_view path, std::string_view key);

}  // namespace chameleon::coordinator::config
