// Values with units, as the manual writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace chameleon::coordinator::config {

// "300M" → bytes. Suffixes k, M, G (any case, an optional B after them); none: bytes.
std::optional<uint64_t> ParseMemory(std::string_view text);

// "120s", "500ms", "2 min", "1h" → milliseconds. A bare number means seconds, as the manual says.
std::optional<uint64_t> ParseDurationMs(std::string_view text);

// Could PostgreSQL take it as an interval? A number with a unit ("1 day", "1 day 2 hours") or a
// time ("12:00", "12:00:00"). Only obvious nonsense is found; PostgreSQL has the last word.
bool LooksLikeInterval(std::string_view text);

}  // namespace chameleon::coordinator::config
