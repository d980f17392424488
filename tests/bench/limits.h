// What the databases themselves can do on this machine, now: the yardsticks of the ratios.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/mysql_client.h"
#include "tests/support/pg_client.h"

namespace chameleon::bench {

// A table to copy: how to read it, where to put it, and what to build afterwards.
struct CopyTable {
  std::string select;                // on the source, text protocol
  std::string create;                // on the target, without keys
  std::string copy;                  // COPY … FROM STDIN
  std::vector<std::string> indexes;  // after the data
};

// A plain C read of the source piped into COPY, no types, no checks: `sessions` tables at a time,
// largest first as listed, then all index builds, as many at a time. Returns seconds.
double CopyLimit(const test::MysqlAddress& source, const test::PgAddress& target,
                 const std::vector<CopyTable>& tables, int sessions);

// Net changes as typed rows in a staging table, applied set-based.
struct ApplyTable {
  std::string staging;  // has columns (batch int, op char) and the table's own
  std::string target;
  std::string key;
  std::vector<std::string> columns;  // without the key
};

// One DELETE, UPDATE and INSERT per batch and table, one transaction per batch. Returns seconds.
double ApplyLimit(const test::PgAddress& target, const std::vector<ApplyTable>& tables,
                  int batches);

// Mean milliseconds of a transaction of one small insert.
double CommitMs(const test::PgAddress& target);

double NowS();

}  // namespace chameleon::bench
