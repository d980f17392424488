#include "coordinator/target/names.h"

#include <fmt/format.h>

#include <cstdint>

namespace chameleon::coordinator::target {
namespace {

constexpr size_t kNameMax = 63;  // NAMEDATALEN - 1, bytes
constexpr size_t kHashDigits = 8;

// FNV-1a: stable for ever, because names in databases depend on it.
uint64_t Hash(std::string_view text) {
  uint64_t hash = 14695981039346656037ull;
  for (unsigned char c : text) hash = (hash ^ c) * 1099511628211ull;
  return hash;
}

}  // namespace

std::string HashedName(std::string_view name) {
  size_t keep = std::min(name.size(), kNameMax - kHashDigits - 1);
  while (keep > 0 && keep < name.size() && (name[keep] & 0xc0) == 0x80) --keep;
  return fmt::format("{}_{:08x}", name.substr(0, keep), static_cast<uint32_t>(Hash(name)));
}

std::string ShortName(std::string_view name) {
  return name.size() <= kNameMax ? std::string(name) : HashedName(name);
}

std::string PrimaryKeyName(std::string_view table) { return fmt::format("pk_{}", table); }

std::string IndexName(std::string_view table, std::string_view index) {
  return fmt::format("idx_{}_{}", table, index);
}

std::string EnumName(std::string_view table, std::string_view column) {
  return ShortName(fmt::format("enum_{}_{}", table, column));
}

std::string NamePool::Take(const std::string& name) {
  std::string taken = ShortName(name);
  if (Claim(taken)) return taken;
  taken = HashedName(name);
  Claim(taken);
  return taken;
}

}  // namespace chameleon::coordinator::target
