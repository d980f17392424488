// Log lines as Rollbar messages, when the configuration has rollbar_key and rollbar_env.
//
// A thread of its own posts them with libcurl, one after another; a queue of kQueuedMax waits for
// it and what does not fit is dropped and counted, so that an endpoint that is slow or dead delays
// nobody. The same text is sent once a minute at most.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace chameleon::coordinator {

struct RollbarOptions {
  std::string key, environment;
  std::string level = "info";  // least level: critical, error, warning, info
  std::string url = "https://api.rollbar.com/api/1/item/";
  long timeout_ms = 5000;
};

class Rollbar {
 public:
  static constexpr size_t kQueuedMax = 100;
  static constexpr size_t kTextBytesMax = 4096;

  // Follows the process's log until it is destroyed, which waits for a message that is under way,
  // at most timeout_ms.
  explicit Rollbar(RollbarOptions options);
  ~Rollbar();

  uint64_t sent() const;
  uint64_t dropped() const;  // did not fit, or could not be sent

 private:
  struct Message {
    int64_t time_us;
    std::string level, text;
  };
  void OnLine(int64_t time_us, const std::string& level, const std::string& text);
  void Run();
  bool Post(const Message& message);

  const RollbarOptions options_;
  const int least_;
  mutable std::mutex mutex_;  // all below but thread_
  std::condition_variable changed_;
  std::deque<Message> queue_;
  std::map<std::string, std::chrono::steady_clock::time_point> seen_;
  uint64_t sent_ = 0, dropped_ = 0;
  bool stop_ = false;
  uint64_t tap_ = 0;
  std::thread thread_;
};

}  // namespace chameleon::coordinator
