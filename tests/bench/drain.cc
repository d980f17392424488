// 750,000 mixed single-row changes in 7,500 transactions over 4 tables, made while the replica is
// stopped; and 200,000 updates on 1,000 rows, 10 per transaction, likewise.
#include <algorithm>

#include "tests/bench/changes.h"
#include "tests/bench/environment.h"

namespace chameleon::bench {
namespace {

constexpr int64_t kRowsAtStart = 200'000;

void MakeTables(Environment* env, int count, int64_t rows) {
  auto source = env->Source();
  source.Exec("CREATE TABLE marker (id int PRIMARY KEY, n int NOT NULL)");
  source.Exec("INSERT INTO marker VALUES (1, 0)");
  for (int i = 0; i < count; ++i) {
    const auto name = fmt::format("d{}", i);
    source.Exec(DrainCreate(name, false));
    source.Exec(DrainIndex(name));
    Fill(&source, name,
         "n, concat('customer ', n, ' revision 0'), n % 100000, n % 97, concat('note-', n), "
         "n % 10000 + n % 100 / 100, '2026-11-20 10:00:00', 0",
         rows);
  }
}

// The same tables and staging tables in a database of their own.
std::vector<ApplyTable> MakeLimitTables(Environment* env, int count, int64_t rows) {
  env->postgres->CreateDatabase("limit_apply");
  auto pg = env->postgres->Connect("limit_apply");
  std::vector<ApplyTable> tables;
  for (int i = 0; i < count; ++i) {
    const auto name = fmt::format("d{}", i);
    pg.Exec(DrainCreate(name, true));
    pg.Exec(
        fmt::format("INSERT INTO {} SELECT n, 'customer ' || n || ' revision 0', n % 100000, n % "
                    "97, 'note-' || n, n % 10000, '2026-11-20 10:00:00', 0 FROM "
                    "generate_series(1, {}) n",
                    name, rows));
    pg.Exec(fmt::format("ALTER TABLE {} ADD PRIMARY KEY (id)", name));
    pg.Exec(DrainIndex(name));
    pg.Exec(fmt::format("CREATE TABLE staging_{0} (batch int, op \"char\", LIKE {0})", name));
    tables.push_back({"staging_" + name,
                      name,
                      "id",
                      {"name", "amount", "kind", "note", "price", "changed", "version"}});
  }
  return tables;
}

void FinishLimitTables(Environment* env, const std::vector<ApplyTable>& tables) {
  auto pg = env->postgres->Connect("limit_apply");
  for (const auto& table : tables) {
    pg.Exec(fmt::format("CREATE INDEX ON {} (batch, op)", table.staging));
    pg.Exec(fmt::format("VACUUM ANALYZE {}", table.staging));
    pg.Exec(fmt::format("VACUUM ANALYZE {}", table.target));
  }
  pg.Exec("CHECKPOINT");
}

// Init and stop; `changes` are made; the time from start_replica to the last one being visible.
void MeasureDrain(Environment* env, Result* result, const std::function<void()>& changes) {
  env->SetUp();
  env->Say("init_replica, start_replica, stop_replica");
  env->replica->Init("bench");
  env->replica->Start("bench");
  env->replica->Stop("bench");
  env->Say("changing the source");
  changes();
  env->Source().Exec("UPDATE marker SET n = 1");
  env->postgres->Connect(env->replica->target().database).Exec("VACUUM ANALYZE");
  env->postgres->Connect().Exec("CHECKPOINT");
  env->Say("start_replica");
  auto meter = MeterAll();
  const double started = NowS();
  env->replica->Start("bench");
  env->WaitFor(fmt::format("SELECT n FROM {}.marker", kSchema), "1", 600);
  result->seconds = NowS() - started;
  result->usage = meter.Stop();
}

}  // namespace

Result Drain(const Options& options) {
  Environment env(options);
  const int transactions = std::max(1, static_cast<int>(7'500 * options.scale));
  Result result;
  result.rows = uint64_t{kChangesPerTransaction} * transactions;
  MakeTables(&env, kDrainTables, kRowsAtStart);
  auto limit_tables = MakeLimitTables(&env, kDrainTables, kRowsAtStart);
  DrainChanges changes(4711, kRowsAtStart);
  int batches = 0;
  MeasureDrain(&env, &result, [&] {
    auto source = env.Source();
    auto pg = env.postgres->Connect("limit_apply");
    for (int i = 1; i <= transactions; ++i) {
      std::string sql = "BEGIN;";
      for (int n = 0; n < kChangesPerTransaction; ++n) changes.Next(&sql);
      source.Exec(sql + "COMMIT");
      if (i % (kNetBatch / kChangesPerTransaction) == 0 || i == transactions) {
        std::string lines[kDrainTables];
        changes.TakeNet(batches++, &lines);
        for (int t = 0; t < kDrainTables; ++t) {
          pg.CopyIn(fmt::format("COPY staging_d{} FROM STDIN", t), lines[t]);
        }
      }
    }
  });
  FinishLimitTables(&env, limit_tables);
  env.Say("measuring the limit");
  result.limit_rows_per_s =
      result.rows / ApplyLimit(env.postgres->Address("limit_apply"), limit_tables, batches);
  env.Verify(&result);
  return result;
}

Result HotRows(const Options& options) {
  constexpr int kHotRows = 1'000, kPerTransaction = 10;
  Environment env(options);
  Result result;
  result.rows = static_cast<uint64_t>(200'000 * options.scale);
  MakeTables(&env, 1, kHotRows);
  auto limit_tables = MakeLimitTables(&env, 1, kHotRows);
  int batches = 0;
  MeasureDrain(&env, &result, [&] {
    auto source = env.Source();
    auto pg = env.postgres->Connect("limit_apply");
    uint64_t state = 42;
    for (uint64_t done = 0; done < result.rows;) {
      std::string sql = "BEGIN;";
      for (int n = 0; n < kPerTransaction; ++n, ++done) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        sql += fmt::format("UPDATE d0 SET version = version + 1, amount = {} WHERE id = {};",
                           state % 100'000, (state >> 33) % kHotRows + 1);
      }
      source.Exec(sql + "COMMIT");
      if (done % kNetBatch == 0) {
        std::string lines;
        for (int id = 1; id <= kHotRows; ++id) {
          lines += fmt::format(
              "{}\tu\t{}\tcustomer {} revision 0\t{}\t{}\tnote\t1.5\t2026-11-20 10:00:00\t{}\n",
              batches, id, id, id, id % 97, batches);
        }
        pg.CopyIn("COPY staging_d0 FROM STDIN", lines);
        ++batches;
      }
    }
  });
  FinishLimitTables(&env, limit_tables);
  env.Say("measuring the limit");
  result.limit_rows_per_s =
      result.rows / ApplyLimit(env.postgres->Address("limit_apply"), limit_tables, batches);
  env.Verify(&result);
  return result;
}

}  // namespace chameleon::bench
