// Plain-text cases: statements, a line "----", and the changes that the last of them makes.
#include "worker/ddl/schema_change.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "proto/wire/error.h"
#include "worker/ddl/parser.h"

namespace chameleon::worker::ddl {
namespace {

using v1::TableChange;

class Known : public SchemaLookup {
 public:
  const v1::TableDef* Find(const TableRef& ref) const override {
    auto it = tables.find({ref.schema, ref.table});
    return it == tables.end() ? nullptr : &it->second;
  }
  bool Wants(const TableRef& ref) const override {
    return (ref.schema == "d" || ref.schema == "e") && !HasLeft(ref);
  }
  bool HasLeft(const TableRef& ref) const override {
    return ref.table == "keyless" && !ended.contains(ref.schema) && Find(ref) == nullptr;
  }
  const v1::TableDef* FindEmptyKeyless(const TableRef& ref) const override {
    return HasLeft(ref) && keyless.name().schema() == ref.schema ? &keyless : nullptr;
  }
  std::vector<TableRef> TablesThatLeft() const override {
    return ended.contains("d") ? std::vector<TableRef>() : std::vector<TableRef>{{"d", "keyless"}};
  }
  bool IsEmpty(const TableRef&) const override { return empty; }
  std::vector<const v1::TableDef*> Tables() const override {
    std::vector<const v1::TableDef*> all;
    for (const auto& [_, def] : tables) all.push_back(&def);
    return all;
  }
  std::optional<CharsetDefault> Database(const std::string& schema) const override {
    if (schema == "nowhere") return std::nullopt;
    return schema == "e" ? CharsetDefault{"latin1", "latin1_swedish_ci"}
                         : CharsetDefault{"utf8mb4", "utf8mb4_bin"};
  }
  void Follow(const TableChange& change) {
    tables.erase({change.name().schema(), change.name().table()});
    if (change.name().table() == "keyless") ended.insert(change.name().schema());
    if (change.name().table() == "keyless" && change.kind() == TableChange::CREATE &&
        change.after().indexes().empty()) {
      ended.clear();
      keyless = change.after();
      return;
    }
    if (!change.has_after()) return;
    tables[{change.after().name().schema(), change.after().name().table()}] = change.after();
  }
  std::map<std::pair<std::string, std::string>, v1::TableDef> tables;
  v1::TableDef keyless;  // when it was made by a statement
  bool empty = false;
  std::set<std::string> ended;  // schemas whose table `keyless`, which is not followed, is dropped
};

std::string ColumnText(const v1::ColumnDef& c) {
  std::string out = fmt::format("  {} {}", c.name(), c.column_type());
  if (!c.collation().empty()) out += " " + c.collation();
  if (!c.nullable()) out += " not null";
  if (c.has_default()) {
    out += fmt::format(" default {}[{}]", c.default_is_expression() ? "expression " : "",
                       c.default_value());
  }
  if (!c.on_update().empty()) out += " on update " + c.on_update();
  if (c.auto_increment()) out += " auto_increment";
  if (c.generated() != v1::GENERATED_NONE) {
    out += fmt::format(" {} [{}]", c.generated() == v1::GENERATED_STORED ? "stored" : "virtual",
                       c.generation_expression());
  }
  if (c.invisible()) out += " invisible";
  if (!c.comment().empty()) out += fmt::format(" comment [{}]", c.comment());
  return out + "\n";
}

std::string TableText(const v1::TableDef& t) {
  std::string out =
      fmt::format("  = {}.{} {} {}{}\n", t.name().schema(), t.name().table(), t.engine(),
                  t.collation(), t.system_versioned() ? " versioned" : "");
  for (const auto& c : t.columns()) out += ColumnText(c);
  for (const auto& i : t.indexes()) {
    out += fmt::format("  {} {}{}:", v1::IndexDef::Kind_Name(i.kind()), i.name(),
                       i.implicit() ? " (implicit)" : "");
    for (const auto& p : i.parts()) {
      out += p.expression().empty() ? " " + p.column() : fmt::format(" ({})", p.expression());
      if (p.prefix_length() > 0) out += fmt::format("({})", p.prefix_length());
      if (p.descending()) out += " desc";
    }
    out += "\n";
  }
  for (const auto& k : t.foreign_keys()) {
    out += fmt::format("  FOREIGN KEY {}:", k.name());
    for (const auto& c : k.columns()) out += " " + c;
    out += fmt::format(" -> {}.{}:", k.referenced().schema(), k.referenced().table());
    for (const auto& c : k.referenced_columns()) out += " " + c;
    out += fmt::format(" {}/{}\n", k.on_delete(), k.on_update());
  }
  return out;
}

std::string ChangesText(const std::vector<TableChange>& changes) {
  std::string out;
  for (const TableChange& change : changes) {
    out += fmt::format("{} {}.{}", TableChange::Kind_Name(change.kind()), change.name().schema(),
                       change.name().table());
    if (change.has_new_name()) {
      out += fmt::format(" -> {}.{}", change.new_name().schema(), change.new_name().table());
    }
    const bool made = change.kind() == TableChange::CREATE || change.kind() == TableChange::RENAME;
    if (!change.reason().empty()) {
      out += made ? fmt::format(" (shadow of {})", change.reason()) : ": " + change.reason();
    }
    for (const auto& rename : change.renames()) {
      out += fmt::format(" [{} is now {}]", rename.from(), rename.to());
    }
    out += "\n";
    const bool shown = change.has_after() && change.kind() != TableChange::RENAME;
    if (shown) out += TableText(change.after());
  }
  return out.empty() ? "no change\n" : out;
}

// "-- mariadb" and other words in a case's first line choose the session.
SessionContext ContextOf(std::string_view words) {
  auto has = [&](std::string_view word) { return words.find(word) != std::string_view::npos; };
  SessionContext context{.server_version = 90704, .default_database = "d"};
  if (has("mariadb")) {
    context.server = ServerKind::kMariadb;
    context.server_version = 101119;
  }
  if (has("mysql57")) context.server_version = 50744;
  if (has("implicit timestamps")) context.explicit_defaults_for_timestamp = false;
  if (has("without foreign key checks")) context.foreign_key_checks = false;
  if (has("oracle")) context.oracle = true;
  if (has("mssql")) context.mssql = true;
  if (has("real as float")) context.real_as_float = true;
  if (has("utf8mb4")) context.utf8_is_utf8mb4 = true;
  return context;
}

std::string RunCase(const std::string& input) {
  const SessionContext context =
      ContextOf(input.starts_with("-- ") ? input.substr(0, input.find('\n')) : "");
  Known tables;
  tables.empty = input.starts_with("-- empty");
  std::string result;
  for (size_t begin = 0; begin < input.size();) {
    const size_t end = std::min(input.find(";\n", begin), input.size());
    const std::string statement = input.substr(begin, end - begin);
    begin = end + 2;
    auto changes = ApplyStatement(Parse(statement, context), tables, context);
    result = changes.ok() ? ChangesText(*changes) : Text(changes.status()) + "\n";
    if (!changes.ok()) continue;
    for (const TableChange& change : *changes) tables.Follow(change);
  }
  return result;
}

// Cases are separated by a line "====". CHAMELEON_WRITE_CASES=1 writes what comes out: read the
// difference before you keep it.
TEST(SchemaChangeTest, Cases) {
  const std::string path = std::string(CHAMELEON_DDL_CASES) + "/schema_change.cases";
  std::ifstream in(path);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  ASSERT_FALSE(text.empty()) << path;
  std::string written;
  int cases = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find("====\n", begin), text.size());
    const std::string one = text.substr(begin, end - begin);
    begin = end + 5;
    const size_t line = one.find("----\n");
    const std::string input = one.substr(0, line);
    const std::string expected = line == std::string::npos ? "" : one.substr(line + 5);
    const std::string result = RunCase(input);
    written += input + "----\n" + result + (begin < text.size() ? "====\n" : "");
    ++cases;
    if (std::getenv("CHAMELEON_WRITE_CASES") == nullptr) {
      EXPECT_EQ(result, expected) << input;
    }
  }
  EXPECT_GT(cases, 30);
  if (std::getenv("CHAMELEON_WRITE_CASES") != nullptr) std::ofstream(path) << written;
}

TEST(SchemaChangeTest, DatabaseDefaults) {
  const SessionContext context{.server_version = 90704, .default_database = "d"};
  const Known tables;
  const CharsetDefault server{"utf8mb4", "utf8mb4_0900_ai_ci"};
  auto change = [&](std::string_view text) -> std::string {
    auto c = DatabaseChangeOf(Parse(text, context), tables, server, context);
    if (!c) return "none";
    return c->schema + " " + (c->charset ? c->charset->collation : "dropped");
  };
  EXPECT_EQ(change("CREATE DATABASE nowhere"), "nowhere utf8mb4_0900_ai_ci");
  EXPECT_EQ(change("CREATE DATABASE IF NOT EXISTS e CHARSET utf8"), "none");
  EXPECT_EQ(change("CREATE DATABASE nowhere CHARACTER SET cp1251"), "nowhere cp1251_general_ci");
  EXPECT_EQ(change("ALTER DATABASE e COLLATE utf8mb4_bin"), "e utf8mb4_bin");
  EXPECT_EQ(change("ALTER DATABASE CHARSET latin2"), "d latin2_general_ci");
  EXPECT_EQ(change("DROP DATABASE e"), "e dropped");
  EXPECT_EQ(change("DROP TABLE e"), "none");
}

}  // namespace
}  // namespace chameleon::worker::ddl
