// Every statement of the corpus' DDL lists, schemas and migrations: translated, benign by name, or
// refused by name. The counts are printed; what is refused is listed here, so that a new refusal
// is seen.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "tests/golden/corpus.h"
#include "tests/support/sql_script.h"
#include "worker/ddl/parser.h"

namespace chameleon::test {
namespace {

namespace ddl = worker::ddl;

struct Outcome {
  std::map<std::string, int> counts;
  std::vector<std::string> refused;  // "file: reason"
};

void ParseFile(const std::filesystem::path& file, const ddl::SessionContext& context,
               Outcome* outcome) {
  for (const std::string& statement : SplitScript(ReadFile(file))) {
    const ddl::Statement parsed = ddl::Parse(statement, context);
    const bool refused = std::holds_alternative<ddl::Unparsed>(parsed);
    const std::string name = ddl::Describe(parsed);
    ++outcome->counts[refused ? "not understood" : name];
    if (refused) outcome->refused.push_back(file.filename().string() + ": " + name);
    // Cut anywhere, a statement must end in some outcome too.
    for (size_t n = 1; n < std::min<size_t>(statement.size(), 2000); n += 37) {
      ddl::Parse(statement.substr(0, n), context);
    }
  }
}

Outcome ParseFolder(const std::string& folder, ddl::ServerKind kind) {
  ddl::SessionContext context;
  context.server = kind;
  context.server_version = kind == ddl::ServerKind::kMysql ? 90704 : 101119;
  context.default_database = "d";
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(CorpusDir() / folder)) {
    const std::string extension = entry.path().extension();
    if (extension == ".sql" || extension == ".ddl") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  Outcome outcome;
  for (const auto& file : files) ParseFile(file, context, &outcome);
  std::cout << folder << "\n";
  for (const auto& [name, n] : outcome.counts) std::cout << "  " << n << "  " << name << "\n";
  EXPECT_FALSE(outcome.counts.empty());
  return outcome;
}

TEST(DdlGoldenTest, MysqlLists) {
  SKIP_WITHOUT_CORPUS();
  EXPECT_EQ(ParseFolder("ddl/antlr-mysql-oracle", ddl::ServerKind::kMysql).refused,
            std::vector<std::string>{});
  // ENUM labels in backquotes; "--" without a blank after it: no MySQL takes either.
  EXPECT_EQ(ParseFolder("ddl/antlr-mysql-positive-technologies", ddl::ServerKind::kMysql).refused,
            (std::vector<std::string>{
                "ddl_create.sql: not understood: \"`VAR1`\" stands where a label is expected",
                "dml_with.sql: not understood: \"-\" stands where a known statement is expected"}));
}

TEST(DdlGoldenTest, MariadbLists) {
  SKIP_WITHOUT_CORPUS();
  // Twice two statements without a semicolon between them.
  EXPECT_EQ(
      ParseFolder("ddl/antlr-mariadb", ddl::ServerKind::kMariadb).refused,
      (std::vector<std::string>{
          "ddl_alter.sql: not understood: \"alter\" stands where \",\" is expected",
          "ddl_create.sql: not understood: \"RENAME\" stands where a table option is expected"}));
}

TEST(DdlGoldenTest, SchemasCasesAndMigrations) {
  SKIP_WITHOUT_CORPUS();
  for (const char* folder : {"schemas", "migrations", "cases"}) {
    EXPECT_EQ(ParseFolder(folder, ddl::ServerKind::kMysql).refused, std::vector<std::string>{});
    EXPECT_EQ(ParseFolder(folder, ddl::ServerKind::kMariadb).refused, std::vector<std::string>{});
  }
}

}  // namespace
}  // namespace chameleon::test
