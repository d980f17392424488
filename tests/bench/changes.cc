#include "tests/bench/changes.h"

#include <fmt/format.h>

namespace chameleon::bench {
namespace {

// The seven dependent columns, as literals ('…' quoted when `quote`).
std::string Columns(const DrainRow& row, const char* quote, const char* separator) {
  const uint64_t mix = static_cast<uint64_t>(row.id) * 2654435761u + row.version * 40503u;
  return fmt::format(
      "{2}{0}{1}{0}{2}{3}{2}{4}{2}{0}{5}{0}{2}{6}.{7:02}{2}{0}2026-{8:02}-{9:02} {10:02}:{11:02}:"
      "{12:02}{0}{2}{13}",
      quote, fmt::format("customer {} revision {}", row.id, row.version), separator, mix % 100'000,
      mix % 97, fmt::format("note-{:016x}", mix), mix % 10'000, mix % 100, 1 + mix % 12,
      1 + mix % 28, mix % 24, mix % 60, mix / 7 % 60, row.version);
}

}  // namespace

std::string DrainCreate(const std::string& name, bool for_postgres) {
  return fmt::format(
      "CREATE TABLE {} (id bigint NOT NULL{}, name varchar(80) NOT NULL, amount int NOT NULL, kind "
      "smallint NOT NULL, note varchar(40), price decimal(12,2), changed {}, version int NOT NULL)",
      name, for_postgres ? "" : " PRIMARY KEY", for_postgres ? "timestamp" : "datetime");
}

std::string DrainIndex(const std::string& name) {
  return fmt::format("CREATE INDEX idx_{0} ON {0} (amount)", name);
}

std::string DrainValues(const DrainRow& row) {
  return fmt::format("{}{}", row.id, Columns(row, "'", ","));
}

void DrainChanges::Insert(Table* table, int number, std::string* sql) {
  const DrainRow row{table->next_id++, 0};
  table->rows.push_back(row);
  table->net[row.id] = {'i', row};
  *sql += fmt::format("INSERT INTO d{} VALUES ({});", number, DrainValues(row));
}

void DrainChanges::Update(Table* table, int number, std::string* sql) {
  DrainRow& row = table->rows[random_() % table->rows.size()];
  ++row.version;
  auto& net = table->net[row.id];
  net = {net.op == 'i' ? 'i' : 'u', row};
  *sql += fmt::format(
      "UPDATE d{0} SET name='customer {1} revision {2}', amount=amount+1, version={2} WHERE "
      "id={1};",
      number, row.id, row.version);
}

void DrainChanges::Delete(Table* table, int number, std::string* sql) {
  const size_t at = random_() % table->rows.size();
  const DrainRow row = table->rows[at];
  table->rows[at] = table->rows.back();
  table->rows.pop_back();
  auto& net = table->net[row.id];
  net = {net.op == 'i' ? char{0} : 'd', row};
  *sql += fmt::format("DELETE FROM d{} WHERE id={};", number, row.id);
}

void DrainChanges::Next(std::string* sql) {
  const int number = static_cast<int>(random_() % kDrainTables);
  Table* table = &tables_[number];
  const auto dice = random_() % 10;
  if (dice < 4 || table->rows.size() < 100) {
    Insert(table, number, sql);
  } else if (dice < 8) {
    Update(table, number, sql);
  } else {
    Delete(table, number, sql);
  }
}

void DrainChanges::TakeNet(int batch, std::string (*lines)[kDrainTables]) {
  for (int number = 0; number < kDrainTables; ++number) {
    for (const auto& [id, net] : tables_[number].net) {
      if (net.op == 0) continue;
      (*lines)[number] +=
          fmt::format("{}\t{}\t{}{}\n", batch, net.op, id, Columns(net.row, "", "\t"));
    }
    tables_[number].net.clear();
  }
}

}  // namespace chameleon::bench
