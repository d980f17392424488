// The DDL room against the real servers: real schemas and migrations are run, the statements that
// the server wrote to its binary log are applied to our definitions, and after each one these must
// equal what information_schema says.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include "tests/integration/ddl_shadow.h"
#include "tests/support/both_servers.h"
#include "tests/support/corpus.h"
#include "tests/support/sql_script.h"
#include "worker/ddl/parser.h"

namespace chameleon::test {
namespace {

// After MySQL's CREATE TABLE … START TRANSACTION, which its binary log is full of, a session takes
// nothing else before COMMIT.
constexpr unsigned kInsideCreateSelect = 3977;

class DdlOracle : public BothServers {
 protected:
  void SetUp() override {
    BothServers::SetUp();
    if (IsSkipped()) return;
    corpus_ = CorpusDir();
    if (!corpus_) GTEST_SKIP() << "no corpus beside the repository";
    server_ = StartSource(GetParam());
    sql_ = std::make_unique<Mysql>(server_->Connect());
    sql_->TryExec("SET GLOBAL log_bin_trust_function_creators=1");
    sql_->Exec("CREATE DATABASE play");
    sql_->Exec("USE play");
    shadow_ = std::make_unique<DdlShadow>(server_.get());
    context_.server = server_->is_mariadb() ? ddl::ServerKind::kMariadb : ddl::ServerKind::kMysql;
    context_.server_version = server_->is_mariadb() ? 101119 : 90704;
  }

  void Play(const std::string& path);

  std::optional<std::filesystem::path> corpus_;
  std::unique_ptr<SourceServer> server_;
  std::unique_ptr<Mysql> sql_;
  std::unique_ptr<DdlShadow> shadow_;
  ddl::SessionContext context_;
  int ran_ = 0, failed_ = 0;
};

void DdlOracle::Play(const std::string& path) {
  std::ifstream in(path);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  for (const std::string& statement : SplitScript(text)) {
    const ddl::Statement parsed = ddl::Parse(statement, context_);
    if (std::get_if<ddl::Dml>(&parsed) && std::get<ddl::Dml>(parsed).kind != "CALL") continue;
    const std::string kind = ddl::Describe(parsed);
    if (kind == "benign: shutdown" || kind == "benign: kill" || kind == "benign: user" ||
        kind == "benign: grant" || kind == "benign: reset" || kind == "benign: lock" ||
        kind == "benign: plugin" || kind == "benign: role" || kind == "benign: flush" ||
        kind == "DROP DATABASE mysql") {
      continue;
    }
    ++ran_;
    unsigned error = sql_->TryExec(statement);
    if (error == kInsideCreateSelect) {
      sql_->TryExec("COMMIT");
      error = sql_->TryExec(statement);
    }
    failed_ += error != 0;
    shadow_->Follow(path);
  }
}

// $CHAMELEON_DDL_FILES (separated by blanks), or the given folders of the corpus, by name.
std::vector<std::string> Files(const std::filesystem::path& corpus,
                               std::initializer_list<const char*> folders) {
  std::vector<std::string> files;
  if (const char* only = std::getenv("CHAMELEON_DDL_FILES")) {
    std::istringstream list(only);
    std::copy(std::istream_iterator<std::string>(list), {}, std::back_inserter(files));
    return files;
  }
  for (const char* folder : folders) {
    if (std::filesystem::is_regular_file(corpus / folder)) {
      files.push_back(corpus / folder);
      continue;
    }
    std::vector<std::string> inside;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(corpus / folder)) {
      const std::string extension = entry.path().extension();
      if (extension == ".sql" || extension == ".ddl") inside.push_back(entry.path());
    }
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

TEST_P(DdlOracle, SchemasCasesAndMigrations) {
  const std::vector<std::string> files =
      Files(*corpus_, {"schemas", "cases/debezium", "cases/maxwell/schema", "cases/tiflow-dm",
                       "migrations/shenyu", "migrations/sentry", "migrations/ranger/xa_core_db.sql",
                       "migrations/ranger/patches", "ddl"});
  for (const std::string& file : files) {
    Play(file);
    if (sql_->TryExec("SELECT 1") != 0) FAIL() << "the connection is gone after " << file;
    const auto& c = shadow_->counts();
    std::cout << fmt::format(
        "{}: ran {}, refused by the server {}, changes {}, compared {}, different {}\n", file, ran_,
        failed_, c.changes, c.compared, c.different);
  }
  shadow_->CompareAll("the corpus");
  for (const auto& [reason, n] : shadow_->counts().stops) {
    std::cout << n << "  " << reason << "\n";
    EXPECT_FALSE(reason.starts_with("stop: ")) << reason;
  }
}

ON_ALL_SERVERS(DdlOracle);

}  // namespace
}  // namespace chameleon::test
