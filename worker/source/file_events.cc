// A binary log file as an event source: magic number, then events back to back.
#include <fmt/format.h>

#include <atomic>
#include <fstream>

#include "worker/source/dump.h"
#include "worker/source/event_source.h"

namespace chameleon::worker::source {
namespace {

constexpr std::string_view kMagic(
    "\xfe"
    "bin",
    4);
constexpr uint32_t kEventBytesMax = 1u << 30;  // no server writes a larger one

class FileEvents : public EventSource {
 public:
  FileEvents(std::ifstream file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}

  absl::StatusOr<std::string_view> Next() override {
    if (interrupted_) return absl::CancelledError("interrupted");
    event_.resize(kEventHeaderBytes);
    file_.read(event_.data(), kEventHeaderBytes);
    if (file_.gcount() == 0) return absl::CancelledError("end of file");
    if (file_.gcount() != static_cast<std::streamsize>(kEventHeaderBytes)) return Truncated();
    uint32_t size = 0;
    for (int i = 12; i >= 9; --i) size = size << 8 | static_cast<unsigned char>(event_[i]);
    if (size < kEventHeaderBytes || size > kEventBytesMax) {
      return absl::DataLossError(
          fmt::format("{} at {}: an event cannot have {} bytes", path_, offset_, size));
    }
    event_.resize(size);
    file_.read(event_.data() + kEventHeaderBytes, size - kEventHeaderBytes);
    if (file_.gcount() != static_cast<std::streamsize>(size - kEventHeaderBytes)) {
      return Truncated();
    }
    offset_ += size;
    return event_;
  }
  void Interrupt() override { interrupted_ = true; }
  bool first_rotate_has_checksum() const override { return false; }

 private:
  absl::Status Truncated() const {
    return absl::DataLossError(
        fmt::format("{} at {}: the file ends inside an event", path_, offset_));
  }

  std::ifstream file_;
  std::string path_;
  std::string event_;
  uint64_t offset_ = kMagic.size();
  std::atomic<bool> interrupted_{false};
};

}  // namespace

absl::StatusOr<std::unique_ptr<EventSource>> OpenFileEvents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(fmt::format("cannot open {}", path));
  char magic[4];
  file.read(magic, sizeof magic);
  if (file.gcount() != sizeof magic || std::string_view(magic, sizeof magic) != kMagic) {
    return absl::DataLossError(fmt::format("{} is no binary log", path));
  }
  return std::make_unique<FileEvents>(std::move(file), path);
}

}  // namespace chameleon::worker::source
