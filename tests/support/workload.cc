#include "tests/support/workload.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <stdexcept>

namespace chameleon::test {
namespace {

// What concurrent transactions and random values may meet: deadlock, lock wait, duplicate key, out
// of range, no number left for AUTO_INCREMENT (sakila has one of a byte), wrong value, data too
// long, a row that changed since the snapshot (MariaDB 11.6+).
const std::set<unsigned> kExpectedErrors = {1213, 1205, 1062, 1264, 1690, 167,
                                            1467, 1366, 1406, 1292, 1020};

const char* const kTables =
    "CREATE TABLE w_marker (id INT PRIMARY KEY, n BIGINT NOT NULL);"
    "INSERT INTO w_marker VALUES (1, 0);"
    "CREATE TABLE w_accounts (id INT PRIMARY KEY, balance BIGINT NOT NULL, moved INT NOT NULL"
    " DEFAULT 0);"
    "CREATE TABLE w_items (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, kind INT NOT NULL,"
    " name VARCHAR(60) NOT NULL, amount DECIMAL(12,3), at DATETIME(6), data BLOB, note TEXT,"
    " KEY idx_kind (kind));"
    "CREATE TABLE w_slots (id INT PRIMARY KEY, slot INT NULL, tag VARCHAR(20) NOT NULL,"
    " hits INT NOT NULL DEFAULT 0, UNIQUE KEY uq_slot (slot), UNIQUE KEY uq_tag (tag));"
    "CREATE TABLE w_pairs (a INT NOT NULL, b VARCHAR(10) NOT NULL, v INT NOT NULL,"
    " PRIMARY KEY (a, b));"
    "CREATE TABLE w_digits (d INT PRIMARY KEY);"
    "INSERT INTO w_digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);"
    "CREATE TABLE w_bulk (n INT PRIMARY KEY, v INT NOT NULL, t VARCHAR(30) NOT NULL,"
    " KEY idx_v (v));";

constexpr int kSlots = 300;
constexpr int kItemsMax = 20000;

}  // namespace

uint64_t Seed() {
  static const uint64_t seed = [] {
    const char* given = std::getenv("CHAMELEON_SEED");
    uint64_t value = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
    fmt::print("CHAMELEON_SEED={}\n", value);
    return value;
  }();
  return seed;
}

int TestSeconds(int seconds) {
  const char* given = std::getenv("CHAMELEON_TEST_SECONDS");
  return given != nullptr ? std::max(1, std::atoi(given)) : seconds;
}

// A table of the application, as information_schema describes it.
struct Workload::OtherTable {
  std::string name;
  std::vector<std::string> key;     // columns of the primary key
  std::vector<std::string> values;  // columns that may be overwritten: in no unique key
  std::vector<std::string> copied;  // columns of an INSERT … SELECT; empty if rows cannot be copied
  bool integer_key = false;
  std::vector<std::string> rows;  // WHERE clauses of some rows, read now and then
};

class Workload::Connection {
 public:
  Connection(const MysqlAddress& address, const WorkloadOptions& options, uint64_t seed)
      : mysql_(address), options_(options), random_(seed) {
    mysql_.Exec("SET SESSION foreign_key_checks = 0; SET SESSION innodb_lock_wait_timeout = 5");
    if (options.other_tables) FindTables(address.database);
  }

  // One transaction; an expected error rolls it back.
  void Step() {
    using Action = void (Connection::*)();
    static const Action kOwn[] = {
        &Connection::Transfer,     &Connection::Transfer,    &Connection::InsertItems,
        &Connection::UpdateItems,  &Connection::DeleteItems, &Connection::ChangeItemKey,
        &Connection::SwapSlots,    &Connection::SwapKeys,    &Connection::RolledBack,
        &Connection::Savepoints,   &Connection::Upsert,      &Connection::ReplaceSlot,
        &Connection::PairsRewrite, &Connection::InsertDelete};
    try {
      bool other = !tables_.empty() && (!options_.own_tables || Pick(3) == 0);
      if (other) {
        ChangeOtherTable();
      } else {
        (this->*kOwn[Pick(std::size(kOwn))])();
      }
    } catch (const MysqlError& error) {
      if (!kExpectedErrors.contains(error.code())) throw;
      mysql_.Exec("ROLLBACK");
    }
  }

 private:
  uint64_t Pick(uint64_t n) { return random_() % n; }
  void Exec(const std::string& sql) { mysql_.Exec(sql); }

  void Transfer() {
    uint64_t from = Pick(kAccounts), to = Pick(kAccounts), amount = Pick(50);
    Exec("BEGIN");
    Exec(
        fmt::format("UPDATE w_accounts SET balance = balance - {}, moved = moved + 1 WHERE id = {}",
                    amount, from));
    Exec(fmt::format("UPDATE w_accounts SET balance = balance + {} WHERE id = {}", amount, to));
    if (Pick(4) == 0) {
      // Three in one statement, the sum unchanged.
      Exec(
          fmt::format("UPDATE w_accounts SET balance = balance + CASE id WHEN {0} THEN 2 ELSE -1 "
                      "END WHERE id IN ({0}, {1}, {2})",
                      0, 1, 2));
    }
    Exec(Pick(10) == 0 ? "ROLLBACK" : "COMMIT");
  }

  std::string ItemValues(uint64_t rows) {
    std::string values;
    for (uint64_t i = 0; i < rows; ++i) {
      values += fmt::format(
          "{}({}, {}, {}, NOW(6), {}, {})", i ? "," : "", Pick(100),
          mysql_.Quote(fmt::format("item '{}' \\ żółw\t🦎\n{}", Pick(1000), Pick(9))),
          Pick(5) == 0 ? "NULL" : fmt::format("{}.{:03}", int(Pick(90000)) - 45000, Pick(1000)),
          Pick(3) == 0 ? "NULL"
                       : fmt::format("UNHEX(REPEAT('00ff5c0a{:02x}', {}))", Pick(256), Pick(20)),
          Pick(3) == 0 ? "NULL"
                       : fmt::format("REPEAT('note \\\\N \"{}\"', {})", Pick(99), Pick(30)));
    }
    return values;
  }

  void InsertItems() {
    Exec(fmt::format("INSERT INTO w_items (kind, name, amount, at, data, note) VALUES {}",
                     ItemValues(1 + Pick(20))));
  }
  void UpdateItems() {
    Exec(fmt::format(
        "UPDATE w_items SET amount = amount * -1.5, note = CONCAT(LEFT(IFNULL(note, ''),"
        " 100), '+') WHERE kind = {} ORDER BY id LIMIT {}",
        Pick(100), 1 + Pick(30)));
  }
  void DeleteItems() {
    bool many = std::stoll(mysql_.One("SELECT COUNT(*) FROM w_items")) > kItemsMax;
    Exec(fmt::format("DELETE FROM w_items WHERE kind = {} ORDER BY id LIMIT {}", Pick(100),
                     many ? 500 : 1 + Pick(10)));
  }
  void ChangeItemKey() {
    Exec(
        fmt::format("UPDATE w_items SET id = id + {} WHERE kind = {} AND id < 1000000000 "
                    "ORDER BY id DESC LIMIT {}",
                    1000000 + Pick(1000000), Pick(100), 1 + Pick(3)));
  }

  void SwapSlots() {
    uint64_t a = Pick(kSlots), b = Pick(kSlots);
    Exec("BEGIN");
    auto rows = mysql_.Query(fmt::format(
        "SELECT id, slot, tag FROM w_slots WHERE id IN ({}, {}) ORDER BY id FOR UPDATE", a, b));
    if (rows.size() == 2) {
      auto set = [&](const Value& id, const Value& slot, const std::string& tag) {
        Exec(fmt::format("UPDATE w_slots SET slot = {}, tag = {}, hits = hits + 1 WHERE id = {}",
                         slot.value_or("NULL"), mysql_.Quote(tag), *id));
      };
      set(rows[0][0], std::nullopt, "moving " + *rows[0][0]);
      set(rows[1][0], rows[0][1], *rows[0][2]);
      set(rows[0][0], rows[1][1], *rows[1][2]);
    }
    Exec("COMMIT");
  }

  void SwapKeys() {
    uint64_t a = Pick(kSlots), b = Pick(kSlots);
    if (a == b) return;
    Exec("BEGIN");
    Exec(fmt::format("UPDATE w_slots SET id = {} WHERE id = {}", -1 - int(a), a));
    Exec(fmt::format("UPDATE w_slots SET id = {} WHERE id = {}", a, b));
    Exec(fmt::format("UPDATE w_slots SET id = {} WHERE id = {}", b, -1 - int(a)));
    Exec("COMMIT");
  }

  void RolledBack() {
    Exec("BEGIN");
    InsertItems();
    Exec(fmt::format("UPDATE w_slots SET hits = hits + 100 WHERE id < {}", Pick(20)));
    Exec("DELETE FROM w_pairs LIMIT 5");
    Exec("ROLLBACK");
  }

  void Savepoints() {
    Exec("BEGIN");
    InsertItems();
    Exec("SAVEPOINT `s 1`");
    Exec(fmt::format("UPDATE w_slots SET hits = hits + 1000 WHERE id = {}", Pick(kSlots)));
    InsertItems();
    Exec("SAVEPOINT s2");
    DeleteItems();
    Exec(Pick(2) ? "ROLLBACK TO `s 1`" : "ROLLBACK TO SAVEPOINT s2");
    Exec(fmt::format("UPDATE w_slots SET hits = hits + 1 WHERE id = {}", Pick(kSlots)));
    if (Pick(2)) Exec("RELEASE SAVEPOINT `s 1`");
    Exec("COMMIT");
  }

  void Upsert() {
    Exec(
        fmt::format("INSERT INTO w_pairs VALUES ({0}, 'k{1}', 1), ({2}, 'K{1}x', 2), ({0}, 'z', 3) "
                    "ON DUPLICATE KEY UPDATE v = v + 1",
                    Pick(30), Pick(9), Pick(30)));
  }

  // Conflicts with one row by key and perhaps another by slot, a third by tag.
  void ReplaceSlot() {
    uint64_t slot = Pick(kSlots), tag = Pick(kSlots);
    Exec(fmt::format("REPLACE INTO w_slots VALUES ({}, {}, 'tag {}', {})", Pick(kSlots), slot, tag,
                     Pick(1000)));
  }

  // Delete and insert of the same keys in one transaction.
  void PairsRewrite() {
    uint64_t a = Pick(30);
    Exec("BEGIN");
    Exec(fmt::format("DELETE FROM w_pairs WHERE a = {}", a));
    Exec(fmt::format("INSERT INTO w_pairs SELECT {}, CONCAT('k', d), {} FROM w_digits", a,
                     Pick(1000)));
    if (Pick(2)) Exec(fmt::format("UPDATE w_pairs SET b = CONCAT(b, '''') WHERE a = {}", a));
    Exec("COMMIT");
  }

  // Rows that nobody may ever see.
  void InsertDelete() {
    Exec("BEGIN");
    Exec(fmt::format("INSERT INTO w_items (kind, name) VALUES (1000, 'short'), (1000, 'lived')"));
    Exec("UPDATE w_items SET name = 'longer' WHERE kind = 1000");
    Exec("DELETE FROM w_items WHERE kind = 1000");
    Exec("COMMIT");
  }

  // ---- tables of others ----

  void FindTables(const std::string& schema) {
    std::string of_schema = "table_schema = " + mysql_.Quote(schema);
    for (auto& row : mysql_.Query(
             "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
             "AND table_name NOT LIKE 'w\\_%' AND " +
             of_schema + " ORDER BY table_name")) {
      OtherTable table{.name = row[0].value()};
      std::string of_table = of_schema + " AND table_name = " + mysql_.Quote(table.name);
      std::set<std::string> unique;
      for (auto& part : mysql_.Query("SELECT DISTINCT column_name, index_name = 'PRIMARY' FROM "
                                     "information_schema.statistics WHERE non_unique = 0 AND " +
                                     of_table)) {
        unique.insert(part[0].value());
      }
      bool only_primary = mysql_.One(
                              "SELECT COUNT(*) FROM information_schema.statistics WHERE "
                              "non_unique = 0 AND index_name <> 'PRIMARY' AND " +
                              of_table) == "0";
      bool generated = false;
      for (auto& column :
           mysql_.Query("SELECT column_name, column_key = 'PRI', extra, LOWER(data_type) FROM "
                        "information_schema.columns WHERE " +
                        of_table + " ORDER BY ordinal_position")) {
        std::string name = MysqlName(column[0].value());
        bool key = column[1] == "1";
        if (column[2].value_or("").find("GENERATED") != std::string::npos &&
            column[2].value_or("").find("DEFAULT_GENERATED") == std::string::npos) {
          generated = true;
        } else if (key) {
          table.key.push_back(name);
          table.integer_key = column[3].value().find("int") != std::string::npos;
        } else {
          if (!unique.contains(column[0].value())) table.values.push_back(name);
          table.copied.push_back(name);
        }
        generated = generated || (key && column[2] != "auto_increment");
      }
      // Copies get their key from AUTO_INCREMENT.
      if (generated || !only_primary || table.key.size() != 1) table.copied.clear();
      table.integer_key = table.integer_key && table.key.size() == 1;
      if (!table.key.empty()) tables_.push_back(std::move(table));
    }
  }

  void Sample(OtherTable* table) {
    table->rows.clear();
    long rows = std::stol(mysql_.One("SELECT COUNT(*) FROM " + MysqlName(table->name)));
    for (auto& row : mysql_.Query(fmt::format("SELECT {} FROM {} LIMIT 100 OFFSET {}",
                                              fmt::join(table->key, ", "), MysqlName(table->name),
                                              rows > 100 ? Pick(rows - 100) : 0))) {
      std::string where;
      for (size_t i = 0; i < row.size(); ++i) {
        where +=
            fmt::format("{}{} = {}", i ? " AND " : "", table->key[i], mysql_.Quote(row[i].value()));
      }
      table->rows.push_back(where);
    }
  }

  void ChangeOtherTable() {
    OtherTable& table = tables_[Pick(tables_.size())];
    if (table.rows.empty() || Pick(50) == 0) Sample(&table);
    if (table.rows.empty()) return;
    std::string name = MysqlName(table.name);
    std::string row = table.rows[Pick(table.rows.size())];
    uint64_t action = Pick(20);
    if (action < 3 && !table.copied.empty()) {
      Exec(fmt::format("INSERT INTO {} ({}) SELECT {} FROM {} WHERE {}", name,
                       fmt::join(table.copied, ", "), fmt::join(table.copied, ", "), name, row));
    } else if (action == 3) {
      Exec(fmt::format("DELETE FROM {} WHERE {}", name, row));
    } else if (action == 4 && table.integer_key) {
      Exec(fmt::format("UPDATE {} SET {} = {} + {} WHERE {}", name, table.key[0], table.key[0],
                       1000 + Pick(20000), row));
    } else if (!table.values.empty()) {
      const std::string& column = table.values[Pick(table.values.size())];
      Exec(
          fmt::format("UPDATE {0} SET {1} = (SELECT v FROM (SELECT {1} AS v FROM {0} WHERE {2}) x) "
                      "WHERE {3} AND EXISTS (SELECT 1 FROM (SELECT 1 FROM {0} WHERE {2}) y)",
                      name, column, table.rows[Pick(table.rows.size())], row));
    }
  }

  Mysql mysql_;
  WorkloadOptions options_;
  std::mt19937_64 random_;
  std::vector<OtherTable> tables_;
};

Workload::Workload(MysqlAddress address, std::string schema, WorkloadOptions options)
    : address_(std::move(address)), options_(options) {
  address_.database = std::move(schema);
}

Workload::~Workload() {
  stop_ = true;
  for (auto& thread : threads_) thread.join();
}

void Workload::Prepare() {
  Mysql mysql(address_);
  mysql.Exec(kTables);
  std::string accounts, slots;
  for (int i = 0; i < kAccounts; ++i) {
    accounts += fmt::format("{}({}, {})", i ? "," : "", i, kBalance);
  }
  for (int i = 0; i < kSlots; ++i) {
    slots += fmt::format("{}({}, {}, 'tag {}')", i ? "," : "", i, i, i);
  }
  mysql.Exec("INSERT INTO w_accounts (id, balance) VALUES " + accounts);
  mysql.Exec("INSERT INTO w_slots (id, slot, tag) VALUES " + slots);
}

void Workload::Guard(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    std::lock_guard lock(mutex_);
    if (error_.empty()) error_ = error.what();
  }
}

void Workload::Start() {
  stop_ = false;
  for (int i = 0; i < options_.connections; ++i) {
    threads_.emplace_back([this, i] { Guard([this, i] { Run(i); }); });
  }
  if (options_.own_tables && options_.bulk_rows > 0) {
    threads_.emplace_back([this] { Guard([this] { Bulk(); }); });
  }
}

void Workload::Run(int number) {
  Connection connection(address_, options_, options_.seed * 1000 + number);
  while (!stop_) {
    connection.Step();
    ++transactions_;
    std::this_thread::sleep_for(options_.pause);
  }
}

void Workload::Bulk() {
  Mysql mysql(address_);
  mysql.Exec("BEGIN");
  mysql.Exec("DELETE FROM w_bulk");
  mysql.Exec(
      fmt::format("INSERT INTO w_bulk SELECT n, n % 1000, CONCAT('row ', n) FROM (SELECT a.d + "
                  "10*b.d + 100*c.d "
                  "+ 1000*d.d + 10000*e.d + 100000*f.d AS n FROM w_digits a, w_digits b, w_digits "
                  "c, w_digits d,"
                  " w_digits e, w_digits f) x WHERE n < {}",
                  options_.bulk_rows));
  mysql.Exec("UPDATE w_bulk SET v = v + 5000 WHERE n % 10 = 3");
  mysql.Exec("UPDATE w_bulk SET n = n + 10000000 WHERE n % 10 = 4 AND n < 20000");
  mysql.Exec("COMMIT");
  mysql.Exec("DELETE FROM w_bulk WHERE n % 100 = 7");
}

void Workload::Stop() {
  stop_ = true;
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  std::lock_guard lock(mutex_);
  if (!error_.empty()) throw std::runtime_error("workload: " + error_);
}

void Workload::RunFor(Millis duration) {
  Start();
  std::this_thread::sleep_for(duration);
  Stop();
}

std::string Workload::SumQuery(const std::string& pg_schema) const {
  return fmt::format("SELECT sum(balance) FROM {}.w_accounts", PgName(pg_schema));
}

InvariantReader::InvariantReader(PgAddress address, std::string query, std::string expected)
    : address_(std::move(address)),
      query_(std::move(query)),
      expected_(std::move(expected)),
      thread_([this] { Run(); }) {}

InvariantReader::~InvariantReader() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

uint64_t InvariantReader::Stop(std::string* violation) {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  *violation = violation_;
  return reads_;
}

void InvariantReader::Run() {
  while (!stop_) {
    try {
      Pg pg(address_);
      while (!stop_) {
        std::string value = pg.One(query_);
        ++reads_;
        if (value != expected_ && violation_.empty()) {
          violation_ = fmt::format("read {}: {} instead of {}", reads_, value, expected_);
        }
        std::this_thread::sleep_for(Millis(3));
      }
    } catch (const PgError&) {
      // PostgreSQL is being killed, or the first copy is not there yet.
      std::this_thread::sleep_for(Millis(20));
    }
  }
}

}  // namespace chameleon::test
