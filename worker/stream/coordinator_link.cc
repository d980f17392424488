#include "worker/stream/coordinator_link.h"

#include <grpcpp/grpcpp.h>

#include "proto/wire/status.h"

namespace chameleon::worker::stream {
namespace {

class GrpcChunkWriter : public snapshot::ChunkWriter {
 public:
  GrpcChunkWriter(v1::WorkerService::Stub* stub, const v1::Lease& lease, uint64_t table_id,
                  uint32_t chunk)
      : writer_(stub->CopyChunk(&context_, &result_)) {
    *frame_.mutable_lease() = lease;
    frame_.set_table_id(table_id);
    frame_.set_chunk(chunk);
  }

  ~GrpcChunkWriter() override {
    if (finished_) return;
    context_.TryCancel();
    writer_->Finish();
  }

  absl::Status Write(std::string_view lines) override {
    frame_.set_data(lines.data(), lines.size());
    return Send();
  }

  absl::Status Finish(uint64_t rows) override {
    frame_.clear_data();
    frame_.set_last(true);
    frame_.set_rows(rows);
    auto status = Send();
    if (!status.ok()) return status;
    writer_->WritesDone();
    finished_ = true;
    return FromGrpc(writer_->Finish());
  }

 private:
  absl::Status Send() {
    if (!writer_->Write(frame_)) {  // the coordinator has ended the call: it says why
      finished_ = true;
      auto status = FromGrpc(writer_->Finish());
      return status.ok() ? absl::InternalError("the coordinator ended a chunk early") : status;
    }
    frame_.clear_lease();
    return absl::OkStatus();
  }

  grpc::ClientContext context_;
  v1::CopyResult result_;
  std::unique_ptr<grpc::ClientWriter<v1::CopyFrame>> writer_;
  v1::CopyFrame frame_;
  bool finished_ = false;
};

}  // namespace

CoordinatorLink::CoordinatorLink(std::shared_ptr<grpc::Channel> channel, const v1::Lease& lease,
                                 std::function<void(const v1::Progress&)> report)
    : lease_(lease),
      stub_(v1::WorkerService::NewStub(std::move(channel))),
      report_(std::move(report)) {}

absl::StatusOr<v1::PlanTablesResponse> CoordinatorLink::PlanTables(
    const v1::PlanTablesRequest& request) {
  grpc::ClientContext context;
  v1::PlanTablesResponse response;
  auto status = FromGrpc(stub_->PlanTables(&context, request, &response));
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<std::unique_ptr<snapshot::ChunkWriter>> CoordinatorLink::OpenChunk(uint64_t table_id,
                                                                                  uint32_t chunk) {
  return std::make_unique<GrpcChunkWriter>(stub_.get(), lease_, table_id, chunk);
}

absl::Status CoordinatorLink::FinishTable(const v1::FinishTableRequest& request) {
  grpc::ClientContext context;
  v1::FinishTableRequest leased = request;
  *leased.mutable_lease() = lease_;
  v1::FinishTableResponse response;
  return FromGrpc(stub_->FinishTable(&context, leased, &response));
}

absl::Status CoordinatorLink::FinishSnapshot(const v1::FinishSnapshotRequest& request) {
  grpc::ClientContext context;
  v1::FinishSnapshotResponse response;
  return FromGrpc(stub_->FinishSnapshot(&context, request, &response));
}

void CoordinatorLink::Report(const v1::Progress& progress) { report_(progress); }

absl::StatusOr<v1::ChangeSchemaResponse> CoordinatorLink::ChangeSchema(
    const v1::ChangeSchemaRequest& request) {
  grpc::ClientContext context;
  v1::ChangeSchemaResponse response;
  auto status = FromGrpc(stub_->ChangeSchema(&context, request, &response));
  if (!status.ok()) return status;
  return response;
}

absl::Status CoordinatorLink::TakeOver(const v1::TakeOverRequest& request) {
  grpc::ClientContext context;
  v1::TakeOverResponse response;
  return FromGrpc(stub_->TakeOver(&context, request, &response));
}

}  // namespace chameleon::worker::stream
