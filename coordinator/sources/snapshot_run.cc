// SourceActor's way to copy: one worker and one loader for init_replica, copy_schema,
// refresh_schema and sync_tables, each an operation.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <strings.h>

#include <algorithm>
#include <chrono>

#include "coordinator/sources/source_actor.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::sources {
namespace {

constexpr double kDrainStepS = 0.5;

absl::Status Invalid(std::string_view reason, std::string_view object, std::string text,
                     std::string hint) {
  return Error(absl::StatusCode::kInvalidArgument, reason, object, text, hint);
}

std::string Keys(const std::map<std::string, std::string>& mappings) {
  std::vector<std::string> keys;
  for (const auto& [key, _] : mappings) keys.push_back(key);
  return fmt::format("{}", fmt::join(keys, ", "));
}

absl::Status UnknownSchema(const std::string& schema, const pg::SourceRecord& record) {
  return Error(absl::StatusCode::kNotFound, "SCHEMA_NOT_FOUND", schema,
               fmt::format("source \"{}\" replicates no schema \"{}\"", record.name, schema),
               fmt::format("Its schemas are: {}.", Keys(record.schema_mappings)));
}

std::string Trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return std::string(text);
}

absl::StatusOr<std::vector<v1::TableName>> ParseTables(const std::vector<std::string>& texts,
                                                       const pg::SourceRecord& record) {
  std::vector<v1::TableName> names;
  for (const std::string& given : texts) {
    const std::string text = Trimmed(given);
    const size_t dot = text.find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == text.size()) {
      return Invalid("TABLE_NAME", text, fmt::format("\"{}\" is not a table name", text),
                     "Write schema.table with the source's schema, several separated by commas, "
                     "or the word disabled.");
    }
    v1::TableName& name = names.emplace_back();
    name.set_schema(text.substr(0, dot));
    name.set_table(text.substr(dot + 1));
    if (record.schema_mappings.count(name.schema()) == 0) {
      return UnknownSchema(name.schema(), record);
    }
  }
  if (names.empty()) {
    return Invalid("TABLES_REQUIRED", record.name, "no table was named",
                   "Add --tables schema.table[,schema.table …] or --tables disabled.");
  }
  return names;
}

}  // namespace

// A source that is not followed has nothing that single tables could go on with.
absl::Status SourceActor::CheckCanSync(const Config& config) const {
  const std::string& type = Settings(config).type;
  if (type == "mysql") return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "NO_REPLICATION", name_,
               fmt::format("source \"{}\" is of type {}, which is only copied as a whole", name_,
                           type),
               "Use init_replica to copy it again.");
}

absl::StatusOr<v1::Operation> SourceActor::InitReplica() {
  return CopyAll(Command::kInitReplica, {"init_replica", ingest::LoadOptions::kAll, {}, false});
}

absl::StatusOr<v1::Operation> SourceActor::CopySchema() {
  return CopyAll(Command::kCopySchema,
                 {"copy_schema", ingest::LoadOptions::kSchemaOnly, {}, false});
}

absl::StatusOr<v1::Operation> SourceActor::CopyAll(Command command, CopyRequest request) {
  std::lock_guard lock(command_mutex_);
  auto record = catalogue_->GetSource(name_);
  if (!record.ok()) return record.status();
  auto transition = Next(command, record->state, name_);
  if (!transition.ok()) return transition.status();
  const auto config = this->config();
  if (auto status = CheckNotDetached(*record); !status.ok()) return status;
  if (auto status = catalogue_->CheckTarget(Settings(*config), false); !status.ok()) return status;
  Task task;
  task.command = request.command;
  task.during = transition->during;
  task.failed_is_error = command == Command::kInitReplica;
  task.run = [this, request](const std::string& operation, std::string* result) {
    return RunCopy(operation, request, result);
  };
  return Operate(*record, std::move(task));
}

// A source without a position whose tables are still known was detached: they live on their own.
absl::Status SourceActor::CheckNotDetached(const pg::SourceRecord& record) {
  if (record.state != v1::READY) return absl::OkStatus();
  auto status = catalogue_->Status(name_, true);
  if (!status.ok()) return status.status();
  if (status->tables().empty()) return absl::OkStatus();
  return Error(
      absl::StatusCode::kFailedPrecondition, "SOURCE_DETACHED", name_,
      fmt::format("source \"{}\" was detached: its tables in the target live on their own", name_),
      fmt::format("To replace them with a new copy run chamctl drop_source --source {0} "
                  "and chamctl add_source --source {0} first.",
                  name_));
}

absl::StatusOr<v1::Operation> SourceActor::SyncTables(const std::vector<std::string>& tables) {
  std::lock_guard lock(command_mutex_);
  auto record = catalogue_->GetSource(name_);
  if (!record.ok()) return record.status();
  CopyRequest request{"sync_tables", ingest::LoadOptions::kTables, {}, false};
  if (tables.size() == 1 && Trimmed(tables[0]) == "disabled") {
    auto status = catalogue_->Status(name_, true);
    if (!status.ok()) return status.status();
    for (const v1::TableStatus& table : status->tables()) {
      if (table.state() == "disabled") request.only.push_back(table.source());
    }
    request.missing_ok = true;
  } else {
    auto names = ParseTables(tables, *record);
    if (!names.ok()) return names.status();
    request.only = *std::move(names);
  }
  return Sync(Command::kSyncTables, *record, std::move(request));
}

absl::StatusOr<v1::Operation> SourceActor::RefreshSchema(const std::string& given) {
  std::lock_guard lock(command_mutex_);
  auto record = catalogue_->GetSource(name_);
  if (!record.ok()) return record.status();
  std::string schema = given;
  if (schema.empty()) {
    if (record->schema_mappings.size() != 1) {
      return Invalid("SCHEMA_REQUIRED", name_,
                     fmt::format("source \"{}\" has {} schemas: say which", name_,
                                 record->schema_mappings.size()),
                     fmt::format("Add --schema with one of: {}.", Keys(record->schema_mappings)));
    }
    schema = record->schema_mappings.begin()->first;
  }
  if (record->schema_mappings.count(schema) == 0) return UnknownSchema(schema, *record);
  CopyRequest request{"refresh_schema", ingest::LoadOptions::kTables, {}, false};
  request.only.emplace_back().set_schema(schema);
  return Sync(Command::kRefreshSchema, *record, std::move(request));
}

absl::StatusOr<v1::Operation> SourceActor::Sync(Command command, const pg::SourceRecord& record,
                                                CopyRequest request) {
  auto transition = Next(command, record.state, name_);
  if (!transition.ok()) return transition.status();
  const auto config = this->config();
  if (auto status = CheckCanSync(*config); !status.ok()) return status;
  if (auto status = catalogue_->CheckTarget(Settings(*config), false); !status.ok()) return status;
  if (request.only.empty()) {
    auto operation = services_.operations->Begin(request.command, config->name, name_, [] {});
    if (!operation.ok()) return operation.status();
    services_.operations->Finish(*operation, absl::OkStatus(),
                                 fmt::format("source \"{}\" has no disabled table", name_));
    return services_.operations->Get(*operation);
  }
  if (auto status = AddChildren(&request); !status.ok()) return status;
  Task task;
  task.command = request.command;
  task.during = transition->during;
  task.run = [this, request = std::move(request)](const std::string& operation,
                                                  std::string* result) {
    // Lines of these tables that wait for replay would come after the copy that holds them.
    if (auto status = Drain(operation, request.only); !status.ok()) return status;
    return RunCopy(operation, request, result);
  };
  return Operate(record, std::move(task));
}

// A parent's rows between the stream and its copy are not read; what they do to children through
// foreign keys is in no log. So the children are copied with it.
absl::Status SourceActor::AddChildren(CopyRequest* request) {
  auto known = catalogue_->LoadReplication(id_);
  if (!known.ok()) return known.status();
  const auto wanted = [&](const v1::TableName& name) {
    return std::any_of(request->only.begin(), request->only.end(), [&](const v1::TableName& one) {
      return strcasecmp(one.schema().c_str(), name.schema().c_str()) == 0 &&
             (one.table().empty() || strcasecmp(one.table().c_str(), name.table().c_str()) == 0);
    });
  };
  const auto acts = [](const std::string& action) {
    return action == "CASCADE" || action == "SET NULL";
  };
  for (bool grown = true; grown;) {
    grown = false;
    for (const v1::TableVersion& table : known->tables) {
      const v1::TableDef& def = table.def();
      const bool follows = std::any_of(
          def.foreign_keys().begin(), def.foreign_keys().end(), [&](const v1::ForeignKeyDef& key) {
            return (acts(key.on_delete()) || acts(key.on_update())) && wanted(key.referenced());
          });
      if (!follows || wanted(def.name())) continue;
      spdlog::info("copied with its parent tbl={}.{} {}", def.name().schema(), def.name().table(),
                   Tag());
      request->only.push_back(def.name());
      grown = true;
    }
  }
  return absl::OkStatus();
}

absl::Status SourceActor::Drain(const std::string& operation,
                                const std::vector<v1::TableName>& failing_allowed) {
  v1::Progress progress;
  progress.set_phase("replay");
  services_.operations->SetProgress(operation, progress);
  SetActivity("replaying what was received");
  const auto config = this->config();
  absl::Status drained = DrainOnce(*config);
  if (!absl::IsFailedPrecondition(drained) || failing_allowed.empty()) return drained;
  // With on_error_replay: exit the table that is to be repaired may be the one that is in the way.
  spdlog::warn("replaying without the tables that are copied again: {} {}", Text(drained), Tag());
  auto disabled = catalogue_->DisableTables(
      id_, failing_allowed, "its log could not be replayed; it is being copied again");
  if (!disabled.ok()) return disabled;
  return DrainOnce(*config);
}

absl::Status SourceActor::DrainOnce(const Config& config) {
  StartReplayer(config);
  absl::Status status;
  for (;;) {
    std::shared_ptr<replay::Replayer> replayer;
    {
      std::lock_guard lock(mutex_);
      replayer = replayer_;
      if (stop_ || cancel_) status = absl::CancelledError("stopped");
    }
    if (!status.ok()) break;
    status = replayer->Drain(kDrainStepS);
    if (status.code() != absl::StatusCode::kDeadlineExceeded) break;
    status = absl::OkStatus();
  }
  StopReplayer(false);
  std::lock_guard lock(mutex_);
  if (!replay_failure_.ok()) status = std::exchange(replay_failure_, absl::OkStatus());
  return status;
}

absl::Status SourceActor::RunCopy(const std::string& operation, const CopyRequest& request,
                                  std::string* result) {
  const auto config = this->config();
  const auto begin = std::chrono::steady_clock::now();
  auto opened = OpenSession(*config);
  if (!opened.ok()) return opened.status();
  Session* session = opened->get();
  SourceConfig settings = Settings(*config);
  ApplyMappings(session->record, &settings.options);
  ingest::LoadOptions load;
  load.kind = request.kind;
  load.only = request.only;
  load.missing_ok = request.missing_ok;
  auto loader = ingest::SnapshotLoader::Open(*config, settings, session->lease, load);
  if (!loader.ok()) return loader.status();
  Publish(session);
  {
    std::lock_guard lock(mutex_);
    loader_ = std::move(*loader);
    activity_ = "copying";
  }
  v1::WorkerOrder order;
  *order.mutable_assignment() = AssignmentFor(*config, *session);
  v1::SnapshotTask* task = order.mutable_assignment()->mutable_snapshot();
  task->set_schema_only(request.kind == ingest::LoadOptions::kSchemaOnly);
  for (const v1::TableName& name : request.only) *task->add_only() = name;
  if (!session->run->Send(order)) return absl::UnavailableError("the worker is gone");

  v1::Progress progress;
  if (auto status = AwaitCopy(session, operation, &progress); !status.ok()) return status;
  // The swap has stored state and position; a worker that says "done" without it has a bug.
  auto record = catalogue_->GetSource(name_);
  if (!record.ok()) return record.status();
  const v1::SourceState wanted = request.kind == ingest::LoadOptions::kAll      ? v1::INITIALISED
                                 : request.kind == ingest::LoadOptions::kTables ? v1::SYNCED
                                                                                : v1::READY;
  if (record->state != wanted) {
    return absl::InternalError("the worker ended the copy without finishing it");
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  static constexpr const char* kDone[] = {"initialised", "synchronised", "created without rows"};
  *result = fmt::format("source \"{}\" {}: {} tables, {} rows in {:.1f} s", name_,
                        kDone[request.kind], progress.tables_total(), progress.rows(), seconds);
  std::shared_ptr<ingest::SnapshotLoader> ended;
  {
    std::lock_guard lock(mutex_);
    ended = loader_;
  }
  const std::vector<std::string> notes = ended->Notes();
  if (!notes.empty()) *result += fmt::format("; {}", fmt::join(notes, "; "));
  return absl::OkStatus();
}

absl::Status SourceActor::AwaitCopy(Session* session, const std::string& operation,
                                    v1::Progress* progress) {
  uint64_t seen = 0;
  std::pair<uint32_t, uint32_t> indexes_seen{0, 0};
  const auto report = [&] {
    uint64_t version = 0;
    v1::Progress now = session->run->progress(&version);
    std::pair<uint32_t, uint32_t> indexes;
    {
      std::lock_guard lock(mutex_);
      if (loader_) indexes = loader_->IndexProgress();
      if (version == seen && indexes == indexes_seen) return;
      activity_ = now.tables_total() == 0
                      ? fmt::format("copying: {}", now.phase())
                      : fmt::format("copying: {}, {} of {} tables, {} rows", now.phase(),
                                    now.tables_done(), now.tables_total(), now.rows());
    }
    seen = version;
    indexes_seen = indexes;
    if (indexes.second != 0 && now.message().empty()) {
      now.set_message(fmt::format("indexes {} of {}", indexes.first, indexes.second));
    }
    *progress = std::move(now);
    services_.operations->SetProgress(operation, *progress);
  };
  const WorkerRun::End end = AwaitEnd(
      session,
      [this] {
        std::lock_guard lock(mutex_);
        return stop_ || cancel_;
      },
      report);
  report();
  return end.status;
}

}  // namespace chameleon::coordinator::sources
