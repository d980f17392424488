// The coordinator over gRPC, as the rest of the worker sees it: one lease's calls.
//
// Thread-safe. Every call fails with the coordinator's status; a lost connection is UNAVAILABLE.
#pragma once

#include <grpcpp/channel.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "chameleon/v1/worker.grpc.pb.h"
#include "worker/snapshot/snapshot.h"

namespace chameleon::worker::stream {

class CoordinatorLink : public snapshot::SnapshotTarget {
 public:
  // `report` sends progress on the Work stream.
  CoordinatorLink(std::shared_ptr<grpc::Channel> channel, const v1::Lease& lease,
                  std::function<void(const v1::Progress&)> report);

  absl::StatusOr<v1::PlanTablesResponse> PlanTables(const v1::PlanTablesRequest& request) override;
  absl::StatusOr<std::unique_ptr<snapshot::ChunkWriter>> OpenChunk(uint64_t table_id,
                                                                   uint32_t chunk) override;
  absl::Status FinishTable(const v1::FinishTableRequest& request) override;
  absl::Status FinishSnapshot(const v1::FinishSnapshotRequest& request) override;
  void Report(const v1::Progress& progress) override;

  absl::StatusOr<v1::ChangeSchemaResponse> ChangeSchema(const v1::ChangeSchemaRequest& request);
  absl::Status TakeOver(const v1::TakeOverRequest& request);

 private:
  const v1::Lease lease_;
  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  const std::function<void(const v1::Progress&)> report_;
};

}  // namespace chameleon::worker::stream
