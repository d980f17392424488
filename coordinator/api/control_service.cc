#include "coordinator/api/control_service.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "proto/process/version.h"
#include "proto/wire/status.h"

namespace chameleon::coordinator::api {
namespace {

using sources::Scheduler;

// The answer of a call, or its error.
template <typename Response>
grpc::Status Answer(absl::StatusOr<Response> result, Response* response) {
  if (!result.ok()) return ToGrpc(result.status());
  *response = *std::move(result);
  return grpc::Status::OK;
}

// Calls `method(scheduler)` of the request's configuration and adds the file's warnings.
template <typename Method>
grpc::Status ForConfig(Coordinator* coordinator, const std::string& config, bool or_last,
                       v1::CommandResponse* response, Method method) {
  auto scheduler = coordinator->Serve(config, or_last);
  if (!scheduler.ok()) return ToGrpc(scheduler.status());
  const grpc::Status status = Answer(method(**scheduler), response);
  for (const std::string& warning : (*scheduler)->config()->warnings) {
    response->add_warnings(warning);
  }
  return status;
}

// Calls `method(scheduler, source)`; a source that was not named is the only one there is.
template <typename Request, typename Response, typename Method>
grpc::Status ForSource(Coordinator* coordinator, const Request& request, bool or_last,
                       Response* response, Method method) {
  auto scheduler = coordinator->Serve(request.config(), or_last);
  if (!scheduler.ok()) return ToGrpc(scheduler.status());
  const auto config = (*scheduler)->config();
  auto source = ResolveSource(*config, request.source());
  if (!source.ok()) return ToGrpc(source.status());
  return Answer(method(**scheduler, *source), response);
}

}  // namespace

grpc::Status ControlService::GetVersion(Context* context, const v1::GetVersionRequest*,
                                        v1::GetVersionResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  response->set_version(kVersion);
  response->set_pid(getpid());
  response->set_config_dir(coordinator_->home());
  return grpc::Status::OK;
}

grpc::Status ControlService::Shutdown(Context* context, const v1::ShutdownRequest*,
                                      v1::ShutdownResponse*) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  on_shutdown_();
  return grpc::Status::OK;
}

grpc::Status ControlService::SetConfigurationFiles(Context* context,
                                                   const v1::SetConfigurationFilesRequest*,
                                                   v1::SetConfigurationFilesResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return Answer(coordinator::SetConfigurationFiles(coordinator_->home()), response);
}

grpc::Status ControlService::ShowConfig(Context* context, const v1::ConfigRequest* request,
                                        v1::ShowConfigResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  auto scheduler = coordinator_->Serve(request->config());
  if (!scheduler.ok()) return ToGrpc(scheduler.status());
  const auto config = (*scheduler)->config();
  response->set_path(config->path);
  for (const auto& item : config->items) *response->add_items() = item;
  return grpc::Status::OK;
}

grpc::Status ControlService::ShowSources(Context* context, const v1::ConfigRequest* request,
                                         v1::ShowSourcesResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  auto scheduler = coordinator_->Serve(request->config());
  if (!scheduler.ok()) return ToGrpc(scheduler.status());
  *response = (*scheduler)->ShowSources();
  return grpc::Status::OK;
}

grpc::Status ControlService::ShowStatus(Context* context, const v1::ShowStatusRequest* request,
                                        v1::ShowStatusResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  auto scheduler = coordinator_->Serve(request->config(), true);
  if (!scheduler.ok()) return ToGrpc(scheduler.status());
  return Answer((*scheduler)->ShowStatus(request->source()), response);
}

grpc::Status ControlService::ShowWorkers(Context* context, const v1::ShowWorkersRequest*,
                                         v1::ShowWorkersResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  *response = coordinator_->ShowWorkers();
  return grpc::Status::OK;
}

grpc::Status ControlService::ShowErrors(Context* context, const v1::ShowErrorsRequest* request,
                                        v1::ShowErrorsResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  auto scheduler = coordinator_->Serve(request->config(), true);
  if (!scheduler.ok()) return ToGrpc(scheduler.status());
  return Answer((*scheduler)->ShowErrors(request->log_id()), response);
}

grpc::Status ControlService::CreateReplicaSchema(Context* context, const v1::ConfigRequest* request,
                                                 v1::CommandResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForConfig(coordinator_, request->config(), false, response,
                   [](Scheduler& scheduler) { return scheduler.CreateReplicaSchema(); });
}

grpc::Status ControlService::DropReplicaSchema(Context* context, const v1::ConfigRequest* request,
                                               v1::CommandResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForConfig(coordinator_, request->config(), false, response,
                   [](Scheduler& scheduler) { return scheduler.DropReplicaSchema(); });
}

grpc::Status ControlService::UpgradeReplicaSchema(Context* context,
                                                  const v1::ConfigRequest* request,
                                                  v1::CommandResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForConfig(coordinator_, request->config(), false, response,
                   [](Scheduler& scheduler) { return scheduler.UpgradeReplicaSchema(); });
}

grpc::Status ControlService::AddSource(Context* context, const v1::SourceRequest* request,
                                       v1::CommandResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForSource(
      coordinator_, *request, false, response,
      [](Scheduler& scheduler, const std::string& source) { return scheduler.AddSource(source); });
}

grpc::Status ControlService::DropSource(Context* context, const v1::SourceRequest* request,
                                        v1::CommandResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForSource(
      coordinator_, *request, false, response,
      [](Scheduler& scheduler, const std::string& source) { return scheduler.DropSource(source); });
}

grpc::Status ControlService::UpdateSchemaMappings(Context* context,
                                                  const v1::SourceRequest* request,
                                                  v1::CommandResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForSource(coordinator_, *request, false, response,
                   [](Scheduler& scheduler, const std::string& source) {
                     return scheduler.UpdateSchemaMappings(source);
                   });
}

grpc::Status ControlService::StartReplica(Context* context, const v1::SourceRequest* request,
                                          v1::CommandResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForSource(coordinator_, *request, false, response,
                   [](Scheduler& scheduler, const std::string& source) {
                     return scheduler.StartReplica(source);
                   });
}

grpc::Status ControlService::StopReplica(Context* context, const v1::SourceRequest* request,
                                         v1::CommandResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForSource(coordinator_, *request, true, response,
                   [](Scheduler& scheduler, const std::string& source) {
                     return scheduler.StopReplica(source);
                   });
}

grpc::Status ControlService::StopAllReplicas(Context* context, const v1::ConfigRequest* request,
                                             v1::CommandResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForConfig(coordinator_, request->config(), true, response,
                   [](Scheduler& scheduler) { return scheduler.StopAllReplicas(); });
}

grpc::Status ControlService::EnableReplica(Context* context, const v1::SourceRequest* request,
                                           v1::CommandResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForSource(coordinator_, *request, false, response,
                   [](Scheduler& scheduler, const std::string& source) {
                     return scheduler.EnableReplica(source);
                   });
}

grpc::Status ControlService::InitReplica(Context* context, const v1::SourceRequest* request,
                                         v1::Operation* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForSource(coordinator_, *request, false, response,
                   [](Scheduler& scheduler, const std::string& source) {
                     return scheduler.InitReplica(source);
                   });
}

grpc::Status ControlService::CopySchema(Context* context, const v1::SourceRequest* request,
                                        v1::Operation* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForSource(
      coordinator_, *request, false, response,
      [](Scheduler& scheduler, const std::string& source) { return scheduler.CopySchema(source); });
}

grpc::Status ControlService::RefreshSchema(Context* context,
                                           const v1::RefreshSchemaRequest* request,
                                           v1::Operation* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForSource(coordinator_, *request, false, response,
                   [&](Scheduler& scheduler, const std::string& source) {
                     return scheduler.RefreshSchema(source, request->schema());
                   });
}

grpc::Status ControlService::SyncTables(Context* context, const v1::SyncTablesRequest* request,
                                        v1::Operation* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForSource(
      coordinator_, *request, false, response,
      [&](Scheduler& scheduler, const std::string& source) {
        return scheduler.SyncTables(source, {request->tables().begin(), request->tables().end()});
      });
}

grpc::Status ControlService::RunMaintenance(Context* context,
                                            const v1::RunMaintenanceRequest* request,
                                            v1::Operation* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForSource(coordinator_, *request, false, response,
                   [&](Scheduler& scheduler, const std::string& source) {
                     return scheduler.RunMaintenance(source, request->full());
                   });
}

grpc::Status ControlService::DetachReplica(Context* context, const v1::SourceRequest* request,
                                           v1::Operation* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  return ForSource(coordinator_, *request, false, response,
                   [](Scheduler& scheduler, const std::string& source) {
                     return scheduler.DetachReplica(source);
                   });
}

}  // namespace chameleon::coordinator::api
