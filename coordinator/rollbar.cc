#include "coordinator/rollbar.h"

#include <curl/curl.h>
#include <unistd.h>

#include <iterator>
#include <utility>

#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "proto/process/logging.h"
#include "proto/process/version.h"

namespace chameleon::coordinator {
namespace {

constexpr std::chrono::seconds kSameTextInterval{60};
constexpr size_t kTextsRemembered = 1000;

int Rank(const std::string& level) {
  static const std::map<std::string, int> kRanks = {
      {"debug", 0}, {"info", 1}, {"warning", 2}, {"error", 3}, {"critical", 4}};
  const auto found = kRanks.find(level);
  return found == kRanks.end() ? 1 : found->second;
}

size_t Ignore(char*, size_t size, size_t count, void*) { return size * count; }

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

}  // namespace

Rollbar::Rollbar(RollbarOptions options)
    : options_(std::move(options)), least_(Rank(options_.level)) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)initialised;
  thread_ = std::thread([this] { Run(); });
  tap_ = AddLogTap(options_.level == "critical" ? "error" : options_.level,
                   [this](int64_t time_us, const std::string& level, const std::string& text) {
                     OnLine(time_us, level, text);
                   });
}

Rollbar::~Rollbar() {
  RemoveLogTap(tap_);
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

uint64_t Rollbar::sent() const {
  std::lock_guard lock(mutex_);
  return sent_;
}

uint64_t Rollbar::dropped() const {
  std::lock_guard lock(mutex_);
  return dropped_;
}

void Rollbar::OnLine(int64_t time_us, const std::string& level, const std::string& text) {
  if (Rank(level) < least_) return;
  const auto now = std::chrono::steady_clock::now();
  std::lock_guard lock(mutex_);
  if (seen_.size() >= kTextsRemembered) seen_.clear();
  const auto [last, fresh] = seen_.emplace(text, now);
  if (!fresh && now - last->second < kSameTextInterval) return;
  last->second = now;
  if (queue_.size() >= kQueuedMax) {
    ++dropped_;
    return;
  }
  queue_.push_back({time_us, level, text.substr(0, kTextBytesMax)});
  changed_.notify_all();
}

void Rollbar::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    const Message message = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    const bool done = Post(message);
    lock.lock();
    ++(done ? sent_ : dropped_);
  }
}

bool Rollbar::Post(const Message& message) {
  google::protobuf::Struct root;
  auto& fields = *root.mutable_fields();
  fields["access_token"].set_string_value(options_.key);
  auto& data = *fields["data"].mutable_struct_value()->mutable_fields();
  data["environment"].set_string_value(options_.environment);
  data["level"].set_string_value(message.level);
  data["timestamp"].set_number_value(static_cast<double>(message.time_us / 1'000'000));
  data["platform"].set_string_value("linux");
  data["code_version"].set_string_value(kVersion);
  auto& server = *data["server"].mutable_struct_value()->mutable_fields();
  server["host"].set_string_value(HostName());
  auto& body = *data["body"].mutable_struct_value()->mutable_fields();
  auto& content = *body["message"].mutable_struct_value()->mutable_fields();
  content["body"].set_string_value(message.text);
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(root, &json).ok()) return false;  // not UTF-8

  CURL* curl = curl_easy_init();
  if (curl == nullptr) return false;
  curl_slist* headers = curl_slist_append(nullptr, "Content-Type: application/json");
  curl_easy_setopt(curl, CURLOPT_URL, options_.url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json.c_str());
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, options_.timeout_ms);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Ignore);
  const CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(headers);
  curl_easy_cleanup(curl);
  return code == CURLE_OK;
}

}  // namespace chameleon::coordinator
