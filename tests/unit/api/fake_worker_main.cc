// A worker without a source: it does what the file $FAKE_WORKER_SCRIPT says, one line per process
// (the last line again and again), and speaks the real protocol.
//
//   end CODE TEXT       after the assignment, report the end of the task
//   reason CODE REASON  the same with an ErrorDetail
//   stream              report from the stream, push one batch, follow until Stop
//   stream-then CODE    the same, then end by itself
//   crash               exit after the assignment
//   crash-streaming     report from the stream, then exit
//   deaf                stream, never follow a Stop order
//   copy                a whole snapshot
//   copy-until-stop     begin a snapshot, report CANCELLED on Stop
//   bad-token           say hello with a wrong token
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "chameleon/v1/worker.grpc.pb.h"

namespace chameleon {
namespace {

std::string NextLine() {
  const char* path = std::getenv("FAKE_WORKER_SCRIPT");
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  file.close();
  const std::string line = lines.empty() ? "crash" : lines.front();
  if (lines.size() > 1) {
    std::ofstream out(path);
    for (size_t i = 1; i < lines.size(); ++i) out << lines[i] << "\n";
  }
  return line;
}

using Stream = grpc::ClientReaderWriter<v1::WorkerReport, v1::WorkerOrder>;

void End(Stream* stream, int code, const std::string& text, const std::string& reason = "") {
  v1::WorkerReport report;
  report.mutable_end()->set_code(code);
  report.mutable_end()->set_message(text);
  if (!reason.empty()) report.mutable_end()->mutable_detail()->set_reason(reason);
  stream->Write(report);
}

void ReportStream(Stream* stream) {
  v1::WorkerReport report;
  report.mutable_stream()->set_idle(true);
  stream->Write(report);
}

int PushOne(v1::WorkerService::Stub* stub, const v1::Lease& lease) {
  grpc::ClientContext context;
  auto push = stub->Push(&context);
  v1::BatchFrame frame;
  *frame.mutable_lease() = lease;
  frame.mutable_header()->set_batch_id(1);
  frame.set_data("one\n");
  push->Write(frame);
  v1::BatchFrame last;
  last.set_data("two\n");
  last.set_last(true);
  push->Write(last);
  v1::BatchAck ack;
  push->Read(&ack);
  push->WritesDone();
  const grpc::Status status = push->Finish();
  return status.error_code();
}

bool WaitForStop(Stream* stream) {
  v1::WorkerOrder order;
  while (stream->Read(&order)) {
    if (order.has_stop()) return true;
  }
  return false;
}

void Copy(v1::WorkerService::Stub* stub, const v1::Lease& lease) {
  grpc::ClientContext plan_context;
  v1::PlanTablesRequest plan;
  *plan.mutable_lease() = lease;
  plan.add_tables();
  v1::PlanTablesResponse plans;
  stub->PlanTables(&plan_context, plan, &plans);
  grpc::ClientContext copy_context;
  v1::CopyResult result;
  auto chunk = stub->CopyChunk(&copy_context, &result);
  v1::CopyFrame frame;
  *frame.mutable_lease() = lease;
  frame.set_table_id(plans.plans(0).table_id());
  frame.set_data("a\nb\n");
  chunk->Write(frame);
  v1::CopyFrame last;
  last.set_last(true);
  last.set_rows(2);
  chunk->Write(last);
  chunk->WritesDone();
  chunk->Finish();
  grpc::ClientContext finish_context;
  v1::FinishSnapshotRequest finish;
  *finish.mutable_lease() = lease;
  finish.mutable_position()->set_file("bin.000001");
  finish.mutable_position()->set_offset(4);
  v1::FinishSnapshotResponse finished;
  stub->FinishSnapshot(&finish_context, finish, &finished);
}

void Progress(Stream* stream) {
  v1::WorkerReport report;
  report.mutable_progress()->set_phase("copy");
  report.mutable_progress()->set_rows(2);
  report.mutable_progress()->set_tables_done(1);
  report.mutable_progress()->set_tables_total(1);
  stream->Write(report);
}

int Main(const std::string& address, uint64_t source_id) {
  std::stringstream words(NextLine());
  std::string verb;
  words >> verb;
  auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  auto stub = v1::WorkerService::NewStub(channel);
  grpc::ClientContext context;
  auto stream = stub->Work(&context);
  v1::WorkerReport hello;
  hello.mutable_hello()->set_host("host");
  hello.mutable_hello()->set_pid(getpid());
  hello.mutable_hello()->set_worker_id("fake");
  hello.mutable_hello()->set_launched_for_source(source_id);
  hello.mutable_hello()->set_join_token(verb == "bad-token" ? "guess"
                                                            : std::getenv("CHAMELEON_LAUNCH_TOKEN"));
  stream->Write(hello);
  v1::WorkerOrder order;
  if (!stream->Read(&order) || !order.has_assignment()) {
    printf("refused: %s\n", stream->Finish().error_message().c_str());
    return 2;
  }
  const v1::Lease lease = order.assignment().lease();
  int code = 0;
  if (verb == "end") {
    std::string text;
    words >> code;
    std::getline(words >> std::ws, text);
    End(stream.get(), code, text);
  } else if (verb == "reason") {
    std::string reason;
    words >> code >> reason;
    End(stream.get(), code, "text of " + reason, reason);
  } else if (verb == "crash") {
    _exit(9);
  } else if (verb == "crash-streaming") {
    ReportStream(stream.get());
    usleep(200'000);
    _exit(9);
  } else if (verb == "stream" || verb == "stream-then" || verb == "deaf") {
    ReportStream(stream.get());
    const int pushed = PushOne(stub.get(), lease);
    if (pushed != 0) {
      End(stream.get(), pushed, "push failed");
    } else if (verb == "stream-then") {
      words >> code;
      End(stream.get(), code, "lost");
    } else if (WaitForStop(stream.get()) && verb == "stream") {
      End(stream.get(), 0, "");
    }
    while (verb == "deaf") sleep(1);
  } else if (verb == "copy") {
    Copy(stub.get(), lease);
    Progress(stream.get());
    End(stream.get(), 0, "");
  } else if (verb == "copy-until-stop") {
    Progress(stream.get());
    if (WaitForStop(stream.get())) End(stream.get(), 1, "cancelled");
  }
  while (stream->Read(&order)) {
  }
  return 0;
}

}  // namespace
}  // namespace chameleon

int main(int argc, char** argv) {
  std::string address;
  uint64_t source = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--coordinator") address = argv[i + 1];
    if (std::string(argv[i]) == "--launched-for") source = std::stoull(argv[i + 1]);
  }
  return chameleon::Main(address, source);
}
