#include "coordinator/config/units.h"

#include <cctype>
#include <charconv>
#include <limits>
#include <regex>
#include <string>

namespace chameleon::coordinator::config {
namespace {

// Splits "300 M" into 300 and "m" (lower case, without blanks).
bool NumberAndUnit(std::string_view text, uint64_t* number, std::string* unit) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  if (error != std::errc()) return false;
  unit->clear();
  for (const char* p = end; p != text.data() + text.size(); ++p) {
    if (*p != ' ') unit->push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(*p))));
  }
  return true;
}

std::optional<uint64_t> Times(uint64_t number, uint64_t factor) {
  if (number > std::numeric_limits<uint64_t>::max() / factor) return std::nullopt;
  return number * factor;
}

}  // namespace

std::optional<uint64_t> ParseMemory(std::string_view text) {
  uint64_t number = 0;
  std::string unit;
  if (!NumberAndUnit(text, &number, &unit)) return std::nullopt;
  if (unit.size() == 2 && unit[1] == 'b') unit.pop_back();
  if (unit.empty() || unit == "b") return number;
  if (unit == "k") return Times(number, uint64_t{1} << 10);
  if (unit == "m") return Times(number, uint64_t{1} << 20);
  if (unit == "g") return Times(number, uint64_t{1} << 30);
  return std::nullopt;
}

std::optional<uint64_t> ParseDurationMs(std::string_view text) {
  uint64_t number = 0;
  std::string unit;
  if (!NumberAndUnit(text, &number, &unit)) return std::nullopt;
  if (unit == "ms") return number;
  if (unit.empty() || unit == "s" || unit == "sec" || unit == "second" || unit == "seconds") {
    return Times(number, 1000);
  }
  if (unit == "min" || unit == "minute" || unit == "minutes") return Times(number, 60'000);
  if (unit == "h" || unit == "hour" || unit == "hours") return Times(number, 3'600'000);
  if (unit == "d" || unit == "day" || unit == "days") return Times(number, 86'400'000);
  return std::nullopt;
}

bool LooksLikeInterval(std::string_view text) {
  static const std::regex pattern(
      R"(\s*(?:[+-]?\d+(?:\.\d+)?\s*(?:us|ms|s|m|h|d|w|y|microseconds?|milliseconds?|sec|secs|seconds?|)"
      R"(min|mins|minutes?|hours?|hrs?|days?|weeks?|mons?|months?|years?|yrs?|decades?|)"
      R"(century|centuries)\s*,?\s*|\d+:\d+(?::\d+(?:\.\d+)?)?\s*)+)",
      std::regex::icase | std::regex::optimize);
  return std::regex_match(text.begin(), text.end(), pattern);
}

}  // namespace chameleon::coordinator::config
