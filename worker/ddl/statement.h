// What a statement of the binary log says: the parser's result, before any table is looked at.
//
// Plain values. Names are as written (column and index names) or as the session's
// lower_case_table_names carries them (tables, schemas); a table without a schema has got the
// session's default database. Expressions are source text with comments removed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "chameleon/v1/types.pb.h"

namespace chameleon::worker::ddl {

struct TableRef {
  std::string schema;
  std::string table;
  bool operator==(const TableRef&) const = default;
};

struct TypeSpec {
  v1::BaseType base = v1::BASE_TYPE_UNSPECIFIED;
  bool is_unsigned = false;
  bool zerofill = false;
  std::optional<uint64_t> length;  // the first number in parentheses, as written
  std::optional<uint32_t> scale;   // the second
  std::vector<std::string> labels;
  bool bytes_in_labels = false;   // one was written as x'…', in an unknown character set
  std::string charset;            // current name, lower case; empty: none written
  bool binary_collation = false;  // BINARY after a string type: the character set's _bin collation
  bool serial = false;            // SERIAL: NOT NULL AUTO_INCREMENT UNIQUE
  bool mariadb_json = false;      // LONGTEXT utf8mb4_bin
  bool compressed = false;
};

struct DefaultSpec {
  enum class Kind { kNone, kNull, kLiteral, kExpression };
  Kind kind = Kind::kNone;
  std::string text;     // kLiteral: the value in UTF-8; kExpression: source text
  bool bits = false;    // kLiteral was b'…': text is its digits
  bool bytes = false;   // kLiteral was x'…': text is its bytes
  bool number = false;  // kLiteral was written without quotes
  std::string charset;  // kLiteral: its introducer's
};

struct ForeignKeySpec {
  std::string name;  // CONSTRAINT name; empty: the server makes one
  std::string index_name;
  bool if_not_exists = false;
  v1::ForeignKeyDef def;
};

struct ColumnSpec {
  std::string name;
  TypeSpec type;
  std::string collation;
  std::optional<bool> nullable;
  DefaultSpec default_value;
  std::string on_update;
  bool auto_increment = false;
  bool primary = false;
  bool unique = false;
  std::optional<std::string> comment;
  v1::Generated generated = v1::GENERATED_NONE;
  std::string generation_expression;
  bool row_start = false;  // GENERATED ALWAYS AS ROW START
  bool row_end = false;
  bool versioned = false;  // WITH SYSTEM VERSIONING
  bool invisible = false;
  std::optional<uint32_t> srid;
  std::optional<ForeignKeySpec> references;  // inline REFERENCES
};

struct Placement {
  enum class Kind { kDefault, kFirst, kAfter };
  Kind kind = Kind::kDefault;
  std::string after;
};

struct IndexSpec {
  v1::IndexDef def;        // name may be empty: the server makes one
  std::string constraint;  // CONSTRAINT name of a unique index
  bool if_not_exists = false;
  bool or_replace = false;
  std::string without_overlaps;  // MariaDB: the period's name
};

struct TableOptions {
  std::optional<std::string> engine;
  std::optional<std::string> charset;  // current name; empty: DEFAULT
  std::optional<std::string> collation;
  std::optional<std::string> comment;
  bool system_versioning = false;
  bool sequence = false;           // MariaDB: no table, but the other form of CREATE SEQUENCE
  std::vector<TableRef> union_of;  // the parts of a MERGE table
};

struct PeriodSpec {  // MariaDB: PERIOD FOR SYSTEM_TIME | name (start, end)
  bool system_time = false;
  std::string name;
  std::string start;
  std::string end;
};

struct CreateTable {
  TableRef table;
  bool or_replace = false;
  bool if_not_exists = false;
  std::optional<TableRef> like;
  std::vector<ColumnSpec> columns;
  std::vector<IndexSpec> indexes;
  std::vector<ForeignKeySpec> foreign_keys;
  TableOptions options;
  std::optional<PeriodSpec> system_period;
  std::vector<PeriodSpec> periods;  // of applications
  bool as_select = false;           // columns come from a query that the text carries
};

// ALTER TABLE actions.
struct AddColumn {
  ColumnSpec column;
  Placement placement;
  bool if_not_exists = false;
};
struct ModifyColumn {  // MODIFY and CHANGE
  std::string from;    // MODIFY: equal to column.name
  ColumnSpec column;
  Placement placement;
  bool if_exists = false;
};
struct DropColumn {
  std::string name;
  bool if_exists = false;
};
struct RenameColumn {
  std::string from;
  std::string to;
  bool if_exists = false;
};
struct AlterColumn {  // SET DEFAULT, DROP DEFAULT (kNone), SET VISIBLE / INVISIBLE
  std::string name;
  bool if_exists = false;
  std::optional<DefaultSpec> default_value;
  std::optional<bool> invisible;
};
struct AddIndex {
  IndexSpec index;
};
struct DropIndex {
  std::string name;
  bool if_exists = false;
};
struct DropPrimaryKey {
  bool if_exists = false;
};
struct RenameIndex {
  std::string from;
  std::string to;
  bool if_exists = false;
};
struct AddForeignKey {
  ForeignKeySpec foreign_key;
};
struct DropForeignKey {
  std::string name;
  bool if_exists = false;
};
struct DropConstraint {  // an index, a foreign key or a check of that name
  std::string name;
  bool if_exists = false;
};
struct RenameTo {
  TableRef table;
};
struct ConvertCharset {
  std::string charset;  // empty: DEFAULT, the database's
  std::string collation;
};
struct SetOptions {
  TableOptions options;
};
struct AddSystemVersioning {};
struct DropSystemVersioning {};
struct AddPeriod {
  PeriodSpec period;
};
struct LosesRows {  // TRUNCATE, DROP, EXCHANGE … PARTITION, IMPORT TABLESPACE
  std::string what;
  std::optional<TableRef> other;  // the table exchanged with
};
struct NoEffect {  // changes nothing that a replica holds
  std::string what;
};

using AlterAction =
    std::variant<AddColumn, ModifyColumn, DropColumn, RenameColumn, AlterColumn, AddIndex,
                 DropIndex, DropPrimaryKey, RenameIndex, AddForeignKey, DropForeignKey,
                 DropConstraint, RenameTo, ConvertCharset, SetOptions, AddSystemVersioning,
                 DropSystemVersioning, AddPeriod, LosesRows, NoEffect>;

// Also CREATE INDEX and DROP INDEX, which are the same thing under another name.
struct AlterTable {
  TableRef table;
  bool if_exists = false;
  std::vector<AlterAction> actions;
};

struct DropTable {
  std::vector<TableRef> tables;
  bool if_exists = false;
};

struct RenameTable {
  struct Pair {
    TableRef from;
    TableRef to;
  };
  std::vector<Pair> pairs;  // executed from left to right
  bool if_exists = false;
};

struct TruncateTable {
  TableRef table;
};

struct DatabaseOptions {
  std::optional<std::string> charset;  // current name; empty: DEFAULT
  std::optional<std::string> collation;
};
struct CreateDatabase {
  std::string schema;
  bool or_replace = false;
  bool if_not_exists = false;
  DatabaseOptions options;
};
struct AlterDatabase {
  std::string schema;
  DatabaseOptions options;
};
struct DropDatabase {
  std::string schema;
};

struct TransactionControl {
  enum class Kind {
    kBegin,
    kCommit,
    kRollback,
    kSavepoint,
    kRollbackTo,
    kRelease,
    kXaStart,
    kXaEnd,
    kXaPrepare,
    kXaCommit,
    kXaRollback,
  };
  Kind kind = Kind::kBegin;
  std::string savepoint;
  // XA: the bytes of binlog::XaPrepare::xid: format id u32 LE, gtrid length u32 LE, bqual length
  // u32 LE, gtrid, bqual.
  std::string xid;
  bool one_phase = false;
};

// Concerns no table's rows or definition; `kind` names it: "view", "grant", "analyze".
struct Benign {
  std::string kind;
};

// A change of rows logged as a statement: cannot be followed.
struct Dml {
  std::string kind;               // "INSERT"
  std::optional<TableRef> table;  // the only one that it names as changed
};

// Not understood.
struct Unparsed {
  std::string reason;
  // The tables it is about. With tables_unknown: every name in it that may be a table's.
  std::vector<TableRef> tables;
  bool tables_unknown = false;
};

using Statement =
    std::variant<CreateTable, AlterTable, DropTable, RenameTable, TruncateTable, CreateDatabase,
                 AlterDatabase, DropDatabase, TransactionControl, Benign, Dml, Unparsed>;

}  // namespace chameleon::worker::ddl
