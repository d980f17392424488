// Rows per second of RowCursor, the hottest loop of the worker: prints one line per shape of row.
//   row_cursor_bench [seconds per shape]
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

#include "worker/binlog/row_image.h"

namespace {

using namespace chameleon::worker::binlog;

struct Shape {
  const char* name;
  std::vector<ColumnMap> columns;
};

std::string RowOf(const std::vector<ColumnMap>& columns) {
  std::string out((columns.size() + 7) / 8, '\0');
  for (const ColumnMap& column : columns) {
    size_t size = column.fixed_bytes;
    if (column.prefix_bytes != 0) {
      size = 12;
      out += static_cast<char>(size);
      out.append(column.prefix_bytes - 1u, '\0');
    }
    out.append(size, 'x');
  }
  return out;
}

void Run(Shape shape, double seconds) {
  constexpr size_t kEventBytes = 8 << 10;  // binlog_row_event_max_size
  TableMap map;
  map.columns = std::move(shape.columns);
  for (ColumnMap& column : map.columns) {
    if (!LayOut(&column)) std::abort();
  }
  std::string bytes, row = RowOf(map.columns);
  while (bytes.size() < kEventBytes) bytes += row;
  const std::string present((map.columns.size() + 7) / 8, '\xff');
  RowsEvent event;
  event.width = static_cast<uint32_t>(map.columns.size());
  event.present_after = present;
  event.rows = bytes;
  RowSlices before, after;
  size_t rows = 0, sum = 0;
  const auto begin = std::chrono::steady_clock::now();
  std::chrono::duration<double> spent{};
  while (spent.count() < seconds) {
    for (int i = 0; i < 100; ++i) {
      for (RowCursor cursor(map, event); !cursor.AtEnd(); ++rows) {
        if (!cursor.Next(&before, &after).ok()) std::abort();
        sum += after.back().size;
      }
    }
    spent = std::chrono::steady_clock::now() - begin;
  }
  fmt::print("{:<28} {:>3} columns {:>4} bytes: {:>6.2f} M rows/s, {:>5.0f} MB/s{}\n", shape.name,
             map.columns.size(), row.size(), rows / spent.count() / 1e6,
             rows * row.size() / spent.count() / 1e6, sum == 0 ? "!" : "");
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
  const ColumnMap integer{.type = ColumnType::kLong};
  const ColumnMap text{.type = ColumnType::kVarchar, .length = 100};
  const ColumnMap decimal{.type = ColumnType::kNewDecimal, .length = 10, .scale = 2};
  const ColumnMap time{.type = ColumnType::kDatetime2, .length = 6};
  const ColumnMap blob{.type = ColumnType::kBlob, .length = 2};
  Run({"key and counter", {integer, integer}}, seconds);
  Run({"order line", {integer, integer, text, text, decimal, time, time, blob}}, seconds);
  Run({"wide", std::vector<ColumnMap>(40, integer)}, seconds);
  return 0;
}
