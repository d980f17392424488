#include "tests/support/equality.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <future>
#include <vector>

#include "tests/support/canonical.h"

namespace chameleon::test {
namespace {

using Hash = unsigned __int128;

struct Column {
  std::string name;
  Canon canon = Canon::kText;
  std::string mysql_expression;
  std::string pg_expression;
  bool is_key = false;
};

// FNV-1a with 128 bits: no need for more against accidents.
Hash HashOf(const std::string& text) {
  constexpr Hash kPrime = (Hash(1) << 88) + 0x13b;
  Hash hash = (Hash(0x6c62272e07bb0142) << 64) + 0x62b821756295c58d;
  for (unsigned char c : text) hash = (hash ^ c) * kPrime;
  return hash;
}

// Value separator and NULL mark: bytes that canonical UTF-8 text cannot hold.
constexpr char kEndOfValue = '\xff';
constexpr char kNull = '\xfe';

// The line of COPY TO … text format, unescaped per value.
template <typename Callback>
void SplitCopyLine(const char* line, size_t size, std::string* scratch, Callback callback) {
  size_t at = 0;
  while (true) {
    scratch->clear();
    bool null = false;
    for (; at < size && line[at] != '\t'; ++at) {
      if (line[at] != '\\') {
        scratch->push_back(line[at]);
        continue;
      }
      char c = line[++at];
      if (c == 'N') {
        null = true;
      } else {
        size_t simple = std::string_view("bfnrtv").find(c);
        scratch->push_back(simple == std::string_view::npos ? c : "\b\f\n\r\t\v"[simple]);
      }
    }
    callback(null, *scratch);
    if (at >= size) return;
    ++at;
  }
}

// What the two servers are asked for, by the type on each side.
bool PlanColumn(const std::string& type, const std::string& column_type, const std::string& pg_type,
                Column* column) {
  std::string m = MysqlName(column->name), p = PgName(column->name);
  column->mysql_expression = m;
  column->pg_expression = p + "::text";
  auto is = [&](std::initializer_list<std::string_view> types) {
    return std::find(types.begin(), types.end(), type) != types.end();
  };
  if (pg_type == "json" || pg_type == "jsonb") {
    column->canon = Canon::kJson;
  } else if (pg_type == "boolean") {
    column->mysql_expression = fmt::format("({}<>0)+0", m);
    column->pg_expression = p + "::int";
  } else if (is({"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"})) {
    // +0: without ZEROFILL's padding, and the year as a number.
    bool zerofill = column_type.find("zerofill") != std::string::npos;
    if (zerofill || type == "year") column->mysql_expression = m + "+0";
    if (column_type == "year(2)") {
      column->mysql_expression = fmt::format("IF({0}+0<70,2000,1900)+({0}+0)", m);
    }
  } else if (is({"float"})) {
    column->canon = Canon::kFloat;
    column->mysql_expression = fmt::format("CAST({} AS DOUBLE)", m);
  } else if (is({"double"})) {
    column->canon = Canon::kDouble;
    // With (M,D) the server shows D digits of what it stores.
    if (column_type.find('(') != std::string::npos) column->mysql_expression = m + "*1e0";
  } else if (is({"bit"})) {
    size_t open = column_type.find('(');
    std::string bits = open == std::string::npos ? "1" : column_type.substr(open + 1);
    bits = bits.substr(0, bits.find(')'));
    column->mysql_expression = fmt::format("LPAD(BIN({}+0),{},'0')", m, bits);
  } else if (is({"date"})) {
    column->canon = Canon::kDate;
  } else if (is({"datetime", "timestamp"})) {
    column->canon = Canon::kDateTime;
    column->pg_expression = fmt::format("to_char({},'YYYY-MM-DD HH24:MI:SS.US')", p);
  } else if (is({"time"})) {
    column->canon = Canon::kTime;
    column->pg_expression = fmt::format("(extract(epoch from {})*1000000)::bigint", p);
  } else if (is({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})) {
    column->canon = Canon::kBytes;
  } else if (is({"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring",
                 "multipolygon", "geometrycollection", "geomcollection"})) {
    column->canon = Canon::kWkb;
    if (pg_type != "bytea") {
      column->canon = Canon::kEwkb;
      column->pg_expression = fmt::format("ST_SRID({0}) || ':' || ST_AsBinary({0},'NDR')", p);
    }
  } else if (is({"vector"})) {
    column->canon = Canon::kVector;
  } else if (is({"enum"})) {
    // The invalid value, which reads as '', is NULL by policy.
    column->mysql_expression = fmt::format("IF({0}+0=0,NULL,{0})", m);
  } else if (is({"inet4", "inet6"})) {
    column->canon = Canon::kInet;
    if (pg_type == "inet") column->pg_expression = fmt::format("host({})", p);
  } else if (!is({"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "set", "json",
                  "uuid"})) {
    return false;
  }
  return true;
}

class TablePair {
 public:
  TablePair(Mysql* mysql, Pg* pg, std::string mysql_schema, std::string table,
            std::string pg_schema, std::string pg_table, size_t reported_max)
      : mysql_(mysql),
        pg_(pg),
        mysql_schema_(std::move(mysql_schema)),
        table_(std::move(table)),
        pg_schema_(std::move(pg_schema)),
        pg_table_(std::move(pg_table)),
        reported_max_(reported_max) {}

  // Lines about what differs; "" if nothing does.
  std::string Compare(uint64_t* rows);

 private:
  // Names and types on both sides; "" or what is wrong.
  std::string Plan();
  std::string MysqlSelect() const;
  std::string PgSelect() const;
  // Calls row(canonical text of all values) for each row.
  template <typename F>
  void ReadMysql(F row);
  template <typename F>
  void ReadPg(F row);
  std::string Describe(const std::vector<Hash>& only_mysql, const std::vector<Hash>& only_pg);
  std::string KeyOf(const std::vector<std::string>& values) const;

  Mysql* mysql_;
  Pg* pg_;
  std::string mysql_schema_, table_, pg_schema_, pg_table_;
  size_t reported_max_;
  std::vector<Column> columns_;
};

std::string TablePair::Plan() {
  std::map<std::string, std::string> pg_types;
  for (auto& row : pg_->Query(fmt::format(
           "SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
           "WHERE a.attrelid = {}::regclass AND a.attnum > 0 AND NOT a.attisdropped",
           PgLiteral(PgName(pg_schema_) + "." + PgName(pg_table_))))) {
    std::string type = row[1].value();
    pg_types[row[0].value()] = type == "bool" ? "boolean" : type;
  }
  std::string problems;
  for (auto& row : mysql_->Query(fmt::format(
           "SELECT column_name, LOWER(data_type), LOWER(column_type), column_key "
           "FROM information_schema.columns WHERE table_schema = {} AND table_name = {} "
           // The bounds of a versioned row: a current row's are no data of the application.
           "AND COALESCE(generation_expression, '') NOT IN ('ROW START', 'ROW END') "
           "ORDER BY ordinal_position",
           mysql_->Quote(mysql_schema_), mysql_->Quote(table_)))) {
    Column column{.name = row[0].value(), .is_key = row[3].value_or("") == "PRI"};
    auto pg_type = pg_types.find(column.name);
    if (pg_type == pg_types.end()) {
      problems +=
          fmt::format("table {}: column {} is missing in PostgreSQL\n", table_, column.name);
    } else if (!PlanColumn(row[1].value(), row[2].value(), pg_type->second, &column)) {
      problems += fmt::format("table {}: column {}: the oracle does not know type {}\n", table_,
                              column.name, row[2].value());
    } else {
      columns_.push_back(std::move(column));
    }
    if (pg_type != pg_types.end()) pg_types.erase(pg_type);
  }
  for (auto& [name, type] : pg_types) {
    problems += fmt::format("table {}: column {} is only in PostgreSQL\n", table_, name);
  }
  return problems;
}

std::string TablePair::MysqlSelect() const {
  std::vector<std::string> expressions;
  for (const auto& column : columns_) expressions.push_back(column.mysql_expression);
  return fmt::format("SELECT {} FROM {}.{}", fmt::join(expressions, ","), MysqlName(mysql_schema_),
                     MysqlName(table_));
}

std::string TablePair::PgSelect() const {
  std::vector<std::string> expressions;
  for (const auto& column : columns_) expressions.push_back(column.pg_expression);
  return fmt::format("SELECT {} FROM {}.{}", fmt::join(expressions, ","), PgName(pg_schema_),
                     PgName(pg_table_));
}

template <typename F>
void TablePair::ReadMysql(F row) {
  std::string text;
  mysql_->Stream(MysqlSelect(), [&](const char* const* data, const size_t* size) {
    text.clear();
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (data[i] == nullptr || !AppendCanonical(columns_[i].canon, {data[i], size[i]}, &text)) {
        text.push_back(kNull);
      }
      text.push_back(kEndOfValue);
    }
    row(text);
  });
}

template <typename F>
void TablePair::ReadPg(F row) {
  std::string text, scratch;
  pg_->CopyOut(PgSelect(), [&](const char* line, size_t size) {
    text.clear();
    size_t i = 0;
    SplitCopyLine(line, size, &scratch, [&](bool null, const std::string& value) {
      if (null || !AppendCanonicalPg(columns_[i].canon, value, &text)) text.push_back(kNull);
      text.push_back(kEndOfValue);
      ++i;
    });
    row(text);
  });
}

std::vector<std::string> Values(const std::string& text) {
  std::vector<std::string> values;
  size_t at = 0;
  while (at < text.size()) {
    size_t end = text.find(kEndOfValue, at);
    std::string value = text.substr(at, end - at);
    values.push_back(value == std::string(1, kNull) ? "NULL" : value);
    at = end + 1;
  }
  return values;
}

std::string TablePair::KeyOf(const std::vector<std::string>& values) const {
  bool has_key =
      std::any_of(columns_.begin(), columns_.end(), [](const Column& c) { return c.is_key; });
  std::string key;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (has_key && !columns_[i].is_key) continue;
    key +=
        fmt::format("{}{}={}", key.empty() ? "" : " ", columns_[i].name, values[i].substr(0, 60));
  }
  return key;
}

std::string TablePair::Describe(const std::vector<Hash>& only_mysql,
                                const std::vector<Hash>& only_pg) {
  std::set<Hash> wanted_mysql(only_mysql.begin(), only_mysql.end());
  std::set<Hash> wanted_pg(only_pg.begin(), only_pg.end());
  std::map<std::string, std::vector<std::string>> left, right;  // by key
  ReadMysql([&](const std::string& text) {
    if (!wanted_mysql.contains(HashOf(text))) return;
    auto values = Values(text);
    left.emplace(KeyOf(values), values);
  });
  ReadPg([&](const std::string& text) {
    if (!wanted_pg.contains(HashOf(text))) return;
    auto values = Values(text);
    right.emplace(KeyOf(values), values);
  });
  std::string lines =
      fmt::format("table {}: {} rows only in the source, {} rows only in PostgreSQL\n", table_,
                  only_mysql.size(), only_pg.size());
  size_t shown = 0;
  for (const auto& [key, values] : left) {
    if (shown++ >= reported_max_) break;
    auto other = right.find(key);
    if (other == right.end()) {
      lines += fmt::format("  {}: missing in PostgreSQL\n", key);
      continue;
    }
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (values[i] == other->second[i]) continue;
      lines += fmt::format("  {}: column {}: source {:?}, PostgreSQL {:?}\n", key, columns_[i].name,
                           values[i].substr(0, 200), other->second[i].substr(0, 200));
    }
  }
  for (const auto& [key, values] : right) {
    if (left.contains(key)) continue;
    if (shown++ >= 2 * reported_max_) break;
    lines += fmt::format("  {}: only in PostgreSQL\n", key);
  }
  return lines;
}

std::string TablePair::Compare(uint64_t* rows) {
  std::string problems = Plan();
  if (!problems.empty()) return problems;
  auto from_pg = std::async(std::launch::async, [&] {
    std::vector<Hash> hashes;
    ReadPg([&](const std::string& text) { hashes.push_back(HashOf(text)); });
    std::sort(hashes.begin(), hashes.end());
    return hashes;
  });
  std::vector<Hash> from_mysql;
  ReadMysql([&](const std::string& text) { from_mysql.push_back(HashOf(text)); });
  std::sort(from_mysql.begin(), from_mysql.end());
  std::vector<Hash> other = from_pg.get();
  *rows += from_mysql.size();
  if (from_mysql == other) return "";
  std::vector<Hash> only_mysql, only_pg;
  std::set_difference(from_mysql.begin(), from_mysql.end(), other.begin(), other.end(),
                      std::back_inserter(only_mysql));
  std::set_difference(other.begin(), other.end(), from_mysql.begin(), from_mysql.end(),
                      std::back_inserter(only_pg));
  return Describe(only_mysql, only_pg);
}

}  // namespace

Equality CompareSchemas(const MysqlAddress& mysql_address, const std::string& mysql_schema,
                        const PgAddress& pg_address, const std::string& pg_schema,
                        const EqualityOptions& options) {
  Mysql mysql(mysql_address);
  mysql.Exec("SET SESSION sql_mode = ''; SET SESSION time_zone = '+00:00'");
  Pg pg(pg_address);
  Equality result;
  std::set<std::string> expected, found;
  std::vector<std::string> tables;
  for (auto& row : mysql.Query(fmt::format(
           "SELECT table_name FROM information_schema.tables WHERE table_schema = {} AND "
           "table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_name",
           mysql.Quote(mysql_schema)))) {
    if (!options.skip_tables.contains(row[0].value())) tables.push_back(row[0].value());
  }
  for (auto& row : pg.Query(fmt::format(
           "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
           "WHERE n.nspname = {} AND c.relkind IN ('r', 'p')",
           PgLiteral(pg_schema)))) {
    found.insert(row[0].value());
  }
  for (const auto& table : tables) {
    auto renamed = options.pg_names.find(table);
    const std::string& pg_table = renamed == options.pg_names.end() ? table : renamed->second;
    expected.insert(pg_table);
    ++result.tables;
    if (!found.contains(pg_table)) {
      result.differences += fmt::format("table {}: missing in PostgreSQL\n", table);
      continue;
    }
    result.differences +=
        TablePair(&mysql, &pg, mysql_schema, table, pg_schema, pg_table, options.reported_max)
            .Compare(&result.rows);
  }
  for (const auto& table : found) {
    if (!expected.contains(table) && !options.skip_tables.contains(table)) {
      result.differences += fmt::format("table {}: only in PostgreSQL\n", table);
    }
  }
  result.equal = result.differences.empty();
  return result;
}

}  // namespace chameleon::test
