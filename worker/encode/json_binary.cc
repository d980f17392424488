#include <bit>
#include <cmath>

#include "worker/encode/base64.h"
#include "worker/encode/escape.h"
#include "worker/encode/json.h"
#include "worker/encode/json_types.h"
#include "worker/encode/number.h"
#include "worker/encode/temporal.h"

namespace chameleon::worker::encode {
namespace {

using namespace json_type;

// Column types of opaque values.
constexpr uint8_t kFieldTimestamp = 7, kFieldDate = 10, kFieldTime = 11, kFieldDatetime = 12,
                  kFieldDecimal = 246;

constexpr int kDepthMax = 128;  // the server allows 100

class Reader {
 public:
  // In a sound document every entry and every string has bytes of its own. The budget stops
  // damaged ones whose offsets share bytes and would multiply.
  Reader(size_t size, std::string* out, JsonFlaws* flaws)
      : budget_(size + 16), out_(out), flaws_(flaws) {}

  // `data` begins at the value.
  bool Value(uint8_t type, std::string_view data, int depth) {
    switch (type) {
      case kSmallObject:
      case kLargeObject:
      case kSmallArray:
      case kLargeArray:
        return Container(type, data, depth);
      case kLiteral:
        return !data.empty() ? Literal(data[0]) : Bad("a JSON literal without a byte");
      case kString:
        return String(data);
      case kOpaque:
        return Opaque(data);
      default:
        return Number(type, data);
    }
  }

  const char* problem() const { return problem_; }

 private:
  bool Bad(const char* problem) {
    problem_ = problem;
    return false;
  }
  bool Spend(size_t bytes) {
    if (bytes > budget_) return Bad("JSON values that share bytes");
    budget_ -= bytes;
    return true;
  }

  bool Literal(char c) {
    if (c < 0 || c > 2) return Bad("an unknown JSON literal");
    static constexpr std::string_view kTexts[] = {"null", "true", "false"};
    out_->append(kTexts[static_cast<int>(c)]);
    return true;
  }

  bool Number(uint8_t type, std::string_view data) {
    size_t size;
    switch (type) {
      case kInt16:
      case kUint16:
        size = 2;
        break;
      case kInt32:
      case kUint32:
        size = 4;
        break;
      case kInt64:
      case kUint64:
      case kDouble:
        size = 8;
        break;
      default:
        return Bad("an unknown JSON type");
    }
    if (data.size() < size) return Bad("a JSON number beyond the end");
    const uint64_t raw = LoadLittle(data.substr(0, size));
    if (type == kDouble) {
      const auto value = std::bit_cast<double>(raw);
      if (!std::isfinite(value)) return Bad("a JSON number that is not finite");
      Double(value);
    } else if (type == kUint16 || type == kUint32 || type == kUint64) {
      AppendUnsigned(raw, out_);
    } else {
      const unsigned shift = 64 - 8 * static_cast<unsigned>(size);
      AppendSigned(static_cast<int64_t>(raw << shift) >> shift, out_);
    }
    return true;
  }

  // A double always shows that it is one: "10.0", "1e20".
  void Double(double value) {
    const size_t begin = out_->size();
    AppendDouble(value, out_);
    if (out_->find_first_of(".e", begin) == std::string::npos) out_->append(".0");
  }

  // Seven bits per byte, low ones first, five bytes at most.
  bool Length(std::string_view* data, size_t* length) {
    uint64_t v = 0;
    for (unsigned i = 0; i < 5 && i < data->size(); ++i) {
      const auto c = static_cast<unsigned char>((*data)[i]);
      v |= uint64_t{c & 0x7Fu} << (7 * i);
      if ((c & 0x80) != 0) continue;
      data->remove_prefix(i + 1);
      if (v > data->size()) return Bad("a JSON string beyond the end");
      *length = static_cast<size_t>(v);
      return true;
    }
    return Bad("a damaged JSON length");
  }

  void Quote(std::string_view text) {
    out_->push_back('"');
    const TextFlaws flaws = AppendText(text, Escape::kJson, out_);
    flaws_->nul += flaws.nul;
    flaws_->undecodable += flaws.undecodable;
    out_->push_back('"');
  }

  bool String(std::string_view data) {
    size_t length = 0;
    if (!Length(&data, &length) || !Spend(length)) return false;
    Quote(data.substr(0, length));
    return true;
  }

  bool Opaque(std::string_view data) {
    if (data.empty()) return Bad("an opaque JSON value without a type");
    const auto field = static_cast<uint8_t>(data[0]);
    data.remove_prefix(1);
    size_t length = 0;
    if (!Length(&data, &length) || !Spend(length)) return false;
    data = data.substr(0, length);
    switch (field) {
      case kFieldDecimal:
        if (length < 2 || !AppendDecimal(data.substr(2), static_cast<uint8_t>(data[0]),
                                         static_cast<uint8_t>(data[1]), out_)) {
          return Bad("a damaged decimal in JSON");
        }
        return true;
      case kFieldDate:
      case kFieldTime:
      case kFieldDatetime:
      case kFieldTimestamp:
        return Temporal(field, data);
      default:
        out_->append("\"base64:type");
        AppendUnsigned(field, out_);
        out_->push_back(':');
        AppendBase64(data, out_);
        out_->push_back('"');
        return true;
    }
  }

  bool Temporal(uint8_t field, std::string_view data) {
    if (data.size() != 8) return Bad("a damaged date or time in JSON");
    const auto packed = static_cast<int64_t>(LoadLittle(data));
    out_->push_back('"');
    if (field == kFieldTime) {
      TimeOfDay time;
      UnpackTime(packed, &time);
      AppendTime(time, 6, out_);
    } else {
      DateTime value;
      UnpackDateTime(packed, &value);
      if (field == kFieldDate) {
        AppendDate(value, out_);
      } else {
        AppendDateTime(value, 6, out_);
      }
    }
    out_->push_back('"');
    return true;
  }

  // count, bytes; objects: an entry per key (offset, u16 length); an entry per value (type, value
  // or offset); then keys and values. Offsets count from the first byte of the container.
  bool Container(uint8_t type, std::string_view data, int depth) {
    if (depth >= kDepthMax) return Bad("JSON nested too deeply");
    const bool object = type == kSmallObject || type == kLargeObject;
    const size_t word = type == kLargeObject || type == kLargeArray ? 4 : 2;
    if (data.size() < 2 * word) return Bad("a JSON container beyond the end");
    const uint64_t count = LoadLittle(data.substr(0, word));
    const uint64_t bytes = LoadLittle(data.substr(word, word));
    const size_t key_entry = object ? word + 2 : 0;
    const size_t entry = 1 + word;
    if (bytes > data.size() || 2 * word + count * (key_entry + entry) > bytes) {
      return Bad("a JSON container beyond the end");
    }
    if (!Spend(2 * word + count * (key_entry + entry))) return false;
    data = data.substr(0, bytes);
    out_->push_back(object ? '{' : '[');
    for (size_t i = 0; i < count; ++i) {
      if (i != 0) out_->append(", ", 2);
      if (object) {
        const size_t at = 2 * word + i * key_entry;
        const uint64_t offset = LoadLittle(data.substr(at, word));
        const uint64_t length = LoadLittle(data.substr(at + word, 2));
        if (offset + length > bytes) return Bad("a JSON key beyond the end");
        if (!Spend(length)) return false;
        Quote(data.substr(offset, length));
        out_->append(": ", 2);
      }
      if (!Entry(data, 2 * word + count * key_entry + i * entry, word, depth)) return false;
    }
    out_->push_back(object ? '}' : ']');
    return true;
  }

  bool Entry(std::string_view data, size_t at, size_t word, int depth) {
    const auto type = static_cast<uint8_t>(data[at]);
    const std::string_view field = data.substr(at + 1, word);
    const bool in_place = type == kLiteral || type == kInt16 || type == kUint16 ||
                          (word == 4 && (type == kInt32 || type == kUint32));
    if (in_place) return Value(type, field, depth + 1);
    const uint64_t offset = LoadLittle(field);
    if (offset >= data.size()) return Bad("a JSON value beyond the end");
    const bool small = type == kInt32 || type == kUint32;
    const bool number = small || type == kInt64 || type == kUint64 || type == kDouble;
    if (number && !Spend(small ? 4 : 8)) return false;
    return Value(type, data.substr(offset), depth + 1);
  }

  size_t budget_;
  std::string* const out_;
  JsonFlaws* const flaws_;
  const char* problem_ = nullptr;
};

}  // namespace

const char* AppendJsonDocument(std::string_view bytes, std::string* out, JsonFlaws* flaws) {
  if (bytes.empty()) {
    out->append("null");
    return nullptr;
  }
  Reader reader(bytes.size(), out, flaws);
  reader.Value(static_cast<uint8_t>(bytes[0]), bytes.substr(1), 0);
  return reader.problem();
}

}  // namespace chameleon::worker::encode
