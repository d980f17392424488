#include "worker/pgsource/schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "proto/wire/error.h"

namespace chameleon::worker::pgsource {
namespace {

std::string Text(const Row& row, size_t column) { return row[column].value_or(""); }
bool Bool(const Row& row, size_t column) { return row[column] == "t"; }

// "{a,b}" of numbers or of quoted texts that unnest gave: one value per row is simpler.
std::vector<std::string> Column(const std::vector<Row>& rows) {
  std::vector<std::string> values;
  for (const Row& row : rows) values.push_back(Text(row, 0));
  return values;
}

// 'it''s'::app.mood → it's. Nothing: not a plain text.
std::optional<std::string> PlainText(const std::string& expression) {
  if (expression.empty() || expression[0] != '\'') return std::nullopt;
  std::string out;
  for (size_t i = 1; i < expression.size(); ++i) {
    if (expression[i] != '\'') {
      out += expression[i];
    } else if (i + 1 < expression.size() && expression[i + 1] == '\'') {
      out += expression[i++];
    } else {
      return expression.compare(i + 1, 2, "::") == 0 ? std::optional(out) : std::nullopt;
    }
  }
  return std::nullopt;
}

// Their text is about this server: names of objects, the locale's currency.
bool IsOfThisServer(const std::string& type) {
  return type == "money" || type == "money[]" || type.starts_with("reg");
}

class Reader {
 public:
  explicit Reader(Connection* connection) : connection_(connection) {}

  absl::StatusOr<PgSchema> Run(const std::vector<v1::TableName>& names) {
    for (const v1::TableName& name : names) {
      if (auto status = ReadTable(name); !status.ok()) return status;
    }
    if (refused_.empty()) return std::move(schema_);
    return Error(absl::StatusCode::kFailedPrecondition, "TYPE_NOT_CARRIED", refused_.front(),
                 fmt::format("{}", fmt::join(refused_, "\n")),
                 "Leave these tables out with skip_tables.");
  }

 private:
  absl::Status ReadTable(const v1::TableName& name) {
    PgTable table;
    *table.def.mutable_name() = name;
    table.def.set_engine("postgresql");
    table.def.set_transactional(true);
    where_ = fmt::format("{}.{}", name.schema(), name.table());
    auto rows = connection_->Query(fmt::format(
        "SELECT c.oid, c.relkind = 'p', greatest(c.reltuples, 0)::bigint,"
        " pg_total_relation_size(c.oid), coalesce(obj_description(c.oid, 'pg_class'), '')"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = {} AND c.relname = {}",
        QuoteText(name.schema()), QuoteText(name.table())));
    if (!rows.ok()) return rows.status();
    if (rows->empty()) return absl::UnavailableError(where_ + " was dropped meanwhile");
    oid_ = Text((*rows)[0], 0);
    table.partitioned = Bool((*rows)[0], 1);
    table.def.set_rows_estimate(std::stoull(Text((*rows)[0], 2)));
    table.def.set_bytes_estimate(std::stoull(Text((*rows)[0], 3)));
    table.def.set_comment(Text((*rows)[0], 4));
    for (auto part : {&Reader::ReadColumns, &Reader::ReadIndexes, &Reader::ReadForeignKeys}) {
      if (auto status = (this->*part)(&table.def); !status.ok()) return status;
    }
    schema_.tables.push_back(std::move(table));
    return absl::OkStatus();
  }

  absl::Status ReadColumns(v1::TableDef* def) {
    auto rows = connection_->Query(fmt::format(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, t.typtype,"
        " t.typnamespace = 'pg_catalog'::regnamespace, a.attidentity <> '', a.attgenerated <> '',"
        " pg_get_expr(d.adbin, d.adrelid), a.atttypid,"
        " CASE WHEN a.attcollation <> t.typcollation THEN l.collname END,"
        " l.collnamespace = 'pg_catalog'::regnamespace,"
        " EXISTS (SELECT FROM pg_depend p WHERE p.classid = 'pg_attrdef'::regclass"
        "   AND p.objid = d.oid AND NOT (p.refclassid = 'pg_class'::regclass"
        "   AND p.refobjid = a.attrelid)),"
        " pg_get_serial_sequence(format('%I.%I', {}, {}), a.attname) IS NOT NULL,"
        " coalesce(col_description(a.attrelid, a.attnum), '')"
        " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
        " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        " LEFT JOIN pg_collation l ON l.oid = a.attcollation"
        " WHERE a.attrelid = {} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        QuoteText(def->name().schema()), QuoteText(def->name().table()), oid_));
    if (!rows.ok()) return rows.status();
    for (const Row& row : *rows) {
      v1::ColumnDef* column = def->add_columns();
      column->set_name(Text(row, 0));
      column->set_column_type(Text(row, 1));
      column->set_nullable(!Bool(row, 2));
      column->set_comment(Text(row, 13));
      column->set_auto_increment(Bool(row, 5) || Bool(row, 12));
      if (Bool(row, 6)) column->set_generated(v1::GENERATED_STORED);
      if (auto status = SetType(row, column); !status.ok()) return status;
      SetDefault(row, column);
    }
    return absl::OkStatus();
  }

  absl::Status SetType(const Row& row, v1::ColumnDef* column) {
    const std::string kind = Text(row, 3), type = column->column_type();
    if (kind == "e") {
      auto labels =
          connection_->Query("SELECT enumlabel FROM pg_enum WHERE enumtypid = " + Text(row, 8) +
                             " ORDER BY enumsortorder");
      if (!labels.ok()) return labels.status();
      column->set_base_type(v1::ENUM);
      for (const std::string& label : Column(*labels)) column->add_labels(label);
      return absl::OkStatus();
    }
    column->set_base_type(v1::POSTGRES);
    const auto refuse = [&](std::string_view why) {
      refused_.push_back(
          fmt::format("table {}: column {} has type {}, {}", where_, column->name(), type, why));
    };
    if (kind == "d") {
      refuse("a domain");
    } else if (kind == "c") {
      refuse("a composite type");
    } else if (!Bool(row, 4)) {
      // An array of a type that somebody made, or a type of an extension.
      refuse("which is not one of PostgreSQL's own");
    } else if (IsOfThisServer(type)) {
      refuse("whose text means something else on another server");
    } else if (row[9] && Bool(row, 10)) {
      column->set_column_type(fmt::format("{} COLLATE pg_catalog.{}", type, QuoteName(*row[9])));
    } else if (row[9]) {
      refuse(fmt::format("with the collation {}, which is not one of PostgreSQL's own", *row[9]));
    }
    return absl::OkStatus();
  }

  void SetDefault(const Row& row, v1::ColumnDef* column) {
    if (!row[7] || column->auto_increment() || column->generated() != v1::GENERATED_NONE) return;
    if (column->base_type() == v1::ENUM) {
      if (auto label = PlainText(*row[7])) {
        column->set_has_default(true);
        column->set_default_value(*label);
        return;
      }
    } else if (!Bool(row, 11)) {
      column->set_has_default(true);
      column->set_default_is_expression(true);
      column->set_default_value(*row[7]);
      return;
    }
    schema_.notes.push_back(fmt::format("table {}: the default of column {} is not carried: {}",
                                        where_, column->name(), *row[7]));
  }

  absl::Status ReadIndexes(v1::TableDef* def) {
    auto rows = connection_->Query(fmt::format(
        "SELECT c.relname, i.indisprimary, i.indisunique, pg_get_indexdef(i.indexrelid),"
        " EXISTS (SELECT FROM pg_depend p WHERE p.classid = 'pg_class'::regclass"
        "   AND p.objid = i.indexrelid AND NOT (p.refclassid = 'pg_class'::regclass"
        "   AND p.refobjid = i.indrelid) AND p.refclassid <> 'pg_constraint'::regclass"
        "   AND NOT (p.refclassid = 'pg_class'::regclass AND p.deptype IN ('P', 'S', 'I'))),"
        " i.indisexclusion"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = {} AND i.indisvalid ORDER BY NOT i.indisprimary, c.relname",
        oid_));
    if (!rows.ok()) return rows.status();
    for (const Row& row : *rows) {
      const std::string text = Text(row, 3);
      const size_t method = text.find(" USING ");
      if (Bool(row, 4) || Bool(row, 5) || method == std::string::npos) {
        schema_.notes.push_back(
            fmt::format("table {}: index {} is not carried: {}", where_, Text(row, 0), text));
        continue;
      }
      v1::IndexDef* index = def->add_indexes();
      index->set_name(Text(row, 0));
      index->set_kind(Bool(row, 1)   ? v1::IndexDef::PRIMARY
                      : Bool(row, 2) ? v1::IndexDef::UNIQUE
                                     : v1::IndexDef::PLAIN);
      index->set_definition(text.substr(method + 1));
    }
    return absl::OkStatus();
  }

  absl::Status ReadForeignKeys(v1::TableDef* def) {
    static constexpr char kAction[] =
        "CASE {} WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT'"
        " WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END";
    auto rows = connection_->Query(fmt::format(
        "SELECT k.conname, n.nspname, r.relname, {}, {}, k.confmatchtype <> 's' OR k.condeferrable,"
        " k.oid, pg_get_constraintdef(k.oid)"
        " FROM pg_constraint k JOIN pg_class r ON r.oid = k.confrelid"
        " JOIN pg_namespace n ON n.oid = r.relnamespace"
        " WHERE k.conrelid = {} AND k.contype = 'f' AND k.conparentid = 0 ORDER BY 1",
        fmt::format(kAction, "k.confdeltype"), fmt::format(kAction, "k.confupdtype"), oid_));
    if (!rows.ok()) return rows.status();
    for (const Row& row : *rows) {
      if (Bool(row, 5)) {
        schema_.notes.push_back(fmt::format("table {}: foreign key {} is not carried: {}", where_,
                                            Text(row, 0), Text(row, 7)));
        continue;
      }
      v1::ForeignKeyDef* key = def->add_foreign_keys();
      key->set_name(Text(row, 0));
      key->mutable_referenced()->set_schema(Text(row, 1));
      key->mutable_referenced()->set_table(Text(row, 2));
      key->set_on_delete(Text(row, 3));
      key->set_on_update(Text(row, 4));
      for (const auto& [numbers, relation, into] :
           {std::tuple{"conkey", "conrelid", key->mutable_columns()},
            std::tuple{"confkey", "confrelid", key->mutable_referenced_columns()}}) {
        auto columns = connection_->Query(fmt::format(
            "SELECT a.attname FROM pg_constraint k CROSS JOIN LATERAL unnest(k.{}) WITH ORDINALITY"
            " u(n, i) JOIN pg_attribute a ON a.attrelid = k.{} AND a.attnum = u.n"
            " WHERE k.oid = {} ORDER BY u.i",
            numbers, relation, Text(row, 6)));
        if (!columns.ok()) return columns.status();
        for (const std::string& column : Column(*columns)) *into->Add() = column;
      }
    }
    return absl::OkStatus();
  }

  Connection* const connection_;
  PgSchema schema_;
  std::vector<std::string> refused_;
  std::string where_, oid_;  // of the table that is read
};

}  // namespace

absl::StatusOr<std::vector<v1::TableName>> ReadTableNames(Connection* connection,
                                                          const source::TableFilter& filter,
                                                          const v1::SourceOptions& options) {
  std::vector<v1::TableName> names;
  for (const auto& [schema, target] : std::map<std::string, std::string>(
           options.schema_mappings().begin(), options.schema_mappings().end())) {
    auto exists = connection->Query(
        fmt::format("SELECT FROM pg_namespace WHERE nspname = {}", QuoteText(schema)));
    if (!exists.ok()) return exists.status();
    if (exists->empty()) {
      return Error(absl::StatusCode::kFailedPrecondition, "SCHEMA_NOT_FOUND", schema,
                   fmt::format("the source has no schema {}", schema),
                   "Correct schema_mappings in the configuration.");
    }
    auto rows = connection->Query(
        fmt::format("SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                    " WHERE n.nspname = {} AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
                    " AND c.relpersistence <> 't' ORDER BY 1",
                    QuoteText(schema)));
    if (!rows.ok()) return rows.status();
    for (const std::string& table : Column(*rows)) {
      if (!filter.Wants(schema, table)) continue;
      v1::TableName& name = names.emplace_back();
      name.set_schema(schema);
      name.set_table(table);
    }
  }
  return names;
}

absl::StatusOr<PgSchema> ReadSchema(Connection* connection,
                                    const std::vector<v1::TableName>& names) {
  return Reader(connection).Run(names);
}

}  // namespace chameleon::worker::pgsource
