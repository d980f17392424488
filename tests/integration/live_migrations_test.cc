// Real projects' migrations and other tools' replication cases, played live: part of each before
// the snapshot, the rest while replicating.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "tests/integration/live_player.h"
#include "tests/support/both_servers.h"
#include "tests/support/corpus.h"
#include "tests/support/sql_script.h"
#include "worker/ddl/parser.h"

namespace chameleon::test {
namespace {

namespace fs = std::filesystem;

using Statements = std::vector<std::string>;

Statements ReadScript(const fs::path& file) {
  // Sentry's upgrades include each other.
  std::istringstream in(ReadFile(file));
  std::string text;
  for (std::string line; std::getline(in, line);) {
    std::string name = line.starts_with("SOURCE ") ? line.substr(7) : "";
    while (!name.empty() && (name.back() == ';' || name.back() == '\r' || name.back() == ' ')) {
      name.pop_back();
    }
    text += name.empty() ? line : ReadFile(file.parent_path() / name);
    text += '\n';
  }
  return SplitScript(text);
}

// One statement per line, further lines of it indented; "-> {…}" is what Maxwell expects.
Statements ReadMaxwell(const fs::path& file) {
  std::istringstream in(ReadFile(file));
  Statements out;
  bool expectation = false;
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && (line.back() == ';' || line.back() == '\r' || line.back() == ' ')) {
      line.pop_back();
    }
    const bool indented = line.starts_with(" ") || line.starts_with("\t");
    if (line.empty() || line.starts_with("#")) {
      expectation = false;
    } else if (line.starts_with("->")) {
      expectation = true;
    } else if (!indented) {
      expectation = false;
      out.push_back(line);
    } else if (!expectation && !out.empty()) {
      out.back() += "\n" + line;
    }
  }
  return out;
}

std::vector<fs::path> FilesIn(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && !entry.path().filename().string().starts_with("LICENSE")) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::set<std::string> DatabasesOf(const Statements& statements) {
  std::set<std::string> names;
  for (const std::string& statement : statements) {
    const auto parsed = worker::ddl::Parse(statement, {});
    if (const auto* create = std::get_if<worker::ddl::CreateDatabase>(&parsed)) {
      names.insert(create->schema);
    }
  }
  return names;
}

class LiveMigrations : public BothServers {
 protected:
  void SetUp() override {
    BothServers::SetUp();
    if (IsSkipped()) return;
    corpus_ = CorpusDir();
    if (!corpus_) GTEST_SKIP() << "no corpus beside the repository";
    player_ = std::make_unique<LivePlayer>(GetParam());
  }

  std::optional<fs::path> corpus_;
  std::unique_ptr<LivePlayer> player_;
};

TEST_P(LiveMigrations, Ranger) {
  const fs::path ranger = *corpus_ / "migrations/ranger";
  player_->Play("ranger", ReadScript(ranger / "xa_core_db.sql"));
  player_->Begin({"ranger"});
  int n = 0;
  for (const fs::path& patch : FilesIn(ranger / "patches")) {
    player_->Play("ranger", ReadScript(patch));
    if (++n % 12 == 0) player_->Settle(patch.filename());
  }
  player_->Settle("all patches");
  player_->Report("ranger");
}

TEST_P(LiveMigrations, ShenyuAndSentry) {
  const fs::path shenyu = *corpus_ / "migrations/shenyu", sentry = *corpus_ / "migrations/sentry";
  player_->Play("shenyu", ReadScript(*corpus_ / "schemas/shenyu/schema.sql"));
  player_->Play("sentry", ReadScript(sentry / "sentry-mysql-1.4.0.sql"));
  player_->Begin({"shenyu", "sentry", "sentry_whole"});
  for (const fs::path& file : FilesIn(shenyu)) {
    player_->Play("shenyu", ReadScript(file));
    player_->Settle(file.filename());
  }
  for (const char* step : {"1.4.0-to-1.5.0", "1.5.0-to-1.6.0", "1.6.0-to-1.7.0", "1.7.0-to-1.8.0",
                           "1.8.0-to-2.0.0", "2.0.0-to-2.1.0", "2.1.0-to-2.2.0"}) {
    player_->Play("sentry", ReadScript(sentry / fmt::format("sentry-upgrade-mysql-{}.sql", step)));
    player_->Settle(step);
  }
  player_->Play("sentry_whole", ReadScript(sentry / "sentry-mysql-2.2.0.sql"));
  player_->Settle("sentry 2.2.0");
  player_->Report("shenyu and sentry");
}

// The first upstream's preparations go before the snapshot; the second one's, which drop and make
// the same databases again, are played live.
TEST_P(LiveMigrations, DataMigrationCases) {
  std::vector<fs::path> before, during, second;
  std::set<std::string> databases;
  for (const fs::path& file : FilesIn(*corpus_ / "cases/tiflow-dm")) {
    const std::string name = file.filename();
    if (name.starts_with("tidb.") || name.starts_with("check.") ||
        name.find(".user.") != std::string::npos) {
      continue;  // for the target, or about users
    }
    for (const auto& database : DatabasesOf(ReadScript(file))) databases.insert(database);
    const bool is_second = name.find("db2.") != std::string::npos;
    if (is_second) {
      second.push_back(file);
    } else if (name.find("prepare") != std::string::npos) {
      before.push_back(file);
    } else {
      during.push_back(file);
    }
  }
  // db2.prepare goes before db2.increment.
  std::stable_sort(second.begin(), second.end(), [](const fs::path& a, const fs::path& b) {
    const auto key = [](const fs::path& p) {
      return std::pair(p.parent_path(), p.filename().string().find("prepare") == std::string::npos);
    };
    return key(a) < key(b);
  });
  for (const auto& file : before) player_->Play("dm", ReadScript(file));
  databases.insert("dm");
  player_->Begin(databases);
  int n = 0;
  for (const auto* files : {&during, &second}) {
    for (const fs::path& file : *files) {
      player_->Play("dm", ReadScript(file));
      if (++n % 8 == 0) player_->Settle(file.string().substr(corpus_->string().size()));
    }
    player_->Settle(files == &during ? "the first upstream" : "the second upstream");
  }
  player_->Report("data migration cases");
}

TEST_P(LiveMigrations, MaxwellCases) {
  const fs::path maxwell = *corpus_ / "cases/maxwell";
  std::set<std::string> databases = {"maxwell", "test", "shard_1"};
  std::vector<std::pair<std::string, Statements>> files;
  for (const char* folder : {"rows", "json", "serialization"}) {
    for (const fs::path& file : FilesIn(maxwell / folder)) {
      files.emplace_back(file.filename(), ReadMaxwell(file));
      for (const auto& name : DatabasesOf(files.back().second)) databases.insert(name);
    }
  }
  for (const fs::path& file : FilesIn(maxwell / "schema")) {
    player_->Play("shard_1", ReadScript(file));
    player_->Play("maxwell", ReadScript(file));
  }
  player_->Begin(databases);
  int n = 0;
  for (const auto& [name, statements] : files) {
    player_->Play("shard_1", statements);
    if (++n % 10 == 0) player_->Settle(name);
  }
  player_->Settle("all of Maxwell's cases");
  player_->Report("maxwell");
}

// Every file twice: before the snapshot, and live. A zero date in a key is refused by init_replica,
// and live stops its table.
TEST_P(LiveMigrations, DebeziumCases) {
  std::set<std::string> databases;
  const std::vector<fs::path> files = FilesIn(*corpus_ / "cases/debezium");
  for (const fs::path& file : files) {
    const Statements statements = ReadScript(file);
    if (file.stem() != "datetime_key_test") {
      player_->Play("copied_" + file.stem().string(), statements);
    }
    databases.insert("copied_" + file.stem().string());
    databases.insert("live_" + file.stem().string());
    for (const auto& name : DatabasesOf(statements)) databases.insert(name);
  }
  player_->Begin(databases);
  for (size_t i = 0; i < files.size(); ++i) {
    player_->Play("live_" + files[i].stem().string(), ReadScript(files[i]));
    if (i % 10 == 9) player_->Settle(files[i].filename());
  }
  player_->Settle("all of Debezium's cases");
  player_->Report("debezium");
}

ON_BOTH_SERVERS(LiveMigrations)

}  // namespace
}  // namespace chameleon::test
