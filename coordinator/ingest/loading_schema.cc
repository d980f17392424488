#include "coordinator/ingest/loading_schema.h"

#include <fmt/format.h>

#include "coordinator/pg/session.h"
#include "coordinator/target/names.h"
#include "coordinator/target/quote.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::ingest {

std::string LoadingSchema(const std::string& target_schema) {
  return target::ShortName(fmt::format("_{}_tmp", target_schema));
}

std::string HiddenSchema(const std::string& target_schema) {
  return target::ShortName(fmt::format("_{}_online", target_schema));
}

absl::Status DropLoadingSchemas(const TargetConnection& target, const SourceConfig& source) {
  auto session = pg::Session::Connect(target, "chameleon snapshot " + source.name);
  if (!session.ok()) return session.status();
  std::string sql = "SET lock_timeout = '10s';";
  for (const auto& [from, to] : source.options.schema_mappings()) {
    sql += fmt::format("DROP SCHEMA IF EXISTS {} CASCADE;", target::Identifier(LoadingSchema(to)));
  }
  return WithContext((*session)->Execute(sql).status(), "dropping the loading schemas");
}

}  // namespace chameleon::coordinator::ingest
