#include "tests/bench/usage.h"

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>

namespace chameleon::bench {
namespace {

// Fields of /proc/PID/stat after the program name, which may contain anything but ')'.
bool ReadStat(const std::string& pid, std::string* name, double* cpu_s, std::string* started) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string line;
  if (!std::getline(file, line)) return false;
  const size_t open = line.find('('), close = line.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return false;
  *name = line.substr(open + 1, close - open - 1);
  std::istringstream rest(line.substr(close + 2));
  std::vector<std::string> fields;
  for (std::string field; rest >> field;) fields.push_back(field);
  if (fields.size() < 20) return false;
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  *cpu_s = (std::stod(fields[11]) + std::stod(fields[12])) / ticks;  // utime, stime
  *started = fields[19];
  return true;
}

double PeakRssMb(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

}  // namespace

UsageMeter::UsageMeter(std::vector<std::string> program_names) : names_(std::move(program_names)) {
  Sample();
  first_ = false;
  thread_ = std::thread([this] {
    while (!stop_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(250));
      Sample();
    }
  });
}

UsageMeter::~UsageMeter() {
  if (thread_.joinable()) Stop();
}

void UsageMeter::Sample() {
  DIR* dir = opendir("/proc");
  if (dir == nullptr) return;
  while (const dirent* entry = readdir(dir)) {
    const std::string pid = entry->d_name;
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    std::string name, started;
    double cpu_s = 0;
    if (!ReadStat(pid, &name, &cpu_s, &started)) continue;
    // The kernel cuts names at 15 bytes.
    const auto wanted = std::find_if(names_.begin(), names_.end(), [&](const std::string& full) {
      return full.substr(0, 15) == name;
    });
    if (wanted == names_.end()) continue;
    auto [it, is_new] = processes_.try_emplace(pid + "@" + started);
    // One that starts later has used nothing before it was there.
    if (is_new) it->second = {*wanted, first_ ? cpu_s : 0, 0, 0};
    it->second.cpu_last_s = cpu_s;
    it->second.rss_peak_mb = std::max(it->second.rss_peak_mb, PeakRssMb(pid));
  }
  closedir(dir);
}

std::map<std::string, Usage> UsageMeter::Stop() {
  stop_ = true;
  thread_.join();
  Sample();
  std::map<std::string, Usage> usage;
  for (const auto& [_, process] : processes_) {
    auto& sum = usage[process.name];
    sum.cpu_s += process.cpu_last_s - process.cpu_first_s;
    sum.rss_peak_mb = std::max(sum.rss_peak_mb, process.rss_peak_mb);
  }
  return usage;
}

}  // namespace chameleon::bench
