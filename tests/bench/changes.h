// The changes of the `drain` workload: made once, applied to the source as single-row statements
// and, netted per 10,000, to a staging table for the limit.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace chameleon::bench {

inline constexpr int kDrainTables = 4;
inline constexpr int kChangesPerTransaction = 100;
inline constexpr int kNetBatch = 10'000;

struct DrainRow {
  int64_t id = 0;
  int version = 0;  // all other columns follow from id and version
};

// 8 columns: id and seven that depend on (id, version); the same text for both databases.
std::string DrainCreate(const std::string& name, bool for_postgres);
std::string DrainIndex(const std::string& name);
std::string DrainValues(const DrainRow& row);  // "1,'…',…", literals without backslashes

class DrainChanges {
 public:
  DrainChanges(uint64_t seed, int64_t rows_at_start) : random_(seed) {
    for (auto& table : tables_) {
      for (int64_t id = 1; id <= rows_at_start; ++id) table.rows.push_back({id, 0});
      table.next_id = rows_at_start + 1;
    }
  }
  // One more change: its source statement is appended to *sql, and its net effect is kept.
  void Next(std::string* sql);
  // COPY lines "batch, op, columns…" of each table for what was made since the last call.
  void TakeNet(int batch, std::string (*lines)[kDrainTables]);

 private:
  struct Table {
    std::vector<DrainRow> rows;  // what the source holds now
    int64_t next_id = 1;
    struct Net {
      char op;  // 'i', 'u', 'd'; 0: nothing
      DrainRow row;
    };
    std::map<int64_t, Net> net;
  };
  void Insert(Table* table, int number, std::string* sql);
  void Update(Table* table, int number, std::string* sql);
  void Delete(Table* table, int number, std::string* sql);

  std::mt19937_64 random_;
  Table tables_[kDrainTables];
};

}  // namespace chameleon::bench
