// Rollbar messages against a local HTTP server: what is posted, what is not, and that nobody waits.
#include "coordinator/rollbar.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "proto/process/logging.h"

namespace chameleon::coordinator {
namespace {

using ::testing::HasSubstr;

// Takes one request per connection. With `answers` false it accepts and says nothing.
class HttpServer {
 public:
  explicit HttpServer(bool answers) : answers_(answers) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    listen(listener_, 8);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~HttpServer() {
    shutdown(listener_, SHUT_RDWR);
    close(listener_);
    thread_.join();
    for (int fd : open_) close(fd);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/api/1/item/"; }
  std::vector<std::string> requests() {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void Run() {
    for (int fd; (fd = accept(listener_, nullptr, nullptr)) >= 0;) {
      if (!answers_) {
        open_.push_back(fd);
        continue;
      }
      std::string text;
      char buffer[4096];
      size_t wanted = std::string::npos;
      while (text.size() < wanted) {
        const ssize_t n = read(fd, buffer, sizeof buffer);
        if (n <= 0) break;
        text.append(buffer, static_cast<size_t>(n));
        const size_t end = text.find("\r\n\r\n"), length = text.find("Content-Length: ");
        if (end != std::string::npos && length != std::string::npos) {
          wanted = end + 4 + std::stoul(text.substr(length + 16));
        }
      }
      const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
      (void)!write(fd, answer, sizeof answer - 1);
      close(fd);
      std::lock_guard lock(mutex_);
      requests_.push_back(text);
    }
  }

  const bool answers_;
  int listener_ = -1, port_ = 0;
  std::mutex mutex_;
  std::vector<std::string> requests_;  // guarded by mutex_
  std::vector<int> open_;              // the thread's, then the destructor's
  std::thread thread_;
};

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
