#include "tests/bench/limits.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <mysql.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

namespace chameleon::bench {
namespace {

void AppendCopyField(const char* data, unsigned long size, std::string* out) {
  for (const char* end = data + size; data < end; ++data) {
    switch (*data) {
      case '\\':
        out->append("\\\\");
        break;
      case '\t':
        out->append("\\t");
        break;
      case '\n':
        out->append("\\n");
        break;
      case '\r':
        out->append("\\r");
        break;
      default:
        out->push_back(*data);
    }
  }
}

void Pipe(test::Mysql* source, test::Pg* target, const CopyTable& table) {
  target->Exec(table.create);
  PGconn* pg = target->handle();
  PGresult* result = PQexec(pg, table.copy.c_str());
  const bool started = PQresultStatus(result) == PGRES_COPY_IN;
  PQclear(result);
  if (!started) throw std::runtime_error(PQerrorMessage(pg));
  MYSQL* mysql = source->handle();
  if (mysql_query(mysql, table.select.c_str()) != 0) throw std::runtime_error(mysql_error(mysql));
  MYSQL_RES* rows = mysql_use_result(mysql);
  const unsigned columns = mysql_num_fields(rows);
  std::string buffer;
  while (MYSQL_ROW row = mysql_fetch_row(rows)) {
    const unsigned long* sizes = mysql_fetch_lengths(rows);
    for (unsigned i = 0; i < columns; ++i) {
      if (i > 0) buffer.push_back('\t');
      if (row[i] == nullptr) {
        buffer.append("\\N");
      } else {
        AppendCopyField(row[i], sizes[i], &buffer);
      }
    }
    buffer.push_back('\n');
    if (buffer.size() > 256 << 10) {
      PQputCopyData(pg, buffer.data(), static_cast<int>(buffer.size()));
      buffer.clear();
    }
  }
  mysql_free_result(rows);
  PQputCopyData(pg, buffer.data(), static_cast<int>(buffer.size()));
  PQputCopyEnd(pg, nullptr);
  while (PGresult* end = PQgetResult(pg)) {
    const bool ok = PQresultStatus(end) == PGRES_COMMAND_OK;
    PQclear(end);
    if (!ok) throw std::runtime_error(PQerrorMessage(pg));
  }
}

// Runs job(i) for i in [0, count) on `threads` threads.
template <typename Job>
void InParallel(int threads, size_t count, const Job& job) {
  std::atomic<size_t> next = 0;
  std::vector<std::thread> pool;
  for (int i = 0; i < threads; ++i) {
    pool.emplace_back([&, i] { job(i, &next, count); });
  }
  for (auto& thread : pool) thread.join();
}

}  // namespace

double NowS() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double CopyLimit(const test::MysqlAddress& source, const test::PgAddress& target,
                 const std::vector<CopyTable>& tables, int sessions) {
  const double started = NowS();
  InParallel(sessions, tables.size(), [&](int, std::atomic<size_t>* next, size_t count) {
    test::Mysql mysql(source);
    mysql.Exec("SET SESSION sql_mode=''");
    test::Pg pg(target);
    for (size_t i; (i = (*next)++) < count;) Pipe(&mysql, &pg, tables[i]);
  });
  std::vector<std::string> indexes;
  for (const auto& table : tables) {
    indexes.insert(indexes.end(), table.indexes.begin(), table.indexes.end());
  }
  InParallel(sessions, indexes.size(), [&](int, std::atomic<size_t>* next, size_t count) {
    test::Pg pg(target);
    pg.Exec("SET maintenance_work_mem = '256MB'");
    for (size_t i; (i = (*next)++) < count;) pg.Exec(indexes[i]);
  });
  return NowS() - started;
}

double ApplyLimit(const test::PgAddress& target, const std::vector<ApplyTable>& tables,
                  int batches) {
  test::Pg pg(target);
  struct Statements {
    std::string remove, update, insert;
  };
  std::vector<Statements> all;
  for (const auto& table : tables) {
    std::string set, columns = table.key, values = "s." + table.key;
    for (const auto& column : table.columns) {
      set += fmt::format("{}{} = s.{}", set.empty() ? "" : ", ", column, column);
      columns += ", " + column;
      values += ", s." + column;
    }
    const auto where = [&](char op) { return fmt::format("s.batch = {{}} AND s.op = '{}'", op); };
    all.push_back({fmt::format("DELETE FROM {} t USING {} s WHERE {} AND t.{} = s.{}", table.target,
                               table.staging, where('d'), table.key, table.key),
                   fmt::format("UPDATE {} t SET {} FROM {} s WHERE {} AND t.{} = s.{}",
                               table.target, set, table.staging, where('u'), table.key, table.key),
                   fmt::format("INSERT INTO {} ({}) SELECT {} FROM {} s WHERE {}", table.target,
                               columns, values, table.staging, where('i'))});
  }
  const double started = NowS();
  for (int batch = 0; batch < batches; ++batch) {
    pg.Exec("BEGIN");
    for (const auto& statements : all) {
      pg.Exec(fmt::format(fmt::runtime(statements.remove), batch));
      pg.Exec(fmt::format(fmt::runtime(statements.update), batch));
      pg.Exec(fmt::format(fmt::runtime(statements.insert), batch));
    }
    pg.Exec("COMMIT");
  }
  return NowS() - started;
}

double CommitMs(const test::PgAddress& target) {
  constexpr int kCommits = 200;
  test::Pg pg(target);
  pg.Exec("CREATE TABLE commit_probe (i int)");
  const double started = NowS();
  for (int i = 0; i < kCommits; ++i) pg.Exec("INSERT INTO commit_probe VALUES (1)");
  const double ms = (NowS() - started) * 1000 / kCommits;
  pg.Exec("DROP TABLE commit_probe");
  return ms;
}

}  // namespace chameleon::bench
