// Names and literals in statements to the source: the only two ways to quote. Pure.
#pragma once

#include <string>
#include <string_view>

namespace chameleon::worker::source {

// `a``b`
std::string QuoteName(std::string_view name);
std::string QuoteName(std::string_view schema, std::string_view table);  // `s`.`t`

// A literal that means the same bytes under every sql_mode and character set: 'plain' for harmless
// ASCII, else _charset 0x…. `charset` "binary" or empty: a binary string.
std::string QuoteText(std::string_view text, std::string_view charset = "utf8mb4");

std::string LowerAscii(std::string_view text);

}  // namespace chameleon::worker::source
