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

grpc::Status ControlService::GetVersion(Context*, const v1::GetVersionRequest*,
                                        v1::GetVersionResponse* response) {
  response->set_version(kVersion);
  response->set_pid(getpid());
  response->set_config_dir(coordinator_->home());
  return grpc::Status::OK;
}

grpc::Status ControlService::Shutdown(Context*, const v1::ShutdownRequest*, v1::ShutdownResponse*) {
  on_shutdown_();
  return grpc::Status::OK;
}

grpc::Status ControlService::SetConfigurationFiles(Context*,
                                                   const v1::SetConfigurationFilesRequest*,
                                                   v1::SetConfigurationFilesResponse* response) {
  return Answer(coordinator::SetConfigurationFiles(coordinator_->home()), response);
}

grpc::Status ControlService::ShowConfig(Context*, const v1::ConfigRequest* request,
                                        v1::ShowConfigResponse* response) {
  auto scheduler = coordinator_->Serve(request->config());
  if (!scheduler.ok()) return ToGrpc(scheduler.status());
  const auto config = (*scheduler)->config();
  response->set_path(config->path);
  for (const auto& item : config->items) *response->add_items() = item;
  return grpc::Status::OK;
}

grpc::Status ControlService::ShowSources(Context*, const v1::ConfigRequest* request,
                                         v1::ShowSourcesResponse* response) {
  auto scheduler = coordinator_->Serve(request->config());
  if (!scheduler.ok()) return ToGrpc(scheduler.status());
  *response = (*scheduler)->ShowSources();
  return grpc::Status::OK;
}

grpc::Status ControlService::ShowStatus(Context*, const v1::ShowStatusRequest* request,
                                        v1::ShowStatusResponse* response) {
  auto scheduler = coordinator_->Serve(request->config(), true);
  if (!scheduler.ok()) return ToGrpc(scheduler.status());
  return Answer((*scheduler)->ShowStatus(request->source()), response);
}

grpc::Status ControlService::ShowErrors(Context*, const v1::ShowErrorsRequest* request,
                                        v1::ShowErrorsResponse* response) {
  auto scheduler = coordinator_->Serve(request->config(), true);
  if (!scheduler.ok()) return ToGrpc(scheduler.status());
  return Answer((*scheduler)->ShowErrors(request->log_id()), response);
}

grpc::Status ControlService::CreateReplicaSchema(Context*, const v1::ConfigRequest* request,
                                                 v1::CommandResponse* response) {
  return ForConfig(coordinator_, request->config(), false, response,
                   [](Scheduler& scheduler) { return scheduler.CreateReplicaSchema(); });
}

grpc::Status ControlService::DropReplicaSchema(Context*, const v1::ConfigRequest* request,
                                               v1::CommandResponse* response) {
  return ForConfig(coordinator_, request->config(), false, response,
                   [](Scheduler& scheduler) { return scheduler.DropReplicaSchema(); });
}

grpc::Status ControlService::UpgradeReplicaSchema(Context*, const v1::ConfigRequest* request,
                                                  v1::CommandResponse* response) {
  return ForConfig(coordinator_, request->config(), false, response,
                   [](Scheduler& scheduler) { return scheduler.UpgradeReplicaSchema(); });
}

grpc::Status ControlService::AddSource(Context*, const v1::SourceRequest* request,
                                       v1::CommandResponse* response) {
  return ForSource(
      coordinator_, *request, false, response,
      [](Scheduler& scheduler, const std::string& source) { return scheduler.AddSource(source); });
}

grpc::Status ControlService::DropSource(Context*, const v1::SourceRequest* request,
                                        v1::CommandResponse* response) {
  return ForSource(
      coordinator_, *request, false, response,
      [](Scheduler& scheduler, const std::string& source) { return scheduler.DropSource(source); });
}

grpc::Status ControlService::UpdateSchemaMappings(Context*, const v1::SourceRequest* request,
                                                  v1::CommandResponse* response) {
  return ForSource(coordinator_, *request, false, response,
                   [](Scheduler& scheduler, const std::string& source) {
                     return scheduler.UpdateSchemaMappings(source);
                   });
}

grpc::Status ControlService::StartReplica(Context*, const v1::SourceRequest* request,
                                          v1::CommandResponse* response) {
  return ForSource(coordinator_, *request, false, response,
                   [](Scheduler& scheduler, const std::string& source) {
                     return scheduler.StartReplica(source);
                   });
}

grpc::Status ControlService::StopReplica(Context*, const v1::SourceRequest* request,
                                         v1::CommandResponse* response) {
  return ForSource(coordinator_, *request, true, response,
                   [](Scheduler& scheduler, const std::string& source) {
                     return scheduler.StopReplica(source);
                   });
}

grpc::Status ControlService::StopAllReplicas(Context*, const v1::ConfigRequest* request,
                                             v1::CommandResponse* response) {
  return ForConfig(coordinator_, request->config(), true, response,
                   [](Scheduler& scheduler) { return scheduler.StopAllReplicas(); });
}

grpc::Status ControlService::EnableReplica(Context*, const v1::SourceRequest* request,
                                           v1::CommandResponse* response) {
  return ForSource(coordinator_, *request, false, response,
                   [](Scheduler& scheduler, const std::string& source) {
                     return scheduler.EnableReplica(source);
                   });
}

grpc::Status ControlService::InitReplica(Context*, const v1::SourceRequest* request,
                                         v1::Operation* response) {
  return ForSource(coordinator_, *request, false, response,
                   [](Scheduler& scheduler, const std::string& source) {
                     return scheduler.InitReplica(source);
                   });
}

grpc::Status ControlService::CopySchema(Context*, const v1::SourceRequest* request,
                                        v1::Operation* response) {
  return ForSource(
      coordinator_, *request, false, response,
      [](Scheduler& scheduler, const std::string& source) { return scheduler.CopySchema(source); });
}

grpc::Status ControlService::RefreshSchema(Context*, const v1::RefreshSchemaRequest* request,
                                           v1::Operation* response) {
  return ForSource(coordinator_, *request, false, response,
                   [&](Scheduler& scheduler, const std::string& source) {
                     return scheduler.RefreshSchema(source, request->schema());
                   });
}

grpc::Status ControlService::SyncTables(Context*, const v1::SyncTablesRequest* request,
                                        v1::Operation* response) {
  return ForSource(
      coordinator_, *request, false, response,
      [&](Scheduler& scheduler, const std::string& source) {
        return scheduler.SyncTables(source, {request->tables().begin(), request->tables().end()});
      });
}

grpc::Status ControlService::RunMaintenance(Context*, const v1::RunMaintenanceRequest* request,
                                            v1::Operation* response) {
  return ForSource(coordinator_, *request, false, response,
                   [&](Scheduler& scheduler, const std::string& source) {
                     return scheduler.RunMaintenance(source, request->full());
                   });
}

grpc::Status ControlService::DetachReplica(Context*, const v1::SourceRequest* request,
                                           v1::Operation* response) {
  return ForSource(coordinator_, *request, false, response,
                   [](Scheduler& scheduler, const std::string& source) {
                     return scheduler.DetachReplica(source);
                   });
}

}  // namespace chameleon::coordinator::api
