#include "client/commands.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <thread>

#include "client/client.h"
#include "client/completion.h"
#include "client/man_page.h"
#include "client/printers.h"
#include "proto/wire/error.h"
#include "proto/wire/status.h"

namespace chameleon::client {
namespace {

using Stub = v1::ControlService::Stub;
template <typename Request, typename Response>
using Call = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

template <typename Request>
Request Make(const Options& options) {
  Request request;
  request.set_config(options.config);
  if constexpr (!std::is_same_v<Request, v1::ConfigRequest> &&
                !std::is_same_v<Request, v1::ShowErrorsRequest>) {
    request.set_source(options.source);
  }
  return request;
}

// A command that answers with one line.
template <typename Request, Call<Request, v1::CommandResponse> call>
absl::Status Simple(Client* client, const Options& options) {
  grpc::ClientContext context;
  v1::CommandResponse response;
  const grpc::Status status = (client->stub().*call)(&context, Make<Request>(options), &response);
  if (!status.ok()) return FromGrpc(status);
  for (const std::string& warning : response.warnings()) {
    fmt::print(stderr, "warning: {}\n", warning);
  }
  if (options.json) {
    PrintJson(stdout, response);
  } else {
    fmt::print("{}\n", response.message());
  }
  return absl::OkStatus();
}

template <typename Request>
absl::Status Operate(Client* client, const Options& options, const Request& request,
                     Call<Request, v1::Operation> call) {
  grpc::ClientContext context;
  v1::Operation operation;
  const grpc::Status status = (client->stub().*call)(&context, request, &operation);
  if (!status.ok()) return FromGrpc(status);
  if (!options.no_wait) return client->Follow(operation);
  if (options.json) {
    PrintJson(stdout, operation);
  } else {
    fmt::print("{} was started: chamctl operations watch {}\n", operation.command(),
               operation.id());
  }
  return absl::OkStatus();
}

template <Call<v1::SourceRequest, v1::Operation> call>
absl::Status Long(Client* client, const Options& options) {
  return Operate(client, options, Make<v1::SourceRequest>(options), call);
}

absl::Status RefreshSchema(Client* client, const Options& options) {
  auto request = Make<v1::RefreshSchemaRequest>(options);
  request.set_schema(options.schema);
  return Operate(client, options, request, &Stub::RefreshSchema);
}

absl::Status SyncTables(Client* client, const Options& options) {
  auto request = Make<v1::SyncTablesRequest>(options);
  std::stringstream tables(options.tables);
  for (std::string table; std::getline(tables, table, ',');) request.add_tables(table);
  return Operate(client, options, request, &Stub::SyncTables);
}

absl::Status RunMaintenance(Client* client, const Options& options) {
  auto request = Make<v1::RunMaintenanceRequest>(options);
  request.set_full(options.full);
  return Operate(client, options, request, &Stub::RunMaintenance);
}

// Calls, then prints JSON or what `text` makes of the answer.
template <typename Request, typename Response, typename Text>
absl::Status Show(Client* client, const Options& options, const Request& request,
                  Call<Request, Response> call, Text text) {
  grpc::ClientContext context;
  Response response;
  const grpc::Status status = (client->stub().*call)(&context, request, &response);
  if (!status.ok()) return FromGrpc(status);
  if (options.json) {
    PrintJson(stdout, response);
  } else {
    fmt::print("{}", text(response));
  }
  return absl::OkStatus();
}

absl::Status ShowConfig(Client* client, const Options& options) {
  return Show(client, options, Make<v1::ConfigRequest>(options), &Stub::ShowConfig, ConfigText);
}

absl::Status ShowSources(Client* client, const Options& options) {
  return Show(client, options, Make<v1::ConfigRequest>(options), &Stub::ShowSources, SourcesText);
}

absl::Status ShowStatus(Client* client, const Options& options) {
  return Show(client, options, Make<v1::ShowStatusRequest>(options), &Stub::ShowStatus,
              [&](const v1::ShowStatusResponse& response) {
                return !options.source.empty() && response.sources_size() == 1
                           ? StatusDetailText(response.sources(0))
                           : StatusText(response);
              });
}

absl::Status ShowWorkers(Client* client, const Options& options) {
  return Show(client, options, v1::ShowWorkersRequest(), &Stub::ShowWorkers, WorkersText);
}

absl::Status ShowErrors(Client* client, const Options& options) {
  auto request = Make<v1::ShowErrorsRequest>(options);
  request.set_log_id(options.log_id);
  return Show(client, options, request, &Stub::ShowErrors,
              [&](const v1::ShowErrorsResponse& response) {
                return options.log_id != 0 && response.errors_size() == 1
                           ? ErrorDetailText(response.errors(0))
                           : ErrorsText(response);
              });
}

// With --debug the replica lives as long as the command, as in the manual.
absl::Status StartReplica(Client* client, const Options& options) {
  if (!options.debug) return Simple<v1::SourceRequest, &Stub::StartReplica>(client, options);
  // From the beginning: Ctrl-C while it starts stops it, too.
  grpc::ClientContext waiting;
  Client::Cancellable cancellable(client, &waiting);
  auto started = Simple<v1::SourceRequest, &Stub::StartReplica>(client, options);
  if (!started.ok()) return started;
  while (!client->interrupted()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    grpc::ClientContext context;
    v1::ShowStatusResponse response;
    const grpc::Status status =
        client->stub().ShowStatus(&context, Make<v1::ShowStatusRequest>(options), &response);
    // The coordinator keeps the replica going while PostgreSQL is away; so do we.
    if (!status.ok() || response.sources_size() != 1) continue;
    const v1::SourceStatus& source = response.sources(0);
    if (source.state() == v1::RUNNING) continue;
    return absl::FailedPreconditionError(
        source.last_error().empty() ? std::string("the replica was stopped") : source.last_error());
  }
  return Simple<v1::SourceRequest, &Stub::StopReplica>(client, options);
}

absl::Status SetConfigurationFiles(Client* client, const Options& options) {
  return Show(client, options, v1::SetConfigurationFilesRequest(), &Stub::SetConfigurationFiles,
              [](const v1::SetConfigurationFilesResponse& response) {
                std::string text;
                for (const auto& path : response.created()) text += "created " + path + "\n";
                for (const auto& path : response.kept()) text += "exists  " + path + "\n";
                return text;
              });
}

absl::Status RunOperations(Client* client, const Options& options) {
  v1::OperationRequest request;
  request.set_id(options.id);
  if (options.action == "watch") {
    v1::Operation operation;
    operation.set_id(options.id);
    return client->Follow(operation);
  }
  if (options.action == "cancel") {
    return Show(client, options, request, &Stub::CancelOperation,
                [](const v1::Operation& operation) {
                  return fmt::format("{} is being cancelled\n", operation.id());
                });
  }
  return Show(client, options, Make<v1::ConfigRequest>(options), &Stub::ListOperations,
              OperationsText);
}

// ---- without a coordinator ----

absl::Status Completion(Client*, const Options& options) {
  fmt::print("{}", CompletionScript(options.shell));
  return absl::OkStatus();
}

absl::Status Names(Client*, const Options& options) { return PrintNames(options); }

absl::Status ManPage(Client*, const Options&) {
  fmt::print("{}", ChamctlManPage());
  return absl::OkStatus();
}

constexpr unsigned kOfSource = kConfig | kSource;

}  // namespace

const std::vector<Command>& Commands() {
  static const auto* commands = new std::vector<Command>{
      // clang-format off
      {"set_configuration_files", "create the configuration directory and the example file",
       "Copy configuration/config-example.yml to configuration/default.yml and edit it.",
       "chamctl set_configuration_files", kNothing, SetConfigurationFiles},
      {"show_config", "show a configuration with its defaults, passwords masked",
       "Mistakes in the file are shown all at once, with their lines.",
       "chamctl show_config --config default", kConfig, ShowConfig},
      {"show_sources", "list the sources of a configuration",
       "\"Added\" tells whether add_source was run for it.",
       "chamctl show_sources", kConfig, ShowSources},
      {"show_status", "show how the sources stand: state, lag, activity",
       "With --source also positions, tables that are not replicated, losses and errors.",
       "chamctl show_status --source mysql", kOfSource, ShowStatus},
      {"show_errors", "list the errors of the replay, or show one entirely",
       "The newest are first; --logid takes a number of the list.",
       "chamctl show_errors --logid 30", kConfig | kLogId, ShowErrors},
      {"show_workers", "list the hosts that run workers, and what each of them does",
       "This host is the first; others join with chameleon-worker --coordinator.",
       "chamctl show_workers", kConfig, ShowWorkers},
      {"create_replica_schema", "create the catalogue sch_chameleon in the target database",
       "The first command on a new target. Next: add_source.",
       "chamctl create_replica_schema", kConfig, Simple<v1::ConfigRequest, &Stub::CreateReplicaSchema>},
      {"drop_replica_schema", "drop the catalogue sch_chameleon from the target database",
       "Replicated tables stay; positions and logs are lost.",
       "chamctl drop_replica_schema --yes", kConfig | kAsks, Simple<v1::ConfigRequest, &Stub::DropReplicaSchema>},
      {"upgrade_replica_schema", "bring the catalogue of an older version up to date",
       "Says so when there is nothing to do.",
       "chamctl upgrade_replica_schema", kConfig | kAsks, Simple<v1::ConfigRequest, &Stub::UpgradeReplicaSchema>},
      {"add_source", "register a source of the configuration in the catalogue",
       "Next: init_replica.",
       "chamctl add_source --source mysql", kOfSource, Simple<v1::SourceRequest, &Stub::AddSource>},
      {"drop_source", "remove a source from the catalogue",
       "It must not be running. Replicated tables stay.",
       "chamctl drop_source --source mysql --yes", kOfSource | kAsks, Simple<v1::SourceRequest, &Stub::DropSource>},
      {"init_replica", "copy all tables of a source, consistent as of one position",
       "The old target tables stay readable until the copy is complete. It goes on when this command\n"
       "is interrupted; see chamctl operations. Next: start_replica.",
       "chamctl init_replica --source mysql", kOfSource | kWaits | kAsks, Long<&Stub::InitReplica>},
      {"copy_schema", "create the tables of a source without their rows",
       "It replaces the tables that are there. The source is \"ready\" then: init_replica brings the\n"
       "rows, with keep_existing_schema into these tables.",
       "chamctl copy_schema --source mysql", kOfSource | kWaits | kAsks, Long<&Stub::CopySchema>},
      {"update_schema_mappings", "store the schema mappings of the file in the catalogue",
       "Target schemas are renamed. The replica must be stopped and everything replayed.",
       "chamctl update_schema_mappings --source mysql", kOfSource, Simple<v1::SourceRequest, &Stub::UpdateSchemaMappings>},
      {"refresh_schema", "copy all tables of one schema again",
       "A source that is running is paused for it and goes on by itself; readers see the old tables\n"
       "until all new ones are there.",
       "chamctl refresh_schema --source mysql --schema shop", kOfSource | kSchema | kWaits, RefreshSchema},
      {"sync_tables", "copy single tables again",
       "--tables takes schema.table, separated by commas, or the word disabled for all tables that\n"
       "left the replica. A source that is running is paused for it and goes on by itself.",
       "chamctl sync_tables --source mysql --tables shop.orders", kOfSource | kTables | kWaits, SyncTables},
      {"start_replica", "follow the changes of a source from where it stands",
       "The coordinator keeps it running. With --debug it runs until Ctrl-C, the log on the console.",
       "chamctl start_replica --source mysql", kOfSource, StartReplica},
      {"stop_replica", "stop following a source, at a commit",
       "start_replica goes on from there.",
       "chamctl stop_replica --source mysql", kOfSource, Simple<v1::SourceRequest, &Stub::StopReplica>},
      {"detach_replica", "make the target a database of its own",
       "Sequences get their next value, foreign keys are made and validated. What fails is listed:\n"
       "mend it and run the command again. The source is not followed any more.",
       "chamctl detach_replica --source mysql --yes", kOfSource | kWaits | kAsks, Long<&Stub::DetachReplica>},
      {"enable_replica", "let a source that stopped with an error be started again",
       "It becomes \"stopped\". See show_errors for the cause first.",
       "chamctl enable_replica --source mysql", kOfSource, Simple<v1::SourceRequest, &Stub::EnableReplica>},
      {"run_maintenance", "vacuum the log tables of a source",
       "A running source is paused for it. --full runs VACUUM FULL. See also auto_maintenance.",
       "chamctl run_maintenance --source mysql --full", kOfSource | kFull | kWaits, RunMaintenance},
      {"stop_all_replicas", "stop all running sources of the target",
       "Each can be started again by itself.",
       "chamctl stop_all_replicas", kConfig, Simple<v1::ConfigRequest, &Stub::StopAllReplicas>},
      {"operations", "list, watch or cancel long commands",
       "They live in the coordinator and survive the command that started them.",
       "chamctl operations watch init_replica-4711-1", kConfig | kOperation, RunOperations},
      {"names", "list the names that a configuration holds",
       "One per line, as completion needs them: configurations, sources of a configuration, schemas\n"
       "of its sources. It reads the file alone; no coordinator is asked or started.",
       "chamctl names sources --config default", kOfSource | kKind | kLocal, Names},
      {"completion", "print the completion script of a shell",
       "Installed packages have it in place. Else, in ~/.bashrc: source <(chamctl completion bash)",
       "chamctl completion bash", kShell | kLocal, Completion},
      {"man-page", "print the manual page of chamctl",
       "For man: chamctl man-page > chamctl.1; man -l chamctl.1",
       "chamctl man-page", kLocal, ManPage},
      // clang-format on
  };
  return *commands;
}

const std::vector<ExitCodeText>& ExitCodeTexts() {
  static const auto* texts = new std::vector<ExitCodeText>{
      {kExitOk, "done"},
      {kExitFailed, "failed"},
      {kExitUsage, "wrong usage"},
      {kExitPrecondition, "not found or not possible now"},
      {kExitUnavailable, "a server is away"},
      {kExitUnimplemented, "not implemented"},
      {kExitInterrupted, "interrupted"},
  };
  return *texts;
}

const Command* FindCommand(std::string_view name) {
  for (const Command& command : Commands()) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

std::string NearestCommand(std::string_view name) {
  std::string best;
  size_t best_distance = name.size() / 3 + 1;
  for (const Command& command : Commands()) {
    const std::string_view other = command.name;
    std::vector<size_t> row(other.size() + 1);
    for (size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= name.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j < row.size(); ++j) {
        const size_t above = row[j];
        row[j] =
            std::min({above + 1, row[j - 1] + 1, diagonal + (name[i - 1] == other[j - 1] ? 0 : 1)});
        diagonal = above;
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = other;
    }
  }
  return best;
}

}  // namespace chameleon::client
