// CPU seconds and peak memory of the processes that a benchmark runs, from /proc.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace chameleon::bench {

struct Usage {
  double cpu_s = 0;
  double rss_peak_mb = 0;  // of the largest process of that name
};

// Samples every process below `roots` (and the roots) four times a second, by program name, until
// Stop(): worker processes come and go. CPU is counted from construction on.
class UsageMeter {
 public:
  explicit UsageMeter(std::vector<std::string> program_names);
  ~UsageMeter();
  std::map<std::string, Usage> Stop();

 private:
  struct Process {
    std::string name;
    double cpu_first_s, cpu_last_s, rss_peak_mb;
  };
  void Sample();

  const std::vector<std::string> names_;
  std::map<std::string, Process> processes_;  // by pid and start time
  bool first_ = true;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace chameleon::bench
