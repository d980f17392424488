#include "coordinator/sources/worker_hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/process/version.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::sources {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Link final : public WorkerLink {
 public:
  bool Send(const v1::WorkerOrder& order) override {
    if (order.has_launch()) orders.push_back("launch " + order.launch().source());
    if (order.has_kill()) orders.push_back(order.kill().force() ? "kill -9" : "kill");
    if (order.has_launch()) last = order.launch().process_id();
    return !broken;
  }
  void Close() override { closed = true; }

  std::vector<std::string> orders;
  uint64_t last = 0;
  bool broken = false, closed = false;
};

v1::WorkerReport::Hello Hello(const std::string& name, uint32_t capacity,
                              const std::vector<std::string>& labels) {
  v1::WorkerReport::Hello hello;
  hello.set_host(name);
  hello.set_worker_id(name + ":1");
  hello.set_version(kVersion);
  hello.set_capacity(capacity);
  for (const auto& label : labels) hello.add_labels(label);
  return hello;
}

v1::Launch Of(const std::string& source) {
  v1::Launch launch;
  launch.set_source(source);
  return launch;
}

v1::WorkerReport Ended(uint64_t process) {
  v1::WorkerReport report;
  report.mutable_process_end()->set_process_id(process);
  report.mutable_process_end()->set_how("exited with status 0");
  return report;
}

std::string Show(const absl::Status& status) {
  return DetailOf(status).reason() + ": " + Text(status);
}

const std::function<void(const std::string&)> kNothing = [](const std::string&) {};

TEST(WorkerHosts, TheOneWithTheLabelAndTheMostRoom) {
  WorkerHosts hosts;
  Link a, b, c;
  ASSERT_TRUE(hosts.Join(Hello("a", 2, {"eu"}), "10.0.0.1", &a).ok());
  ASSERT_TRUE(hosts.Join(Hello("b", 4, {"eu", "fast"}), "10.0.0.2", &b).ok());
  ASSERT_TRUE(hosts.Join(Hello("c", 9, {"us"}), "10.0.0.3", &c).ok());
  std::vector<WorkerHosts::Placed> placed;
  for (const char* source : {"1", "2", "3", "4", "5", "6"}) {
    auto one = hosts.Place("eu", Of(source), kNothing);
    ASSERT_TRUE(one.ok()) << one.status();
    placed.push_back(*std::move(one));
  }
  EXPECT_EQ(a.orders.size(), 2u);
  EXPECT_EQ(b.orders.size(), 4u);
  EXPECT_THAT(c.orders, IsEmpty());
  EXPECT_EQ(Show(hosts.Place("eu", Of("7"), kNothing).status()),
            "WORKERS_FULL: all workers with label \"eu\" are full\n"
            "HINT: Raise --capacity of chameleon-worker, or let another host join.");
  EXPECT_EQ(Show(hosts.Place("asia", Of("7"), kNothing).status()),
            "NO_WORKER: no worker with label \"asia\" has joined\n"
            "HINT: chamctl show_workers lists them. Start chameleon-worker on that host, or set "
            "the source's worker to local.");
  EXPECT_TRUE(hosts.Place("", Of("7"), kNothing).ok());
  EXPECT_THAT(c.orders, ElementsAre("launch 7", "kill -9")) << "its handle ends it";
}

TEST(WorkerHosts, AProcessHoldsItsPlaceUntilItIsGone) {
  WorkerHosts hosts;
  Link link;
  const auto id = hosts.Join(Hello("a", 1, {}), "10.0.0.1", &link);
  ASSERT_TRUE(id.ok());
  std::string how;
  auto placed = hosts.Place("", Of("s"), [&](const std::string& text) { how = text; });
  ASSERT_TRUE(placed.ok());
  EXPECT_FALSE(placed->process->WaitGone(0));
  placed->process->Stop(0.05);
  EXPECT_THAT(link.orders, ElementsAre("launch s", "kill", "kill -9"));
  EXPECT_EQ(Show(hosts.Place("", Of("t"), kNothing).status()).substr(0, 13), "WORKERS_FULL:");
  hosts.OnReport(*id, Ended(link.last));
  EXPECT_EQ(how, "exited with status 0");
  EXPECT_TRUE(placed->process->WaitGone(0));
  EXPECT_TRUE(hosts.Place("", Of("t"), kNothing).ok());
}

TEST(WorkerHosts, AHostThatIsLostTakesItsProcessesAlong) {
  WorkerHosts hosts;
  Link link;
  const auto id = hosts.Join(Hello("a", 2, {}), "10.0.0.1", &link);
  std::string how;
  auto placed = hosts.Place("", Of("s"), [&](const std::string& text) { how = text; });
  ASSERT_TRUE(placed.ok());
  hosts.Leave(*id);
  EXPECT_EQ(how, "was on host a, which is lost");
  EXPECT_TRUE(placed->process->WaitGone(0));
  placed->process->Stop(1);  // the link is not used any more
  EXPECT_THAT(link.orders, ElementsAre("launch s"));
  EXPECT_THAT(hosts.List(), IsEmpty());
  hosts.OnReport(*id, Ended(link.last));
  hosts.Leave(*id);
}

TEST(WorkerHosts, OneThatLeavesGetsNothingMore) {
  WorkerHosts hosts;
  Link link;
  const auto id = hosts.Join(Hello("a", 2, {"x"}), "10.0.0.1", &link);
  v1::WorkerReport report;
  report.mutable_leaving();
  hosts.OnReport(*id, report);
  EXPECT_EQ(Show(hosts.Place("x", Of("s"), kNothing).status()).substr(0, 10), "NO_WORKER:");
  ASSERT_EQ(hosts.List().size(), 1u);
  EXPECT_TRUE(hosts.List()[0].second.leaving());
}

// It was cut off and is back before that was noticed.
TEST(WorkerHosts, TheSameProcessAgainReplacesItself) {
  WorkerHosts hosts;
  Link before, after;
  ASSERT_TRUE(hosts.Join(Hello("a", 1, {}), "10.0.0.1", &before).ok());
  std::string how;
  auto placed = hosts.Place("", Of("s"), [&](const std::string& text) { how = text; });
  ASSERT_TRUE(placed.ok());
  ASSERT_TRUE(hosts.Join(Hello("a", 1, {}), "10.0.0.1", &after).ok());
  EXPECT_TRUE(before.closed);
  EXPECT_EQ(how, "was on host a, which is lost");
  ASSERT_EQ(hosts.List().size(), 1u);
  EXPECT_EQ(hosts.List()[0].second.processes(), 0u);
}

TEST(WorkerHosts, ALinkThatIsBrokenTakesNoProcess) {
  WorkerHosts hosts;
  Link link;
  ASSERT_TRUE(hosts.Join(Hello("a", 1, {}), "10.0.0.1", &link).ok());
  link.broken = true;
  EXPECT_EQ(Text(hosts.Place("", Of("s"), kNothing).status()), "worker host a is being lost");
  EXPECT_EQ(hosts.List()[0].second.processes(), 0u);
}

TEST(WorkerHosts, RefusesAnotherVersionAndNoCapacity) {
  WorkerHosts hosts;
  Link link;
  auto hello = Hello("a", 0, {});
  EXPECT_EQ(Show(hosts.Join(hello, "10.0.0.1", &link).status()),
            "NO_CAPACITY: worker host a offers no capacity\n"
            "HINT: Start chameleon-worker with --capacity 1 or more.");
  hello.set_version("0.0.1");
  EXPECT_EQ(Show(hosts.Join(hello, "10.0.0.1", &link).status()).substr(0, 17), "VERSION_MISMATCH:");
  EXPECT_THAT(hosts.List(), IsEmpty());
}

}  // namespace
}  // namespace chameleon::coordinator::sources
