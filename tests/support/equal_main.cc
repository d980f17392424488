// equal --source SOCKET_OR_PORT --pg PORT --database DB MYSQL_SCHEMA=PG_SCHEMA …
// Compares row by row and ends with "equal: T tables, R rows" (exit 0), or with the differences and
// "different: …" (exit 1). Users are root and postgres, as in the sandbox.
#include <fmt/format.h>

#include <cstdlib>
#include <vector>

#include "tests/support/equality.h"

namespace chameleon::test {
namespace {

int Usage() {
  fmt::print(stderr, "usage: equal --source SOCKET|PORT --pg PORT --database DB SCHEMA=SCHEMA …\n");
  return 2;
}

int Main(int argc, char** argv) {
  MysqlAddress mysql;
  PgAddress pg;
  std::vector<std::string> pairs;
  for (int i = 1; i < argc; ++i) {
    std::string arg = argv[i];
    if (arg.find('=') != std::string::npos) {
      pairs.push_back(arg);
      continue;
    }
    if (i + 1 >= argc) return Usage();
    std::string value = argv[++i];
    if (arg == "--source" && value[0] == '/') {
      mysql.socket = value;
    } else if (arg == "--source") {
      mysql.port = std::atoi(value.c_str());
    } else if (arg == "--pg") {
      pg.port = std::atoi(value.c_str());
    } else if (arg == "--database") {
      pg.database = value;
    } else {
      return Usage();
    }
  }
  if (pairs.empty()) return Usage();
  Equality all;
  for (const auto& pair : pairs) {
    size_t at = pair.find('=');
    Equality one = CompareSchemas(mysql, pair.substr(0, at), pg, pair.substr(at + 1));
    all.equal = all.equal && one.equal;
    all.tables += one.tables;
    all.rows += one.rows;
    all.differences += one.differences;
  }
  fmt::print("{}{}: {} tables, {} rows\n", all.differences, all.equal ? "equal" : "different",
             all.tables, all.rows);
  return all.equal ? 0 : 1;
}

}  // namespace
}  // namespace chameleon::test

int main(int argc, char** argv) {
  try {
    return chameleon::test::Main(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "equal: {}\n", error.what());
    return 2;
  }
}
