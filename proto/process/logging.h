// The process log: spdlog's default logger, set up once in main.
//
// Format: "2026-11-20 10:46:00.123 INFO  message src=shop pos=bin.000001:4". Who handles an error
// logs it, once. Never log row values or passwords.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"

namespace chameleon {

struct LogOptions {
  std::string level = "info";  // debug, info, warning, error
  std::string directory;       // empty: standard output
  std::string name;            // file name without ".log"
  uint16_t days_keep = 10;     // daily rotation
};

// May be called again to change level or destination. INVALID_ARGUMENT: unknown level;
// PERMISSION_DENIED: the directory cannot be written.
absl::Status InitLogging(const LogOptions& options);

// Calls `sink(time_us, level, text)` for each line at `level` or above until the returned handle is
// passed to RemoveLogTap. The sink must not block and must not log.
using LogSink =
    std::function<void(int64_t time_us, const std::string& level, const std::string& text)>;
uint64_t AddLogTap(const std::string& level, LogSink sink);
void RemoveLogTap(uint64_t handle);

}  // namespace chameleon
