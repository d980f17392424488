// Real applications' MySQL schemas and the scripts that bring old ones up to date, as Debian
// packages them (tests/support/fetch_applications.sh), read in place.
//
// The packages carry the newest schema and the way to it, seldom the schema where that way begins.
// So a step that the server refuses because it has been taken already is taken back first
// (MakeRoom), and then taken again: columns, indexes and tables come and go as they did for years.
#pragma once

#include <string>
#include <vector>

#include "tests/support/mysql_client.h"

namespace chameleon::test {

struct ApplicationStep {
  std::string name;  // of its file
  std::vector<std::string> statements;
};

struct Application {
  std::string name;  // and of its database
  std::vector<std::string> schema;
  std::vector<ApplicationStep> steps;
};

// Those whose packages are here, and $CHAMELEON_APPLICATIONS (names separated by commas) alone if
// it is set.
std::vector<Application> Applications();

// After `statement` was refused with `error`: makes what it misses, or removes what it would make.
// False if there is nothing to be done.
bool MakeRoom(Mysql* session, const std::string& statement, unsigned error);

// The tables that a statement names as those it changes; without their database.
std::vector<std::string> TablesOf(const std::string& statement);

}  // namespace chameleon::test
