// Bump allocator for row bytes: everything put in lives until the arena does.
#pragma once

#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace chameleon::worker::stream {

class Arena {
 public:
  // The copy is valid as long as this arena, or the one that Absorb()ed it.
  std::string_view Copy(std::string_view bytes) {
    if (bytes.empty()) return {};
    char* at = Allocate(bytes.size());
    memcpy(at, bytes.data(), bytes.size());
    return {at, bytes.size()};
  }

  // Takes over the blocks of `other`, which is empty afterwards.
  void Absorb(Arena&& other) {
    for (auto& block : other.blocks_) blocks_.push_back(std::move(block));
    bytes_ += other.bytes_;
    // The tail of the absorbed arena is where there is room.
    if (other.left_ > left_) {
      free_ = other.free_;
      left_ = other.left_;
    }
    other.Clear();
  }

  void Clear() {
    blocks_.clear();
    free_ = nullptr;
    left_ = bytes_ = 0;
  }

  size_t bytes() const { return bytes_; }  // handed out

 private:
  static constexpr size_t kBlockBytes = 64 << 10;

  char* Allocate(size_t size) {
    bytes_ += size;
    if (size > kBlockBytes / 4 && size > left_) {  // a block of its own; the current one goes on
      blocks_.push_back(std::make_unique_for_overwrite<char[]>(size));
      return blocks_.back().get();
    }
    if (size > left_) {
      blocks_.push_back(std::make_unique_for_overwrite<char[]>(kBlockBytes));
      free_ = blocks_.back().get();
      left_ = kBlockBytes;
    }
    char* at = free_;
    free_ += size;
    left_ -= size;
    return at;
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  char* free_ = nullptr;
  size_t left_ = 0;
  size_t bytes_ = 0;
};

}  // namespace chameleon::worker::stream
