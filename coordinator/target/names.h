// Names in PostgreSQL: at most 63 bytes, one namespace per schema for tables and indexes.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace chameleon::coordinator::target {

// The name itself, or its beginning (cut between characters) with "_" and 8 digits of its hash.
std::string ShortName(std::string_view name);
// The same with the hash whatever its length: the second choice when the first is taken.
std::string HashedName(std::string_view name);

std::string PrimaryKeyName(std::string_view table);
std::string IndexName(std::string_view table, std::string_view index);
std::string EnumName(std::string_view table, std::string_view column);

// Names taken in one schema.
class NamePool {
 public:
  // False: taken before.
  bool Claim(const std::string& name) { return taken_.insert(name).second; }
  // The short name, or the hashed one when another has it.
  std::string Take(const std::string& name);

 private:
  std::set<std::string> taken_;
};

}  // namespace chameleon::coordinator::target
