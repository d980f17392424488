#include "coordinator/api/worker_service.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "coordinator/ingest/batch_writer.h"
#include "coordinator/ingest/schema_changer.h"
#include "coordinator/ingest/take_over.h"
#include "proto/wire/error.h"
#include "proto/wire/status.h"

namespace chameleon::coordinator::api {
namespace {

class StreamLink final : public sources::WorkerLink {
 public:
  StreamLink(grpc::ServerContext* context,
             grpc::ServerReaderWriter<v1::WorkerOrder, v1::WorkerReport>* stream)
      : context_(context), stream_(stream) {}
  bool Send(const v1::WorkerOrder& order) override { return stream_->Write(order); }
  void Close() override { context_->TryCancel(); }

 private:
  grpc::ServerContext* const context_;
  grpc::ServerReaderWriter<v1::WorkerOrder, v1::WorkerReport>* const stream_;
};

absl::Status BadFrame(std::string_view text) {
  return absl::InvalidArgumentError(std::string(text));
}

// One Push stream: frames of one batch after another under one lease.
class PushSession {
 public:
  explicit PushSession(Coordinator* coordinator) : coordinator_(coordinator) {}

  // `*acked` is the id of the batch that this frame ended, or 0.
  absl::Status OnFrame(const v1::BatchFrame& frame, uint64_t* acked) {
    *acked = 0;
    absl::Status status = Store(frame, acked);
    if (absl::IsUnavailable(status) && actor_) actor_->TargetAway();
    return status;
  }

 private:
  absl::Status Store(const v1::BatchFrame& frame, uint64_t* acked) {
    if (writer_ == nullptr) {
      auto actor = coordinator_->ActorOf(frame.lease());
      if (!actor.ok()) return actor.status();
      actor_ = *actor;
      auto writer = ingest::BatchWriter::Open(actor_->config()->target, frame.lease());
      if (!writer.ok()) return writer.status();
      writer_ = *std::move(writer);
    }
    if (frame.has_header()) {
      if (batch_id_ != 0) return BadFrame("a batch begins before the last one has ended");
      batch_id_ = frame.header().batch_id();
      if (auto status = writer_->Begin(frame.header()); !status.ok()) return status;
    }
    if (batch_id_ == 0) return BadFrame("data without a batch header");
    if (!frame.data().empty()) {
      if (auto status = writer_->Data(frame.data()); !status.ok()) return status;
    }
    if (!frame.last()) return absl::OkStatus();
    if (auto status = writer_->Commit(); !status.ok()) return status;
    *acked = std::exchange(batch_id_, 0);
    actor_->BatchCommitted();
    return absl::OkStatus();
  }

  Coordinator* const coordinator_;
  std::shared_ptr<sources::SourceActor> actor_;
  std::unique_ptr<ingest::BatchWriter> writer_;
  uint64_t batch_id_ = 0;  // of the open batch
};

}  // namespace

grpc::Status WorkerService::Work(
    Context* context, grpc::ServerReaderWriter<v1::WorkerOrder, v1::WorkerReport>* stream) {
  if (auto refused = gate_->Worker(*context); !refused.ok()) return refused;
  v1::WorkerReport report;
  if (!stream->Read(&report) || !report.has_hello()) {
    return ToGrpc(BadFrame("the first report must be hello"));
  }
  if (report.hello().launched_for_source() == 0) return ServeHost(context, report.hello(), stream);
  auto run = coordinator_->workers().Admit(report.hello());
  if (!run.ok()) {
    spdlog::warn("a worker was refused: {} worker={}", Text(run.status()),
                 report.hello().worker_id());
    return ToGrpc(run.status());
  }
  StreamLink link(context, stream);
  (*run)->Attach(report.hello(), &link);
  while (stream->Read(&report)) (*run)->OnReport(report);
  (*run)->Detach();
  return grpc::Status::OK;
}

grpc::Status WorkerService::ServeHost(
    Context* context, const v1::WorkerReport::Hello& hello,
    grpc::ServerReaderWriter<v1::WorkerOrder, v1::WorkerReport>* stream) {
  StreamLink link(context, stream);
  auto id = coordinator_->hosts().Join(hello, PeerHost(context->peer()), &link);
  if (!id.ok()) return ToGrpc(gate_->Refuse(context->peer(), id.status()));
  v1::WorkerReport report;
  while (stream->Read(&report)) coordinator_->hosts().OnReport(*id, report);
  coordinator_->hosts().Leave(*id);
  return grpc::Status::OK;
}

grpc::Status WorkerService::PlanTables(Context* context, const v1::PlanTablesRequest* request,
                                       v1::PlanTablesResponse* response) {
  if (auto refused = gate_->Worker(*context); !refused.ok()) return refused;
  auto actor = coordinator_->ActorOf(request->lease());
  if (!actor.ok()) return ToGrpc(actor.status());
  auto loader = (*actor)->Loader(request->lease());
  if (!loader.ok()) return ToGrpc(loader.status());
  auto plans = (*loader)->PlanTables(*request);
  if (!plans.ok()) return ToGrpc(plans.status());
  *response = *std::move(plans);
  return grpc::Status::OK;
}

grpc::Status WorkerService::CopyChunk(Context* context, grpc::ServerReader<v1::CopyFrame>* reader,
                                      v1::CopyResult* result) {
  if (auto refused = gate_->Worker(*context); !refused.ok()) return refused;
  v1::CopyFrame frame;
  std::shared_ptr<ingest::SnapshotLoader> loader;
  std::unique_ptr<ingest::CopySession> session;
  while (reader->Read(&frame)) {
    if (session == nullptr) {
      auto actor = coordinator_->ActorOf(frame.lease());
      if (!actor.ok()) return ToGrpc(actor.status());
      auto found = (*actor)->Loader(frame.lease());
      if (!found.ok()) return ToGrpc(found.status());
      loader = *found;
      auto opened = loader->OpenCopy(frame.table_id(), frame.chunk());
      if (!opened.ok()) return ToGrpc(opened.status());
      session = *std::move(opened);
    }
    if (!frame.data().empty()) {
      if (auto status = session->Write(frame.data()); !status.ok()) return ToGrpc(status);
    }
    if (frame.last()) {
      const absl::Status status = session->Finish(frame.rows());
      session.reset();
      if (status.ok()) result->set_rows(frame.rows());
      return ToGrpc(status);
    }
  }
  return ToGrpc(absl::CancelledError("the chunk ended without its last frame"));
}

grpc::Status WorkerService::FinishTable(Context* context, const v1::FinishTableRequest* request,
                                        v1::FinishTableResponse*) {
  if (auto refused = gate_->Worker(*context); !refused.ok()) return refused;
  auto actor = coordinator_->ActorOf(request->lease());
  if (!actor.ok()) return ToGrpc(actor.status());
  auto loader = (*actor)->Loader(request->lease());
  if (!loader.ok()) return ToGrpc(loader.status());
  return ToGrpc((*loader)->FinishTable(*request));
}

grpc::Status WorkerService::FinishSnapshot(Context* context,
                                           const v1::FinishSnapshotRequest* request,
                                           v1::FinishSnapshotResponse*) {
  if (auto refused = gate_->Worker(*context); !refused.ok()) return refused;
  auto actor = coordinator_->ActorOf(request->lease());
  if (!actor.ok()) return ToGrpc(actor.status());
  auto loader = (*actor)->Loader(request->lease());
  if (!loader.ok()) return ToGrpc(loader.status());
  return ToGrpc((*loader)->FinishSnapshot(*request));
}

grpc::Status WorkerService::Push(Context* context,
                                 grpc::ServerReaderWriter<v1::BatchAck, v1::BatchFrame>* stream) {
  if (auto refused = gate_->Worker(*context); !refused.ok()) return refused;
  PushSession session(coordinator_);
  v1::BatchFrame frame;
  v1::BatchAck ack;
  while (stream->Read(&frame)) {
    uint64_t acked = 0;
    if (auto status = session.OnFrame(frame, &acked); !status.ok()) {
      // Of a lease that has ended: nobody else would ever hear of it.
      return ToGrpc(absl::IsAborted(status) ? gate_->Refuse(context->peer(), status) : status);
    }
    if (acked == 0) continue;
    ack.set_batch_id(acked);
    if (!stream->Write(ack)) break;
  }
  return grpc::Status::OK;
}

grpc::Status WorkerService::ChangeSchema(Context* context, const v1::ChangeSchemaRequest* request,
                                         v1::ChangeSchemaResponse* response) {
  if (auto refused = gate_->Worker(*context); !refused.ok()) return refused;
  auto actor = coordinator_->ActorOf(request->lease());
  if (!actor.ok()) return ToGrpc(actor.status());
  const auto config = (*actor)->config();
  auto source = config->Source(request->lease().source());
  if (!source.ok()) return ToGrpc(source.status());
  auto changed = ingest::ChangeSchema(*config, **source, *request);
  if (!changed.ok()) {
    if (absl::IsUnavailable(changed.status())) (*actor)->TargetAway();
    return ToGrpc(changed.status());
  }
  spdlog::info("schema change src={} pos={}:{} changes={} lines={}", request->lease().source(),
               request->position().file(), request->position().offset(), request->changes_size(),
               changed->log_rows());
  *response = *std::move(changed);
  return grpc::Status::OK;
}

grpc::Status WorkerService::TakeOver(Context* context, const v1::TakeOverRequest* request,
                                     v1::TakeOverResponse*) {
  if (auto refused = gate_->Worker(*context); !refused.ok()) return refused;
  auto actor = coordinator_->ActorOf(request->lease());
  if (!actor.ok()) return ToGrpc(actor.status());
  const auto config = (*actor)->config();
  auto source = config->Source(request->lease().source());
  if (!source.ok()) return ToGrpc(source.status());
  auto status = ingest::TakeOver(*config, **source, *request);
  if (absl::IsUnavailable(status)) (*actor)->TargetAway();
  return ToGrpc(status);
}

}  // namespace chameleon::coordinator::api
