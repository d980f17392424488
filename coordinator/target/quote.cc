#include "coordinator/target/quote.h"

#include <fmt/format.h>

namespace chameleon::coordinator::target {

std::string Identifier(std::string_view name) {
  std::string out = "\"";
  for (char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out += '"';
}

std::string Identifier(std::string_view schema, std::string_view name) {
  return Identifier(schema) + "." + Identifier(name);
}

std::string Literal(std::string_view text) {
  const bool backslash = text.find('\\') != std::string_view::npos;
  std::string out = backslash ? "E'" : "'";
  for (char c : text) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out += '\'';
}

std::string TextArray(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  for (const std::string& text : texts) quoted.push_back(Literal(text));
  return fmt::format("ARRAY[{}]::text[]", fmt::join(quoted, ", "));
}

}  // namespace chameleon::coordinator::target
