// PostgreSQL identifiers and literals as SQL text: the only two places that quote.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace chameleon::coordinator::target {

// Always in double quotes. U+0000 cannot occur in a name; the caller has refused it.
std::string Identifier(std::string_view name);
// "schema"."name"
std::string Identifier(std::string_view schema, std::string_view name);
// E'…' when there is a backslash, so that it holds under either standard_conforming_strings.
std::string Literal(std::string_view text);

// ARRAY[…]::text[]
std::string TextArray(const std::vector<std::string>& texts);

}  // namespace chameleon::coordinator::target
