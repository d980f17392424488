#include "coordinator/ingest/take_over.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "coordinator/ingest/existing_tables.h"
#include "coordinator/pg/message_json.h"
#include "coordinator/pg/session.h"
#include "coordinator/target/ddl_writer.h"
#include "coordinator/target/fit.h"
#include "coordinator/target/quote.h"
#include "coordinator/target/type_map.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::ingest {
namespace {

using pg::Session;
using target::Literal;
using Name = std::pair<std::string, std::string>;  // schema, table

// Tables with such a reason are copied again as soon as the source runs.
constexpr char kRecopy[] = "it must be copied again: ";

struct KnownTable {
  uint64_t id = 0;
  bool enabled = false, has_version = false;
  std::string target_schema, target_table;
  std::string file;  // its own position; empty: none
  uint64_t offset = 0;
};

class Taker {
 public:
  Taker(const Config& config, const SourceConfig& source, const v1::TakeOverRequest& request,
        std::unique_ptr<Session> session)
      : config_(config), source_(source), request_(request), session_(std::move(session)) {
    for (const v1::TouchedTable& t : request.touched()) touched_[NameOf(t.name())] = &t;
  }

  absl::Status Run() {
    if (auto status = Prepare(); !status.ok()) return status;
    std::set<Name> seen;
    for (const v1::TableDef& def : request_.tables()) {
      seen.insert(NameOf(def.name()));
      const auto known = known_.find(NameOf(def.name()));
      auto status = known == known_.end() ? Register(def) : Take(def, known->second);
      if (!status.ok()) return status;
    }
    for (const auto& [name, table] : known_) {
      if (seen.contains(name) || !table.enabled || table.has_version) continue;
      const auto touched = touched_.find(name);
      Leave(table.id, touched != touched_.end()
                          ? kRecopy + touched->second->reason()
                          : "the source has no such table, or limit_tables and skip_tables leave "
                            "it out");
    }
    return Store();
  }

 private:
  static Name NameOf(const v1::TableName& name) { return {name.schema(), name.table()}; }

  absl::Status Prepare() {
    auto rows = session_->Query(
        "SELECT t.t_source_schema, t.t_source_table, t.i_id_table, t.b_replica_enabled,"
        " t.v_schema_name, t.v_table_name, t.t_binlog_name, t.i_binlog_position,"
        " EXISTS (SELECT FROM sch_chameleon.t_table_version v WHERE v.i_id_table = t.i_id_table)"
        " FROM sch_chameleon.t_replica_tables t WHERE t.i_id_source = $1 AND NOT t.b_dropped",
        {std::to_string(request_.lease().source_id())});
    if (!rows.ok()) return rows.status();
    for (size_t i = 0; i < rows->size(); ++i) {
      known_[{rows->Text(i, 0), rows->Text(i, 1)}] = {.id = rows->Uint(i, 2),
                                                      .enabled = rows->Bool(i, 3),
                                                      .has_version = rows->Bool(i, 8),
                                                      .target_schema = rows->Text(i, 4),
                                                      .target_table = rows->Text(i, 5),
                                                      .file = rows->Text(i, 6),
                                                      .offset = rows->Uint(i, 7)};
    }
    for (const auto& [from, to] : source_.options.schema_mappings()) {
      auto read = existing_.Read(session_.get(), to);
      if (!read.ok()) return read;
    }
    auto extensions = session_->Execute(
        "SELECT e.extname, n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n"
        " ON n.oid = e.extnamespace WHERE e.extname IN ('postgis', 'vector')");
    if (!extensions.ok()) return extensions.status();
    for (size_t i = 0; i < extensions->size(); ++i) {
      (extensions->Text(i, 0) == "postgis" ? postgis_ : pgvector_) = extensions->Text(i, 1);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<v1::TablePlan> Map(const v1::TableDef& def, const std::string& schema) const {
    return target::MapTable(def, {.target_schema = schema,
                                  .overrides = config_.type_overrides,
                                  .postgis_schema = postgis_,
                                  .pgvector_schema = pgvector_});
  }

  // The old catalogue does not know it: it has no key, or was left out there.
  absl::Status Register(const v1::TableDef& def) {
    const auto touched = touched_.find(NameOf(def.name()));
    if (touched != touched_.end() && touched->second->created()) return absl::OkStatus();
    const auto mapping = source_.options.schema_mappings().find(def.name().schema());
    if (mapping == source_.options.schema_mappings().end()) return absl::OkStatus();
    auto plan = Map(def, mapping->second);
    const bool usable = plan.ok() && plan->replicated();
    std::string reason = !plan.ok() ? Text(plan.status()) : plan->reason();
    if (usable) {
      reason = touched != touched_.end()
                   ? kRecopy + touched->second->reason()
                   : "pg_chameleon did not replicate it; sync_tables copies it";
    }
    new_ += fmt::format(
        "{}json_build_object('source_schema', {}, 'source_table', {}, 'target_schema', {},"
        " 'target_table', {}, 'replicated', {}, 'reason', {})",
        new_.empty() ? "" : ", ", Literal(def.name().schema()), Literal(def.name().table()),
        Literal(mapping->second), Literal(plan.ok() ? plan->target_table() : def.name().table()),
        usable ? "true" : "false", Literal(reason));
    return absl::OkStatus();
  }

  absl::Status Take(const v1::TableDef& def, const KnownTable& known) {
    if (!known.enabled || known.has_version) return absl::OkStatus();
    const auto touched = touched_.find(NameOf(def.name()));
    if (touched != touched_.end()) {
      Leave(known.id, kRecopy + touched->second->reason());
      return absl::OkStatus();
    }
    auto plan = Map(def, known.target_schema);
    if (!plan.ok()) {
      Leave(known.id, Text(plan.status()));
      return absl::OkStatus();
    }
    plan->set_table_id(known.id);
    const std::optional<std::string> misfit =
        plan->replicated() ? existing_.Fit(def, &*plan, false) : plan->reason();
    if (misfit) {
      Leave(known.id, *misfit + "; sync_tables copies it into types that hold its values");
      return absl::OkStatus();
    }
    v1::TableVersion& version = versions_.emplace_back();
    *version.mutable_def() = def;
    *version.mutable_plan() = *plan;
    *version.mutable_valid_from() = ValidFrom(known);
    const std::map<std::string, std::string> mappings(source_.options.schema_mappings().begin(),
                                                      source_.options.schema_mappings().end());
    for (const auto& note : target::DetachNotes(def, *plan, mappings)) {
      notes_ += fmt::format("{}json_build_object('table_id', {}, 'kind', {}, 'statement', {})",
                            notes_.empty() ? "" : ", ", known.id, Literal(note.kind),
                            Literal(note.statement));
    }
    return absl::OkStatus();
  }

  // What the target has of it: all up to the stored position, or up to its own when it was copied
  // later. By file and offset, because the old program stored no GTID that belongs to them.
  v1::Position ValidFrom(const KnownTable& known) const {
    v1::Position position = request_.stored();
    position.clear_gtid();
    position.clear_server_id();
    if (!known.file.empty()) {
      position.set_file(known.file);
      position.set_offset(known.offset);
    }
    return position;
  }

  void Leave(uint64_t id, const std::string& reason) {
    left_ += fmt::format("{}json_build_object('table_id', {}, 'reason', {})",
                         left_.empty() ? "" : ", ", id, Literal(reason));
    ++left_count_;
  }

  absl::Status Store() {
    const pg::VersionsSql stored = pg::ToSql(versions_);
    auto done = session_->Execute(fmt::format(
        "SELECT sch_chameleon.fn_finish_take_over({}, {}, {}, {}, {}, to_json(ARRAY[{}]::json[]),"
        " to_json(ARRAY[{}]::json[]), to_json(ARRAY[{}]::json[]))",
        request_.lease().source_id(), request_.lease().epoch(),
        Literal(pg::ToJson(request_.start())), versions_.empty() ? "'[]'" : stored.versions,
        stored.definitions, notes_, left_, new_));
    if (pg::SqlState(done.status()) == "CH001") {
      return Error(absl::StatusCode::kAborted, "LEASE_LOST", source_.name, Text(done.status()), "");
    }
    if (!done.ok()) return done.status();
    spdlog::info("taken over src={} tables={} left={} pos={}:{}", source_.name, versions_.size(),
                 left_count_, request_.start().file(), request_.start().offset());
    return absl::OkStatus();
  }

  const Config& config_;
  const SourceConfig& source_;
  const v1::TakeOverRequest& request_;
  const std::unique_ptr<Session> session_;
  std::map<Name, const v1::TouchedTable*> touched_;
  std::map<Name, KnownTable> known_;
  ExistingTables existing_;
  std::string postgis_, pgvector_;
  std::vector<v1::TableVersion> versions_;
  std::string notes_, left_, new_;  // SQL: json objects
  size_t left_count_ = 0;
};

}  // namespace

absl::Status TakeOver(const Config& config, const SourceConfig& source,
                      const v1::TakeOverRequest& request) {
  auto session = Session::Connect(config.target, "chameleon take over " + source.name);
  if (!session.ok()) return session.status();
  return Taker(config, source, request, std::move(*session)).Run();
}

}  // namespace chameleon::coordinator::ingest
