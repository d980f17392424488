// ControlService: unpack, call, translate the status. Everything else is in sources/.
#pragma once

#include <functional>

#include "chameleon/v1/control.grpc.pb.h"
#include "coordinator/api/gate.h"
#include "coordinator/coordinator.h"

namespace chameleon::coordinator::api {

class ControlService final : public v1::ControlService::Service {
 public:
  // `on_shutdown` asks the process to stop and returns at once.
  ControlService(Coordinator* coordinator, Gate* gate, std::function<void()> on_shutdown)
      : coordinator_(coordinator), gate_(gate), on_shutdown_(std::move(on_shutdown)) {}

  using Context = grpc::ServerContext;
  grpc::Status GetVersion(Context*, const v1::GetVersionRequest*, v1::GetVersionResponse*) override;
  grpc::Status Shutdown(Context*, const v1::ShutdownRequest*, v1::ShutdownResponse*) override;
  grpc::Status SetConfigurationFiles(Context*, const v1::SetConfigurationFilesRequest*,
                                     v1::SetConfigurationFilesResponse*) override;
  grpc::Status ShowConfig(Context*, const v1::ConfigRequest*, v1::ShowConfigResponse*) override;
  grpc::Status ShowSources(Context*, const v1::ConfigRequest*, v1::ShowSourcesResponse*) override;
  grpc::Status ShowStatus(Context*, const v1::ShowStatusRequest*, v1::ShowStatusResponse*) override;
  grpc::Status ShowWorkers(Context*, const v1::ShowWorkersRequest*,
                           v1::ShowWorkersResponse*) override;
  grpc::Status ShowErrors(Context*, const v1::ShowErrorsRequest*, v1::ShowErrorsResponse*) override;

  grpc::Status CreateReplicaSchema(Context*, const v1::ConfigRequest*,
                                   v1::CommandResponse*) override;
  grpc::Status DropReplicaSchema(Context*, const v1::ConfigRequest*, v1::CommandResponse*) override;
  grpc::Status UpgradeReplicaSchema(Context*, const v1::ConfigRequest*,
                                    v1::CommandResponse*) override;
  grpc::Status AddSource(Context*, const v1::SourceRequest*, v1::CommandResponse*) override;
  grpc::Status DropSource(Context*, const v1::SourceRequest*, v1::CommandResponse*) override;
  grpc::Status UpdateSchemaMappings(Context*, const v1::SourceRequest*,
                                    v1::CommandResponse*) override;
  grpc::Status StartReplica(Context*, const v1::SourceRequest*, v1::CommandResponse*) override;
  grpc::Status StopReplica(Context*, const v1::SourceRequest*, v1::CommandResponse*) override;
  grpc::Status StopAllReplicas(Context*, const v1::ConfigRequest*, v1::CommandResponse*) override;
  grpc::Status EnableReplica(Context*, const v1::SourceRequest*, v1::CommandResponse*) override;

  grpc::Status InitReplica(Context*, const v1::SourceRequest*, v1::Operation*) override;
  grpc::Status CopySchema(Context*, const v1::SourceRequest*, v1::Operation*) override;
  grpc::Status RefreshSchema(Context*, const v1::RefreshSchemaRequest*, v1::Operation*) override;
  grpc::Status SyncTables(Context*, const v1::SyncTablesRequest*, v1::Operation*) override;
  grpc::Status RunMaintenance(Context*, const v1::RunMaintenanceRequest*, v1::Operation*) override;
  grpc::Status DetachReplica(Context*, const v1::SourceRequest*, v1::Operation*) override;

  grpc::Status ListOperations(Context*, const v1::ConfigRequest*,
                              v1::ListOperationsResponse*) override;
  grpc::Status WatchOperation(Context*, const v1::OperationRequest*,
                              grpc::ServerWriter<v1::Operation>*) override;
  grpc::Status CancelOperation(Context*, const v1::OperationRequest*, v1::Operation*) override;
  grpc::Status WatchLog(Context*, const v1::WatchLogRequest*,
                        grpc::ServerWriter<v1::LogLine>*) override;

 private:
  Coordinator* const coordinator_;
  Gate* const gate_;
  const std::function<void()> on_shutdown_;
};

}  // namespace chameleon::coordinator::api
