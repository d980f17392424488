// sql/*.sql in order, compiled in: what create_replica_schema executes.
#pragma once

namespace chameleon::coordinator::pg {
extern const char* const kCatalogueSql;
// What v_version shows. pg_chameleon's last was 2.0.x.
inline constexpr char kCatalogueVersion[] = "3.0.0";
}  // namespace chameleon::coordinator::pg
