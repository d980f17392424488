#include "coordinator/target/quote.h"

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

}  // namespace chameleon::coordinator::target
