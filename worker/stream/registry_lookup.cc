#include "worker/stream/registry_lookup.h"

#include <memory>

namespace chameleon::worker::stream {

const v1::TableDef* RegistryLookup::Find(const ddl::TableRef& table) const {
  std::shared_ptr<TableState> state;
  if (tables_.Find(table.schema, table.table, &state) != Wanted::kKnown) return nullptr;
  return tables_.NotYet(*state) ? nullptr : &state->version.def();
}

bool RegistryLookup::Wants(const ddl::TableRef& table) const {
  std::shared_ptr<TableState> state;
  const Wanted wanted = tables_.Find(table.schema, table.table, &state);
  return wanted == Wanted::kUnknown || wanted == Wanted::kKnown;
}

bool RegistryLookup::HasLeft(const ddl::TableRef& table) const {
  std::shared_ptr<TableState> state;
  return tables_.Find(table.schema, table.table, &state) == Wanted::kIgnored;
}

std::vector<ddl::TableRef> RegistryLookup::TablesThatLeft() const {
  std::vector<ddl::TableRef> left;
  for (const auto& [_, state] : tables_.tables()) {
    const auto& name = state->version.def().name();
    const ddl::TableRef ref{name.schema(), name.table()};
    if (HasLeft(ref)) left.push_back(ref);
  }
  return left;
}

const v1::TableDef* RegistryLookup::FindEmptyKeyless(const ddl::TableRef& table) const {
  std::shared_ptr<TableState> state;
  const bool left = tables_.Find(table.schema, table.table, &state) == Wanted::kIgnored;
  return left && state->empty && !state->stopped ? &state->version.def() : nullptr;
}

bool RegistryLookup::IsEmpty(const ddl::TableRef& table) const {
  std::shared_ptr<TableState> state;
  return tables_.Find(table.schema, table.table, &state) == Wanted::kKnown && state->empty;
}

std::vector<const v1::TableDef*> RegistryLookup::Tables() const {
  std::vector<const v1::TableDef*> all;
  for (const auto& [_, state] : tables_.tables()) {
    if (state->version.plan().replicated() && !state->stopped && !tables_.NotYet(*state)) {
      all.push_back(&state->version.def());
    }
  }
  return all;
}

std::optional<ddl::CharsetDefault> RegistryLookup::Database(const std::string& schema) const {
  const auto it = server_.databases().find(schema);
  if (it == server_.databases().end()) return std::nullopt;
  return ddl::CharsetDefault{it->second.charset(), it->second.collation()};
}

}  // namespace chameleon::worker::stream
