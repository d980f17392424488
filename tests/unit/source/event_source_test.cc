// The dump stream of real servers: starts, heartbeats, and every way in which it ends.
#include "worker/source/event_source.h"

#include <gmock/gmock.h>

#include <chrono>
#include <thread>

#include "proto/wire/error.h"
#include "tests/unit/source/server_fixture.h"
#include "worker/source/dump.h"
#include "worker/source/server.h"

namespace chameleon::worker::source {
namespace {

using testing::HasSubstr;

constexpr uint8_t kRotate = 4, kFormat = 15, kXid = 16, kHeartbeat = 27, kHeartbeatV2 = 41;

class EventSourceTest : public ServerTest {
 protected:
  v1::Position Now() {
    auto connection = Connection::Open(Config());
    auto server = ReadServerInfo(connection->get());
    auto status = ReadBinlogStatus(connection->get(), *server);
    EXPECT_TRUE(status.ok()) << status.status();
    v1::Position p;
    p.set_file(status->file);
    p.set_offset(status->offset);
    p.set_gtid(status->gtid);
    p.set_server_id(server->server_id());
    auto created = ReadFileCreated(Config(), *server, status->file);
    EXPECT_TRUE(created.ok()) << created.status();
    p.set_file_created(*created);
    return p;
  }
  std::unique_ptr<EventSource> Open(const v1::Position& start, bool gtid = false) {
    auto options = Options("ev");
    options.set_gtid_enable(gtid);
    v1::ServerInfo server;
    auto source = OpenServerEvents(Config(), options, start, &server);
    EXPECT_TRUE(source.ok()) << source.status();
    return std::move(*source);
  }
  // Reads until an event of this type; false with `error` set when the stream ends before.
  bool ReadUntil(EventSource* source, uint8_t type, absl::Status* error = nullptr) {
    for (int i = 0; i < 1000; ++i) {
      auto event = source->Next();
      if (!event.ok()) {
        if (error != nullptr) *error = event.status();
        return false;
      }
      if (EventType(*event) == type) return true;
    }
    return false;
  }
  absl::Status Failure(EventSource* source) {
    absl::Status error;
    EXPECT_FALSE(ReadUntil(source, 255, &error));
    return error;
  }
  void Write(int id) {
    auto root = Server().Connect("ev");
    root.Exec("INSERT INTO t VALUES (" + std::to_string(id) + ")");
  }
  void Prepare() {
    MakeDatabase("ev");
    Server().Connect("ev").Exec("CREATE TABLE t (id INT PRIMARY KEY)");
  }
};

TEST_P(EventSourceTest, ByFile) {
  Prepare();
  auto source = Open(Now());
  auto first = source->Next();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(EventType(*first), kRotate);
  EXPECT_TRUE(ReadUntil(source.get(), kFormat));
  Write(1);
  EXPECT_TRUE(ReadUntil(source.get(), kXid));
  EXPECT_TRUE(ReadUntil(source.get(), IsMariadb() ? kHeartbeat : kHeartbeatV2));
}

TEST_P(EventSourceTest, ByGtidTheServerFindsThePlace) {
  Prepare();
  Write(1);
  v1::Position start = Now();
  if (start.gtid().empty()) GTEST_SKIP() << "server without GTIDs";
  Write(2);
  Server().Connect().Exec("FLUSH BINARY LOGS");
  Write(3);
  start.set_file("no-such-file.000001");
  start.set_file_created(1);
  auto source = Open(start, true);
  EXPECT_TRUE(ReadUntil(source.get(), kXid));
  EXPECT_TRUE(ReadUntil(source.get(), kXid));
  EXPECT_TRUE(ReadUntil(source.get(), IsMariadb() ? kHeartbeat : kHeartbeatV2));
}

TEST_P(EventSourceTest, Interrupt) {
  Prepare();
  auto source = Open(Now());
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    source->Interrupt();
  });
  auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(Failure(source.get()).code(), absl::StatusCode::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
  other.join();
  EXPECT_EQ(source->Next().status().code(), absl::StatusCode::kCancelled);
}

TEST_P(EventSourceTest, KilledByTheServer) {
  Prepare();
  auto source = Open(Now());
  ASSERT_TRUE(ReadUntil(source.get(), kFormat));
  auto root = Server().Connect();
  for (const auto& row : root.Query("SHOW PROCESSLIST")) {
    if (row[4]->starts_with("Binlog Dump")) root.TryExec("KILL " + *row[0]);
  }
  EXPECT_EQ(Failure(source.get()).code(), absl::StatusCode::kUnavailable);
}

TEST_P(EventSourceTest, SecondReaderWithOurIdentity) {
  Prepare();
  auto first = Open(Now());
  ASSERT_TRUE(ReadUntil(first.get(), kFormat));
  auto second = Open(Now());
  ASSERT_TRUE(ReadUntil(second.get(), kFormat));
  absl::Status error = Failure(first.get());
  EXPECT_EQ(error.code(), absl::StatusCode::kFailedPrecondition) << error;
  EXPECT_EQ(DetailOf(error).reason(), "SERVER_ID_IN_USE");
  EXPECT_THAT(Text(error),
              testing::StartsWith("another reader uses our server_id; the server says: "));
  EXPECT_THAT(Text(error),
              testing::EndsWith("\nHINT: Give this source a my_server_id that no other "
                                "replica or tool uses."));
}

TEST_P(EventSourceTest, PurgedFile) {
  Prepare();
  v1::Position start = Now();
  auto root = Server().Connect();
  root.Exec("FLUSH BINARY LOGS");
  std::string file = Now().file();
  root.Exec("PURGE BINARY LOGS TO '" + file + "'");
  absl::Status error = Failure(Open(start).get());
  EXPECT_EQ(error.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DetailOf(error).reason(), "BINLOG_PURGED") << error;
  EXPECT_THAT(Text(error),
              HasSubstr("it was purged: SHOW BINARY LOGS lists " + file + " to " + file));
  EXPECT_THAT(Text(error),
              testing::EndsWith("\nHINT: Copy the source again with chamctl init_replica."));
}

TEST_P(EventSourceTest, BeyondTheEnd) {
  Prepare();
  v1::Position start = Now();
  start.set_offset(start.offset() + 1000000);
  absl::Status error = Failure(Open(start).get());
  EXPECT_EQ(error.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DetailOf(error).reason(), "SERVER_RESET") << error;
}

TEST_P(EventSourceTest, AnotherServer) {
  Prepare();
  v1::Position start = Now();
  start.set_server_id("other");
  v1::ServerInfo server;
  auto source = OpenServerEvents(Config(), Options("ev"), start, &server);
  EXPECT_EQ(source.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DetailOf(source.status()).reason(), "SERVER_CHANGED");
  EXPECT_THAT(Text(source.status()),
              HasSubstr("this is another server: its identity is " + server.server_id() +
                        ", the position belongs to other"));
}

TEST_P(EventSourceTest, ResetServerIsRecognisedByTheAgeOfItsFile) {
  auto server = test::StartSource(GetParam());
  auto config = Config(*server);
  auto root = server->Connect();
  root.Exec("CREATE DATABASE ev");
  auto connection = Connection::Open(config);
  auto info = ReadServerInfo(connection->get());
  auto status = ReadBinlogStatus(connection->get(), *info);
  v1::Position start;
  start.set_file(status->file);
  start.set_offset(4);
  start.set_server_id(info->server_id());
  start.set_file_created(*ReadFileCreated(config, *info, status->file));
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // file times are whole seconds
  root.Exec(IsMariadb() ? "RESET MASTER" : "RESET BINARY LOGS AND GTIDS");
  for (int i = 0; i < 5; ++i) {
    if (ReadBinlogStatus(connection->get(), *info)->file == start.file()) break;
    root.Exec("FLUSH BINARY LOGS");
  }
  v1::ServerInfo found;
  auto source = OpenServerEvents(config, Options("ev"), start, &found);
  ASSERT_TRUE(source.ok()) << source.status();
  absl::Status error = Failure(source->get());
  EXPECT_EQ(error.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DetailOf(error).reason(), "SERVER_RESET") << error;
}

TEST_P(EventSourceTest, BeyondFourGiBOnlyByGtid) {
  Prepare();
  v1::Position start = Now();
  start.set_gtid("");
  start.set_offset(5ull << 30);
  v1::ServerInfo server;
  auto source = OpenServerEvents(Config(), Options("ev"), start, &server);
  EXPECT_EQ(
      Text(source.status()),
      "cannot read from " + start.file() +
          ":5368709120: positions beyond 4 GiB exist only by GTID\nHINT: Switch GTIDs on at the "
          "source and copy it again with chamctl init_replica.");
}

TEST_P(EventSourceTest, SilentServerIsHalfOpen) {
  auto server = test::StartSource(GetParam());
  auto config = Config(*server);
  auto connection = Connection::Open(config);
  auto info = ReadServerInfo(connection->get());
  auto status = ReadBinlogStatus(connection->get(), *info);
  v1::Position start;
  start.set_file(status->file);
  start.set_offset(4);
  v1::ServerInfo found;
  auto source = OpenServerEvents(config, Options("ev"), start, &found);
  ASSERT_TRUE(source.ok()) << source.status();
  ASSERT_TRUE(ReadUntil(source->get(), IsMariadb() ? kHeartbeat : kHeartbeatV2));
  kill(server->pid(), SIGSTOP);
  absl::Status error = Failure(source->get());
  kill(server->pid(), SIGCONT);
  EXPECT_EQ(error.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Text(error), testing::MatchesRegex("the server was silent for (9|10|11) s: the "
                                                 "connection is half-open"));
}

INSTANTIATE_ON_SERVERS(EventSourceTest);

}  // namespace
}  // namespace chameleon::worker::source
