#include "coordinator/target/type_map.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "coordinator/target/names.h"
#include "coordinator/target/overrides.h"
#include "coordinator/target/quote.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::target {
namespace {

constexpr std::string_view kInMerge = "MyISAM in MERGE ";  // as the worker's schema reader says
constexpr size_t kLabelMax = 63;  // bytes; PostgreSQL refuses longer enum labels
constexpr uint32_t kPostgisSridMax = 999'999;

struct Mapped {
  std::string type;
  v1::Encoding encoding;
};

std::string Fraction(std::string_view type, uint32_t digits) {
  return fmt::format("{}({})", type, digits);
}

Mapped Integer(const v1::ColumnDef& c) {
  switch (c.base_type()) {
    case v1::TINYINT:
      return {"smallint", v1::ENCODING_NUMBER};
    case v1::SMALLINT:
      return {c.is_unsigned() ? "integer" : "smallint", v1::ENCODING_NUMBER};
    case v1::MEDIUMINT:
      return {"integer", v1::ENCODING_NUMBER};
    case v1::INT:
      return {c.is_unsigned() ? "bigint" : "integer", v1::ENCODING_NUMBER};
    default:
      return {c.is_unsigned() ? "numeric(20)" : "bigint", v1::ENCODING_NUMBER};
  }
}

// Without strict mode a source takes labels twice.
bool LabelsFit(const v1::ColumnDef& c) {
  const std::set<std::string_view> different(c.labels().begin(), c.labels().end());
  return c.labels_size() > 0 && different.size() == static_cast<size_t>(c.labels_size()) &&
         std::all_of(c.labels().begin(), c.labels().end(),
                     [](const std::string& label) { return label.size() <= kLabelMax; });
}

// PostGIS spells the shape and the SRID as the type's modifiers.
Mapped Spatial(const v1::ColumnDef& c, const std::string& postgis) {
  if (postgis.empty()) return {"bytea", v1::ENCODING_BYTEA};
  static constexpr const char* kShapes[] = {
      "Geometry",   "Point",           "LineString",   "Polygon",
      "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection"};
  std::string type = Identifier(postgis, "geometry");
  const int shape = c.base_type() - v1::GEOMETRY;
  if (c.has_srid() && c.srid() <= kPostgisSridMax) {
    type += fmt::format("({},{})", kShapes[shape], c.srid());
  } else if (shape != 0) {
    // Without an SRID attribute rows may have any; a modifier would allow SRID 0 only.
    return {type, v1::ENCODING_EWKB};
  }
  return {type, v1::ENCODING_EWKB};
}

Mapped Native(const v1::ColumnDef& c, const v1::TablePlan& plan, const TypeMapOptions& options) {
  switch (c.base_type()) {
    case v1::DECIMAL:
      return {fmt::format("numeric({},{})", c.length(), c.scale()), v1::ENCODING_NUMBER};
    case v1::FLOAT:
      return {"real", v1::ENCODING_FLOAT};
    case v1::DOUBLE:
      return {"double precision", v1::ENCODING_DOUBLE};
    case v1::BIT:
      return {fmt::format("bit({})", std::max(c.length(), 1u)), v1::ENCODING_BIT};
    case v1::YEAR:
      return {"smallint", v1::ENCODING_NUMBER};
    case v1::DATE:
      return {"date", v1::ENCODING_DATE};
    case v1::TIME:
      return {"interval", v1::ENCODING_TIME};
    case v1::DATETIME:
      return {Fraction("timestamp", c.fsp()), v1::ENCODING_DATETIME};
    case v1::TIMESTAMP:
      return {Fraction("timestamptz", c.fsp()), v1::ENCODING_TIMESTAMP};
    case v1::CHAR:
    case v1::VARCHAR:
      // PostgreSQL has no varchar(0); only '' comes from there.
      return {fmt::format("varchar({})", std::max(c.length(), 1u)), v1::ENCODING_TEXT};
    case v1::TINYTEXT:
    case v1::TEXT:
    case v1::MEDIUMTEXT:
    case v1::LONGTEXT:
      return {"text", v1::ENCODING_TEXT};
    case v1::BINARY:
    case v1::VARBINARY:
    case v1::TINYBLOB:
    case v1::BLOB:
    case v1::MEDIUMBLOB:
    case v1::LONGBLOB:
      return {"bytea", v1::ENCODING_BYTEA};
    case v1::ENUM:
      return {LabelsFit(c)
                  ? EnumTypeText(plan.target_schema(), plan.target_table(), ShortName(c.name()))
                  : "text",
              v1::ENCODING_ENUM};
    case v1::SET:
      return {"text", v1::ENCODING_SET};
    case v1::JSON:
      return {"jsonb", v1::ENCODING_JSON};
    case v1::VECTOR:
      if (options.pgvector_schema.empty()) return {"real[]", v1::ENCODING_REAL_ARRAY};
      return {fmt::format("{}({})", Identifier(options.pgvector_schema, "vector"), c.length()),
              v1::ENCODING_VECTOR};
    case v1::POSTGRES:
      return {c.column_type(), v1::ENCODING_TEXT};
    case v1::UUID:
      return {"uuid", v1::ENCODING_UUID};
    case v1::INET4:
    case v1::INET6:
      return {"inet", v1::ENCODING_INET};
    case v1::GEOMETRY:
    case v1::POINT:
    case v1::LINESTRING:
    case v1::POLYGON:
    case v1::MULTIPOINT:
    case v1::MULTILINESTRING:
    case v1::MULTIPOLYGON:
    case v1::GEOMETRYCOLLECTION:
      return Spatial(c, options.postgis_schema);
    case v1::TINYINT:
    case v1::SMALLINT:
    case v1::MEDIUMINT:
    case v1::INT:
    case v1::BIGINT:
      return Integer(c);
    default:
      return {"", v1::ENCODING_UNSPECIFIED};
  }
}

// Values that policy turns into NULL: zero and partial dates, an enum's invalid value, an empty
// geometry.
bool PolicyMakesNull(const v1::ColumnDef& c) {
  return c.base_type() == v1::DATE || c.base_type() == v1::DATETIME ||
         c.base_type() == v1::TIMESTAMP || c.base_type() == v1::ENUM ||
         (c.base_type() >= v1::GEOMETRY && c.base_type() <= v1::GEOMETRYCOLLECTION);
}

bool SameType(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

// The last entry that names the table wins over the last that says "*".
const TypeOverride* FindOverride(const v1::TableName& table, const v1::ColumnDef& column,
                                 const TypeMapOptions& options) {
  const TypeOverride* found = nullptr;
  bool exact = false;
  const std::string name = table.schema() + "." + table.table();
  for (const TypeOverride& o : options.overrides) {
    if (!SameType(o.source_type, column.column_type())) continue;
    for (const std::string& t : o.tables) {
      if (t == name) {
        found = &o;
        exact = true;
      } else if (t == "*" && !exact) {
        found = &o;
      }
    }
  }
  return found;
}

bool UsableKey(const v1::TableDef& def, const v1::IndexDef& index) {
  if (index.kind() != v1::IndexDef::UNIQUE && index.kind() != v1::IndexDef::PRIMARY) return false;
  for (const v1::IndexPart& part : index.parts()) {
    auto column = std::find_if(def.columns().begin(), def.columns().end(),
                               [&](const auto& c) { return c.name() == part.column(); });
    if (part.column().empty() || column == def.columns().end() || column->nullable()) return false;
  }
  return index.parts_size() > 0;
}

// Whether an expression names a column.
bool Mentions(std::string_view expression, std::string_view column) {
  const auto is_name = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$';
  };
  for (size_t at = 0; at + column.size() <= expression.size(); ++at) {
    if (strncasecmp(expression.data() + at, column.data(), column.size()) != 0) continue;
    const size_t end = at + column.size();
    if ((at == 0 || !is_name(expression[at - 1])) &&
        (end == expression.size() || !is_name(expression[end]))) {
      return true;
    }
  }
  return false;
}

// The primary key, else the first unique key without nullable columns. A prefix of a column is
// unique only if the whole column is, so the whole columns identify the row as well.
const v1::IndexDef* FindKey(const v1::TableDef& def) {
  const v1::IndexDef* key = nullptr;
  for (const v1::IndexDef& index : def.indexes()) {
    if (!UsableKey(def, index)) continue;
    if (index.kind() == v1::IndexDef::PRIMARY) return &index;
    if (key == nullptr) key = &index;
  }
  return key;
}

// A table of a pgsql source: its types are ours already, its changes are not followed.
bool IsPostgres(const v1::TableDef& def) { return def.engine() == "postgresql"; }

absl::Status MapColumn(const v1::TableDef& def, const v1::ColumnDef& c,
                       const TypeMapOptions& options, v1::TablePlan* plan) {
  const std::string where =
      fmt::format("table {}.{}: column {}", def.name().schema(), def.name().table(), c.name());
  v1::ColumnPlan* column = plan->add_columns();
  column->set_target_name(ShortName(c.name()));
  Mapped mapped = Native(c, *plan, options);
  if (mapped.encoding == v1::ENCODING_UNSPECIFIED) {
    return Error(absl::StatusCode::kFailedPrecondition, "UNKNOWN_TYPE", c.name(),
                 fmt::format("{} has type {}, which is not known", where, c.column_type()),
                 "Leave the table out with skip_tables.");
  }
  const TypeOverride* o = IsPostgres(def) ? nullptr : FindOverride(def.name(), c, options);
  if (o != nullptr) {
    auto encoding = OverrideEncoding(c, mapped.encoding, o->override_to);
    if (!encoding) {
      return Error(absl::StatusCode::kInvalidArgument, "IMPOSSIBLE_OVERRIDE", c.name(),
                   fmt::format("{}: {} cannot hold the values of {}", where, o->override_to,
                               c.column_type()),
                   "Change type_override in the configuration.");
    }
    mapped = {o->override_to, *encoding};
  }
  column->set_target_type(mapped.type);
  column->set_encoding(mapped.encoding);
  column->set_nullable(c.nullable() || (!IsPostgres(def) && PolicyMakesNull(c)));
  column->set_omitted(def.system_versioned() &&
                      (c.name() == def.row_start_column() || c.name() == def.row_end_column()));
  return absl::OkStatus();
}

absl::Status Collision(const v1::TableDef& def, const std::string& name) {
  return Error(absl::StatusCode::kFailedPrecondition, "NAME_COLLISION", name,
               fmt::format("table {}.{}: two columns would be named {}", def.name().schema(),
                           def.name().table(), name),
               "Rename one of them on the source, or leave the table out with skip_tables.");
}

}  // namespace

std::string EnumTypeText(const std::string& schema, const std::string& table,
                         const std::string& column) {
  return Identifier(schema, EnumName(table, column));
}

bool HasOwnEnum(const v1::TablePlan& plan, const v1::ColumnPlan& column) {
  return column.encoding() == v1::ENCODING_ENUM &&
         column.target_type() ==
             EnumTypeText(plan.target_schema(), plan.target_table(), column.target_name());
}

namespace {

// Tables whose rows are not in the log under their name, or not as rows.
std::string NotFollowed(const v1::TableDef& def) {
  if (std::string_view engine = def.engine(); engine.starts_with(kInMerge)) {
    return fmt::format(
        "its rows are changed through the MERGE table {}, too, and are logged as that "
        "table's",
        engine.substr(kInMerge.size()));
  }
  if (strcasecmp(def.engine().c_str(), "MRG_MYISAM") == 0) {
    return "engine MERGE: its rows are those of its parts";
  }
  for (const v1::ColumnDef& c : def.columns()) {
    if (def.system_versioned() && c.name() == def.row_start_column() &&
        c.base_type() == v1::BIGINT) {
      return "versions by transaction: MariaDB logs its changes as statements";
    }
  }
  return "";
}

}  // namespace

absl::StatusOr<v1::TablePlan> MapTable(const v1::TableDef& def, const TypeMapOptions& options) {
  v1::TablePlan plan;
  *plan.mutable_source() = def.name();
  plan.set_target_schema(options.target_schema);
  plan.set_target_table(ShortName(def.name().table()));
  std::set<std::string> names;
  for (const v1::ColumnDef& c : def.columns()) {
    absl::Status status = MapColumn(def, c, options, &plan);
    if (!status.ok()) return status;
    const std::string& name = plan.columns(plan.columns_size() - 1).target_name();
    if (!names.insert(name).second) return Collision(def, name);
  }
  if (IsPostgres(def)) {
    plan.set_reason("a source of type pgsql is copied, not followed");
    return plan;
  }
  if (std::string reason = NotFollowed(def); !reason.empty()) {
    plan.set_reason(reason);
    return plan;
  }
  for (const v1::ColumnDef& c : def.columns()) {
    if (!c.auto_increment() || !c.nullable()) continue;
    plan.set_reason(fmt::format(
        "column {} is AUTO_INCREMENT and nullable: MariaDB does not log the numbers that it gives",
        c.name()));
    return plan;
  }
  for (const v1::ColumnDef& c : def.columns()) {
    for (const v1::ColumnDef& number : def.columns()) {
      if (c.generated() == v1::GENERATED_NONE || !number.auto_increment() ||
          !Mentions(c.generation_expression(), number.name())) {
        continue;
      }
      plan.set_reason(
          fmt::format("column {} is computed from {}: MariaDB logs it as it was before "
                      "the number was given",
                      c.name(), number.name()));
      return plan;
    }
  }
  const v1::IndexDef* key = FindKey(def);
  plan.set_replicated(key != nullptr);
  if (key == nullptr) {
    plan.set_reason(std::string(kNoKey));
    return plan;
  }
  for (const v1::IndexPart& part : key->parts()) {
    for (int i = 0; i < def.columns_size(); ++i) {
      if (def.columns(i).name() != part.column()) continue;
      if (plan.columns(i).omitted()) continue;  // part of a system versioned table's key
      plan.mutable_columns(i)->set_is_key(true);
      plan.mutable_columns(i)->set_nullable(false);
    }
  }
  return plan;
}

}  // namespace chameleon::coordinator::target
