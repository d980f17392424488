#include "proto/process/logging.h"

#include <fmt/format.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/daily_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <mutex>

namespace chameleon {
namespace {

// Hands lines to watchers. Taps live as long as the process's logger.
class TapSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  uint64_t Add(spdlog::level::level_enum level, LogSink sink) {
    std::lock_guard lock(mutex_);
    taps_[++last_] = {level, std::move(sink)};
    return last_;
  }
  void Remove(uint64_t handle) {
    std::lock_guard lock(mutex_);
    taps_.erase(handle);
  }
  spdlog::level::level_enum Lowest() {
    std::lock_guard lock(mutex_);
    auto lowest = spdlog::level::off;
    for (const auto& [_, tap] : taps_) lowest = std::min(lowest, tap.level);
    return lowest;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& msg) override {
    if (taps_.empty()) return;
    const int64_t us =
        std::chrono::duration_cast<std::chrono::microseconds>(msg.time.time_since_epoch()).count();
    const auto name = spdlog::level::to_string_view(msg.level);
    for (const auto& [_, tap] : taps_) {
      if (msg.level >= tap.level) {
        tap.sink(us, std::string(name.data(), name.size()),
                 std::string(msg.payload.data(), msg.payload.size()));
      }
    }
  }
  void flush_() override {}

 private:
  struct Tap {
    spdlog::level::level_enum level;
    LogSink sink;
  };
  std::map<uint64_t, Tap> taps_;
  uint64_t last_ = 0;
};

std::shared_ptr<TapSink> Taps() {
  static auto* taps = new std::shared_ptr<TapSink>(std::make_shared<TapSink>());
  return *taps;
}

// The sink deletes old files only as it rotates; what earlier processes left is older.
void RemoveOldLogs(const LogOptions& options) {
  namespace fs = std::filesystem;
  const auto today = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(options.directory, error)) {
    const std::string name = entry.path().filename().string();
    unsigned year = 0, month = 0, day = 0;
    int end = 0;
    if (name.rfind(options.name + "_", 0) != 0 ||
        sscanf(name.c_str() + options.name.size(), "_%4u-%2u-%2u.log%n", &year, &month, &day,
               &end) != 3 ||
        options.name.size() + static_cast<size_t>(end) != name.size()) {
      continue;
    }
    const std::chrono::sys_days of{std::chrono::year(static_cast<int>(year)) /
                                   std::chrono::month(month) / std::chrono::day(day)};
    if (today - of >= std::chrono::days(options.days_keep)) fs::remove(entry.path(), error);
  }
}

spdlog::level::level_enum g_configured = spdlog::level::info;

bool ParseLevel(const std::string& text, spdlog::level::level_enum* level) {
  if (text == "debug")
    *level = spdlog::level::debug;
  else if (text == "info")
    *level = spdlog::level::info;
  else if (text == "warning" || text == "warn")
    *level = spdlog::level::warn;
  else if (text == "error")
    *level = spdlog::level::err;
  else
    return false;
  return true;
}

// The logger must let through what the most curious tap wants; the main sink keeps its own level.
void UpdateLoggerLevel() {
  spdlog::default_logger()->set_level(std::min(g_configured, Taps()->Lowest()));
}

}  // namespace

absl::Status InitLogging(const LogOptions& options) {
  if (!ParseLevel(options.level, &g_configured)) {
    return absl::InvalidArgumentError(
        fmt::format("log_level \"{}\" is not one of debug, info, warning, error", options.level));
  }
  spdlog::sink_ptr main;
  if (options.directory.empty()) {
    main = std::make_shared<spdlog::sinks::stdout_sink_mt>();
  } else {
    try {
      std::filesystem::create_directories(options.directory);
      RemoveOldLogs(options);
      main = std::make_shared<spdlog::sinks::daily_file_sink_mt>(
          options.directory + "/" + options.name + ".log", 0, 0, false, options.days_keep);
    } catch (const std::exception& e) {
      return absl::PermissionDeniedError(
          fmt::format("cannot write logs in {}: {}", options.directory, e.what()));
    }
  }
  main->set_level(g_configured);
  auto logger =
      std::make_shared<spdlog::logger>("chameleon", spdlog::sinks_init_list{main, Taps()});
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %-7l %v");
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
  UpdateLoggerLevel();
  return absl::OkStatus();
}

uint64_t AddLogTap(const std::string& level, LogSink sink) {
  auto parsed = spdlog::level::info;
  ParseLevel(level, &parsed);
  const uint64_t handle = Taps()->Add(parsed, std::move(sink));
  UpdateLoggerLevel();
  return handle;
}

void RemoveLogTap(uint64_t handle) {
  Taps()->Remove(handle);
  UpdateLoggerLevel();
}

}  // namespace chameleon
