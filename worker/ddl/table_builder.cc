#include "worker/ddl/table_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "worker/ddl/column_type.h"
#include "worker/ddl/names.h"

namespace chameleon::worker::ddl {
namespace {

constexpr uint32_t kInnodbPartBytesMax = 3072;  // row formats DYNAMIC and COMPRESSED
constexpr uint32_t kOtherPartBytesMax = 1000;
constexpr uint32_t kPointBytes = 25;  // SRID and WKB
constexpr uint32_t kMysqlInlineReferences = 90'000;
constexpr uint32_t kMysqlIgnoresForeignKeyIndexName = 80'016;
constexpr uint32_t kMariadbInlineReferences = 100'500;

struct Engine {
  std::string_view lower;
  std::string_view name;
};
constexpr Engine kEngines[] = {
    {"innodb", "InnoDB"},
    {"innobase", "InnoDB"},
    {"myisam", "MyISAM"},
    {"memory", "MEMORY"},
    {"heap", "MEMORY"},
    {"aria", "Aria"},
    {"csv", "CSV"},
    {"archive", "ARCHIVE"},
    {"blackhole", "BLACKHOLE"},
    {"merge", "MRG_MYISAM"},
    {"mrg_myisam", "MRG_MYISAM"},
    {"federated", "FEDERATED"},
    {"rocksdb", "ROCKSDB"},
    {"tokudb", "TokuDB"},
    {"ndb", "ndbcluster"},
    {"ndbcluster", "ndbcluster"},
    {"connect", "CONNECT"},
    {"spider", "SPIDER"},
    {"s3", "S3"},
    {"columnstore", "Columnstore"},
    {"sequence", "SEQUENCE"},
};

// An unknown engine becomes the default one where the server took it at all.
std::string EngineName(std::string_view written) {
  const std::string lower = LowerAscii(written);
  for (const Engine& engine : kEngines) {
    if (engine.lower == lower) return std::string(engine.name);
  }
  return "InnoDB";
}

bool IsTransactional(std::string_view engine) {
  return engine == "InnoDB" || engine == "ROCKSDB" || engine == "TokuDB";
}

// Whether all parts of `a` are the first parts of `b`.
bool IsPrefixOf(const v1::IndexDef& a, const v1::IndexDef& b) {
  if (a.parts_size() > b.parts_size()) return false;
  for (int i = 0; i < a.parts_size(); ++i) {
    if (!SameName(a.parts(i).column(), b.parts(i).column()) || b.parts(i).column().empty() ||
        b.parts(i).prefix_length() != 0) {
      return false;
    }
  }
  return true;
}

// Without strict mode the server indexes what fits; of a long column without a prefix, too
// (MariaDB).
void ShortenPart(const v1::ColumnDef& column, std::string_view engine, v1::IndexPart* part) {
  const bool is_long = column.base_type() >= v1::TINYTEXT && column.base_type() <= v1::LONGTEXT;
  const bool is_blob = column.base_type() >= v1::TINYBLOB && column.base_type() <= v1::LONGBLOB;
  if (column.base_type() != v1::CHAR && column.base_type() != v1::VARCHAR && !is_long && !is_blob &&
      part->prefix_length() == 0) {
    return;
  }
  const uint32_t bytes_max = engine == "InnoDB" ? kInnodbPartBytesMax : kOtherPartBytesMax;
  const uint32_t characters_max = bytes_max / CharsetMaxBytes(column.charset());
  uint32_t wanted = part->prefix_length() ? part->prefix_length() : column.length();
  if (is_long || is_blob) wanted = part->prefix_length() ? wanted : UINT32_MAX;
  if (wanted > characters_max) part->set_prefix_length(characters_max);
}

}  // namespace

v1::ColumnDef* FindColumn(v1::TableDef* def, std::string_view name) {
  for (v1::ColumnDef& column : *def->mutable_columns()) {
    if (SameName(column.name(), name)) return &column;
  }
  return nullptr;
}

v1::IndexDef* FindIndex(v1::TableDef* def, std::string_view name) {
  for (v1::IndexDef& index : *def->mutable_indexes()) {
    if (SameName(index.name(), name)) return &index;
  }
  return nullptr;
}

bool CanHavePrefix(const v1::ColumnDef& column) {
  return column.base_type() >= v1::CHAR && column.base_type() <= v1::LONGBLOB;
}

void TableBuilder::SetOptions(const TableOptions& options, const CharsetDefault& database) {
  if (options.engine) def_.set_engine(EngineName(*options.engine));
  if (def_.engine().empty()) def_.set_engine(EngineName(context_.default_engine));
  def_.set_transactional(IsTransactional(def_.engine()));
  if (options.comment) def_.set_comment(CutText(*options.comment, kTableCommentMax));
  if (options.charset || options.collation || def_.charset().empty()) {
    const bool is_default = options.charset && options.charset->empty();
    const CharsetDefault inherited = def_.charset().empty() || is_default
                                         ? database
                                         : CharsetDefault{def_.charset(), def_.collation()};
    const CharsetDefault charset =
        ResolveCharset(options.charset, options.collation, inherited, context_);
    def_.set_charset(charset.charset);
    def_.set_collation(charset.collation);
  }
}

std::string TableBuilder::FreeIndexName(std::string_view wanted) {
  std::string name(wanted);
  for (int i = 2; FindIndex(&def_, name) != nullptr || SameName(name, "PRIMARY"); ++i) {
    name = fmt::format("{}_{}", wanted, i);
  }
  return name;
}

void TableBuilder::AddColumnKeys(const ColumnSpec& column) {
  IndexSpec index;
  index.def.add_parts()->set_column(column.name);
  if (column.primary) {
    index.def.set_kind(v1::IndexDef::PRIMARY);
    AddIndex(index);
  }
  // MariaDB makes one index of a column's PRIMARY KEY UNIQUE, MySQL makes two.
  const bool served = column.primary && context_.mariadb();
  if ((column.unique || column.type.serial) && !served) {
    index.def.set_kind(v1::IndexDef::UNIQUE);
    AddIndex(index);
  }
  const bool honoured = context_.server_version >=
                        (context_.mariadb() ? kMariadbInlineReferences : kMysqlInlineReferences);
  if (column.references && honoured) {
    ForeignKeySpec key = *column.references;
    key.def.add_columns(column.name);
    AddForeignKey(key);
  }
}

// WITHOUT OVERLAPS: the period's columns are the key's last.
void TableBuilder::AddPeriodParts(const std::string& name, v1::IndexDef* index) {
  for (const PeriodSpec& period : periods_) {
    if (!SameName(period.name, name)) continue;
    index->add_parts()->set_column(period.end);
    index->add_parts()->set_column(period.start);
    return;
  }
  unknown_period_ = name;
}

void TableBuilder::AddIndex(const IndexSpec& index) {
  v1::IndexDef def = index.def;
  if (!index.without_overlaps.empty()) AddPeriodParts(index.without_overlaps, &def);
  if (def.name().empty()) DropServed(def);  // its name may be that of the index which goes
  if (index.if_not_exists && def.name().empty() && def.parts_size() > 0 &&
      FindIndex(&def_, def.parts(0).column()) != nullptr) {
    return;
  }
  if (def.kind() == v1::IndexDef::PRIMARY) {
    def.set_name("PRIMARY");
  } else if (def.name().empty()) {
    const bool expression = def.parts_size() > 0 && def.parts(0).column().empty();
    def.set_name(FreeIndexName(expression || def.parts_size() == 0 ? "functional_index"
                                                                   : def.parts(0).column()));
  }
  def.set_comment(CutText(def.comment(), kColumnCommentMax));
  if (index.if_not_exists && FindIndex(&def_, def.name()) != nullptr) return;
  if (index.or_replace) {
    auto* all = def_.mutable_indexes();
    all->erase(
        std::remove_if(all->begin(), all->end(),
                       [&](const v1::IndexDef& i) { return SameName(i.name(), def.name()); }),
        all->end());
  }
  DropServed(def);
  *def_.add_indexes() = std::move(def);
}

// An implicit index of a foreign key goes when `index` serves in its place.
void TableBuilder::DropServed(const v1::IndexDef& index) {
  if (index.kind() == v1::IndexDef::FULLTEXT || index.kind() == v1::IndexDef::SPATIAL) return;
  auto* all = def_.mutable_indexes();
  all->erase(std::remove_if(all->begin(), all->end(),
                            [&](const v1::IndexDef& other) {
                              return other.implicit() && IsPrefixOf(other, index);
                            }),
             all->end());
}

bool TableBuilder::Covered(const v1::IndexDef& index) {
  return std::any_of(def_.indexes().begin(), def_.indexes().end(), [&](const v1::IndexDef& other) {
    return other.kind() != v1::IndexDef::FULLTEXT && other.kind() != v1::IndexDef::SPATIAL &&
           IsPrefixOf(index, other);
  });
}

void TableBuilder::AddForeignKey(const ForeignKeySpec& written) {
  ForeignKeySpec key = written;
  if (key.name.empty() &&
      (context_.mariadb() || context_.server_version < kMysqlIgnoresForeignKeyIndexName)) {
    key.name = key.index_name;
  }
  for (const v1::ForeignKeyDef& known : def_.foreign_keys()) {
    if (key.if_not_exists && SameName(known.name(), key.name)) return;
  }
  // The implicit index of the referencing columns, unless another one serves.
  v1::IndexDef index;
  index.set_kind(v1::IndexDef::PLAIN);
  for (const std::string& column : key.def.columns()) index.add_parts()->set_column(column);
  if (!Covered(index)) {
    std::string name = !key.name.empty() ? key.name : key.index_name;
    if (name.empty() && key.def.columns_size() > 0) name = FreeIndexName(key.def.columns(0));
    if (FindIndex(&def_, name) == nullptr) {
      index.set_name(name);
      index.set_implicit(true);
      DropServed(index);
      *def_.add_indexes() = index;
    }
  }
  if (def_.engine() != "InnoDB") return;  // other engines take the clause and forget it
  if (key.name.empty()) {
    const std::string prefix = def_.name().table() + "_ibfk_";
    int highest = 0;
    for (const v1::ForeignKeyDef& known : def_.foreign_keys()) {
      if (!known.name().starts_with(prefix)) continue;
      highest = std::max(highest, std::atoi(known.name().c_str() + prefix.size()));
    }
    key.name = fmt::format("{}{}", prefix, highest + 1);
  }
  key.def.set_name(key.name);
  if (key.def.referenced().schema().empty()) {
    key.def.mutable_referenced()->set_schema(schema_.empty() ? def_.name().schema() : schema_);
  }
  for (std::string* action : {key.def.mutable_on_delete(), key.def.mutable_on_update()}) {
    // MySQL knows no difference and prints neither.
    if (action->empty() || (*action == "NO ACTION" && !context_.mariadb())) *action = "RESTRICT";
  }
  *def_.add_foreign_keys() = key.def;
}

// Columns as their tables spell them; REFERENCES without a list means the primary key.
void TableBuilder::FinishForeignKey(v1::ForeignKeyDef* key) {
  const auto spell = [](const v1::TableDef& def, auto* columns) {
    for (std::string& name : *columns) {
      for (const v1::ColumnDef& column : def.columns()) {
        if (SameName(column.name(), name)) name = column.name();
      }
    }
  };
  spell(def_, key->mutable_columns());
  const TableRef ref{key->referenced().schema(), key->referenced().table()};
  const bool itself = ref == TableRef{def_.name().schema(), def_.name().table()};
  const v1::TableDef* parent = itself ? &def_ : find_table_ ? find_table_(ref) : nullptr;
  if (parent == nullptr) return;
  for (const v1::IndexDef& index : parent->indexes()) {
    if (index.kind() != v1::IndexDef::PRIMARY || !key->referenced_columns().empty()) continue;
    for (const auto& part : index.parts()) key->add_referenced_columns(part.column());
  }
  spell(*parent, key->mutable_referenced_columns());
}

void TableBuilder::AddSystemVersioning() {
  def_.set_system_versioned(true);
  if (!def_.row_start_column().empty()) return;
  for (const char* name : {"row_start", "row_end"}) {
    v1::ColumnDef* column = def_.add_columns();
    column->set_name(name);
    column->set_column_type("timestamp(6)");
    column->set_base_type(v1::TIMESTAMP);
    column->set_fsp(6);
    column->set_generated(v1::GENERATED_STORED);
    column->set_generation_expression(name == std::string_view("row_start") ? "ROW START"
                                                                            : "ROW END");
    column->set_invisible(true);
  }
  def_.set_row_start_column("row_start");
  def_.set_row_end_column("row_end");
}

void TableBuilder::DropSystemVersioning() {
  auto* columns = def_.mutable_columns();
  columns->erase(std::remove_if(columns->begin(), columns->end(),
                                [&](const v1::ColumnDef& column) {
                                  return SameName(column.name(), def_.row_start_column()) ||
                                         SameName(column.name(), def_.row_end_column());
                                }),
                 columns->end());
  def_.set_system_versioned(false);
  def_.clear_row_start_column();
  def_.clear_row_end_column();
}

absl::Status TableBuilder::Finish() {
  if (!unknown_period_.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("an index is over a period that is not known: {}", unknown_period_));
  }
  for (const PeriodSpec& period : periods_) {
    for (const std::string& name : {period.start, period.end}) {
      if (v1::ColumnDef* column = FindColumn(&def_, name)) column->set_nullable(false);
    }
  }
  for (v1::IndexDef& index : *def_.mutable_indexes()) {
    for (v1::IndexPart& part : *index.mutable_parts()) {
      if (part.column().empty()) continue;
      v1::ColumnDef* column = FindColumn(&def_, part.column());
      if (column == nullptr) {
        return absl::FailedPreconditionError(fmt::format(
            "index {} is on a column that is not known: {}", index.name(), part.column()));
      }
      part.set_column(column->name());
      if (index.kind() == v1::IndexDef::PRIMARY) column->set_nullable(false);
      const bool whole = column->length() > 0 && part.prefix_length() >= column->length() &&
                         column->base_type() != v1::BIT;
      if (context_.mariadb() && column->base_type() == v1::POINT &&
          index.kind() != v1::IndexDef::SPATIAL) {
        part.set_prefix_length(kPointBytes);  // whatever was written
        continue;
      }
      if (index.kind() == v1::IndexDef::PLAIN) ShortenPart(*column, def_.engine(), &part);
      if (whole || !CanHavePrefix(*column) || index.kind() == v1::IndexDef::FULLTEXT ||
          index.kind() == v1::IndexDef::SPATIAL) {
        part.clear_prefix_length();
      }
    }
  }
  for (v1::ForeignKeyDef& key : *def_.mutable_foreign_keys()) FinishForeignKey(&key);
  // As ORDER BY does in information_schema: MariaDB compares upper case, MySQL lower case.
  auto sorted_as = [this](const std::string& name) {
    return context_.mariadb() ? UpperAscii(LowerName(name)) : LowerName(name);
  };
  std::stable_sort(def_.mutable_indexes()->begin(), def_.mutable_indexes()->end(),
                   [&](const v1::IndexDef& a, const v1::IndexDef& b) {
                     const bool a_primary = a.kind() == v1::IndexDef::PRIMARY;
                     const bool b_primary = b.kind() == v1::IndexDef::PRIMARY;
                     if (a_primary != b_primary) return a_primary;
                     return sorted_as(a.name()) < sorted_as(b.name());
                   });
  std::stable_sort(def_.mutable_foreign_keys()->begin(), def_.mutable_foreign_keys()->end(),
                   [&](const v1::ForeignKeyDef& a, const v1::ForeignKeyDef& b) {
                     return sorted_as(a.name()) < sorted_as(b.name());
                   });
  return absl::OkStatus();
}

}  // namespace chameleon::worker::ddl
