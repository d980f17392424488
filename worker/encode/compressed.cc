#include "worker/encode/compressed.h"

#include <zlib.h>

#include <cstdint>

#include "worker/encode/number.h"

namespace chameleon::worker::encode {

const char* Unpack(std::string_view bytes, std::string* buffer, std::string_view* plain) {
  if (bytes.empty()) {
    *plain = bytes;
    return nullptr;
  }
  const auto header = static_cast<unsigned char>(bytes[0]);
  bytes.remove_prefix(1);
  if (header == 0) {
    *plain = bytes;
    return nullptr;
  }
  constexpr unsigned kZlib = 8;
  constexpr uint64_t kRatioMax = 1040;  // what deflate can reach, rounded up
  const unsigned length_bytes = header & 7;
  if (header >> 4 != kZlib) return "an unknown compression method";
  if (length_bytes == 0 || length_bytes > 4 || bytes.size() < length_bytes) {
    return "a damaged compression header";
  }
  const uint64_t length = LoadBig(bytes.substr(0, length_bytes));
  bytes.remove_prefix(length_bytes);
  if (length > bytes.size() * kRatioMax + kRatioMax) return "an impossible compressed length";
  buffer->resize(length);
  z_stream stream{};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(buffer->data());
  stream.avail_out = static_cast<uInt>(length);
  const bool raw = (header & 8) != 0;
  if (inflateInit2(&stream, raw ? -15 : 15) != Z_OK) return "zlib failed to start";
  const int done = inflate(&stream, Z_FINISH);
  inflateEnd(&stream);
  if (done != Z_STREAM_END || stream.total_out != length) return "damaged compressed data";
  *plain = *buffer;
  return nullptr;
}

}  // namespace chameleon::worker::encode
