// WorkerService: the workers' reports go to their source's run, their rows to loader and writer.
#pragma once

#include "chameleon/v1/worker.grpc.pb.h"
#include "coordinator/api/gate.h"
#include "coordinator/coordinator.h"

namespace chameleon::coordinator::api {

class WorkerService final : public v1::WorkerService::Service {
 public:
  WorkerService(Coordinator* coordinator, Gate* gate) : coordinator_(coordinator), gate_(gate) {}

  using Context = grpc::ServerContext;
  grpc::Status Work(Context* context,
                    grpc::ServerReaderWriter<v1::WorkerOrder, v1::WorkerReport>* stream) override;
  grpc::Status PlanTables(Context*, const v1::PlanTablesRequest*, v1::PlanTablesResponse*) override;
  grpc::Status CopyChunk(Context*, grpc::ServerReader<v1::CopyFrame>*, v1::CopyResult*) override;
  grpc::Status FinishTable(Context*, const v1::FinishTableRequest*,
                           v1::FinishTableResponse*) override;
  grpc::Status FinishSnapshot(Context*, const v1::FinishSnapshotRequest*,
                              v1::FinishSnapshotResponse*) override;
  grpc::Status Push(Context*,
                    grpc::ServerReaderWriter<v1::BatchAck, v1::BatchFrame>* stream) override;
  grpc::Status TakeOver(Context*, const v1::TakeOverRequest*, v1::TakeOverResponse*) override;
  grpc::Status ChangeSchema(Context*, const v1::ChangeSchemaRequest*,
                            v1::ChangeSchemaResponse*) override;

 private:
  grpc::Status ServeHost(Context* context, const v1::WorkerReport::Hello& hello,
                         grpc::ServerReaderWriter<v1::WorkerOrder, v1::WorkerReport>* stream);

  Coordinator* const coordinator_;
  Gate* const gate_;
};

}  // namespace chameleon::coordinator::api
