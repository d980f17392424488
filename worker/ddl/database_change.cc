// What CREATE, ALTER and DROP DATABASE make of a database's default character set.
#include "worker/ddl/schema_change.h"

namespace chameleon::worker::ddl {

std::optional<DatabaseChange> DatabaseChangeOf(const Statement& statement,
                                               const SchemaLookup& lookup,
                                               const CharsetDefault& server,
                                               const SessionContext& context) {
  if (const auto* drop = std::get_if<DropDatabase>(&statement)) return DatabaseChange{drop->schema};
  if (const auto* create = std::get_if<CreateDatabase>(&statement)) {
    if (create->if_not_exists && lookup.Database(create->schema)) return std::nullopt;
    return DatabaseChange{
        create->schema,
        ResolveCharset(create->options.charset, create->options.collation, server, context)};
  }
  if (const auto* alter = std::get_if<AlterDatabase>(&statement)) {
    if (!alter->options.charset && !alter->options.collation) return std::nullopt;
    const bool is_default = alter->options.charset && alter->options.charset->empty();
    const CharsetDefault old =
        is_default ? server : lookup.Database(alter->schema).value_or(server);
    return DatabaseChange{alter->schema, ResolveCharset(alter->options.charset,
                                                        alter->options.collation, old, context)};
  }
  return std::nullopt;
}

}  // namespace chameleon::worker::ddl
