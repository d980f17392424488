// Strings and byte strings, with MariaDB's compressed columns unpacked.
#include "worker/encode/charset.h"
#include "worker/encode/column_codec.h"
#include "worker/encode/compressed.h"
#include "worker/encode/json_sink.h"

namespace chameleon::worker::encode {
namespace {

using binlog::ColumnMap;

// Unpacks what the binary log has packed; a SELECT sends it plain.
class StoredCodec : public ColumnCodec {
 public:
  explicit StoredCodec(bool compressed) : compressed_(compressed) {}

  Outcome FromBinlog(const ColumnMap&, std::string_view bytes, Sink& sink) final {
    if (!compressed_) return Print(bytes, sink);
    std::string_view plain;
    const char* const problem = Unpack(bytes, &unpacked_, &plain);
    if (problem != nullptr) return sink.Damaged(problem);
    return Print(plain, sink);
  }
  Outcome FromText(std::string_view text, Sink& sink) final { return Print(text, sink); }

 private:
  virtual Outcome Print(std::string_view bytes, Sink& sink) = 0;
  const bool compressed_;
  std::string unpacked_;
};

class TextCodec : public StoredCodec {
 public:
  TextCodec(const v1::ColumnDef& def, const Charset& charset, bool json)
      : StoredCodec(def.compressed()),
        charset_(charset),
        padded_(def.base_type() == v1::BINARY),
        json_(json) {}

 private:
  Outcome Print(std::string_view bytes, Sink& sink) override {
    // A SELECT pads BINARY(n) with zero bytes: no loss when they go.
    while (padded_ && bytes.ends_with('\0')) bytes.remove_suffix(1);
    std::string_view utf8 = bytes;
    if (!charset_.is_utf8() && !(charset_.ascii_compatible() && IsAscii(bytes))) {
      sink.scratch.clear();
      if (charset_.Decode(bytes, &sink.scratch) != 0) sink.Lost(Loss::kUndecodable);
      utf8 = sink.scratch;
    }
    if (json_) {
      AppendJsonText(utf8, sink);
    } else {
      sink.Text(utf8);
    }
    return Outcome::kLiteral;
  }

  const Charset& charset_;
  const bool padded_, json_;
};

class BytesCodec : public StoredCodec {
 public:
  // `pad`: BINARY(n), whose trailing zero bytes the binary log leaves out.
  BytesCodec(const v1::ColumnDef& def, size_t pad) : StoredCodec(def.compressed()), pad_(pad) {}

 private:
  Outcome Print(std::string_view bytes, Sink& sink) override {
    sink.Bytea(bytes);
    if (bytes.size() < pad_) sink.out()->append(2 * (pad_ - bytes.size()), '0');
    return Outcome::kLiteral;
  }
  const size_t pad_;
};

}  // namespace

ColumnCodecPtr MakeTextCodec(const v1::ColumnDef& def, const Charset& charset,
                             v1::Encoding encoding) {
  switch (encoding) {
    case v1::ENCODING_TEXT:
    case v1::ENCODING_UUID:  // PostgreSQL reads the text; the override says that it is one
    case v1::ENCODING_INET:
    case v1::ENCODING_JSON:
      return std::make_unique<TextCodec>(def, charset, encoding == v1::ENCODING_JSON);
    case v1::ENCODING_BYTEA:
      return std::make_unique<BytesCodec>(def, 0);
    default:
      return nullptr;
  }
}

ColumnCodecPtr MakeBytesCodec(const v1::ColumnDef& def, v1::Encoding encoding) {
  if (encoding != v1::ENCODING_BYTEA) return nullptr;
  return std::make_unique<BytesCodec>(def, def.base_type() == v1::BINARY ? def.length() : 0);
}

}  // namespace chameleon::worker::encode
