// Where the tables of a snapshot go: their plans, their names and the loading tables themselves.
//
// Used by one thread at a time. `load` and `session` are not owned.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/ingest/existing_tables.h"
#include "coordinator/ingest/loading_table.h"
#include "coordinator/pg/session.h"
#include "coordinator/target/ddl_writer.h"

namespace chameleon::coordinator::ingest {

class TablePlanner {
 public:
  TablePlanner(const Load& load, std::vector<TypeOverride> overrides, pg::Session* session)
      : load_(load), overrides_(std::move(overrides)), session_(session) {}

  // Which optional types the target has. Called once, before all else.
  absl::Status ReadExtensions();
  // Plans the tables and creates them in their loading schemas, in one transaction. NOT_FOUND: a
  // table that was asked for is missing; FAILED_PRECONDITION: one cannot be placed.
  absl::StatusOr<std::vector<LoadingTable>> Create(const v1::PlanTablesRequest& request);

  // Names of relations in the schema that `loading_schema` will become, or become part of.
  target::NamePool& Pool(const std::string& loading_schema) { return names_[loading_schema]; }
  bool postgis() const { return !postgis_.empty(); }
  // keep_existing_schema: is the table's rows' place there already?
  bool Exists(const LoadingTable& table) const {
    return load_.source.keep_existing_schema &&
           existing_.Has(table.plan.target_schema(), table.plan.target_table());
  }

 private:
  absl::StatusOr<LoadingTable> Plan(const v1::TableDef& def, const v1::PlanTablesRequest& request);
  absl::StatusOr<std::string> PlaceOf(const v1::TableName& name, const std::string& mapped);
  absl::Status CheckAllFound(const v1::PlanTablesRequest& request);
  absl::Status NotFound(const v1::TableName& name);
  absl::Status ReadTarget(const v1::PlanTablesRequest& request);
  absl::Status FitExisting(const v1::TableDef& def, v1::TablePlan* plan);
  absl::StatusOr<uint64_t> TableId(const v1::TableName& name);
  absl::Status ReadTypes(std::vector<LoadingTable>* planned);
  uint32_t FillFactorOf(const v1::TableName& name) const;

  const Load& load_;
  const std::vector<TypeOverride> overrides_;
  pg::Session* const session_;
  std::string postgis_, pgvector_;  // their schemas
  std::map<std::pair<std::string, std::string>, uint64_t> ids_;
  std::map<std::string, target::NamePool> names_;  // by loading schema
  std::set<std::string> targets_read_;
  ExistingTables existing_;  // keep_existing_schema
};

}  // namespace chameleon::coordinator::ingest
