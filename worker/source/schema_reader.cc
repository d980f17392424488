#include "worker/source/schema_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "proto/wire/error.h"
#include "worker/ddl/column_type.h"
#include "worker/source/column_default.h"
#include "worker/source/server.h"
#include "worker/source/sql_text.h"

namespace chameleon::worker::source {
namespace {

constexpr uint32_t kMariadbSqlTextDefaults = 100207;
constexpr std::string_view kInMerge = "MyISAM in MERGE ";  // the type map knows it, too

uint64_t ToNumber(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }

bool HasWord(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

// Every collation name begins with its character set.
std::string CharsetOf(std::string_view collation) {
  return std::string(collation.substr(0, collation.find('_')));
}

bool HasConsistentSnapshots(std::string_view engine) {
  std::string e = LowerAscii(engine);
  return e == "innodb" || e == "rocksdb" || e == "tokudb";
}

// The parts of a MERGE table: UNION=(`t1`,`other`.`t2`) at the end of SHOW CREATE TABLE.
std::vector<std::pair<std::string, std::string>> UnionOf(const std::string& create,
                                                         const std::string& schema) {
  std::vector<std::pair<std::string, std::string>> parts;
  size_t at = create.rfind(" UNION=(");
  if (at == std::string::npos) return parts;
  std::vector<std::string> names;
  for (at += 8; at < create.size(); ++at) {
    if (create[at] == '`') {
      std::string name;
      for (++at; at < create.size(); ++at) {
        if (create[at] == '`' && (at + 1 >= create.size() || create[at + 1] != '`')) break;
        if (create[at] == '`') ++at;
        name += create[at];
      }
      names.push_back(std::move(name));
    } else if (create[at] == ',' || create[at] == ')') {
      if (names.size() == 1) parts.emplace_back(schema, names[0]);
      if (names.size() == 2) parts.emplace_back(names[0], names[1]);
      names.clear();
      if (create[at] == ')') break;
    }
  }
  return parts;
}

// Fills the tables of one schema.
class Reader {
 public:
  // `table`: only this one; empty: all that `filter` wants.
  Reader(Connection* connection, const v1::ServerInfo& server, std::string schema,
         std::string table, const TableFilter& filter)
      : connection_(connection),
        server_(server),
        schema_(std::move(schema)),
        table_(std::move(table)),
        filter_(filter) {}

  absl::Status Read(SourceSchema* out) {
    for (auto step : {&Reader::Tables, &Reader::Columns, &Reader::Indexes, &Reader::ForeignKeys}) {
      if (auto s = (this->*step)(); !s.ok()) return WithContext(s, "schema " + schema_);
    }
    for (auto& [name, def] : tables_) {
      if (def.system_versioned()) AddVersioningColumns(&def);
      out->tables.push_back(std::move(def));
    }
    out->notes.insert(out->notes.end(), notes_.begin(), notes_.end());
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<Table> Query(std::string_view table, std::string_view column,
                              std::string_view order) {
    std::string one = table_.empty() ? "" : "AND TABLE_NAME=" + QuoteText(table_);
    return connection_->Query(fmt::format("SELECT * FROM information_schema.{} WHERE {}={} {} {}",
                                          table, column, QuoteText(schema_), one, order));
  }

  // The definition being built, or nullptr when the table is not ours.
  v1::TableDef* Find(const Table& t, size_t row, int schema_column, int name_column) {
    if (t.Get(row, schema_column) != schema_) return nullptr;  // the server may ignore letter case
    auto it = tables_.find(t.Get(row, name_column));
    return it == tables_.end() ? nullptr : &it->second;
  }

  absl::Status Tables() {
    auto t = Query("TABLES", "TABLE_SCHEMA", "");
    if (!t.ok()) return t.status();
    for (size_t i = 0; i < t->rows.size(); ++i) {
      std::string name = t->Get(i, "TABLE_NAME"), type = t->Get(i, "TABLE_TYPE");
      std::string engine = t->Get(i, "ENGINE");
      bool versioned = type == "SYSTEM VERSIONED";
      if ((type != "BASE TABLE" && !versioned) || t->Get(i, "TABLE_SCHEMA") != schema_) continue;
      if (t->Get(i, "TEMPORARY") == "Y" || !filter_.Wants(schema_, name)) continue;
      if (engine.empty()) {
        // The server could not open it and says why in the comment.
        return Error(absl::StatusCode::kFailedPrecondition, "TABLE_UNREADABLE",
                     schema_ + "." + name,
                     fmt::format("table {} cannot be read: {}", name, t->Get(i, "TABLE_COMMENT")),
                     "Repair the table or add it to skip_tables.");
      }
      if (LowerAscii(engine) == "blackhole") {
        notes_.push_back(
            fmt::format("table {}.{} is left out: engine BLACKHOLE keeps no rows", schema_, name));
        continue;
      }
      v1::TableDef& def = tables_[name];
      def.mutable_name()->set_schema(schema_);
      def.mutable_name()->set_table(name);
      def.set_engine(engine);
      def.set_transactional(HasConsistentSnapshots(engine));
      def.set_collation(t->Get(i, "TABLE_COLLATION"));
      def.set_charset(CharsetOf(def.collation()));
      def.set_comment(t->Get(i, "TABLE_COMMENT"));
      def.set_system_versioned(versioned);
      def.set_rows_estimate(ToNumber(t->Get(i, "TABLE_ROWS")));
      def.set_bytes_estimate(ToNumber(t->Get(i, "DATA_LENGTH")));
    }
    return Parts();
  }

  // Rows that are changed through a MERGE table, of any schema, are logged as that table's: the
  // engine of its parts says so, and the type map does not follow them.
  absl::Status Parts() {
    if (std::none_of(tables_.begin(), tables_.end(), [](const auto& entry) {
          return LowerAscii(entry.second.engine()) == "myisam";
        })) {
      return absl::OkStatus();
    }
    auto merge = connection_->Query(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE "
        "ENGINE='MRG_MyISAM'");
    if (!merge.ok()) return merge.status();
    for (size_t i = 0; i < merge->rows.size(); ++i) {
      const std::string schema = merge->Get(i, 0), table = merge->Get(i, 1);
      auto shown = connection_->Query(
          fmt::format("SHOW CREATE TABLE {}.{}", QuoteName(schema), QuoteName(table)));
      if (!shown.ok()) return shown.status();
      for (const auto& [part_schema, part] : UnionOf(shown->Get(0, 1), schema)) {
        auto it = part_schema == schema_ ? tables_.find(part) : tables_.end();
        if (it == tables_.end()) continue;
        it->second.set_engine(fmt::format("{}{}.{}", kInMerge, schema, table));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Columns() {
    if (tables_.empty()) return absl::OkStatus();
    auto t = Query("COLUMNS", "TABLE_SCHEMA", "ORDER BY TABLE_NAME, ORDINAL_POSITION");
    if (!t.ok()) return t.status();
    bool sql_text = server_.kind() == v1::ServerInfo::MARIADB &&
                    ParseVersion(server_.version()).number >= kMariadbSqlTextDefaults;
    int schema = t->Find("TABLE_SCHEMA"), table = t->Find("TABLE_NAME");
    int fallback = t->Find("COLUMN_DEFAULT");
    for (size_t i = 0; i < t->rows.size(); ++i) {
      v1::TableDef* def = Find(*t, i, schema, table);
      if (def == nullptr) continue;
      v1::ColumnDef* c = def->add_columns();
      if (auto s = FillColumn(*t, i, c); !s.ok()) {
        return WithContext(s, fmt::format("table {} column {}", def->name().table(), c->name()));
      }
      if (auto s = CheckLabels(*def, *c); !s.ok()) return s;
      SetColumnDefault(t->rows[i][fallback], t->Get(i, "EXTRA"), sql_text, c);
      std::string expression = t->Get(i, "GENERATION_EXPRESSION");
      if (expression == "ROW START") def->set_row_start_column(c->name());
      if (expression == "ROW END") def->set_row_end_column(c->name());
    }
    return absl::OkStatus();
  }

  // MariaDB shows a byte that is no text as ?, and nowhere else what it is.
  absl::Status CheckLabels(const v1::TableDef& def, const v1::ColumnDef& column) const {
    const bool shown =
        server_.kind() != v1::ServerInfo::MARIADB || column.charset() != "binary" ||
        std::none_of(column.labels().begin(), column.labels().end(),
                     [](const auto& label) { return label.find('?') != std::string::npos; });
    if (shown) return absl::OkStatus();
    return Error(absl::StatusCode::kFailedPrecondition, "LABELS_UNREADABLE",
                 schema_ + "." + def.name().table(),
                 fmt::format("table {} column {}: the server shows bytes of its labels as ?: {}",
                             def.name().table(), column.name(), column.column_type()),
                 "Give the column another character set than binary, or add the table to "
                 "skip_tables.");
  }

  static absl::Status FillColumn(const Table& t, size_t i, v1::ColumnDef* c) {
    c->set_name(t.Get(i, "COLUMN_NAME"));
    if (auto s = ddl::ParseColumnType(t.Get(i, "COLUMN_TYPE"), c); !s.ok()) return s;
    c->set_charset(t.Get(i, "CHARACTER_SET_NAME"));
    c->set_collation(t.Get(i, "COLLATION_NAME"));
    c->set_nullable(t.Get(i, "IS_NULLABLE") == "YES");
    c->set_comment(t.Get(i, "COLUMN_COMMENT"));
    std::string extra = t.Get(i, "EXTRA");
    c->set_auto_increment(HasWord(extra, "auto_increment"));
    c->set_invisible(HasWord(extra, "INVISIBLE"));
    if (HasWord(extra, "STORED GENERATED") || HasWord(extra, "PERSISTENT")) {
      c->set_generated(v1::GENERATED_STORED);
    } else if (HasWord(extra, "VIRTUAL")) {
      c->set_generated(v1::GENERATED_VIRTUAL);
    }
    c->set_generation_expression(t.Get(i, "GENERATION_EXPRESSION"));
    if (size_t at = LowerAscii(extra).find("on update "); at != std::string::npos) {
      std::string rest = extra.substr(at + 10);
      c->set_on_update(rest.substr(0, rest.find(',')));
    }
    if (std::string srid = t.Get(i, "SRS_ID"); !srid.empty()) {
      c->set_has_srid(true);
      c->set_srid(static_cast<uint32_t>(ToNumber(srid)));
    }
    return absl::OkStatus();
  }

  absl::Status Indexes() {
    if (tables_.empty()) return absl::OkStatus();
    auto t = Query("STATISTICS", "TABLE_SCHEMA", "ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX");
    if (!t.ok()) return t.status();
    int schema = t->Find("TABLE_SCHEMA"), table = t->Find("TABLE_NAME");
    for (size_t i = 0; i < t->rows.size(); ++i) {
      v1::TableDef* def = Find(*t, i, schema, table);
      if (def == nullptr) continue;
      if (t->Get(i, "SEQ_IN_INDEX") == "1") StartIndex(*t, i, def->add_indexes());
      v1::IndexPart* part = def->mutable_indexes(def->indexes_size() - 1)->add_parts();
      part->set_column(t->Get(i, "COLUMN_NAME"));
      part->set_expression(t->Get(i, "EXPRESSION"));
      part->set_descending(t->Get(i, "COLLATION") == "D");
      // SUB_PART of a FULLTEXT or SPATIAL index says nothing about the column.
      auto kind = def->indexes(def->indexes_size() - 1).kind();
      if (kind != v1::IndexDef::FULLTEXT && kind != v1::IndexDef::SPATIAL) {
        part->set_prefix_length(static_cast<uint32_t>(ToNumber(t->Get(i, "SUB_PART"))));
      }
    }
    // The primary key first: information_schema orders by name, readers expect the server's order.
    for (auto& [name, def] : tables_) {
      auto* indexes = def.mutable_indexes();
      std::stable_partition(indexes->pointer_begin(), indexes->pointer_end(),
                            [](const auto* x) { return x->kind() == v1::IndexDef::PRIMARY; });
    }
    return absl::OkStatus();
  }

  static void StartIndex(const Table& t, size_t i, v1::IndexDef* index) {
    index->set_name(t.Get(i, "INDEX_NAME"));
    index->set_comment(t.Get(i, "INDEX_COMMENT"));
    std::string type = t.Get(i, "INDEX_TYPE");
    v1::IndexDef::Kind kind = v1::IndexDef::PLAIN;
    if (index->name() == "PRIMARY") {
      kind = v1::IndexDef::PRIMARY;
    } else if (t.Get(i, "NON_UNIQUE") == "0") {
      kind = v1::IndexDef::UNIQUE;
    } else if (type == "FULLTEXT") {
      kind = v1::IndexDef::FULLTEXT;
    } else if (type == "SPATIAL") {
      kind = v1::IndexDef::SPATIAL;
    }
    index->set_kind(kind);
  }

  absl::Status ForeignKeys() {
    if (tables_.empty()) return absl::OkStatus();
    auto t = Query("KEY_COLUMN_USAGE", "TABLE_SCHEMA",
                   "AND REFERENCED_TABLE_NAME IS NOT NULL "
                   "ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION");
    if (!t.ok()) return t.status();
    int schema = t->Find("TABLE_SCHEMA"), table = t->Find("TABLE_NAME");
    std::string create_of, create;  // the last SHOW CREATE TABLE
    for (size_t i = 0; i < t->rows.size(); ++i) {
      v1::TableDef* def = Find(*t, i, schema, table);
      if (def == nullptr) continue;
      if (t->Get(i, "ORDINAL_POSITION") == "1") {
        v1::ForeignKeyDef* key = def->add_foreign_keys();
        key->set_name(t->Get(i, "CONSTRAINT_NAME"));
        key->mutable_referenced()->set_schema(t->Get(i, "REFERENCED_TABLE_SCHEMA"));
        key->mutable_referenced()->set_table(t->Get(i, "REFERENCED_TABLE_NAME"));
        if (create_of != def->name().table()) {
          auto shown =
              connection_->Query("SHOW CREATE TABLE " + QuoteName(schema_, def->name().table()));
          if (!shown.ok()) return shown.status();
          create_of = def->name().table();
          create = shown->Get(0, 1);
        }
        if (auto s = SetForeignKeyRules(create, key); !s.ok()) return s;
      }
      v1::ForeignKeyDef* key = def->mutable_foreign_keys(def->foreign_keys_size() - 1);
      key->add_columns(t->Get(i, "COLUMN_NAME"));
      key->add_referenced_columns(t->Get(i, "REFERENCED_COLUMN_NAME"));
    }
    return absl::OkStatus();
  }

  // information_schema.REFERENTIAL_CONSTRAINTS would say it, but MariaDB hides its rows from users
  // who have only SELECT.
  static absl::Status SetForeignKeyRules(const std::string& create, v1::ForeignKeyDef* key) {
    size_t begin = create.find("CONSTRAINT " + QuoteName(key->name()) + " FOREIGN KEY");
    if (begin == std::string::npos) {  // a guess would lose what it does to rows
      return absl::UnavailableError(fmt::format(
          "foreign key {} is not in SHOW CREATE TABLE: the table is being changed", key->name()));
    }
    std::string line = create.substr(begin, create.find('\n', begin) - begin);
    std::string rules = line.substr(std::min(line.size(), line.rfind(')') + 1));
    auto rule = [&](std::string_view event) -> std::string {
      for (const char* action : {"CASCADE", "SET NULL", "SET DEFAULT", "NO ACTION"}) {
        if (HasWord(rules, fmt::format("ON {} {}", event, action))) return action;
      }
      return "RESTRICT";  // what both servers mean and do not print
    };
    key->set_on_delete(rule("DELETE"));
    key->set_on_update(rule("UPDATE"));
    return absl::OkStatus();
  }

  // Implicit versioning: the image has two columns that information_schema does not list.
  static void AddVersioningColumns(v1::TableDef* def) {
    if (!def->row_start_column().empty()) return;
    for (const char* name : {"row_start", "row_end"}) {
      v1::ColumnDef* c = def->add_columns();
      c->set_name(name);
      c->set_column_type("timestamp(6)");
      c->set_base_type(v1::TIMESTAMP);
      c->set_fsp(6);
      c->set_generated(v1::GENERATED_STORED);
      c->set_generation_expression(name == std::string_view("row_start") ? "ROW START" : "ROW END");
      c->set_invisible(true);
    }
    def->set_row_start_column("row_start");
    def->set_row_end_column("row_end");
  }

  Connection* connection_;
  const v1::ServerInfo& server_;
  std::string schema_, table_;
  const TableFilter& filter_;
  std::map<std::string, v1::TableDef> tables_;
  std::vector<std::string> notes_;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> ReadSchemaNames(Connection* connection,
                                                         const TableFilter& filter) {
  auto t =
      connection->Query("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME");
  if (!t.ok()) return t.status();
  std::vector<std::string> names;
  for (size_t i = 0; i < t->rows.size(); ++i) {
    if (filter.HasSchema(t->Get(i, 0))) names.push_back(t->Get(i, 0));
  }
  return names;
}

namespace {

// MySQL 8 and later answer with statistics up to a day old otherwise; 1193: no such variable.
absl::Status WantFreshStatistics(Connection* connection) {
  constexpr int kUnknownVariable = 1193;
  auto s = connection->Exec("SET SESSION information_schema_stats_expiry=0");
  return ServerErrno(s) == kUnknownVariable ? absl::OkStatus() : s;
}

}  // namespace

absl::StatusOr<SourceSchema> ReadSchema(Connection* connection, const v1::ServerInfo& server,
                                        const std::vector<std::string>& schemas,
                                        const TableFilter& filter) {
  if (auto s = WantFreshStatistics(connection); !s.ok()) return s;
  SourceSchema result;
  for (const std::string& schema : schemas) {
    if (auto r = Reader(connection, server, schema, "", filter).Read(&result); !r.ok()) return r;
  }
  return result;
}

absl::StatusOr<std::optional<v1::TableDef>> ReadTable(Connection* connection,
                                                      const v1::ServerInfo& server,
                                                      const v1::TableName& name,
                                                      const TableFilter& filter) {
  SourceSchema result;
  Reader reader(connection, server, name.schema(), name.table(), filter);
  if (auto r = reader.Read(&result); !r.ok()) return r;
  for (v1::TableDef& def : result.tables) {
    if (def.name().table() == name.table()) return std::move(def);
  }
  return std::nullopt;
}

bool SameColumns(const v1::TableDef& a, const v1::TableDef& b) {
  return std::equal(a.columns().begin(), a.columns().end(), b.columns().begin(), b.columns().end(),
                    [](const v1::ColumnDef& x, const v1::ColumnDef& y) {
                      return x.name() == y.name() && x.column_type() == y.column_type() &&
                             x.charset() == y.charset() && x.generated() == y.generated();
                    });
}

}  // namespace chameleon::worker::source
