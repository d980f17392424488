// The oracle: is every table of a MySQL schema equal, row by row, to its copy in PostgreSQL?
//
// Computed from both databases by the test itself. All rows of both sides are read, brought to one
// canonical text per value (canonical.h) and compared as multisets of 128-bit row hashes, so the
// order in which the servers return rows does not matter; rows found on one side only are then
// read again and reported with table, key and column. The caller makes sure that nothing changes
// meanwhile. About 1 µs per value.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "tests/support/mysql_client.h"
#include "tests/support/pg_client.h"

namespace chameleon::test {

struct EqualityOptions {
  std::set<std::string> skip_tables;            // not expected in PostgreSQL
  std::map<std::string, std::string> pg_names;  // source table → target table, where they differ
  size_t reported_max = 10;                     // differing rows shown per table
};

struct Equality {
  bool equal = true;
  int tables = 0;
  uint64_t rows = 0;        // in the source
  std::string differences;  // lines for people; empty when equal
};

Equality CompareSchemas(const MysqlAddress& mysql, const std::string& mysql_schema,
                        const PgAddress& pg, const std::string& pg_schema,
                        const EqualityOptions& options = {});

}  // namespace chameleon::test
