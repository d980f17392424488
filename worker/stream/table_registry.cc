#include "worker/stream/table_registry.h"

#include "proto/wire/error.h"
#include "worker/stream/cascade.h"

namespace chameleon::worker::stream {

std::string TableState::FullName() const {
  return version.def().name().schema() + "." + version.def().name().table();
}

TableRegistry::TableRegistry(const v1::SourceOptions& options, bool is_mariadb,
                             uint32_t lower_case_table_names)
    : filter_(options, lower_case_table_names),
      skip_(options.skip_events()),
      is_mariadb_(is_mariadb) {}

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
  for (const auto* list : {&skip_.insert(), &skip_.update(), &skip_.delete_()}) {
    for (const auto& entry : *list) {
      state->lenient |= entry.schema() == name.schema() &&
                        (entry.table().empty() || entry.table() == name.table());
    }
  }
  tables_[Key(name.schema(), name.table())] = std::move(state);
  return absl::OkStatus();
}

void TableRegistry::Remove(const v1::TableName& name) {
  tables_.erase(Key(name.schema(), name.table()));
}

bool TableRegistry::CoversSchema(const std::string& schema) const {
  return filter_.HasSchema(schema);
}

bool TableRegistry::Covers(const std::string& schema, const std::string& table) const {
  return filter_.Wants(schema, table);
}

Wanted TableRegistry::Find(const std::string& schema, const std::string& table,
                           std::shared_ptr<TableState>* state) const {
  if (!Covers(schema, table)) return Wanted::kNo;
  const auto it = tables_.find(Key(schema, table));
  if (it == tables_.end()) return Wanted::kUnknown;
  *state = it->second;
  return (*state)->version.plan().replicated() && !(*state)->stopped ? Wanted::kKnown
                                                                     : Wanted::kIgnored;
}

MappedTable::MappedTable() = default;
MappedTable::~MappedTable() = default;

const std::string* MappedTable::PresentColumns(const std::string& bitmap) {
  return &*bitmaps_.insert(bitmap).first;
}

}  // namespace chameleon::worker::stream
