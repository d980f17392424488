// The registry as worker/ddl asks for it: the definitions at the reader's position.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "chameleon/v1/types.pb.h"
#include "worker/ddl/schema_change.h"
#include "worker/stream/table_registry.h"

namespace chameleon::worker::stream {

// A view for one statement: both arguments outlive it.
class RegistryLookup : public ddl::SchemaLookup {
 public:
  RegistryLookup(const TableRegistry& tables, const v1::ServerInfo& server)
      : tables_(tables), server_(server) {}

  const v1::TableDef* Find(const ddl::TableRef& table) const override;
  bool Wants(const ddl::TableRef& table) const override;
  bool HasLeft(const ddl::TableRef& table) const override;
  std::vector<ddl::TableRef> TablesThatLeft() const override;
  const v1::TableDef* FindEmptyKeyless(const ddl::TableRef& table) const override;
  bool IsEmpty(const ddl::TableRef& table) const override;
  std::vector<const v1::TableDef*> Tables() const override;
  std::optional<ddl::CharsetDefault> Database(const std::string& schema) const override;

 private:
  const TableRegistry& tables_;
  const v1::ServerInfo& server_;
};

}  // namespace chameleon::worker::stream
