// Statements that somebody might run on a source: schema changes, rows and transactions over a few
// tables, random but the same for the same seed. Many fail on the server, and are meant to.
//
// Not a model of the server: what it guesses about the tables only makes most statements succeed.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace chameleon::test {

class RandomStatements {
 public:
  // Tables are named `prefix`0, `prefix`1, …
  RandomStatements(uint64_t seed, bool is_mariadb, std::string prefix, int tables = 5);

  // One statement, or the statements of one transaction, to be run on one session.
  std::vector<std::string> Next();
  // A statement of Next() has worked: what it did to the tables.
  void Worked(const std::string& statement);

 private:
  struct Column {
    std::string name, type;  // as written
    bool key = false;        // of the primary key
  };
  struct Table {
    std::vector<Column> columns;
  };
  struct Pending {  // what Worked() makes true
    std::string table, renamed_to, swapped_with;
    bool drop = false;
    Table after;
  };

  std::string Create(const std::string& name);
  std::string Alter(const std::string& name);
  std::string AlterAction(Table* table);
  std::string AlterKey(Table* table);
  std::string Other(const std::string& name);
  std::string Change(const std::string& name);
  std::string Insert(const std::string& name);
  std::string Update(const std::string& name);
  std::vector<std::string> Transaction();
  std::string ColumnText(const Column& column);
  std::string Value(const Column& column);
  std::string Where(const Table& table);
  std::string NewName(const char* kind);
  std::string AnyTable();
  const Column& AnyColumn(const Table& table);

  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  bool Chance(uint32_t percent) { return Below(100) < percent; }
  template <typename T>
  const T& Any(const std::vector<T>& of) {
    return of[Below(static_cast<uint32_t>(of.size()))];
  }

  std::mt19937_64 random_;
  const bool is_mariadb_;
  const std::string prefix_;
  const int tables_max_;
  int names_ = 0;
  std::map<std::string, Table> tables_;
  std::map<std::string, Pending> pending_;  // by statement
};

}  // namespace chameleon::test
