#include "worker/binlog/compressed.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

#include "worker/binlog/byte_cursor.h"
#include "worker/binlog/damage.h"

namespace chameleon::worker::binlog {
namespace {

constexpr size_t kFirstChunkBytes = 16 << 10;

// Inflates into *out, which ends up `size` bytes long. False: the stream holds more, less or junk.
bool Inflate(std::string_view in, size_t size, std::string* out) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return false;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  int code = Z_OK;
  size_t done = 0;
  while (code == Z_OK) {
    if (done == out->size()) {
      // One byte past `size` shows a stream that is longer than it says.
      size_t room = std::min(size + 1, std::max(kFirstChunkBytes, done * 2));
      if (room == done) break;
      out->resize(room);
    }
    stream.next_out = reinterpret_cast<Bytef*>(out->data() + done);
    stream.avail_out = static_cast<uInt>(out->size() - done);
    code = inflate(&stream, Z_NO_FLUSH);
    done = out->size() - stream.avail_out;
  }
  const bool whole = code == Z_STREAM_END && done == size && stream.avail_in == 0;
  inflateEnd(&stream);
  out->resize(std::min(done, size));
  return whole;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const std::string>> Unpack(EventType type, std::string_view packed) {
  ByteCursor in(packed);
  uint8_t head = in.U8();
  size_t length_bytes = head & 0x07;
  if (!in.ok() || (head & 0xf8) != 0x80 || length_bytes == 0 || length_bytes > 4) {
    return Damaged(type, 0, fmt::format("compression header {:02x} is not known", head));
  }
  uint64_t size = in.Big(length_bytes);
  if (!in.ok() || size > kUnpackedBytesMax) {
    return Damaged(type, in.offset(), fmt::format("uncompressed length {}", size));
  }
  auto out = std::make_shared<std::string>();
  if (!Inflate(in.Rest(), size, out.get())) {
    return Damaged(type, in.offset(),
                   fmt::format("the compressed part does not unpack to {} bytes", size));
  }
  return std::shared_ptr<const std::string>(std::move(out));
}

}  // namespace chameleon::worker::binlog
