// Rollbar messages against a local HTTP server: what is posted, what is not, and that nobody waits.
#include "coordinator/rollbar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <vector>

#include "proto/process/logging.h"
#include "tests/support/http_server.h"

namespace chameleon::coordinator {
namespace {

using test::HttpServer;
using ::testing::HasSubstr;

template <typename Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 500; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

TEST(Rollbar, MessagesOfTheLevelArePosted) {
  ASSERT_TRUE(InitLogging({.level = "info", .directory = "", .name = "t"}).ok());
  HttpServer server(true);
  Rollbar rollbar(
      {.key = "k-1", .environment = "production", .level = "warning", .url = server.url()});
  spdlog::info("not this");
  spdlog::error("table left the replica src=\"shop\"");
  spdlog::error("table left the replica src=\"shop\"");  // the same within a minute
  spdlog::warn("attaching again");
  ASSERT_TRUE(Eventually([&] { return rollbar.sent() == 2; }));
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[0], HasSubstr("POST /api/1/item/ HTTP/1.1"));
  EXPECT_THAT(requests[0], HasSubstr("Content-Type: application/json"));
  EXPECT_THAT(requests[0], HasSubstr(R"("access_token":"k-1")"));
  EXPECT_THAT(requests[0], HasSubstr(R"("environment":"production")"));
  EXPECT_THAT(requests[0], HasSubstr(R"("level":"error")"));
  EXPECT_THAT(requests[0],
              HasSubstr(R"("body":{"message":{"body":"table left the replica src=\"shop\""}})"));
  EXPECT_THAT(requests[1], HasSubstr(R"("level":"warning")"));
}

// Neither one that does not answer nor one that is not there delays who logs.
TEST(Rollbar, ADeadEndpointDelaysNobody) {
  ASSERT_TRUE(InitLogging({.level = "info", .directory = "", .name = "t"}).ok());
  HttpServer silent(false);
  for (const std::string& url : {silent.url(), std::string("http://127.0.0.1:1/")}) {
    const auto begin = std::chrono::steady_clock::now();
    {
      Rollbar rollbar({.key = "k", .environment = "e", .url = url, .timeout_ms = 500});
      for (int i = 0; i < 1000; ++i) spdlog::error("message {} to {}", i, url);
      EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1000));
      EXPECT_TRUE(Eventually([&] { return rollbar.dropped() > 0; }));
      EXPECT_EQ(rollbar.sent(), 0u);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  }
}

}  // namespace
}  // namespace chameleon::coordinator
