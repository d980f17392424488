// ControlService's operations and streams: what a client watches.
#include <google/protobuf/util/time_util.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "coordinator/api/control_service.h"
#include "proto/process/logging.h"
#include "proto/wire/status.h"

namespace chameleon::coordinator::api {
namespace {

using sources::Operations;

constexpr std::chrono::milliseconds kUpdateInterval{200};
constexpr std::chrono::milliseconds kCancelCheck{500};
constexpr size_t kLinesWaitingMax = 10'000;

// Log lines on their way to one client; the oldest go when it is slow.
class LineQueue {
 public:
  void Push(int64_t time_us, const std::string& level, const std::string& text) {
    v1::LogLine line;
    *line.mutable_time() = google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(time_us);
    line.set_level(level);
    line.set_text(text);
    std::lock_guard lock(mutex_);
    if (lines_.size() >= kLinesWaitingMax) lines_.pop_front();
    lines_.push_back(std::move(line));
    changed_.notify_one();
  }
  bool Pop(v1::LogLine* line) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kCancelCheck, [this] { return !lines_.empty(); })) return false;
    *line = std::move(lines_.front());
    lines_.pop_front();
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<v1::LogLine> lines_;
};

// Lines of other sources are left out; lines of no source stay.
bool Concerns(const std::string& text, const std::string& source) {
  if (source.empty() || text.find("src=") == std::string::npos) return true;
  const std::string tag = "src=" + source;
  const size_t at = text.find(tag);
  return at != std::string::npos &&
         (at + tag.size() == text.size() || text[at + tag.size()] == ' ');
}

}  // namespace

grpc::Status ControlService::ListOperations(Context* context, const v1::ConfigRequest* request,
                                            v1::ListOperationsResponse* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  for (v1::Operation& operation : coordinator_->operations().List(request->config())) {
    response->add_operations()->Swap(&operation);
  }
  return grpc::Status::OK;
}

grpc::Status ControlService::WatchOperation(Context* context, const v1::OperationRequest* request,
                                            grpc::ServerWriter<v1::Operation>* writer) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  uint64_t version = 0;
  for (uint64_t sent = ~uint64_t{0}; !context->IsCancelled();) {
    auto operation = coordinator_->operations().Wait(request->id(), &version, kCancelCheck);
    if (!operation.ok()) return ToGrpc(operation.status());
    if (version == sent) continue;
    if (!writer->Write(*operation) || Operations::Ended(*operation)) return grpc::Status::OK;
    sent = version;
    std::this_thread::sleep_for(kUpdateInterval);
  }
  return grpc::Status::CANCELLED;
}

grpc::Status ControlService::CancelOperation(Context* context, const v1::OperationRequest* request,
                                             v1::Operation* response) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  auto operation = coordinator_->operations().Cancel(request->id());
  if (!operation.ok()) return ToGrpc(operation.status());
  *response = *std::move(operation);
  return grpc::Status::OK;
}

grpc::Status ControlService::WatchLog(Context* context, const v1::WatchLogRequest* request,
                                      grpc::ServerWriter<v1::LogLine>* writer) {
  if (auto refused = gate_->Client(*context); !refused.ok()) return refused;
  auto queue = std::make_shared<LineQueue>();
  const uint64_t tap =
      AddLogTap(request->level().empty() ? "info" : request->level(),
                [queue, source = request->source()](int64_t time_us, const std::string& level,
                                                    const std::string& text) {
                  if (Concerns(text, source)) queue->Push(time_us, level, text);
                });
  // Headers first: the client knows from them that no line after this moment is lost.
  writer->SendInitialMetadata();
  v1::LogLine line;
  while (!context->IsCancelled()) {
    if (queue->Pop(&line) && !writer->Write(line)) break;
  }
  RemoveLogTap(tap);
  return grpc::Status::OK;
}

}  // namespace chameleon::coordinator::api
