// Columns that change their type while their table has rows. Every pair of a list of types is asked
// for; what the type change room would do in place is played through a replica and compared with
// what the source made of its rows, in a session without strict mode, which clamps and cuts.
//
// Plain values fit both types: they must arrive, by the change and not by a new copy. Edge values
// may not: then the table is copied again by itself; in the end it is equal.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <thread>

#include "coordinator/target/type_change.h"
#include "coordinator/target/type_map.h"
#include "tests/integration/modify_cases.h"
#include "tests/support/live_fixture.h"
#include "worker/ddl/column_type.h"

namespace chameleon::test {
namespace {

namespace target = coordinator::target;

struct Column {
  const ModifyCase* spec;
  v1::TableDef def;  // one column
  v1::TablePlan plan;
};

struct Pair {
  const Column* from;
  const Column* to;
  std::string Text() const { return from->spec->type + " -> " + to->spec->type; }
};

class ModifyColumnTest : public LiveSessionFixture {
 protected:
  void SetUp() override {
    LiveSessionFixture::SetUp();
    if (IsSkipped()) return;
    Exec("SET SESSION sql_mode = '', time_zone = '+02:00'");
    Exec("CREATE DATABASE probe");
  }

  // The types as the server describes them, and what they become here.
  void Describe() {
    // As the replica's configuration (tests/support/replica.cc).
    const target::TypeMapOptions options{
        .target_schema = "d",
        .overrides = {{.source_type = "tinyint(1)", .override_to = "boolean", .tables = {"*"}}}};
    for (const ModifyCase& c : ModifyCases()) {
      if (IsMysql() ? c.on == Servers::kMariadb : c.on == Servers::kMysql) continue;
      Exec("CREATE TABLE probe.t (v " + c.type + ")");
      const Row row = db_->Query(
          fmt::format("SELECT COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, IS_NULLABLE, {} FROM"
                      " information_schema.COLUMNS WHERE TABLE_SCHEMA = 'probe'",
                      IsMysql() ? "SRS_ID" : "NULL"))[0];
      Exec("DROP TABLE probe.t");
      Column column{.spec = &c};
      column.def.mutable_name()->set_schema("d");
      column.def.mutable_name()->set_table("t");
      v1::ColumnDef* def = column.def.add_columns();
      def->set_name("v");
      ASSERT_TRUE(worker::ddl::ParseColumnType(row[0].value(), def).ok()) << c.type;
      def->set_charset(row[1].value_or(""));
      def->set_collation(row[2].value_or(""));
      def->set_nullable(row[3] == "YES");
      def->set_has_srid(row[4].has_value());
      def->set_srid(static_cast<uint32_t>(std::stoul(row[4].value_or("0"))));
      column.plan = *target::MapTable(column.def, options);
      columns_.push_back(std::move(column));
    }
  }

  static target::ColumnState StateOf(const Column& c) {
    return {c.def.columns(0), c.plan.columns(0), target::HasOwnEnum(c.plan, c.plan.columns(0))};
  }

  std::vector<Pair> InPlace() const {
    std::vector<Pair> pairs;
    for (const Column& from : columns_) {
      for (const Column& to : columns_) {
        if (&from == &to) continue;
        if (target::ChangeType(StateOf(from), StateOf(to), "v", "e").ok()) {
          pairs.push_back({&from, &to});
        }
      }
    }
    return pairs;
  }

  static bool PlainValuesFit(const Pair& pair) {
    const v1::ColumnDef& from = pair.from->def.columns(0);
    const v1::ColumnDef& to = pair.to->def.columns(0);
    const bool long_text = from.scale() == 30 || from.base_type() == v1::UUID;
    const bool short_text =
        to.base_type() == v1::CHAR || (to.base_type() == v1::VARCHAR && to.length() < 36);
    const bool four_digits = from.base_type() == v1::YEAR && to.base_type() == v1::TINYINT;
    // 'A' is 'a' by a collation that folds case.
    const bool new_case =
        pair.from->spec->type.starts_with("ENUM('A'") && to.base_type() == v1::ENUM &&
        (to.charset() == "binary" || to.charset().empty() || to.collation().ends_with("_bin"));
    return !new_case && !pair.to->spec->narrow && !four_digits && !(long_text && short_text);
  }

  void Create(const std::string& table, const std::vector<Pair>& pairs,
              const std::vector<std::string> ModifyCase::*values) {
    std::vector<std::string> columns;
    size_t rows = 0;
    for (size_t i = 0; i < pairs.size(); ++i) {
      columns.push_back(fmt::format("v{} {}", i, pairs[i].from->spec->type));
      rows = std::max(rows, (pairs[i].from->spec->*values).size());
    }
    Exec(fmt::format("CREATE TABLE {} (id INT PRIMARY KEY, {})", table, fmt::join(columns, ", ")));
    std::vector<std::string> lines;
    for (size_t row = 0; row < rows; ++row) {
      std::vector<std::string> cells = {std::to_string(row)};
      for (const Pair& pair : pairs) {
        const auto& list = pair.from->spec->*values;
        std::string value = list[row % list.size()];
        const bool null_here = pair.from->def.columns(0).nullable();
        const bool null_there = pair.to->def.columns(0).nullable();
        if (value == "NULL" && !(null_here && null_there)) value = list[0];
        cells.push_back(value);
      }
      lines.push_back(fmt::format("({})", fmt::join(cells, ", ")));
    }
    Exec(fmt::format("INSERT INTO {} VALUES {}", table, fmt::join(lines, ", ")));
  }
  static std::string Modify(const std::string& table, const std::vector<Pair>& pairs) {
    std::vector<std::string> actions;
    for (size_t i = 0; i < pairs.size(); ++i) {
      actions.push_back(fmt::format("MODIFY v{} {}", i, pairs[i].to->spec->type));
    }
    return fmt::format("ALTER TABLE {} {}", table, fmt::join(actions, ", "));
  }

  void Begin() {
    replica_->AddSource({.name = "s", .server = source_.get(), .schema_mappings = {{"d", "d"}}});
    replica_->Setup();
    replica_->Init("s");
    replica_->Start("s");
  }

  // By table, why it has left.
  std::map<std::string, std::string> Left() {
    std::map<std::string, std::string> left;
    for (auto& row : Pg(replica_->target())
                         .Query("SELECT t_source_table, t_reason FROM"
                                " sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled")) {
      left[row[0].value()] = row[1].value();
    }
    return left;
  }

  void ExpectEqual(const EqualityOptions& options,
                   const std::map<std::string, std::vector<Pair>>& tables) {
    const std::string differences =
        CompareSchemas(source_->Address(), "d", replica_->target(), "d", options).differences;
    EXPECT_EQ(differences, "");
    for (const auto& [table, pairs] : tables) {
      if (differences.find("table " + table + ":") == std::string::npos) continue;
      std::string columns;
      for (size_t i = 0; i < pairs.size(); ++i) {
        columns += fmt::format("\n  v{}: {}", i, pairs[i].Text());
      }
      ADD_FAILURE() << table << columns;
    }
  }

  std::vector<Column> columns_;
};

TEST_P(ModifyColumnTest, PlainValuesAreConvertedInPlace) {
  constexpr size_t kColumns = 24;
  Describe();
  std::vector<Pair> pairs = InPlace();
  std::erase_if(pairs, [](const Pair& pair) { return !PlainValuesFit(pair); });
  EXPECT_GT(pairs.size(), 300u);
  std::map<std::string, std::vector<Pair>> tables;
  for (size_t i = 0; i < pairs.size(); i += kColumns) {
    const auto end = pairs.begin() + static_cast<int>(std::min(i + kColumns, pairs.size()));
    tables.emplace(fmt::format("t{:03}", i / kColumns),
                   std::vector<Pair>(pairs.begin() + static_cast<int>(i), end));
  }
  for (const auto& [table, of] : tables) Create(table, of, &ModifyCase::plain);
  Begin();
  for (const auto& [table, of] : tables) Exec(Modify(table, of));
  replica_->WaitCaughtUp("s", std::chrono::minutes(2));
  EqualityOptions options;
  for (const auto& [table, why] : Left()) {
    ADD_FAILURE() << table << ": " << why;
    options.skip_tables.insert(table);
  }
  ExpectEqual(options, tables);
  EXPECT_EQ(Pg(replica_->target()).One("SELECT count(*) FROM sch_chameleon.t_error_log"), "0")
      << "none was copied again";
}

TEST_P(ModifyColumnTest, EdgeValuesArriveAlsoByANewCopy) {
  Describe();
  const std::vector<Pair> pairs = InPlace();
  const auto table = [](size_t i) { return fmt::format("t{:04}", i); };
  for (size_t i = 0; i < pairs.size(); ++i) Create(table(i), {pairs[i]}, &ModifyCase::edge);
  Begin();
  std::map<std::string, std::vector<Pair>> tables;
  for (size_t i = 0; i < pairs.size(); ++i) {
    tables[table(i)] = {pairs[i]};
    EXPECT_EQ(db_->TryExec(Modify(table(i), {pairs[i]})), 0u) << pairs[i].Text();
  }
  replica_->WaitCaughtUp("s", std::chrono::minutes(5));
  for (int i = 0; i < 1800 && !Left().empty(); ++i) std::this_thread::sleep_for(Millis(100));
  for (const auto& [name, why] : Left()) ADD_FAILURE() << name << ": " << why;
  const int copied =
      std::stoi(Pg(replica_->target()).One("SELECT count(*) FROM sch_chameleon.t_error_log"));
  EXPECT_LT(copied, static_cast<int>(pairs.size() / 2)) << "of " << pairs.size();
  printf("%zu conversions, %d of them copied again with these values\n", pairs.size(), copied);
  ExpectEqual({}, tables);
}

ON_ALL_SERVERS(ModifyColumnTest)

}  // namespace
}  // namespace chameleon::test
