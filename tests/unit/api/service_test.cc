// The coordinator over gRPC, with worker processes that speak the real protocol and with the
// catalogue in memory.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "chameleon/v1/control.grpc.pb.h"
#include "chameleon/v1/worker.grpc.pb.h"
#include "coordinator/api/server.h"
#include "coordinator/coordinator.h"
#include "proto/wire/error.h"
#include "proto/wire/status.h"
#include "tests/unit/api/fake_rooms.h"

namespace chameleon::coordinator {
namespace {

using std::chrono::milliseconds;
using test::TheWorld;
using test::World;

class ServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    test::NewWorld();
    char name[] = "/tmp/chameleon-api-XXXXXX";
    home_ = mkdtemp(name);
    std::filesystem::create_directory(home_ + "/configuration");
    Configure("exit");
    setenv("FAKE_WORKER_SCRIPT", (home_ + "/script").c_str(), 1);
    Start();
  }
  void TearDown() override {
    Stop();
    std::filesystem::remove_all(home_);
  }
  void Configure(const std::string& on_error_read) {
    const std::string path = home_ + "/configuration/default.yml";
    std::ofstream(path) << "pg_conn: {user: u, database: d, password: secret}\nsources:\n"
                           "  shop:\n    db_conn: {host: h, user: u}\n"
                           "    schema_mappings: {shop: shop}\n    on_error_read: "
                        << on_error_read << "\n";
    chmod(path.c_str(), 0600);
  }
  void Start() {
    Coordinator::Options options;
    options.home = home_;
    options.address = "unix:" + home_ + "/s";
    options.worker_program = CHAMELEON_FAKE_WORKER;
    options.known_file = home_ + "/known";
    coordinator_ = std::make_unique<Coordinator>(options);
    auto server = api::Server::Start(coordinator_.get(), options.address, {}, [] {});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    coordinator_->Resume();
    auto channel = grpc::CreateChannel(options.address, grpc::InsecureChannelCredentials());
    control_ = v1::ControlService::NewStub(channel);
    worker_ = v1::WorkerService::NewStub(channel);
  }
  void Stop() {
    if (!coordinator_) return;
    coordinator_->Halt();
    server_->Stop();
    server_.reset();
    coordinator_.reset();
  }
  void Script(const std::string& lines) { std::ofstream(home_ + "/script") << lines; }

  // "message" or "CODE: text".
  template <typename Request>
  std::string Do(grpc::Status (v1::ControlService::Stub::*call)(grpc::ClientContext*,
                                                                const Request&,
                                                                v1::CommandResponse*)) {
    grpc::ClientContext context;
    v1::CommandResponse response;
    const grpc::Status status = (control_.get()->*call)(&context, Request(), &response);
    if (!status.ok()) return Describe(status);
    std::string text = response.message();
    for (const auto& warning : response.warnings()) text += " | " + warning;
    return text;
  }
  static std::string Describe(const grpc::Status& status) {
    return std::to_string(status.error_code()) + ": " + status.error_message();
  }
  v1::Operation Init() {
    grpc::ClientContext context;
    v1::Operation operation;
    const grpc::Status status = control_->InitReplica(&context, {}, &operation);
    if (!status.ok()) operation.set_error_message(Describe(status));
    return operation;
  }
  v1::Operation Watch(const std::string& id) {
    grpc::ClientContext context;
    v1::OperationRequest request;
    request.set_id(id);
    auto reader = control_->WatchOperation(&context, request);
    v1::Operation operation;
    while (reader->Read(&operation)) {
    }
    EXPECT_TRUE(reader->Finish().ok());
    return operation;
  }
  v1::SourceStatus Status() {
    grpc::ClientContext context;
    v1::ShowStatusRequest request;
    request.set_source("shop");
    v1::ShowStatusResponse response;
    EXPECT_TRUE(control_->ShowStatus(&context, request, &response).ok());
    return response.sources_size() == 1 ? response.sources(0) : v1::SourceStatus();
  }
  void AddSource(v1::SourceState state) {
    Do(&v1::ControlService::Stub::CreateReplicaSchema);
    Do(&v1::ControlService::Stub::AddSource);
    std::lock_guard lock(TheWorld().mutex);
    TheWorld().sources["shop"].state = state;
    if (state != v1::READY) TheWorld().sources["shop"].received.set_file("bin.000001");
  }
  static v1::SourceState State() {
    std::lock_guard lock(TheWorld().mutex);
    return TheWorld().sources["shop"].state;
  }
  // The coordinator's threads are at work in the same world.
  template <typename Field>
  static Field Seen(Field World::*field) {
    std::lock_guard lock(TheWorld().mutex);
    return TheWorld().*field;
  }
  template <typename Field>
  static void Set(Field World::*field, Field value) {
    std::lock_guard lock(TheWorld().mutex);
    TheWorld().*field = std::move(value);
  }
  template <typename Condition>
  static bool Eventually(Condition condition, int ms = 15'000) {
    for (int waited = 0; waited < ms; waited += 20) {
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds(20));
    }
    return false;
  }
  using Stub = v1::ControlService::Stub;

  std::string home_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<api::Server> server_;
  std::unique_ptr<v1::ControlService::Stub> control_;
  std::unique_ptr<v1::WorkerService::Stub> worker_;
};

TEST_F(ServiceTest, TheFirstCommands) {
  EXPECT_EQ(Do(&Stub::CreateReplicaSchema),
            "replica schema sch_chameleon created in d on localhost:5432");
  EXPECT_EQ(Do(&Stub::AddSource), "source \"shop\" added");
  EXPECT_EQ(Do(&Stub::AddSource), "6: source \"shop\" was added already");
  EXPECT_EQ(Do(&Stub::StartReplica),
            "9: start_replica is not possible: source \"shop\" is ready\n"
            "HINT: Run chamctl init_replica --source shop first.");
  EXPECT_EQ(Do(&Stub::DropSource), "source \"shop\" dropped; its replicated tables were kept");
  EXPECT_EQ(Do(&Stub::DropReplicaSchema),
            "replica schema sch_chameleon dropped from d on localhost:5432; the replicated tables "
            "were kept");
}

TEST_F(ServiceTest, ErrorsCarryTheirReason) {
  grpc::ClientContext context;
  v1::SourceRequest request;
  request.set_source("crm");
  v1::CommandResponse response;
  const absl::Status status = FromGrpc(control_->StartReplica(&context, request, &response));
  EXPECT_EQ(Text(status),
            "configuration \"default\" has no source \"crm\"\nHINT: There are: shop.");
  EXPECT_EQ(DetailOf(status).reason(), "SOURCE_NOT_FOUND");
}

TEST_F(ServiceTest, AWorkerWithoutTheTokenIsRefused) {
  for (const char* token : {"", "guess"}) {
    grpc::ClientContext context;
    auto stream = worker_->Work(&context);
    v1::WorkerReport hello;
    hello.mutable_hello()->set_join_token(token);
    hello.mutable_hello()->set_launched_for_source(1);
    stream->Write(hello);
    v1::WorkerOrder order;
    EXPECT_FALSE(stream->Read(&order));
    EXPECT_EQ(Describe(stream->Finish()),
              "16: the join token is not known or was used already\n"
              "HINT: Local workers are started by the coordinator itself.");
  }
  grpc::ClientContext context;
  auto stream = worker_->Work(&context);
  v1::WorkerReport report;
  report.mutable_keep_alive();
  stream->Write(report);
  v1::WorkerOrder order;
  EXPECT_FALSE(stream->Read(&order));
  EXPECT_EQ(Describe(stream->Finish()), "3: the first report must be hello");
}

TEST_F(ServiceTest, ACopyFromTheFirstToTheLastCall) {
  AddSource(v1::READY);
  Script("copy\n");
  const v1::Operation operation = Watch(Init().id());
  EXPECT_EQ(operation.state(), v1::Operation::SUCCEEDED) << operation.error_message();
  EXPECT_THAT(operation.result(),
              testing::StartsWith("source \"shop\" initialised: 1 tables, 2 rows in "));
  EXPECT_EQ(State(), v1::INITIALISED);
  EXPECT_THAT(Seen(&World::copied), testing::ElementsAre("2 rows: a\nb\n"));
  EXPECT_EQ(Seen(&World::loaders), 0);
}

TEST_F(ServiceTest, AFailedCopyLeavesErrorAndIsToldOnce) {
  AddSource(v1::READY);
  Script("end 9 binary log is off\n");
  const v1::Operation operation = Watch(Init().id());
  EXPECT_EQ(operation.state(), v1::Operation::FAILED);
  EXPECT_EQ(operation.error_code(), 9);
  EXPECT_EQ(operation.error_message(), "binary log is off");
  EXPECT_EQ(State(), v1::ERROR);
  EXPECT_THAT(Seen(&World::errors), testing::ElementsAre("binary log is off"));
  EXPECT_EQ(Do(&Stub::EnableReplica),
            "source \"shop\" is ready; it has no position yet: run init_replica");
}

TEST_F(ServiceTest, ACancelledCopyLeavesTheSourceAsItWas) {
  AddSource(v1::STOPPED);
  Script("copy-until-stop\n");
  const v1::Operation begun = Init();
  const v1::Operation second = Init();
  EXPECT_THAT(second.error_message(), testing::StartsWith("9: init_replica is not possible"));
  ASSERT_TRUE(Eventually(
      [&] { return coordinator_->operations().Get(begun.id())->progress().phase() == "copy"; }));
  grpc::ClientContext context;
  v1::OperationRequest request;
  request.set_id(begun.id());
  v1::Operation cancelled;
  EXPECT_TRUE(control_->CancelOperation(&context, request, &cancelled).ok());
  EXPECT_EQ(Watch(begun.id()).state(), v1::Operation::CANCELLED);
  EXPECT_EQ(State(), v1::STOPPED);
  EXPECT_EQ(Seen(&World::loaders), 0);
}

TEST_F(ServiceTest, StartStreamStop) {
  AddSource(v1::INITIALISED);
  Script("stream\n");
  EXPECT_EQ(Do(&Stub::StartReplica), "replica of source \"shop\" started");
  EXPECT_EQ(State(), v1::RUNNING);
  EXPECT_TRUE(Eventually([] { return Seen(&World::wakes) == 1; }));
  EXPECT_THAT(Seen(&World::written), testing::ElementsAre("1:one\ntwo\n"));
  const v1::SourceStatus status = Status();
  EXPECT_EQ(status.activity(), "streaming, nothing newer on the source");
  EXPECT_EQ(status.read_lag_s(), 0);
  EXPECT_THAT(status.worker(), testing::StartsWith("host:"));
  EXPECT_EQ(Do(&Stub::StartReplica),
            "9: start_replica is not possible: source \"shop\" is running\n"
            "HINT: See chamctl show_status --source shop.");
  EXPECT_EQ(Do(&Stub::StopReplica), "replica of source \"shop\" stopped");
  EXPECT_EQ(State(), v1::STOPPED);
  EXPECT_FALSE(Seen(&World::replayer_running));
  EXPECT_EQ(Do(&Stub::StopAllReplicas), "no replica was running");
}

TEST_F(ServiceTest, AnErrorAtTheStartReachesTheUser) {
  AddSource(v1::INITIALISED);
  Script("end 9 row image is not FULL\n");
  EXPECT_EQ(Do(&Stub::StartReplica), "9: row image is not FULL");
  EXPECT_EQ(State(), v1::ERROR);
  EXPECT_EQ(Seen(&World::last_error)["shop"], "row image is not FULL");
  EXPECT_EQ(Do(&Stub::StartReplica),
            "9: start_replica is not possible: source \"shop\" is error\nHINT: See chamctl "
            "show_errors for the cause; then run chamctl enable_replica --source shop.");
  EXPECT_EQ(Do(&Stub::EnableReplica),
            "source \"shop\" is stopped; start_replica goes on from its last position");
  EXPECT_EQ(State(), v1::STOPPED);
}

TEST_F(ServiceTest, OnErrorReadExitEndsAndContinueWaits) {
  AddSource(v1::INITIALISED);
  Script("end 14 cannot connect to h:3306\n");
  EXPECT_EQ(Do(&Stub::StartReplica), "14: cannot connect to h:3306");
  EXPECT_EQ(State(), v1::ERROR);
  Do(&Stub::EnableReplica);
  Configure("continue");
  Script("end 14 cannot connect to h:3306\nstream\n");
  EXPECT_EQ(Do(&Stub::StartReplica),
            "replica of source \"shop\" started | not connected yet, it keeps trying: cannot "
            "connect to h:3306");
  EXPECT_THAT(Status().activity(), testing::HasSubstr("cannot connect to h:3306"));
  EXPECT_TRUE(Eventually([] { return Seen(&World::wakes) == 1; }));
  EXPECT_EQ(State(), v1::RUNNING);
}

TEST_F(ServiceTest, ADeadWorkerIsReplacedUnderANewEpoch) {
  AddSource(v1::INITIALISED);
  Script("crash-streaming\nstream\n");
  EXPECT_EQ(Do(&Stub::StartReplica), "replica of source \"shop\" started");
  EXPECT_TRUE(Eventually(
      [&] { return Status().activity().find("exited with status 9") != std::string::npos; }));
  EXPECT_TRUE(Eventually([] { return Seen(&World::wakes) == 1; }));
  EXPECT_EQ(Seen(&World::sources)["shop"].epoch, 2u);
  EXPECT_EQ(State(), v1::RUNNING);
}

TEST_F(ServiceTest, AnotherReaderWithOurServerIdIsNamedAndNotFought) {
  AddSource(v1::INITIALISED);
  Script("reason 9 SERVER_ID_IN_USE\n");
  EXPECT_EQ(Do(&Stub::StartReplica),
            "replica of source \"shop\" started | not connected yet, it keeps trying: text of "
            "SERVER_ID_IN_USE");
  EXPECT_EQ(Status().activity(), "waiting 60 s: text of SERVER_ID_IN_USE");
  EXPECT_EQ(Seen(&World::sources)["shop"].epoch, 1u);
}

TEST_F(ServiceTest, PostgresAwayIsNeverTheSourcesFault) {
  AddSource(v1::INITIALISED);
  Set(&World::write_error, absl::UnavailableError("PostgreSQL is away"));
  Script("stream\n");
  EXPECT_EQ(Do(&Stub::StartReplica), "replica of source \"shop\" started");
  EXPECT_TRUE(Eventually([&] { return Seen(&World::sources)["shop"].epoch >= 3; }));
  EXPECT_EQ(State(), v1::RUNNING);
  {
    std::lock_guard lock(TheWorld().mutex);
    TheWorld().write_error = absl::OkStatus();
  }
  EXPECT_TRUE(Eventually([] { return Seen(&World::wakes) >= 1; }));
  EXPECT_EQ(Do(&Stub::StopReplica), "replica of source \"shop\" stopped");
}

TEST_F(ServiceTest, AReplayErrorStopsTheSource) {
  AddSource(v1::INITIALISED);
  Script("stream\n");
  Do(&Stub::StartReplica);
  Seen (&World::replayer_stopped)(absl::FailedPreconditionError("row 7 cannot be stored"));
  EXPECT_TRUE(Eventually([] { return State() == v1::ERROR; }));
  EXPECT_EQ(Seen(&World::last_error)["shop"], "row 7 cannot be stored");
}

TEST_F(ServiceTest, OnlyTheCurrentLeaseMayWrite) {
  AddSource(v1::INITIALISED);
  Script("stream\n");
  Do(&Stub::StartReplica);
  ASSERT_TRUE(Eventually([] { return Seen(&World::wakes) == 1; }));
  grpc::ClientContext context;
  auto push = worker_->Push(&context);
  v1::BatchFrame frame;
  frame.mutable_lease()->set_config("default");
  frame.mutable_lease()->set_source("shop");
  frame.mutable_lease()->set_source_id(1);
  frame.mutable_lease()->set_epoch(99);
  frame.mutable_header()->set_batch_id(2);
  push->Write(frame);
  v1::BatchAck ack;
  EXPECT_FALSE(push->Read(&ack));
  EXPECT_EQ(Describe(push->Finish()), "10: epoch 99 of source \"shop\" is not the current lease");
  grpc::ClientContext plan_context;
  v1::PlanTablesRequest plan;
  *plan.mutable_lease() = frame.lease();
  plan.mutable_lease()->set_epoch(1);
  v1::PlanTablesResponse plans;
  EXPECT_EQ(Describe(worker_->PlanTables(&plan_context, plan, &plans)),
            "10: no copy of source \"shop\" is in progress");
}

TEST_F(ServiceTest, ANewCoordinatorResumesWhatWasRunning) {
  AddSource(v1::INITIALISED);
  Script("stream\n");
  Do(&Stub::StartReplica);
  ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(home_ + "/known"); }));
  ASSERT_TRUE(Eventually([] { return Seen(&World::wakes) == 1; }));
  Stop();
  EXPECT_EQ(State(), v1::RUNNING);
  EXPECT_FALSE(Seen(&World::replayer_running));
  Start();
  EXPECT_TRUE(Eventually([] { return Seen(&World::wakes) == 2; }));
  EXPECT_EQ(Seen(&World::sources)["shop"].epoch, 2u);
}

TEST_F(ServiceTest, ANewCoordinatorEndsWhatWasHalfCopied) {
  AddSource(v1::INITIALISING);
  std::ofstream(home_ + "/known") << "default\nno such file\n";
  Stop();
  Start();
  EXPECT_TRUE(Eventually([] { return State() == v1::ERROR; }));
  EXPECT_EQ(Seen(&World::last_error)["shop"],
            "the coordinator ended during init_replica; the target is as it was before");
}

TEST_F(ServiceTest, AStandbyTouchesNothing) {
  AddSource(v1::RUNNING);
  Set(&World::other_leader, std::string("host:1"));
  std::ofstream(home_ + "/known") << "default\n";
  Stop();
  Script("stream\n");
  Start();
  EXPECT_EQ(Do(&Stub::StopAllReplicas), "9: led by host:1");
  std::this_thread::sleep_for(milliseconds(500));
  EXPECT_EQ(Seen(&World::sources)["shop"].epoch, 0u);
  Set(&World::other_leader, std::string());
  EXPECT_TRUE(Eventually([] { return Seen(&World::wakes) == 1; }));
}

TEST_F(ServiceTest, SecretsAreMasked) {
  grpc::ClientContext context;
  v1::ShowConfigResponse response;
  ASSERT_TRUE(control_->ShowConfig(&context, {}, &response).ok());
  EXPECT_THAT(response.DebugString(), testing::Not(testing::HasSubstr("secret")));
}

}  // namespace
}  // namespace chameleon::coordinator
