// What the servers' own tools print of a binary log's rows (mysqlbinlog, mariadb-binlog: -vv
// --base64-output=DECODE-ROWS), and how a printed value compares with the literal that the worker
// makes of the same column.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "chameleon/v1/types.pb.h"

namespace chameleon::test {

// How a tool escapes text: MySQL's as \n, \' and \x01; MariaDB's only control characters, as \x0a.
enum class Tool { kMysql, kMariadb };

struct PrintedLog {
  Tool tool = Tool::kMysql;
  std::string text;
  bool to_the_end = false;
};

struct PrintedRow {
  std::string verb;                   // INSERT, UPDATE, DELETE
  std::string table;                  // schema.table
  std::map<int, std::string> before;  // column number, from 1, to the text after "@n="
  std::map<int, std::string> after;
};

// Of a log's bytes, by the first tool that can read them to their end: MySQL's, else MariaDB's
// (which still knows version 1 rows of 5.1). Of a damaged log: what the one that gets farthest
// prints. std::runtime_error: no tool is here.
PrintedLog PrintLog(const std::string& bytes);
std::vector<PrintedRow> PrintedRows(const std::string& text);

// Empty: `literal` (null: SQL NULL) is what `printed` says. Else what was expected.
//
// Where the tools print less than the value: FLOAT and VECTOR have six digits, and are compared at
// those. Where they print something else: the year 0 is 1900, BINARY is without its padding; zero
// dates and the invalid enum value are NULL, and NULs are not in texts, by policy here.
std::string Difference(const v1::ColumnDef& def, Tool tool, const std::string& printed,
                       const std::optional<std::string>& literal);

// The document after a partial update: `expression` is JSON_REPLACE(@2, '$.a', 1) and the like over
// the document `before`, both as printed. std::runtime_error: not understood.
std::string AfterPartialUpdate(const std::string& expression, const std::string& before);

}  // namespace chameleon::test
