// A local HTTP server that remembers what was posted to it.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace chameleon::test {

// Takes one request per connection. With `answers` false it accepts and says nothing.
class HttpServer {
 public:
  explicit HttpServer(bool answers) : answers_(answers) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
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
    for (int fd; (fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
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

}  // namespace chameleon::test
