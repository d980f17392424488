// A binary log file as an event source: magic number, then events back to back.
#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "proto/wire/error.h"
#include "worker/source/dump.h"
#include "worker/source/event_source.h"

namespace chameleon::worker::source {
namespace {

constexpr std::string_view kMagic(
    "\xfe"
    "bin",
    4);
constexpr std::string_view kEncryptedMagic(
    "\xfd"
    "bin",
    4);
constexpr uint32_t kEventBytesMax = 1u << 30;  // no server writes a larger one
constexpr size_t kTypeOffset = 4;
constexpr uint8_t kStartEncryption = 164;

absl::Status Refused(std::string_view reason, const std::string& path, std::string text,
                     std::string_view hint) {
  return Error(absl::StatusCode::kDataLoss, reason, path, fmt::format("{} {}", path, text), hint);
}

absl::Status Encrypted(const std::string& path) {
  return Refused("LOG_ENCRYPTED", path, "is encrypted",
                 "Read it from the server that wrote it, which decrypts what it sends.");
}

class FileEvents : public EventSource {
 public:
  FileEvents(std::ifstream file, std::string path, uint64_t bytes)
      : file_(std::move(file)), path_(std::move(path)), bytes_(bytes) {}

  absl::StatusOr<std::string_view> Next() override {
    if (interrupted_) return absl::CancelledError("interrupted");
    event_.resize(kEventHeaderBytes);
    file_.read(event_.data(), kEventHeaderBytes);
    if (file_.gcount() == 0) return absl::CancelledError("end of file");
    if (file_.gcount() != static_cast<std::streamsize>(kEventHeaderBytes)) return Truncated();
    uint32_t size = 0;
    for (int i = 12; i >= 9; --i) size = size << 8 | static_cast<unsigned char>(event_[i]);
    if (size < kEventHeaderBytes || size > kEventBytesMax) {
      return Refused("EVENT_DAMAGED", path_,
                     fmt::format("at {}: an event cannot have {} bytes", offset_, size), kHint);
    }
    if (size > bytes_ - offset_) return Truncated();
    event_.resize(size);
    file_.read(event_.data() + kEventHeaderBytes, size - kEventHeaderBytes);
    if (file_.gcount() != static_cast<std::streamsize>(size - kEventHeaderBytes)) {
      return Truncated();
    }
    // What follows is not to be told from events by looking at it.
    if (static_cast<uint8_t>(event_[kTypeOffset]) == kStartEncryption) return Encrypted(path_);
    offset_ += size;
    return event_;
  }
  void Interrupt() override { interrupted_ = true; }
  bool first_rotate_has_checksum() const override { return false; }

 private:
  static constexpr std::string_view kHint =
      "Check the log with mysqlbinlog --verify-binlog-checksum; if it is damaged on the source, "
      "copy "
      "the source again with init_replica.";

  absl::Status Truncated() const {
    return Refused("LOG_TRUNCATED", path_,
                   fmt::format("at {}: the file ends inside an event", offset_), kHint);
  }

  std::ifstream file_;
  std::string path_;
  std::string event_;
  const uint64_t bytes_;
  uint64_t offset_ = kMagic.size();
  std::atomic<bool> interrupted_{false};
};

}  // namespace

absl::StatusOr<std::unique_ptr<EventSource>> OpenFileEvents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(fmt::format("cannot open {}", path));
  char magic[4];
  file.read(magic, sizeof magic);
  const std::string_view head(magic, static_cast<size_t>(file.gcount()));
  if (head == kEncryptedMagic) return Encrypted(path);
  if (head != kMagic) {
    return Refused("NOT_A_LOG", path, "is no binary log",
                   "Binary logs begin with fe 62 69 6e; unpack one that is compressed.");
  }
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  if (error) return absl::NotFoundError(fmt::format("cannot open {}", path));
  return std::make_unique<FileEvents>(std::move(file), path, bytes);
}

}  // namespace chameleon::worker::source
