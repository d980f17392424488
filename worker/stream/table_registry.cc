#include "worker/stream/table_registry.h"

#include "proto/wire/error.h"

namespace chameleon::worker::stream {
namespace {

bool Lists(const google::protobuf::RepeatedPtrField<v1::TableName>& names,
           const std::string& schema, const std::string& table) {
  for (const auto& name : names) {
    if (name.schema() == schema && name.table() == table) return true;
  }
  return false;
}

}  // namespace

std::string TableState::FullName() const {
  return version.def().name().schema() + "." + version.def().name().table();
}

TableRegistry::TableRegistry(const v1::SourceOptions& options, bool is_mariadb)
    : options_(options), is_mariadb_(is_mariadb) {}

absl::Status TableRegistry::Put(const v1::TableVersion& version) {
  auto state = std::make_shared<TableState>();
  state->version = version;
  if (version.plan().replicated()) {
    for (auto* codec : {&state->reader_codec, &state->uplink_codec}) {
      auto created = encode::TableCodec::Create(version.def(), version.plan());
      if (!created.ok()) return WithContext(created.status(), "table " + state->FullName());
      *codec = *std::move(created);
    }
  }
  const auto& name = version.def().name();
  tables_[{name.schema(), name.table()}] = std::move(state);
  return absl::OkStatus();
}

void TableRegistry::Remove(const v1::TableName& name) {
  tables_.erase({name.schema(), name.table()});
}

bool TableRegistry::CoversSchema(const std::string& schema) const {
  return options_.schema_mappings().contains(schema);
}

bool TableRegistry::Covers(const std::string& schema, const std::string& table) const {
  if (!CoversSchema(schema)) return false;
  if (Lists(options_.skip_tables(), schema, table)) return false;
  // As the manual has it: an empty list means everything.
  return options_.limit_tables().empty() || Lists(options_.limit_tables(), schema, table);
}

Wanted TableRegistry::Find(const std::string& schema, const std::string& table,
                           std::shared_ptr<TableState>* state) const {
  if (!Covers(schema, table)) return Wanted::kNo;
  const auto it = tables_.find({schema, table});
  if (it == tables_.end()) return Wanted::kUnknown;
  if (!it->second->version.plan().replicated() || it->second->stopped) return Wanted::kIgnored;
  *state = it->second;
  return Wanted::kKnown;
}

}  // namespace chameleon::worker::stream
