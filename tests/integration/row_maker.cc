#include "tests/integration/row_maker.h"

#include <fmt/format.h>

#include <algorithm>

namespace chameleon::test {
namespace {

// Tables are small: what is tried is kinds of values, not numbers of them.
constexpr int kOthersOneIn = 20;
constexpr uint64_t kTextMax = 3000;

std::string Repeated(const std::string& piece, uint64_t characters, uint64_t piece_characters) {
  std::string out;
  for (uint64_t n = 0; n + piece_characters <= characters; n += piece_characters) out += piece;
  return out;
}

bool IsInteger(const std::string& type) { return type.ends_with("int"); }

}  // namespace

void RowMaker::Run(const std::string& sql) {
  ++ran_;
  refused_ += session_->TryExec(sql) != 0;
}

std::set<std::string> RowMaker::Names(const std::string& schema) {
  std::set<std::string> names;
  for (const Row& row :
       session_->Query("SHOW FULL TABLES FROM " + MysqlName(schema) + " LIKE '%'")) {
    if (row[1] == "BASE TABLE") names.insert(*row[0]);
  }
  return names;
}

// Only those that are asked for: the server opens each table for it.
std::vector<RowMaker::Table> RowMaker::Tables(const std::string& schema,
                                              const std::set<std::string>& names) {
  std::vector<Table> tables;
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ",") + session_->Quote(name);
  if (list.empty()) return tables;
  for (const Row& row : session_->Query(fmt::format(
           "SELECT c.table_name, c.column_name, c.data_type, c.column_type, "
           "COALESCE(c.character_set_name, ''), COALESCE(c.character_maximum_length, 0), "
           "COALESCE(c.numeric_precision, 0), COALESCE(c.numeric_scale, 0), c.is_nullable, "
           "c.column_key, c.extra FROM information_schema.columns c WHERE c.table_schema = {} AND "
           "c.table_name IN ({}) ORDER BY c.table_name, c.ordinal_position",
           session_->Quote(schema), list))) {
    if (tables.empty() || tables.back().name != *row[0]) tables.push_back({*row[0], {}});
    const std::string& extra = *row[10];
    if (extra.find("VIRTUAL") != extra.npos || extra.find("STORED") != extra.npos ||
        extra.find("PERSISTENT") != extra.npos) {
      continue;
    }
    tables.back().columns.push_back({.name = *row[1],
                                     .data_type = *row[2],
                                     .type = *row[3],
                                     .charset = *row[4],
                                     .length = std::stoull(*row[5]),
                                     .precision = std::stoi(*row[6]),
                                     .scale = std::stoi(*row[7]),
                                     .nullable = *row[8] == "YES",
                                     .is_key = *row[9] == "PRI" || *row[9] == "UNI",
                                     .is_auto = extra.find("auto_increment") != extra.npos});
  }
  return tables;
}

std::string RowMaker::Number(const Column& column, int kind) {
  if (column.data_type == "decimal") {
    const std::string nines(static_cast<size_t>(column.precision - column.scale), '9');
    const std::string all = (nines.empty() ? "0" : nines) + "." +
                            std::string(static_cast<size_t>(std::max(column.scale, 1)), '9');
    return kind == 2 ? all : kind == 3 ? "-" + all : fmt::format("{}.5", Below(9));
  }
  if (column.data_type == "float" || column.data_type == "double") {
    static const char* kValues[] = {"1.5", "0", "1.0e30", "-0.1", "3.14159265358979"};
    return kValues[Below(5)];
  }
  if (column.data_type == "bit") return kind == 2 ? "b'1'" : "b'0'";
  if (column.data_type == "year") return kind == 2 ? "2155" : kind == 3 ? "0" : "2021";
  // Without strict mode, what is too much becomes the largest value.
  if (kind == 2 && !column.is_key) return "18446744073709551615";
  if (kind == 3 && !column.is_key) return "-9223372036854775808";
  return column.is_key ? fmt::to_string(next_) : fmt::to_string(Below(3));
}

std::string RowMaker::Text(const Column& column, int kind) {
  const uint64_t length = std::min(column.length, kTextMax);
  // A number is JSON, too, for columns that are checked to be.
  std::string text = fmt::to_string(next_);
  if (kind == 1) text += " Grüße";
  if (kind == 2 && length > text.size()) {
    text += Repeated("é✓😀ß ", length - text.size(), 5);
  }
  if (kind == 3) text += "\\ '\"\n\t%_ ";
  if (kind == 4) text = fmt::format("{{\"n\": {}, \"t\": \"ü\"}}", next_);
  return session_->Quote(text);
}

std::string RowMaker::Label(const Column& column) {
  const auto labels = std::count(column.type.begin(), column.type.end(), ',') + 1;
  if (column.data_type == "set") return fmt::to_string(1 + Below(labels > 1 ? 3 : 1));
  return fmt::to_string(1 + Below(static_cast<int>(labels)));
}

std::string RowMaker::ValueOf(const Column& column) {
  const int kind = Below(5);
  const std::string& type = column.data_type;
  if (column.nullable && Below(4) == 0) return "NULL";
  if (IsInteger(type) || type == "decimal" || type == "float" || type == "double" ||
      type == "bit" || type == "year") {
    return Number(column, kind);
  }
  if (type == "date" || type == "datetime" || type == "timestamp") {
    if (column.is_key) return fmt::format("FROM_UNIXTIME({})", 1'000'000'000 + next_ * 100'000);
    static const char* kTimes[] = {"'2021-03-04 05:06:07.89'", "'0000-00-00 00:00:00'",
                                   "'2024-02-29 23:59:59'", "'1999-12-31 00:00:00'",
                                   "'2037-12-31 12:00:00'"};
    return kTimes[kind];
  }
  if (type == "time") return kind == 2 ? "'-838:59:59'" : "'12:34:56.7'";
  if (type == "enum" || type == "set") return Label(column);
  if (type == "json") return fmt::format("'{{\"n\": [{}, 2.50, \"ü\", null]}}'", next_);
  if (type.ends_with("blob") || type.ends_with("binary")) {
    if (type == "binary" && column.length == 16 && kind == 0) return "UNHEX(MD5(RAND()))";
    std::string bytes = fmt::format("{:08x}", next_);
    const uint64_t length = std::min(column.length, kTextMax);
    if (kind == 2 && length > 4) bytes += Repeated("00ff0a5c", length - 4, 4);
    return "x'" + bytes + "'";
  }
  if (type.ends_with("text") || type.ends_with("char")) return Text(column, kind);
  if (type == "uuid") return "UUID()";
  if (type == "inet4") return "'192.0.2.1'";
  if (type == "inet6") return "'2001:db8::1'";
  if (type == "point" || type == "geometry") return "ST_GeomFromText('POINT(1 2)')";
  return column.nullable ? "NULL" : "''";
}

void RowMaker::Insert(const std::string& schema, const Table& table) {
  std::string names, values;
  ++next_;
  for (const Column& column : table.columns) {
    if (column.is_auto && Below(5) != 0) continue;
    if (!column.is_key && Below(12) == 0) continue;  // its default
    names += (names.empty() ? "" : ", ") + MysqlName(column.name);
    values += (values.empty() ? "" : ", ") + ValueOf(column);
  }
  Run(fmt::format("INSERT INTO {}.{} ({}) VALUES ({})", MysqlName(schema), MysqlName(table.name),
                  names, values));
}

void RowMaker::Update(const std::string& schema, const Table& table) {
  if (table.columns.empty()) return;
  std::string sets;
  ++next_;
  for (int n = 1 + Below(3); n > 0; --n) {
    const Column& column =
        table.columns[static_cast<size_t>(Below(static_cast<int>(table.columns.size())))];
    if (sets.find(MysqlName(column.name) + " =") != sets.npos) continue;
    sets += (sets.empty() ? "" : ", ") + MysqlName(column.name) + " = " + ValueOf(column);
  }
  Run(fmt::format("UPDATE {}.{} SET {} LIMIT {}", MysqlName(schema), MysqlName(table.name), sets,
                  1 + Below(3)));
}

void RowMaker::Fill(const std::string& schema, int rows) {
  for (const Table& table : Tables(schema, Names(schema))) {
    for (int n = 0; n < rows; ++n) Insert(schema, table);
  }
}

void RowMaker::Change(const std::string& schema, const std::set<std::string>& tables) {
  std::set<std::string> chosen;
  for (const std::string& name : Names(schema)) {
    if (tables.contains(name) || Below(kOthersOneIn) == 0) chosen.insert(name);
  }
  for (const Table& table : Tables(schema, chosen)) {
    const int transaction = Below(3);
    if (transaction == 0) Run("BEGIN");
    Insert(schema, table);
    Insert(schema, table);
    Update(schema, table);
    if (Below(2) == 0) {
      Run(fmt::format("DELETE FROM {}.{} LIMIT 1", MysqlName(schema), MysqlName(table.name)));
    }
    if (transaction == 0) Run(Below(4) == 0 ? "ROLLBACK" : "COMMIT");
  }
}

}  // namespace chameleon::test
