// 2 M orders with two secondary indexes, 1 M items with a two-column key, 50,000 blobs of 2 KiB,
// 200 tables of 100 rows.
#include "tests/bench/environment.h"

namespace chameleon::bench {
namespace {

struct Table {
  std::string name, mysql_columns, mysql_keys, fill, pg_columns, pg_key;
  std::vector<std::string> pg_indexes;
  int64_t rows;
};

std::vector<Table> Tables(double scale) {
  const auto scaled = [&](int64_t rows) { return std::max<int64_t>(1, rows * scale); };
  std::vector<Table> tables;
  tables.push_back(
      {"orders",
       "id bigint NOT NULL AUTO_INCREMENT, customer_id int NOT NULL, status varchar(20) NOT NULL, "
       "amount decimal(12,2) NOT NULL, created datetime NOT NULL, note varchar(120)",
       "PRIMARY KEY (id), KEY idx_customer (customer_id), KEY idx_created (created)",
       "n, n * 7919 % 200000, elt(n % 4 + 1, 'new', 'paid', 'sent', 'closed'), n % 100000 / 7, "
       "'2026-01-01' + INTERVAL n % 20000000 SECOND, if(n % 5, concat('order note number ', n), "
       "NULL)",
       "id bigint, customer_id integer, status varchar(20), amount numeric(12,2), created "
       "timestamp, "
       "note varchar(120)",
       "id",
       {"customer_id", "created"},
       scaled(2'000'000)});
  tables.push_back(
      {"items",
       "order_id bigint NOT NULL, line int NOT NULL, product_id int NOT NULL, quantity "
       "smallint NOT NULL, price decimal(10,2) NOT NULL, label varchar(40) NOT NULL",
       "PRIMARY KEY (order_id, line)",
       "(n + 1) DIV 2, n % 2, n * 31 % 5000, n % 9 + 1, n % 10000 / 3, "
       "concat('product ', n * 31 % 5000)",
       "order_id bigint, line integer, product_id integer, quantity smallint, price "
       "numeric(10,2), label varchar(40)",
       "order_id, line",
       {},
       scaled(1'000'000)});
  tables.push_back({"pictures",
                    "id int NOT NULL, data blob NOT NULL",
                    "PRIMARY KEY (id)",
                    "n, repeat(unhex(sha2(n, 256)), 64)",
                    "id integer, data bytea",
                    "id",
                    {},
                    scaled(50'000)});
  for (int i = 1; i <= 200; ++i) {
    tables.push_back({fmt::format("small_{:03}", i),
                      "id int NOT NULL, name varchar(40), at datetime",
                      "PRIMARY KEY (id)",
                      "n, concat('row ', n), '2026-11-20 10:00:00'",
                      "id integer, name varchar(40), at timestamp",
                      "id",
                      {},
                      100});
  }
  return tables;
}

std::string SelectList(const Table& table) {
  return table.name == "pictures" ? "id, concat('\\\\x', hex(data))" : "*";
}

std::vector<CopyTable> LimitTables(const std::vector<Table>& tables) {
  std::vector<CopyTable> result;
  for (const auto& table : tables) {
    CopyTable copy{fmt::format("SELECT {} FROM {}", SelectList(table), table.name),
                   fmt::format("CREATE TABLE {} ({})", table.name, table.pg_columns),
                   fmt::format("COPY {} FROM STDIN", table.name),
                   {fmt::format("ALTER TABLE {} ADD PRIMARY KEY ({})", table.name, table.pg_key)}};
    for (const auto& index : table.pg_indexes) {
      copy.indexes.push_back(fmt::format("CREATE INDEX ON {} ({})", table.name, index));
    }
    result.push_back(std::move(copy));
  }
  return result;
}

}  // namespace

Result InitialCopy(const Options& options) {
  Environment env(options);
  const auto tables = Tables(options.scale);
  env.Say("filling the source");
  auto source = env.Source();
  Result result;
  for (const auto& table : tables) {
    source.Exec(fmt::format("CREATE TABLE {} ({}, {}) ENGINE=InnoDB", table.name,
                            table.mysql_columns, table.mysql_keys));
    Fill(&source, table.name, table.fill, table.rows);
    result.rows += table.rows;
  }

  // The limit before and after the product: this machine's speed drifts.
  const auto limit = [&](int number) {
    env.Say(fmt::format("measuring the limit, run {} of 2", number));
    const auto database = fmt::format("limit_{}", number);
    env.postgres->CreateDatabase(database);
    const double seconds = CopyLimit(env.server->Address(kSchema), env.postgres->Address(database),
                                     LimitTables(tables), 2);
    env.postgres->Connect().Exec(fmt::format("DROP DATABASE {}", database));
    env.postgres->Connect().Exec("CHECKPOINT");
    return result.rows / seconds;
  };
  const double before = limit(1);
  env.SetUp({{"copy_mode", "direct"}});
  env.Say("init_replica");
  {
    auto meter = MeterAll();
    const double started = NowS();
    env.replica->Init("bench");
    result.seconds = NowS() - started;
    result.usage = meter.Stop();
  }
  env.postgres->Connect().Exec("CHECKPOINT");
  result.limit_rows_per_s = std::max(before, limit(2));
  env.Verify(&result);
  return result;
}

}  // namespace chameleon::bench
