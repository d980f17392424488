// TRANSACTION_PAYLOAD: fields (type, length, value as lenenc integers) up to a 0, then a zstd frame
// (or plain bytes) of whole events.
#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>

#include "worker/binlog/byte_cursor.h"
#include "worker/binlog/damage.h"
#include "worker/binlog/event.h"

namespace chameleon::worker::binlog {
namespace {

constexpr EventType kType = EventType::kTransactionPayload;
constexpr uint64_t kZstd = 0, kNone = 255;
constexpr size_t kFirstChunkBytes = 16 << 10;
constexpr size_t kSizeOffset = 9;

}  // namespace

struct PayloadReader::Impl {
  struct FreeStream {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };

  std::string_view packed;
  size_t packed_at = 0;
  size_t event_bytes_max = 0;
  std::unique_ptr<ZSTD_DStream, FreeStream> stream;  // null: not compressed
  bool frame_is_open = false;
  std::string event;

  // Produces up to `room` bytes at `out`; 0 only at the end of the payload.
  absl::StatusOr<size_t> Read(char* out, size_t room) {
    if (stream == nullptr) {
      size_t count = std::min(room, packed.size() - packed_at);
      packed.copy(out, count, packed_at);
      packed_at += count;
      return count;
    }
    ZSTD_inBuffer in{packed.data(), packed.size(), packed_at};
    ZSTD_outBuffer to{out, room, 0};
    while (to.pos == 0 && (in.pos < in.size || frame_is_open)) {
      const size_t before = in.pos;
      size_t code = ZSTD_decompressStream(stream.get(), &to, &in);
      if (ZSTD_isError(code) != 0) {
        return Damaged(kType, in.pos, fmt::format("zstd: {}", ZSTD_getErrorName(code)));
      }
      frame_is_open = code != 0;
      if (to.pos == 0 && in.pos == before && frame_is_open) {
        return Damaged(kType, in.pos, "the compressed part is cut off");
      }
    }
    packed_at = in.pos;
    return to.pos;
  }

  // Grows `event` to `size` bytes. Memory follows what is really there, not what a header says.
  // False: the payload ended before the first byte.
  absl::StatusOr<bool> Fill(size_t size) {
    size_t done = event.size();
    const size_t begin = done;
    while (done < size) {
      event.resize(std::min(size, std::max(kFirstChunkBytes, done * 2)));
      while (done < event.size()) {
        absl::StatusOr<size_t> count = Read(event.data() + done, event.size() - done);
        if (!count.ok()) return count.status();
        if (*count == 0) {
          if (done == begin && begin == 0) return false;
          return Damaged(kType, packed_at, "its last event is cut off");
        }
        done += *count;
      }
    }
    return true;
  }
};

PayloadReader::PayloadReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PayloadReader::PayloadReader(PayloadReader&&) noexcept = default;
PayloadReader& PayloadReader::operator=(PayloadReader&&) noexcept = default;
PayloadReader::~PayloadReader() = default;

absl::StatusOr<PayloadReader> PayloadReader::Open(const Event& payload, size_t event_bytes_max) {
  enum Field : uint64_t { kEnd = 0, kPayloadSize = 1, kCompression = 2 };
  ByteCursor in(payload.body);
  std::optional<uint64_t> size;
  uint64_t compression = kZstd;
  for (uint64_t field = in.Lenenc(); in.ok() && field != kEnd; field = in.Lenenc()) {
    ByteCursor value(in.LenencBytes());
    if (field == kPayloadSize) size = value.Lenenc();
    if (field == kCompression) compression = value.Lenenc();
    if (!value.ok()) in.Fail();
  }
  if (!in.ok()) return Damaged(kType, in.offset(), "a field is cut off");
  if (compression != kZstd && compression != kNone) {
    return Damaged(kType, in.offset(), fmt::format("compression {} is not known", compression));
  }
  if (size && *size != in.remaining()) {
    return Damaged(kType, in.offset(),
                   fmt::format("its header says {} bytes, there are {}", *size, in.remaining()));
  }
  auto impl = std::make_unique<Impl>();
  impl->packed = in.Rest();
  impl->event_bytes_max = event_bytes_max;
  if (compression == kZstd) impl->stream.reset(ZSTD_createDStream());
  return PayloadReader(std::move(impl));
}

absl::StatusOr<std::optional<Event>> PayloadReader::Next() {
  impl_->event.clear();
  absl::StatusOr<bool> has_header = impl_->Fill(kHeaderBytes);
  if (!has_header.ok()) return has_header.status();
  if (!*has_header) return std::nullopt;
  ByteCursor size_field(std::string_view(impl_->event).substr(kSizeOffset));
  const uint32_t size = size_field.U32();
  if (size < kHeaderBytes || size > impl_->event_bytes_max) {
    return Damaged(
        kType, impl_->packed_at,
        fmt::format("an event of {} bytes in it (limit {})", size, impl_->event_bytes_max));
  }
  absl::StatusOr<bool> has_body = impl_->Fill(size);
  if (!has_body.ok()) return has_body.status();
  absl::StatusOr<Event> event = ParsePayloadEvent(impl_->event);
  if (!event.ok()) return event.status();
  return *event;
}

}  // namespace chameleon::worker::binlog
