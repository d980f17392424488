// Every type and character set, three ways: rows that are there when the snapshot is taken, rows
// that arrive by the log, and columns that are added while replicating. All three must give the
// same PostgreSQL type and the same literal, and that is what the source's own SELECT says.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "tests/integration/type_cases.h"
#include "tests/support/both_servers.h"
#include "tests/support/replica.h"

namespace chameleon::test {
namespace {

const std::vector<std::string> kForms = {"snap", "stream", "ddl"};
constexpr int kBlock = 256;  // characters in one row

// UTF-8 of one code point.
std::string Utf8(unsigned code) {
  std::string out;
  const auto add = [&](unsigned byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0 | code >> 6);
    add(0x80 | (code & 63));
  } else if (code < 0x10000) {
    add(0xe0 | code >> 12);
    add(0x80 | (code >> 6 & 63));
    add(0x80 | (code & 63));
  } else {
    add(0xf0 | code >> 18);
    add(0x80 | (code >> 12 & 63));
    add(0x80 | (code >> 6 & 63));
    add(0x80 | (code & 63));
  }
  return out;
}

// A table whose columns come from several cases, and how it is filled.
struct Wide {
  std::string name;
  std::vector<std::string> columns;   // "v003 INT UNSIGNED"
  std::vector<std::string> captions;  // what is in them, for messages
  std::string fill;                   // % is the table
};

std::string WithName(std::string text, const std::string& table) {
  for (size_t at; (at = text.find('%')) != std::string::npos;) text.replace(at, 1, table);
  return text;
}

class TypeMatrixTest : public BothServers {
 protected:
  struct CharacterSet {
    std::string name;
    std::string label;  // a few characters of it
  };

  void SetUp() override {
    BothServers::SetUp();
    if (IsSkipped()) return;
    // A source, workers and a coordinator where the clocks change twice a year.
    setenv("TZ", "Europe/Berlin", 1);
    postgres_.Start();
    replica_ = std::make_unique<Replica>(&postgres_);
    source_ = StartSource(GetParam(), {.args = {"--default-time-zone=SYSTEM"}});
    source_db_ = std::make_unique<Mysql>(source_->Address());
    Exec("SET SESSION sql_mode = '', time_zone = '+00:00'");
    for (const auto& form : kForms) Exec("CREATE DATABASE " + form);
    Exec("CREATE TABLE ddl.w_marker (id INT PRIMARY KEY, n BIGINT)");
    Exec("INSERT INTO ddl.w_marker VALUES (1, 0)");
  }

  void Exec(const std::string& sql) { source_db_->Exec(sql); }
  std::string One(const std::string& sql) { return target_->One(sql); }

  // ---- what is played ----

  void PlanTypes(const std::vector<TypeCase>& cases) {
    for (const TypeCase& c : cases) {
      if (!Has(c.on, GetParam())) continue;
      if (wide_.empty() || wide_.back().columns.size() == kColumns) {
        wide_.push_back({.name = fmt::format("t{:02}", wide_.size())});
        values_.emplace_back();
      }
      Wide& table = wide_.back();
      table.columns.push_back(fmt::format("v{} {}", table.columns.size(), c.type));
      table.captions.push_back(c.type.substr(0, 60));
      values_.back().push_back(c.values);
    }
    for (size_t t = 0; t < values_.size(); ++t) {
      size_t rows = 0;
      for (const auto& column : values_[t]) rows = std::max(rows, column.size());
      std::string sql = "INSERT INTO % VALUES ";
      for (size_t row = 0; row < rows; ++row) {
        sql += fmt::format("{}({}", row == 0 ? "" : ", ", row);
        for (const auto& column : values_[t]) {
          sql += ", " + (row < column.size() ? column[row] : "NULL");
        }
        sql += ")";
      }
      wide_[t].fill = sql;
    }
  }

  // All of the BMP and some of what is beyond, as utf8mb4; and raw bytes.
  void PrepareCharacters() {
    Exec("CREATE DATABASE base");
    Exec("CREATE TABLE base.blocks (id INT PRIMARY KEY, v VARCHAR(256) CHARACTER SET utf8mb4)");
    for (unsigned block = 0; block < 0x20000 / kBlock; ++block) {
      if (block >= 0xd8 && block < 0xe0) continue;                       // surrogates
      if (block >= 0x110 && block < 0x1f0 && block % 16 != 0) continue;  // samples beyond the BMP
      std::string text;
      for (unsigned i = 0; i < kBlock; ++i) text += Utf8(block * kBlock + i);
      Exec(fmt::format("INSERT INTO base.blocks VALUES ({}, {})", block, source_db_->Quote(text)));
    }
    Exec("CREATE TABLE base.raw (id INT PRIMARY KEY, v VARBINARY(4))");
    std::string sql = "INSERT INTO base.raw VALUES (0, x'00')";
    for (int lead = 1; lead < 256; ++lead) sql += fmt::format(", ({0}, x'{0:02x}')", lead);
    for (int lead = 0x80; lead < 256; ++lead) {
      for (int trail : {0x40, 0x80, 0xa1, 0xfe}) {
        sql += fmt::format(", ({}, x'{:02x}{:02x}')", lead * 256 + trail, lead, trail);
      }
    }
    Exec(sql);
    for (auto& row : source_db_->Query("SHOW CHARACTER SET")) {
      sets_.push_back({row[0].value(), LabelIn(row[0].value())});
    }
    EXPECT_GE(sets_.size(), 39u);
  }

  // The letters beyond ASCII that the server can keep in the set.
  std::string LabelIn(const std::string& set) {
    std::string label = "a", letters;
    for (unsigned code : {0xe9u, 0xdfu, 0x444u, 0x3b1u, 0x5d0u, 0x634u, 0xe01u, 0x10d0u, 0x561u,
                          0x65e5u, 0xac00u, 0xff76u, 0x20acu}) {
      letters += fmt::format("{} SELECT _utf8mb4 x'{}' AS v", letters.empty() ? "" : " UNION ALL",
                             HexOf(Utf8(code)));
    }
    for (auto& row : source_db_->Query(
             fmt::format("SELECT c.v FROM ({}) c WHERE CONVERT(CONVERT(c.v USING {}) USING utf8mb4)"
                         " = c.v COLLATE utf8mb4_bin",
                         letters, set))) {
      label += row[0].value();
    }
    return label;
  }
  static std::string HexOf(const std::string& bytes) {
    std::string hex;
    for (unsigned char c : bytes) hex += fmt::format("{:02x}", c);
    return hex;
  }

  // "u" tables hold all characters, labels and defaults; "b" tables raw bytes.
  void PlanCharacterSets() {
    PrepareCharacters();
    Wide* u = nullptr;
    Wide* b = nullptr;
    wide_.reserve(wide_.size() + sets_.size());  // u and b stay where they are
    for (size_t i = 0; i < sets_.size(); ++i) {
      const auto& [set, label] = sets_[i];
      if (i % kSets == 0) {
        u = &wide_.emplace_back(Wide{.name = fmt::format("u{:02}", i / kSets)});
        b = &wide_.emplace_back(Wide{.name = fmt::format("b{:02}", i / kSets)});
        u->fill = "INSERT INTO % (id) SELECT id FROM base.blocks";
        b->fill = "INSERT INTO % SELECT id";
      }
      const std::string one = fmt::format(" DEFAULT '{}'", label);
      const std::string two = fmt::format(" DEFAULT 'b''{0},{0}'", label);
      for (const std::string& column :
           {fmt::format("v_{0} VARCHAR(256) CHARACTER SET {0}", set),
            fmt::format("e_{1} ENUM('{0}','b''{0}') CHARACTER SET {1}{2}", label, set, one),
            fmt::format("s_{1} SET('{0}','b''{0}') CHARACTER SET {1}{2}", label, set, two),
            fmt::format("d_{1} VARCHAR(40) CHARACTER SET {1} DEFAULT '{0}' COMMENT '{0}'", label,
                        set)}) {
        u->columns.push_back(column);
        u->captions.push_back(set);
      }
      b->columns.push_back(fmt::format("v_{0} VARCHAR(4) CHARACTER SET {0}", set));
      b->captions.push_back(set);
      b->fill += ", v";
      u->fill.insert(u->fill.find(')'), ", v_" + set);
      u->fill.insert(u->fill.rfind(" FROM"), ", v");
    }
    for (Wide& table : wide_) {
      if (table.name[0] == 'b') table.fill += " FROM base.raw";
    }
  }

  void Fill(const std::string& form) {
    for (const Wide& table : wide_) Exec(WithName(table.fill, form + "." + table.name));
  }
  void Play(const std::vector<std::string>& statements, const std::string& form,
            const std::string& table) {
    for (const auto& statement : statements) Exec(WithName(statement, form + "." + table));
  }

  void Before() {
    for (const std::string form : {"snap", "stream"}) {
      for (const Wide& table : wide_) {
        Exec(fmt::format("CREATE TABLE {}.{} (id INT PRIMARY KEY, {})", form, table.name,
                         fmt::join(table.columns, ", ")));
      }
      for (const TableCase& c : tables_) Play(c.create, form, c.name);
    }
    for (const Wide& table : wide_) {
      Exec(fmt::format("CREATE TABLE ddl.{} (id INT PRIMARY KEY)", table.name));
    }
    Fill("snap");
    for (const TableCase& c : tables_) Play(c.fill, "snap", c.name);
  }

  // Half of the columns is added in one statement, and half of those is modified into itself.
  void Meanwhile() {
    for (const Wide& table : wide_) {
      std::vector<std::string> first, second;
      for (size_t i = 0; i < table.columns.size(); ++i) {
        const bool late = i >= table.columns.size() / 2;
        (late ? second : first).push_back("ADD COLUMN " + table.columns[i]);
        if (!late && i % 2 == 0) second.push_back("MODIFY " + table.columns[i]);
      }
      for (const auto& actions : {first, second}) {
        if (actions.empty()) continue;
        Exec(fmt::format("ALTER TABLE ddl.{} {}", table.name, fmt::join(actions, ", ")));
      }
    }
    Fill("stream");
    Fill("ddl");
    for (const TableCase& c : tables_) {
      Play(c.fill, "stream", c.name);
      Play(c.create, "ddl", c.name);
      Play(c.fill, "ddl", c.name);
    }
  }

  void Replicate() {
    for (const TableCase& c : TableCases()) {
      if (Has(c.on, GetParam())) tables_.push_back(c);
    }
    Before();
    replica_->AddSource(
        {.name = "s",
         .server = source_.get(),
         .schema_mappings = {{"snap", "snap"}, {"stream", "stream"}, {"ddl", "ddl"}}});
    replica_->Setup();
    replica_->Init("s");
    replica_->Start("s");
    Meanwhile();
    replica_->WaitCaughtUp("s", std::chrono::seconds(120));
    target_ = std::make_unique<Pg>(replica_->target());
  }

  // ---- what is seen ----

  void ExpectNothingLeft() {
    EXPECT_EQ(One("SELECT coalesce(string_agg(t_source_schema || '.' || t_source_table || ': ' ||"
                  " t_reason, E'\n' ORDER BY 1), '') FROM sch_chameleon.t_replica_tables"
                  " WHERE NOT b_replica_enabled"),
              "");
    EXPECT_EQ(One("SELECT coalesce(string_agg(t_error_message, E'\n'), '') FROM "
                  "sch_chameleon.t_error_log"),
              "");
  }

  void ExpectSameAsTheSource(const std::string& form) {
    EqualityOptions options{.reported_max = 4};
    for (const Wide& table : wide_) {
      if (table.name[0] == 'b') options.skip_tables.insert(table.name);
    }
    EXPECT_EQ(
        CompareSchemas(source_->Address(), form, replica_->target(), form, options).differences,
        "");
  }

  // What the server converts bytes into, where it cannot: U+FFFD. True: there was such.
  static bool MarkUndefined(const std::string& hex, std::string* text) {
    const bool surrogate = text->size() == 3 && (*text)[0] == '\xed' && ((*text)[1] & 0x20) != 0;
    if (!hex.empty() && (text->empty() || surrogate)) {
      *text = "\xef\xbf\xbd";
      return true;
    }
    if (text->find("\xef\xbf\xbd") != std::string::npos) return true;  // of some sets it says so
    bool own = false;  // a question mark of the value
    for (size_t i = 0; i + 1 < hex.size(); i += 2) own = own || hex.compare(i, 2, "3F") == 0;
    if (own || text->find('?') == std::string::npos) return false;
    for (size_t at; (at = text->find('?')) != std::string::npos;) {
      text->replace(at, 1, "\xef\xbf\xbd");
    }
    return true;
  }

  // How many values of it are not defined.
  size_t ExpectSameBytes(const std::string& table, const std::string& set) {
    std::map<std::string, Value> here;
    const std::string column = "v_" + set;
    for (auto& row :
         target_->Query(fmt::format("SELECT id, {}::text FROM snap.{}", column, table))) {
      here[row[0].value()] = row[1];
    }
    size_t undefined = 0, different = 0;
    for (auto& row : source_db_->Query(fmt::format(
             "SELECT id, CONVERT({0} USING utf8mb4), HEX({0}) FROM snap.{1}", column, table))) {
      std::string expected = row[1].value_or("");
      const std::string hex = row[2].value();
      if (set == "binary") {
        expected = "\\x" + hex;
        std::transform(expected.begin(), expected.end(), expected.begin(), ::tolower);
      } else if (MarkUndefined(hex, &expected)) {
        ++undefined;
      }
      std::erase(expected, '\0');
      const Value found = here[row[0].value()];
      if (found == Value(expected) || different++ >= 3) continue;
      ADD_FAILURE() << set << " id " << row[0].value() << " bytes " << hex << ": source "
                    << HexOf(expected) << ", PostgreSQL " << HexOf(found.value_or("NULL"));
    }
    EXPECT_EQ(different, 0u) << set;
    return undefined;
  }

  void ExpectBytesAndTheirLedger() {
    for (const Wide& table : wide_) {
      if (table.name[0] != 'b') continue;
      size_t undefined = 0;
      for (const auto& set : table.captions) undefined += ExpectSameBytes(table.name, set);
      Map ledger = LedgerOf("snap");
      ledger.try_emplace(table.name + " undecodable_bytes_replaced", "0");
      EXPECT_EQ(ledger[table.name + " undecodable_bytes_replaced"], std::to_string(undefined))
          << fmt::format("{}", fmt::join(table.captions, " "));
    }
  }

  using Map = std::map<std::string, std::string>;
  Map MapOf(const std::string& sql) {
    Map map;
    for (auto& row : target_->Query(sql)) map[row[0].value()] = row[1].value_or("NULL");
    return map;
  }
  Map LedgerOf(const std::string& form) {
    return MapOf(
        "SELECT t_source_table || ' ' || t_kind, i_count FROM sch_chameleon.t_ledger"
        " JOIN sch_chameleon.t_replica_tables USING (i_id_table) WHERE t_source_schema = '" +
        form + "'");
  }
  Map ColumnsOf(const std::string& form) {
    return MapOf(fmt::format(
        "SELECT relname || '.' || attname, replace(concat_ws('|', format_type(atttypid, atttypmod),"
        " pg_get_expr(adbin, adrelid), attnotnull, col_description(attrelid, attnum)), '{0}.', '')"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_attrdef d ON adrelid"
        " = attrelid AND adnum = attnum WHERE attnum > 0 AND NOT attisdropped AND relkind = 'r' AND"
        " relnamespace = '{0}'::regnamespace AND relname <> 'w_marker'",
        form));
  }

  // Types, defaults, comments, literals and the ledger do not tell the three forms apart.
  void ExpectFormsAlike() {
    const Map columns = ColumnsOf("snap"), ledger = LedgerOf("snap");
    for (const std::string form : {"stream", "ddl"}) {
      EXPECT_EQ(Difference(columns, ColumnsOf(form)), "") << form;
      EXPECT_EQ(Difference(ledger, LedgerOf(form)), "") << form;
    }
    std::map<std::string, std::vector<std::string>> tables;
    for (const auto& [column, type] : columns) {
      const size_t dot = column.find('.');
      tables[column.substr(0, dot)].push_back(column.substr(dot + 1));
    }
    for (const auto& [table, names] : tables) {
      const Map snap = LiteralsOf("snap", table, names);
      for (const std::string form : {"stream", "ddl"}) {
        EXPECT_EQ(Difference(snap, LiteralsOf(form, table, names)), "") << form << "." << table;
      }
    }
  }
  Map LiteralsOf(const std::string& form, const std::string& table,
                 const std::vector<std::string>& columns) {
    std::string list;
    for (const auto& c : columns) {
      list += fmt::format(", md5({0}::text) || ' ' || left({0}::text, 40)", PgName(c));
    }
    Map map;
    int number = 0;
    for (auto& row :
         target_->Query(fmt::format("SELECT {} FROM {}.{} t ORDER BY {}", list.substr(2), form,
                                    PgName(table), list.substr(2)))) {
      for (size_t i = 0; i < columns.size(); ++i) {
        map[fmt::format("row {} {}", number, columns[i])] = row[i].value_or("NULL");
      }
      ++number;
    }
    return map;
  }

  static std::string Difference(const Map& left, const Map& right) {
    std::string lines;
    int shown = 0;
    for (const auto& [a, b, sign] : {std::tie(left, right, "-"), std::tie(right, left, "+")}) {
      for (const auto& [key, value] : a) {
        const auto other = b.find(key);
        if ((other == b.end() || other->second != value) && shown++ < 20) {
          lines += fmt::format("{} {}: {}\n", sign, key, value);
        }
      }
    }
    return lines;
  }

  // Labels, defaults and comments as they were written.
  void ExpectLabels() {
    for (const Wide& table : wide_) {
      if (table.name[0] != 'u') continue;
      for (const auto& [set, label] : sets_) {
        if (set == "binary") continue;  // bytes have no labels that a person reads
        if (std::find(table.captions.begin(), table.captions.end(), set) == table.captions.end()) {
          continue;
        }
        EXPECT_EQ(One(fmt::format("SELECT DISTINCT concat_ws('|', e_{1}, s_{1}, d_{1},"
                                  " col_description('snap.{0}'::regclass, attnum),"
                                  " pg_get_expr(adbin, adrelid)) FROM snap.{0}, pg_attribute JOIN"
                                  " pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE"
                                  " attrelid = 'snap.{0}'::regclass AND attname = 'd_{1}'",
                                  table.name, set)),
                  fmt::format("{0}|{0},b'{0}|{0}|{0}|'{0}'::character varying", label))
            << set;
      }
    }
  }

  static constexpr size_t kColumns = 8, kSets = 6;

  PostgresServer postgres_;
  std::unique_ptr<SourceServer> source_;
  std::unique_ptr<Mysql> source_db_;
  std::unique_ptr<Replica> replica_;  // ends before the servers
  std::unique_ptr<Pg> target_;
  std::vector<Wide> wide_;
  std::vector<std::vector<std::vector<std::string>>> values_;  // by table, column, row
  std::vector<TableCase> tables_;
  std::vector<CharacterSet> sets_;
};

TEST_P(TypeMatrixTest, SnapshotStreamAndSchemaChangeAgreeWithTheSource) {
  PlanTypes(TypeCases());
  PlanCharacterSets();
  Replicate();
  ExpectNothingLeft();
  ExpectFormsAlike();
  for (const auto& form : kForms) ExpectSameAsTheSource(form);
  ExpectBytesAndTheirLedger();
  ExpectLabels();
}

ON_ALL_SERVERS(TypeMatrixTest);

}  // namespace
}  // namespace chameleon::test
