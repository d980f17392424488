#include "worker/snapshot/spool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "proto/wire/error.h"

namespace chameleon::worker::snapshot {
namespace {

constexpr size_t kPieceBytes = 512 << 10;

}  // namespace

absl::StatusOr<std::unique_ptr<Spool>> Spool::Create(const std::string& directory) {
  std::string path = (directory.empty() ? "/tmp" : directory) + "/chameleon-copy-XXXXXX";
  int fd = mkostemp(path.data(), O_CLOEXEC);
  if (fd < 0) {
    return Error(absl::StatusCode::kFailedPrecondition, "OUT_DIR_UNUSABLE", directory,
                 fmt::format("out_dir {} cannot be written: {}", directory, std::strerror(errno)),
                 "Create the directory and make it writable, or set copy_mode to direct.");
  }
  unlink(path.c_str());
  return std::unique_ptr<Spool>(new Spool(fd, directory));
}

Spool::~Spool() { close(fd_); }

absl::Status Spool::Clear() {
  size_ = 0;
  if (ftruncate(fd_, 0) == 0) return absl::OkStatus();
  return absl::InternalError(fmt::format("spool: {}", std::strerror(errno)));
}

absl::Status Spool::Append(std::string_view lines) {
  while (!lines.empty()) {
    ssize_t n = pwrite(fd_, lines.data(), lines.size(), static_cast<off_t>(size_));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      return absl::ResourceExhaustedError(
          fmt::format("out_dir {} cannot be written: {}", directory_, std::strerror(errno)));
    }
    size_ += static_cast<uint64_t>(n);
    lines.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status Spool::SendTo(ChunkWriter* writer) {
  uint64_t at = 0;
  buffer_.clear();
  while (at < size_) {
    size_t old = buffer_.size();
    buffer_.resize(old + kPieceBytes);
    ssize_t n = pread(fd_, buffer_.data() + old, kPieceBytes, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) n = 0;
    if (n < 0) {
      return absl::InternalError(fmt::format("spool: {}", std::strerror(errno)));
    }
    buffer_.resize(old + static_cast<size_t>(n));
    at += static_cast<uint64_t>(n);
    size_t lines = buffer_.rfind('\n');  // only whole lines may be sent
    if (lines == std::string::npos) continue;
    if (auto s = writer->Write(std::string_view(buffer_).substr(0, lines + 1)); !s.ok()) return s;
    buffer_.erase(0, lines + 1);
  }
  return Clear();
}

}  // namespace chameleon::worker::snapshot
