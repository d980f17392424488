// copy_mode file: a chunk goes to a temporary file first and to the target when the source has been
// read, so that a slow target never keeps the source waiting.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "worker/snapshot/snapshot.h"

namespace chameleon::worker::snapshot {

// The file has no name: nothing is left behind by a crash. FAILED_PRECONDITION: `directory` cannot
// be written; RESOURCE_EXHAUSTED: it is full.
class Spool {
 public:
  static absl::StatusOr<std::unique_ptr<Spool>> Create(const std::string& directory);
  ~Spool();
  absl::Status Clear();  // forgets what an abandoned chunk has left
  absl::Status Append(std::string_view lines);
  // Sends everything to `writer` in pieces.
  absl::Status SendTo(ChunkWriter* writer);

 private:
  Spool(int fd, std::string directory) : fd_(fd), directory_(std::move(directory)) {}
  int fd_;
  std::string directory_;
  uint64_t size_ = 0;
  std::string buffer_;
};

}  // namespace chameleon::worker::snapshot
