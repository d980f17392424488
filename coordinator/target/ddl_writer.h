// A plan as PostgreSQL statements: types, tables, keys, indexes, comments, notes for detach.
//
// Pure. `schema` is where objects are created now (a loading schema, or the plan's own). Indexes
// are never stricter than the source's: bytewise, prefixes as left(…), keys wider than a btree
// entry as md5 with a hash index for the lookups. What cannot be built is left out by name.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "chameleon/v1/types.pb.h"
#include "coordinator/target/names.h"

namespace chameleon::coordinator::target {

// CREATE TYPE for the table's enums, then CREATE TABLE. `fillfactor` 100: not mentioned.
std::vector<std::string> TableStatements(const v1::TableDef& def, const v1::TablePlan& plan,
                                         const std::string& schema, uint32_t fillfactor);
// DROP TABLE and DROP TYPE, IF EXISTS.
std::vector<std::string> DropStatements(const v1::TableDef& def, const v1::TablePlan& plan,
                                        const std::string& schema);

// One index of the target. Two with the same kind, method and columns are the same index.
struct IndexPlan {
  std::string index;  // the source's name for it
  std::string name;   // wanted; too long or taken: see Names
  std::string kind;   // "INDEX", "UNIQUE INDEX"
  std::string method, columns;
  std::string definition;  // instead of both: "USING gin (a) WHERE …"
  bool primary = false;  // becomes the primary key constraint

  std::vector<std::string> Names() const;  // in the order of preference
};
struct IndexPlans {
  std::vector<IndexPlan> indexes;
  std::vector<std::string> skipped;  // "idx_text: FULLTEXT"
};
IndexPlans PlanIndexes(const v1::TableDef& def, const v1::TablePlan& plan, bool has_postgis);

struct IndexStatements {
  std::vector<std::string> create;   // in any order, also at the same time; the key's first
  std::vector<std::string> finish;   // after all of them: the primary key constraint
  std::vector<std::string> skipped;  // "idx_text: FULLTEXT"
};
// `pool`: names in use in the schema, tables included.
IndexStatements BuildIndexes(const v1::TableDef& def, const v1::TablePlan& plan,
                             const std::string& schema, bool has_postgis, NamePool* pool);

// COMMENT ON the table and its columns.
std::vector<std::string> CommentStatements(const v1::TableDef& def, const v1::TablePlan& plan,
                                           const std::string& schema);

// What detach_replica has to do, in the plan's own schema. Kind: "sequence" or "foreign key".
struct DetachNote {
  std::string kind, statement;
};
std::vector<DetachNote> DetachNotes(const v1::TableDef& def, const v1::TablePlan& plan,
                                    const std::map<std::string, std::string>& schema_mappings);

}  // namespace chameleon::coordinator::target
