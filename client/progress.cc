#include "client/progress.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>
#include <sys/ioctl.h>

#include <algorithm>

namespace chameleon::client {
namespace {

constexpr std::chrono::seconds kLineInterval{2};

std::string Duration(double seconds) {
  const auto s = static_cast<uint64_t>(seconds + 0.5);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
  return fmt::format("{} h {} min", s / 3600, s % 3600 / 60);
}

size_t Width(FILE* out) {
  winsize size{};
  return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string ProgressText(const v1::Operation& operation, double seconds) {
  const v1::Progress& progress = operation.progress();
  std::string text = progress.phase().empty() ? operation.command() : progress.phase();
  if (progress.tables_total() != 0) {
    text += fmt::format(": {} of {} tables", progress.tables_done(), progress.tables_total());
  }
  if (progress.rows() != 0) {
    if (progress.rows_estimate() > progress.rows()) {
      text += fmt::format(", {} of about {} rows ({} %)", progress.rows(), progress.rows_estimate(),
                          100 * progress.rows() / progress.rows_estimate());
    } else {
      text += fmt::format(", {} rows", progress.rows());
    }
    const double rate = static_cast<double>(progress.rows()) / std::max(seconds, 0.1);
    text += fmt::format(", {:.0f} rows/s", rate);
    if (progress.rows_estimate() > progress.rows() && rate >= 1) {
      text += fmt::format(
          ", {} left",
          Duration(static_cast<double>(progress.rows_estimate() - progress.rows()) / rate));
    }
  }
  if (!progress.message().empty()) text += fmt::format(", {}", progress.message());
  return text;
}

void ProgressPrinter::Show(const v1::Operation& operation) {
  if (operation.state() != v1::Operation::ACTIVE || operation.progress().phase().empty()) return;
  using google::protobuf::util::TimeUtil;
  const double seconds = static_cast<double>(TimeUtil::DurationToMilliseconds(
                             TimeUtil::GetCurrentTime() - operation.started())) /
                         1000;
  const std::string text = ProgressText(operation, seconds);
  if (terminal_) {
    fmt::print(out_, "\r\x1b[K{}", text.substr(0, Width(out_) - 1));
    std::fflush(out_);
    drawn_ = true;
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (operation.progress().phase() == last_phase_ && now - last_line_ < kLineInterval) return;
  last_phase_ = operation.progress().phase();
  last_line_ = now;
  fmt::print(out_, "{}\n", text);
  std::fflush(out_);
}

void ProgressPrinter::Finish() {
  if (!drawn_) return;
  fmt::print(out_, "\r\x1b[K");
  std::fflush(out_);
  drawn_ = false;
}

}  // namespace chameleon::client
