#include "coordinator/ingest/table_planner.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>

#include "coordinator/ingest/loading_schema.h"
#include "coordinator/target/quote.h"
#include "coordinator/target/type_map.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::ingest {

using target::Identifier;

absl::Status TablePlanner::ReadExtensions() {
  auto extensions = session_->Execute(
      "SELECT e.extname, n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n"
      " ON n.oid = e.extnamespace WHERE e.extname IN ('postgis', 'vector')");
  if (!extensions.ok()) return extensions.status();
  for (size_t i = 0; i < extensions->size(); ++i) {
    (extensions->Text(i, 0) == "postgis" ? postgis_ : pgvector_) = extensions->Text(i, 1);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<LoadingTable>> TablePlanner::Create(
    const v1::PlanTablesRequest& request) {
  if (absl::Status status = CheckAllFound(request); !status.ok()) return status;
  if (absl::Status status = ReadTarget(request); !status.ok()) return status;
  std::vector<LoadingTable> planned;
  std::string statements = "BEGIN; " + load_.EpochGuard() + ";";
  for (const v1::TableDef& def : request.tables()) {
    auto table = Plan(def, request);
    if (!table.ok()) return table.status();
    if (request.replace()) {
      for (const auto& s : target::DropStatements(def, table->plan, table->loading_schema)) {
        statements += s + ";";
      }
    }
    for (const auto& s : target::TableStatements(def, table->plan, table->loading_schema,
                                                 FillFactorOf(def.name()))) {
      statements += s + ";";
    }
    planned.push_back(std::move(*table));
  }
  auto created = session_->Execute(statements + "COMMIT");
  if (!created.ok()) {
    session_->Abandon();
    return load_.Fenced(created.status());
  }
  if (absl::Status status = ReadTypes(&planned); !status.ok()) return status;
  return planned;
}

absl::StatusOr<LoadingTable> TablePlanner::Plan(const v1::TableDef& def,
                                                const v1::PlanTablesRequest& request) {
  auto mapping = load_.source.options.schema_mappings().find(def.name().schema());
  if (mapping == load_.source.options.schema_mappings().end()) {
    return absl::InternalError(
        fmt::format("schema {} is not in schema_mappings", def.name().schema()));
  }
  auto place = PlaceOf(def.name(), mapping->second);
  if (!place.ok()) return place.status();
  auto plan = target::MapTable(def, {.target_schema = *place,
                                     .overrides = overrides_,
                                     .postgis_schema = postgis_,
                                     .pgvector_schema = pgvector_});
  if (!plan.ok()) return plan.status();
  LoadingTable table{.def = def,
                     .plan = std::move(*plan),
                     .valid_from = request.position(),
                     .loading_schema = LoadingSchema(mapping->second)};
  auto id = TableId(def.name());
  if (!id.ok()) return id.status();
  table.plan.set_table_id(*id);
  if (load_.source.keep_existing_schema) {
    if (absl::Status status = FitExisting(def, &table.plan); !status.ok()) return status;
  }
  if (!request.replace() && !Pool(table.loading_schema).Claim(table.plan.target_table())) {
    return Error(absl::StatusCode::kFailedPrecondition, "NAME_COLLISION", table.plan.target_table(),
                 fmt::format("schema {}: two tables would be named {}", mapping->second,
                             table.plan.target_table()),
                 "Leave one of them out with skip_tables.");
  }
  return table;
}

// A working copy of an online schema change stays unseen when it is copied again.
absl::StatusOr<std::string> TablePlanner::PlaceOf(const v1::TableName& name,
                                                  const std::string& mapped) {
  if (!load_.MovesTables()) return mapped;
  auto rows = session_->Query(
      "SELECT FROM sch_chameleon.t_replica_tables WHERE i_id_source = $1 AND t_source_schema = $2"
      " AND t_source_table = $3 AND v_schema_name = $4 AND NOT b_dropped",
      {std::to_string(load_.lease.source_id()), name.schema(), name.table(), HiddenSchema(mapped)});
  if (!rows.ok()) return rows.status();
  return rows->empty() ? mapped : HiddenSchema(mapped);
}

absl::Status TablePlanner::CheckAllFound(const v1::PlanTablesRequest& request) {
  if (request.replace() || load_.options.missing_ok) return absl::OkStatus();
  const auto same = [&](const std::string& a, const std::string& b) {
    return request.server().lower_case_table_names() == 0 ? a == b
                                                          : strcasecmp(a.c_str(), b.c_str()) == 0;
  };
  for (const v1::TableName& name : load_.options.only) {
    const bool found =
        std::any_of(request.tables().begin(), request.tables().end(), [&](const auto& def) {
          return same(def.name().schema(), name.schema()) &&
                 (name.table().empty() || same(def.name().table(), name.table()));
        });
    if (!found) return NotFound(name);
  }
  return absl::OkStatus();
}

absl::Status TablePlanner::NotFound(const v1::TableName& name) {
  if (name.table().empty()) {
    return Error(absl::StatusCode::kNotFound, "SCHEMA_EMPTY", name.schema(),
                 fmt::format("schema {} of the source has no table to copy", name.schema()),
                 "See limit_tables and skip_tables in the configuration.");
  }
  auto known = session_->Query(
      "SELECT string_agg(t_source_table, ', ' ORDER BY t_source_table)"
      " FROM sch_chameleon.t_replica_tables WHERE i_id_source = $1 AND t_source_schema = $2",
      {std::to_string(load_.lease.source_id()), name.schema()});
  if (!known.ok()) return known.status();
  return Error(absl::StatusCode::kNotFound, "TABLE_NOT_FOUND",
               fmt::format("{}.{}", name.schema(), name.table()),
               fmt::format("the source has no table {}.{}, or limit_tables and skip_tables "
                           "leave it out",
                           name.schema(), name.table()),
               fmt::format("The replica has of {}: {}.", name.schema(), known->Text(0, 0)));
}

// Tables move one by one into schemas that have others: their names must be free there.
absl::Status TablePlanner::ReadTarget(const v1::PlanTablesRequest& request) {
  if (!load_.MovesTables()) return absl::OkStatus();
  for (const auto& [from, to] : load_.source.options.schema_mappings()) {
    if (!targets_read_.insert(to).second) continue;
    std::vector<std::string> ours;
    for (const v1::TableDef& def : request.tables()) {
      if (def.name().schema() == from) {
        ours.push_back(target::Literal(target::ShortName(def.name().table())));
      }
    }
    // Relations of tables that are not exchanged, and their indexes.
    auto names = session_->Execute(fmt::format(
        "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
        " ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid"
        " LEFT JOIN pg_catalog.pg_class t ON t.oid = i.indrelid"
        " WHERE n.nspname = {} AND coalesce(t.relname, c.relname) <> ALL (ARRAY[{}]::text[])",
        target::Literal(to), fmt::join(ours, ", ")));
    if (!names.ok()) return names.status();
    for (size_t i = 0; i < names->size(); ++i) {
      Pool(LoadingSchema(to)).Claim(names->Text(i, 0));
    }
    if (!load_.source.keep_existing_schema) continue;
    if (auto status = existing_.Read(session_, to); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// A table that stays keeps its columns' types: values are read into them.
absl::Status TablePlanner::FitExisting(const v1::TableDef& def, v1::TablePlan* plan) {
  if (!existing_.Has(plan->target_schema(), plan->target_table())) return absl::OkStatus();
  const auto misfit = existing_.Fit(def, plan, true);
  if (!misfit) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "COLUMN_MISFIT", plan->target_table(),
               "keep_existing_schema: " + *misfit,
               "Change the table in the target, or set keep_existing_schema to No.");
}

// A table keeps its number over all its lives.
absl::StatusOr<uint64_t> TablePlanner::TableId(const v1::TableName& name) {
  auto& id = ids_[{name.schema(), name.table()}];
  if (id != 0) return id;
  auto rows = session_->Query(
      "SELECT coalesce((SELECT i_id_table FROM sch_chameleon.t_replica_tables"
      " WHERE i_id_source = $1 AND t_source_schema = $2 AND t_source_table = $3 AND NOT "
      "b_dropped),"
      " nextval(pg_get_serial_sequence('sch_chameleon.t_replica_tables', 'i_id_table')))",
      {std::to_string(load_.lease.source_id()), name.schema(), name.table()});
  if (!rows.ok()) return rows.status();
  return id = rows->Uint(0, 0);
}

// The types as the server spells them with nothing but pg_catalog in the search path: replay
// names them under such a path.
absl::Status TablePlanner::ReadTypes(std::vector<LoadingTable>* planned) {
  std::map<std::string, std::map<std::pair<std::string, std::string>, std::string>> types;
  for (LoadingTable& table : *planned) {
    auto [schema, first] = types.try_emplace(table.loading_schema);
    if (first) {
      auto rows = session_->Execute(fmt::format(
          "BEGIN; SET LOCAL search_path = pg_catalog;"
          "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)"
          " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
          " WHERE c.relnamespace = {}::regnamespace AND c.relkind = 'r' AND a.attnum > 0"
          " AND NOT a.attisdropped",
          target::Literal(Identifier(table.loading_schema))));
      session_->Abandon();  // the block was only for the search path
      if (!rows.ok()) return rows.status();
      for (size_t i = 0; i < rows->size(); ++i) {
        schema->second[{rows->Text(i, 0), rows->Text(i, 1)}] = rows->Text(i, 2);
      }
    }
    for (v1::ColumnPlan& column : *table.plan.mutable_columns()) {
      if (column.omitted() || target::HasOwnEnum(table.plan, column)) continue;
      const auto type = schema->second.find({table.plan.target_table(), column.target_name()});
      if (type == schema->second.end()) {
        return absl::InternalError(fmt::format("column {}.{} is not in its loading table",
                                               table.plan.target_table(), column.target_name()));
      }
      column.set_target_type(type->second);
    }
  }
  return absl::OkStatus();
}

uint32_t TablePlanner::FillFactorOf(const v1::TableName& name) const {
  uint32_t percent = 100;
  const std::string full = name.schema() + "." + name.table();
  for (const FillFactor& f :
       load_.source.fillfactor) {  // the last one that matches, as the manual says
    for (const std::string& t : f.tables) {
      if (t == full || t == "*") percent = f.percent;
    }
  }
  return percent;
}

}  // namespace chameleon::coordinator::ingest
