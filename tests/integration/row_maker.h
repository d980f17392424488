// Rows for tables that nobody has described: plausible values, and unlikely ones, for every type
// that information_schema tells; changes and deletions of them.
//
// The same seed gives the same statements for the same tables. Statements that the server refuses
// (unique values, checks) are left out.
#pragma once

#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/support/mysql_client.h"

namespace chameleon::test {

class RowMaker {
 public:
  RowMaker(Mysql* session, uint64_t seed) : session_(session), random_(seed) {}

  // `rows` new rows in every table of the schema.
  void Fill(const std::string& schema, int rows);
  // New, changed and deleted rows in the named tables and in some of the others.
  void Change(const std::string& schema, const std::set<std::string>& tables);

  int ran() const { return ran_; }
  int refused() const { return refused_; }

 private:
  struct Column {
    std::string name, data_type, type, charset;
    uint64_t length = 0;
    int precision = 0, scale = 0;
    bool nullable = false, is_key = false, is_auto = false;
  };
  struct Table {
    std::string name;
    std::vector<Column> columns;  // that can be written
  };

  std::vector<Table> Tables(const std::string& schema, const std::set<std::string>& names);
  std::set<std::string> Names(const std::string& schema);
  std::string ValueOf(const Column& column);
  std::string Number(const Column& column, int kind);
  std::string Text(const Column& column, int kind);
  std::string Label(const Column& column);
  void Insert(const std::string& schema, const Table& table);
  void Update(const std::string& schema, const Table& table);
  void Run(const std::string& sql);
  int Below(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }

  Mysql* const session_;
  std::mt19937_64 random_;
  int ran_ = 0, refused_ = 0;
  uint64_t next_ = 1;
};

}  // namespace chameleon::test
