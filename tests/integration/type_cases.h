// The one table of what MySQL and MariaDB can hold: every type with its edge values. The type
// matrix plays it as snapshot, as stream and as schema change; the servers themselves say what the
// values are.
#pragma once

#include <string>
#include <vector>

#include "tests/support/servers.h"

namespace chameleon::test {

// Servers that have it.
enum On : unsigned { kMariadb10 = 1, kMysql9 = 2, kMariadb118 = 4, kMariadbs = 5, kEvery = 7 };
bool Has(unsigned on, SourceKind kind);

// A column v of this type in a table with an INT key.
struct TypeCase {
  std::string type;                 // what follows the column's name: "INT UNSIGNED"
  std::vector<std::string> values;  // SQL expressions, inserted with an empty sql_mode in UTC
  unsigned on = kEvery;
};
std::vector<TypeCase> TypeCases();

// What is more than one column: generated, invisible, versioned, hidden keys.
struct TableCase {
  std::string name;
  std::vector<std::string> create;  // % is the table
  std::vector<std::string> fill;
  unsigned on = kEvery;
};
std::vector<TableCase> TableCases();

}  // namespace chameleon::test
