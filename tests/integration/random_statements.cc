#include "tests/integration/random_statements.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace chameleon::test {
namespace {

const std::vector<std::string>& Types() {
  static const std::vector<std::string> kTypes = {"INT",
                                                  "BIGINT UNSIGNED",
                                                  "TINYINT(1)",
                                                  "SMALLINT",
                                                  "MEDIUMINT UNSIGNED",
                                                  "DECIMAL(12,3)",
                                                  "DOUBLE",
                                                  "FLOAT",
                                                  "VARCHAR(20)",
                                                  "VARCHAR(60)",
                                                  "VARCHAR(30) CHARACTER SET latin1",
                                                  "CHAR(6)",
                                                  "TEXT",
                                                  "MEDIUMBLOB",
                                                  "VARBINARY(12)",
                                                  "BINARY(4)",
                                                  "DATE",
                                                  "DATETIME(3)",
                                                  "DATETIME",
                                                  "TIMESTAMP NULL",
                                                  "TIME(2)",
                                                  "YEAR",
                                                  "BIT(9)",
                                                  "JSON",
                                                  "ENUM('a','b','c')",
                                                  "ENUM('c','b','x','a')",
                                                  "SET('p','q','r')",
                                                  "VARCHAR(20) COLLATE utf8mb4_bin"};
  return kTypes;
}

bool Is(const std::string& type, std::string_view begin) { return type.starts_with(begin); }
bool IsText(const std::string& type) {
  return Is(type, "VARCHAR") || Is(type, "CHAR") || Is(type, "TEXT");
}
bool IsNumber(const std::string& type) {
  return Is(type, "INT") || Is(type, "BIGINT") || Is(type, "TINYINT") || Is(type, "SMALLINT") ||
         Is(type, "MEDIUMINT") || Is(type, "DECIMAL") || Is(type, "DOUBLE") || Is(type, "FLOAT");
}
bool CanBeKey(const std::string& type) {
  return Is(type, "INT") || Is(type, "BIGINT") || Is(type, "VARCHAR") || Is(type, "VARBINARY") ||
         Is(type, "DATE") || Is(type, "SMALLINT");
}

}  // namespace

RandomStatements::RandomStatements(uint64_t seed, bool is_mariadb, std::string prefix, int tables)
    : random_(seed), is_mariadb_(is_mariadb), prefix_(std::move(prefix)), tables_max_(tables) {}

std::string RandomStatements::NewName(const char* kind) {
  return fmt::format("{}{}", kind, ++names_);
}

std::string RandomStatements::AnyTable() {
  auto it = tables_.begin();
  std::advance(it, Below(static_cast<uint32_t>(tables_.size())));
  return it->first;
}

const RandomStatements::Column& RandomStatements::AnyColumn(const Table& table) {
  return Any(table.columns);
}

std::vector<std::string> RandomStatements::Next() {
  pending_.clear();
  if (tables_.empty() || (static_cast<int>(tables_.size()) < tables_max_ && Chance(10))) {
    return {Create(fmt::format("{}{}", prefix_, ++names_))};
  }
  const uint32_t what = Below(100);
  if (what < 2) {
    return {fmt::format("SET SESSION binlog_row_image = {}",
                        Any<std::string>({"FULL", "FULL", "MINIMAL", "NOBLOB"}))};
  }
  if (what < 12) return {Alter(AnyTable())};
  if (what < 16) return {Other(AnyTable())};
  if (what < 30) return Transaction();
  return {Change(AnyTable())};
}

void RandomStatements::Worked(const std::string& statement) {
  const auto found = pending_.find(statement);
  if (found == pending_.end()) return;
  const Pending& done = found->second;
  if (!done.swapped_with.empty()) {
    std::swap(tables_[done.table], tables_[done.swapped_with]);
    return;
  }
  tables_.erase(done.table);
  if (!done.drop) tables_[done.renamed_to.empty() ? done.table : done.renamed_to] = done.after;
}

std::string RandomStatements::ColumnText(const Column& column) {
  std::string text = fmt::format("`{}` {}", column.name, column.type);
  const bool null_said = column.type.ends_with("NULL");
  if (!column.key && !null_said && Chance(30)) text += " NOT NULL";
  if (!column.key && Chance(25) && column.type != "JSON" && column.type != "TEXT" &&
      column.type != "MEDIUMBLOB") {
    text += " DEFAULT " + Value(column);
  }
  return text;
}

std::string RandomStatements::Create(const std::string& name) {
  Table table;
  const uint32_t form = Below(10);
  const int keys = form < 7 ? 1 : form < 9 ? 2 : 0;
  for (int i = 0; i < keys; ++i) {
    std::string type = "INT";
    while (Chance(40) || !CanBeKey(type)) type = Any(Types());
    table.columns.push_back({NewName("k"), type, true});
  }
  for (uint32_t i = 0; i < 1 + Below(6); ++i) {
    table.columns.push_back({NewName("c"), Any(Types()), false});
  }
  std::shuffle(table.columns.begin(), table.columns.end(), random_);
  std::string sql = fmt::format("CREATE TABLE `{}` (", name), key;
  for (const auto& column : table.columns) {
    sql += ColumnText(column) + ", ";
    if (!column.key && IsNumber(column.type) && Chance(15)) {
      sql += fmt::format("`{}` VARCHAR(80) AS (CONCAT('g', `{}`)) {}, ", NewName("g"), column.name,
                         Chance(50) ? "STORED" : "VIRTUAL");
    }
    if (column.key) key += fmt::format("{}`{}`", key.empty() ? "" : ", ", column.name);
  }
  if (!key.empty()) {
    sql += fmt::format("PRIMARY KEY ({})", key);
  } else {
    sql += fmt::format("`{}` INT NOT NULL UNIQUE", NewName("k"));
    table.columns.push_back({fmt::format("k{}", names_), "INT", true});
  }
  const Column& indexed = AnyColumn(table);
  if (Chance(30)) sql += fmt::format(", {} (`{}`)", Chance(30) ? "UNIQUE" : "KEY", indexed.name);
  // Children of a table whose rows go with their parent's.
  if (!tables_.empty() && Chance(20)) {
    const std::string parent = AnyTable();
    const Table& of = tables_[parent];
    const auto its = std::find_if(of.columns.begin(), of.columns.end(),
                                  [](const Column& c) { return c.key && Is(c.type, "INT"); });
    if (its != of.columns.end()) {
      const std::string column = NewName("f");
      sql += fmt::format(
          ", `{0}` INT NULL, FOREIGN KEY (`{0}`) REFERENCES `{1}` (`{2}`) ON DELETE {3}", column,
          parent, its->name, Chance(50) ? "CASCADE" : "SET NULL");
      if (Chance(50)) sql += " ON UPDATE CASCADE";
      table.columns.push_back({column, "INT", false});
    }
  }
  sql += ")";
  pending_[sql] = {.table = name, .after = std::move(table)};
  return sql;
}

std::string RandomStatements::AlterAction(Table* table) {
  auto& columns = table->columns;
  const size_t at = Below(static_cast<uint32_t>(columns.size()));
  Column& column = columns[at];
  switch (Below(10)) {
    case 9:
      return AlterKey(table);
    case 0:
    case 1: {
      Column added{NewName("c"), Any(Types()), false};
      std::string sql = "ADD COLUMN " + ColumnText(added);
      if (Chance(20)) {
        sql += " FIRST";
        columns.insert(columns.begin(), added);
      } else if (Chance(40)) {
        sql += fmt::format(" AFTER `{}`", column.name);
        columns.insert(columns.begin() + static_cast<long>(at) + 1, added);
      } else {
        columns.push_back(added);
      }
      return sql;
    }
    case 2: {
      if (column.key) return "COMMENT 'key'";
      const std::string name = column.name;
      columns.erase(columns.begin() + static_cast<long>(at));
      return fmt::format("DROP COLUMN `{}`", name);
    }
    case 3: {
      if (!column.key) column.type = Any(Types());
      return "MODIFY COLUMN " + ColumnText(column);
    }
    case 4: {
      const std::string old = column.name;
      column.name = NewName("r");
      return fmt::format("CHANGE COLUMN `{}` {}", old, ColumnText(column));
    }
    case 5: {
      const std::string old = column.name;
      column.name = NewName("r");
      return fmt::format("RENAME COLUMN `{}` TO `{}`", old, column.name);
    }
    case 6:
      return fmt::format("ADD {} `{}` (`{}`)", Chance(30) ? "UNIQUE" : "INDEX", NewName("i"),
                         column.name);
    case 7:
      return fmt::format("ALTER COLUMN `{}` SET DEFAULT {}", column.name, Value(column));
    default:
      return fmt::format("ALTER COLUMN `{}` DROP DEFAULT", column.name);
  }
}

std::string RandomStatements::AlterKey(Table* table) {
  auto& columns = table->columns;
  const size_t at = Below(static_cast<uint32_t>(columns.size()));
  for (auto& column : columns) column.key = false;
  columns[at].key = true;
  return fmt::format("DROP PRIMARY KEY, ADD PRIMARY KEY (`{}`)", columns[at].name);
}

std::string RandomStatements::Alter(const std::string& name) {
  Pending after{.table = name, .after = tables_[name]};
  std::string sql = fmt::format("ALTER TABLE `{}` ", name);
  const uint32_t actions = Chance(70) ? 1 : 2 + Below(2);
  for (uint32_t i = 0; i < actions; ++i) {
    if (i > 0) sql += ", ";
    sql += AlterAction(&after.after);
  }
  pending_[sql] = std::move(after);
  return sql;
}

std::string RandomStatements::Other(const std::string& name) {
  const Table& table = tables_[name];
  std::string sql;
  switch (Below(9)) {
    case 0:
      sql = fmt::format("DROP TABLE `{}`", name);
      pending_[sql] = {.table = name, .drop = true};
      return sql;
    case 1:
      return fmt::format("TRUNCATE TABLE `{}`", name);
    case 2:
    case 3: {
      const std::string to = fmt::format("{}{}", prefix_, ++names_);
      sql = Chance(50) ? fmt::format("RENAME TABLE `{}` TO `{}`", name, to)
                       : fmt::format("ALTER TABLE `{}` RENAME TO `{}`", name, to);
      pending_[sql] = {.table = name, .renamed_to = to, .after = table};
      return sql;
    }
    case 4: {
      const std::string copy = fmt::format("{}{}", prefix_, ++names_);
      sql = fmt::format("CREATE TABLE `{}` LIKE `{}`", copy, name);
      pending_[sql] = {.table = copy, .after = table};
      return sql;
    }
    case 5: {
      const std::string copy = fmt::format("{}{}", prefix_, ++names_);
      sql = fmt::format("CREATE TABLE `{}` (PRIMARY KEY (`{}`)) AS SELECT * FROM `{}`", copy,
                        AnyColumn(table).name, name);
      pending_[sql] = {.table = copy, .after = table};
      return sql;
    }
    case 6: {
      const std::string other = AnyTable();
      sql = fmt::format("RENAME TABLE `{0}` TO `x_{0}`, `{1}` TO `{0}`, `x_{0}` TO `{1}`", name,
                        other);
      pending_[sql] = {.table = name, .swapped_with = other};
      return sql;
    }
    case 7:
      return fmt::format("ALTER TABLE `{}` CONVERT TO CHARACTER SET {}", name,
                         Chance(50) ? "utf8mb4" : "latin1");
    default:
      return fmt::format("ALTER DATABASE d CHARACTER SET {}", Chance(50) ? "utf8mb4" : "latin1");
  }
}

std::string RandomStatements::Value(const Column& column) {
  const std::string& t = column.type;
  if (!column.key && Chance(12)) return "NULL";
  if (Is(t, "TINYINT")) return fmt::format("{}", static_cast<int>(Below(256)) - 128);
  if (IsNumber(t) && column.key) return fmt::format("{}", Below(40));
  if (Is(t, "DECIMAL"))
    return fmt::format("{}.{}", static_cast<int>(Below(2000)) - 1000, Below(999));
  if (Is(t, "DOUBLE") || Is(t, "FLOAT")) {
    return Any<std::string>({"0", "-0.0", "1.5", "1e10", "-3.25e-7", "0.1", "16777217"});
  }
  if (t.find("UNSIGNED") != std::string::npos) return fmt::format("{}", Below(70000));
  if (IsNumber(t)) return fmt::format("{}", static_cast<int>(Below(60000)) - 30000);
  if (IsText(t) && column.key) {
    return fmt::format("'{}'", Any<std::string>({"a", "A", "b", "B ", "\xc3\xa4", "z", "x1", "x2",
                                                 "x3", "x4", "x5", ""}));
  }
  if (IsText(t)) {
    return fmt::format(
        "'{}'", Any<std::string>({"", "a", "abc", "12", "-7.50", "h\xc3\xa9llo ", "it''s", "b\\\\s",
                                  "tab\\t", "2024-02-03", "p,q", "{}", "\xe2\x82\xac"}));
  }
  if (Is(t, "MEDIUMBLOB") || Is(t, "VARBINARY")) {
    return Any<std::string>({"x''", "x'00ff'", "x'5c6e'", "'abc'", "x'00'"});
  }
  if (Is(t, "BINARY")) return Any<std::string>({"x'00'", "x'0102'", "'ab  '", "''"});
  if (Is(t, "DATETIME") || Is(t, "TIMESTAMP")) {
    return Any<std::string>({"'2024-02-29 12:34:56.789'", "'1999-12-31 23:59:59.999'",
                             "'2038-01-19 03:14:07'", "'2001-01-01'", "NOW()"});
  }
  if (Is(t, "DATE")) return fmt::format("'2024-{:02}-{:02}'", 1 + Below(12), 1 + Below(28));
  if (Is(t, "TIME")) return Any<std::string>({"'-838:59:59'", "'00:00:00.05'", "'12:00:01.99'"});
  if (Is(t, "YEAR")) return Any<std::string>({"0", "1901", "2155", "2024"});
  if (Is(t, "BIT")) return Any<std::string>({"b'0'", "b'101010101'", "511", "1"});
  if (Is(t, "JSON")) {
    return Any<std::string>({"'{\"a\": [1, 2.5, null]}'", "'[]'", "'\"x\"'",
                             "'12345678901234567890'", "'{\"b\": {\"\xc3\xa9\": true}}'"});
  }
  if (Is(t, "ENUM")) return Any<std::string>({"'a'", "'b'", "'c'", "1", "2"});
  return Any<std::string>({"'p'", "'p,r'", "''", "'q'", "7"});
}

std::string RandomStatements::Where(const Table& table) {
  const Column& column = AnyColumn(table);
  switch (Below(6)) {
    case 0:
      return "";
    case 1:
      return fmt::format(" WHERE `{}` IS NULL", column.name);
    case 2:
      return fmt::format(" WHERE `{}` >= {} LIMIT {}", column.name, Value(column), 1 + Below(5));
    case 3:
      return fmt::format(" LIMIT {}", 1 + Below(4));
    default:
      return fmt::format(" WHERE `{}` = {}", column.name, Value(column));
  }
}

std::string RandomStatements::Insert(const std::string& name) {
  const Table& table = tables_[name];
  std::string names, values;
  std::vector<const Column*> given;
  for (const auto& column : table.columns) {
    if (column.key || Chance(85)) given.push_back(&column);
  }
  for (const auto* column : given) {
    names += fmt::format("{}`{}`", names.empty() ? "" : ", ", column->name);
  }
  for (uint32_t i = 0; i < 1 + Below(5); ++i) {
    values += values.empty() ? "(" : ", (";
    for (const auto* column : given) {
      values += fmt::format("{}{}", column == given.front() ? "" : ", ", Value(*column));
    }
    values += ")";
  }
  const uint32_t form = Below(10);
  std::string sql = fmt::format("{} INTO `{}` ({}) VALUES {}",
                                form < 5   ? "INSERT IGNORE"
                                : form < 7 ? "INSERT"
                                           : "REPLACE",
                                name, names, values);
  if (form == 5 || form == 6) {
    const Column& column = AnyColumn(table);
    sql += fmt::format(" ON DUPLICATE KEY UPDATE `{}` = {}", column.name, Value(column));
  }
  return sql;
}

std::string RandomStatements::Update(const std::string& name) {
  const Table& table = tables_[name];
  const Column& column = AnyColumn(table);
  if (column.key && IsNumber(column.type)) {
    switch (Below(3)) {
      case 0:  // keys move through each other
        return fmt::format("UPDATE `{0}` SET `{1}` = `{1}` + 1 ORDER BY `{1}` DESC", name,
                           column.name);
      case 1:
        return fmt::format("UPDATE `{0}` SET `{1}` = `{1}` - 1 WHERE `{1}` > 0 ORDER BY `{1}`",
                           name, column.name);
      default:
        break;
    }
  }
  std::string sql =
      fmt::format("UPDATE IGNORE `{}` SET `{}` = {}", name, column.name, Value(column));
  if (Chance(30)) {
    const Column& other = AnyColumn(table);
    if (other.name != column.name) sql += fmt::format(", `{}` = {}", other.name, Value(other));
  }
  return sql + Where(table);
}

std::string RandomStatements::Change(const std::string& name) {
  const uint32_t what = Below(20);
  if (what < 10) return Insert(name);
  if (what < 17) return Update(name);
  if (what < 19) return fmt::format("DELETE FROM `{}`{}", name, Where(tables_[name]));
  const std::string other = AnyTable();
  const Column& mine = AnyColumn(tables_[name]);
  const Column& its = AnyColumn(tables_[other]);
  return fmt::format("UPDATE IGNORE `{0}` x JOIN `{1}` y ON x.`{2}` = y.`{3}` SET x.`{2}` = {4}",
                     name, other, mine.name, its.name, Value(mine));
}

std::vector<std::string> RandomStatements::Transaction() {
  const bool xa = Chance(8);
  const std::string xid = fmt::format("'{}x{}'", prefix_, ++names_);
  std::vector<std::string> all = {xa ? "XA START " + xid : "BEGIN"};
  int savepoints = 0;
  for (uint32_t i = 0; i < 1 + Below(8); ++i) {
    if (!xa && Chance(12)) all.push_back(fmt::format("SAVEPOINT s{}", ++savepoints));
    all.push_back(Change(AnyTable()));
    if (savepoints > 0 && Chance(15)) {
      all.push_back(fmt::format("ROLLBACK TO s{}", 1 + Below(static_cast<uint32_t>(savepoints))));
    }
  }
  const char* end = Chance(80) ? "COMMIT" : "ROLLBACK";
  if (!xa) {
    all.push_back(end);
    return all;
  }
  all.push_back("XA END " + xid);
  all.push_back("XA PREPARE " + xid);
  all.push_back(fmt::format("XA {} {}", end, xid));
  return all;
}

}  // namespace chameleon::test
