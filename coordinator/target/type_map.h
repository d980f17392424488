// What becomes of a source table in PostgreSQL: design section 10, overrides, names, keys.
//
// Pure. The one place that decides types and encodings; the worker only follows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"
#include "coordinator/config/config.h"

namespace chameleon::coordinator::target {

struct TypeMapOptions {
  std::string target_schema;
  std::vector<TypeOverride> overrides;
  std::string postgis_schema;   // empty: PostGIS is absent
  std::string pgvector_schema;  // empty: pgvector is absent
};

// The reason of a table that is created and copied, and not followed.
inline constexpr std::string_view kNoKey =
    "no primary key and no unique key without nullable columns";

// The plan without table_id. FAILED_PRECONDITION: two names become one; INVALID_ARGUMENT: an
// override that cannot hold its column's values; both name table and column. A table without a
// usable key gets replicated = false and the reason.
absl::StatusOr<v1::TablePlan> MapTable(const v1::TableDef& def, const TypeMapOptions& options);

// The table's own enum type for this column, as `target_type` holds it:
// "shop"."enum_orders_status".
std::string EnumTypeText(const std::string& schema, const std::string& table,
                         const std::string& column);
// Whether the plan's column has its own enum type.
bool HasOwnEnum(const v1::TablePlan& plan, const v1::ColumnPlan& column);

}  // namespace chameleon::coordinator::target
