// What one statement makes of the known tables. Used by ApplyStatement alone: see schema_change.h.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/worker.pb.h"
#include "worker/ddl/schema_change.h"
#include "worker/ddl/session_context.h"
#include "worker/ddl/statement.h"

namespace chameleon::worker::ddl {

inline TableRef RefOf(const v1::TableName& name) { return {name.schema(), name.table()}; }

inline void SetName(const TableRef& ref, v1::TableName* name) {
  name->set_schema(ref.schema);
  name->set_table(ref.table);
}

// One statement's changes, seen by its later parts: RENAME TABLE a TO tmp, b TO a, tmp TO b.
class Changer {
 public:
  Changer(const SchemaLookup& lookup, const SessionContext& context)
      : lookup_(lookup), context_(context) {}

  std::vector<v1::TableChange> Take() { return std::move(changes_); }

  void operator()(const CreateTable& create);
  void operator()(const AlterTable& alter);
  void operator()(const DropTable& drop);
  void operator()(const RenameTable& rename);
  void operator()(const TruncateTable& truncate);
  void operator()(const CreateDatabase& create);
  void operator()(const DropDatabase& drop);
  void operator()(const Unparsed& unparsed);
  void operator()(const AlterDatabase&) {}
  void operator()(const TransactionControl&) {}
  void operator()(const Benign&) {}
  void operator()(const Dml&) {}

 private:
  const v1::TableDef* Find(const TableRef& ref) const;
  std::vector<v1::TableDef> Tables() const;
  // Not followed, and not yet dropped by this statement.
  bool HasLeft(const TableRef& ref) const {
    return !known_.contains(RefKey(ref)) && lookup_.HasLeft(ref);
  }
  bool Wants(const TableRef& ref) const {
    return lookup_.Wants(ref) || (known_.contains(RefKey(ref)) && lookup_.HasLeft(ref));
  }
  v1::TableChange& Add(v1::TableChange::Kind kind, const TableRef& ref);
  void Stop(const TableRef& ref, std::string_view reason);
  void Recopy(const TableRef& ref, std::string_view reason, const v1::TableDef* after = nullptr);
  void Drop(const TableRef& ref, std::string_view reason = {});
  void Rename(const TableRef& from, const TableRef& to, bool swapped = false);
  void Create(const TableRef& table, const v1::TableDef& def);
  void Store(const v1::TableDef& def) { known_[RefKey(RefOf(def.name()))] = def; }
  void CopyChildren(const TableRef& parent);
  void CopyAnew(const AlterTable& alter, std::string_view reason);
  void CreateLike(const CreateTable& create);
  void StopParts(const TableRef& whole, const TableOptions& options);
  absl::StatusOr<v1::TableDef> Build(const CreateTable& create) const;
  void FollowParent(const TableRef& from, const TableRef& to,
                    const std::vector<v1::ColumnRename>& renames);

  using Key = std::pair<std::string, std::string>;
  static Key RefKey(const TableRef& ref) { return {ref.schema, ref.table}; }

  const SchemaLookup& lookup_;
  const SessionContext& context_;
  std::map<Key, std::optional<v1::TableDef>> known_;  // what this statement has changed
  std::vector<v1::TableChange> changes_;
};

}  // namespace chameleon::worker::ddl
