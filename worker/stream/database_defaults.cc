#include "worker/stream/database_defaults.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace chameleon::worker::stream {

using v1::TableChange;

DatabaseDefaults::DatabaseDefaults(const v1::ServerInfo& server,
                                   const std::vector<v1::DatabaseDefault>& databases,
                                   TableCharset table_charset)
    : server_(server), table_charset_(std::move(table_charset)) {
  server_.clear_databases();
  for (const v1::DatabaseDefault& of : databases) {
    if (of.has_charset()) (*server_.mutable_databases())[of.database()] = of.charset();
    if (of.changed()) changed_.insert(of.database());
  }
}

v1::DatabaseDefault DatabaseDefaults::Follow(const ddl::DatabaseChange& change) {
  const auto before = server_.databases().find(change.schema);
  if (before != server_.databases().end()) {
    last_charsets_[change.schema] = before->second.charset();
  }
  const auto last = last_charsets_.find(change.schema);
  if (change.charset && last != last_charsets_.end() && last->second != change.charset->charset) {
    changed_.insert(change.schema);
  }
  v1::DatabaseDefault now;
  now.set_database(change.schema);
  // Of one that is dropped only this process remembers the default, should it come back.
  now.set_changed(changed_.contains(change.schema) || !change.charset);
  if (change.charset.has_value()) {
    now.mutable_charset()->set_charset(change.charset->charset);
    now.mutable_charset()->set_collation(change.charset->collation);
    (*server_.mutable_databases())[change.schema] = now.charset();
  } else {
    server_.mutable_databases()->erase(change.schema);
  }
  return now;
}

absl::Status DatabaseDefaults::CheckImplied(const ddl::Statement& statement,
                                            std::vector<TableChange>* changes) const {
  const auto* create = std::get_if<ddl::CreateTable>(&statement);
  if (create == nullptr || create->options.charset || create->options.collation || create->like ||
      table_charset_ == nullptr) {
    return absl::OkStatus();
  }
  for (TableChange& change : *changes) {
    const auto& columns = change.after().columns();
    if (change.kind() != TableChange::CREATE ||
        std::none_of(columns.begin(), columns.end(),
                     [](const auto& column) { return !column.charset().empty(); })) {
      continue;
    }
    bool unsure = changed_.contains(change.name().schema());
    if (!unsure) {
      const auto now = table_charset_(change.name());
      if (!now.ok()) return now.status();
      unsure = !now->empty() && *now != change.after().charset();
    }
    if (!unsure) continue;
    change.set_kind(TableChange::RECOPY);
    change.clear_after();
    change.set_reason(
        "it was created with the character set that its database had for its session");
  }
  return absl::OkStatus();
}

}  // namespace chameleon::worker::stream
