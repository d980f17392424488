#include "worker/encode/default_literal.h"

#include <algorithm>
#include <string>

namespace chameleon::worker::encode {
namespace {

constexpr size_t kHexPrefix = 2;  // 0x…, x'…, b'…

bool IsText(const v1::ColumnDef& def) {
  const bool character = def.base_type() == v1::CHAR || def.base_type() == v1::VARCHAR ||
                         (def.base_type() >= v1::TINYTEXT && def.base_type() <= v1::LONGTEXT);
  return character && def.charset() != "binary";
}

bool IsBytes(const v1::ColumnDef& def) {
  return def.base_type() == v1::BINARY || def.base_type() == v1::VARBINARY ||
         (def.base_type() >= v1::TINYBLOB && def.base_type() <= v1::LONGBLOB);
}

// Text goes to the sink as it is: a codec would convert it from the column's character set.
Outcome TextDefault(const v1::ColumnDef& def, std::string_view value, Sink& sink) {
  if (def.base_type() == v1::CHAR) {
    while (value.ends_with(' ')) value.remove_suffix(1);
  }
  sink.Text(value);
  return Outcome::kLiteral;
}

Outcome LabelDefault(const v1::ColumnDef& def, std::string_view value, ColumnCodec* codec,
                     Sink& sink) {
  uint64_t number = 0;
  if (def.base_type() == v1::ENUM) {
    while (number < static_cast<uint64_t>(def.labels_size()) &&
           def.labels(static_cast<int>(number)) != value) {
      ++number;
    }
    if (++number > static_cast<uint64_t>(def.labels_size())) {
      return sink.Damaged("a DEFAULT that is none of its labels");
    }
    return codec->FromText(std::to_string(number), sink);
  }
  while (!value.empty()) {
    const std::string_view member = value.substr(0, value.find(','));
    int i = 0;
    while (i < def.labels_size() && def.labels(i) != member) ++i;
    if (i == def.labels_size()) return sink.Damaged("a DEFAULT with an unknown member");
    number |= uint64_t{1} << i;
    value.remove_prefix(std::min(value.size(), member.size() + 1));
  }
  return codec->FromText(std::to_string(number), sink);
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Outcome BytesDefault(const v1::ColumnDef& def, std::string_view value, ColumnCodec* codec,
                     Sink& sink) {
  std::string bytes;
  if (!value.empty()) {
    if (value.starts_with("x'") && value.ends_with("'")) value.remove_suffix(1);
    if (!value.starts_with("0x") && !value.starts_with("x'")) {
      return sink.Damaged("a DEFAULT of bytes that are not written in hexadecimal");
    }
    value.remove_prefix(kHexPrefix);
    if (value.size() % 2 != 0) return sink.Damaged("a DEFAULT with half a byte");
    for (size_t i = 0; i < value.size(); i += 2) {
      const int high = HexDigit(value[i]), low = HexDigit(value[i + 1]);
      if (high < 0 || low < 0) return sink.Damaged("a DEFAULT that is not hexadecimal");
      bytes.push_back(static_cast<char>(high << 4 | low));
    }
  }
  if (def.base_type() == v1::BINARY && bytes.size() < def.length()) bytes.resize(def.length());
  return codec->FromText(bytes, sink);
}

Outcome BitDefault(const v1::ColumnDef& def, std::string_view value, ColumnCodec* codec,
                   Sink& sink) {
  if (value.size() < 3 || !value.starts_with("b'") || !value.ends_with("'")) {
    return sink.Damaged("a DEFAULT that is not written in bits");
  }
  value = value.substr(kHexPrefix, value.size() - 3);
  uint64_t bits = 0;
  for (const char c : value) bits = bits << 1 | (c == '1');
  std::string bytes((def.length() + 7) / 8, '\0');
  for (size_t i = bytes.size(); i-- > 0; bits >>= 8) bytes[i] = static_cast<char>(bits & 0xff);
  return codec->FromText(bytes, sink);
}

// NOT NULL and no DEFAULT: what a session without strict mode stores.
std::string Implicit(const v1::ColumnDef& def) {
  switch (def.base_type()) {
    case v1::BIT:
      return "b'0'";
    case v1::DATE:
      return "0000-00-00";
    case v1::DATETIME:
    case v1::TIMESTAMP:
      return "0000-00-00 00:00:00";
    case v1::TIME:
      return "00:00:00";
    case v1::ENUM:
      return def.labels_size() > 0 ? def.labels(0) : "";
    default:
      return def.base_type() <= v1::YEAR ? "0" : "";
  }
}

}  // namespace

Outcome AppendDefault(const v1::ColumnDef& def, ColumnCodec* codec, Sink& sink) {
  if (def.generated() != v1::GENERATED_NONE) return sink.Damaged("a generated value");
  if (def.auto_increment()) return sink.Damaged("a counter's value");
  if (def.default_is_expression()) return sink.Damaged("an expression's value");
  if (!def.has_default() && def.nullable()) return Outcome::kNull;
  const std::string value = def.has_default() ? def.default_value() : Implicit(def);
  if (IsText(def)) return TextDefault(def, value, sink);
  if (IsBytes(def)) return BytesDefault(def, value, codec, sink);
  switch (def.base_type()) {
    case v1::FLOAT:
    case v1::DOUBLE:  // FLOAT(M,D) rounds in binary
      if (def.length() != 0 && value.find_first_not_of("-0123456789") != std::string::npos) {
        return sink.Damaged("a DEFAULT that the source rounds");
      }
      break;
    case v1::BIT:
      return BitDefault(def, value, codec, sink);
    case v1::ENUM:
    case v1::SET:
      return LabelDefault(def, value, codec, sink);
    case v1::TIMESTAMP:
      // A literal means a moment only together with the zone of the session that wrote it.
      if (!value.starts_with("0000-00-00")) return sink.Damaged("a moment in an unknown time zone");
      break;
    default:
      if (def.base_type() > v1::DATETIME) return sink.Damaged("a DEFAULT of this type");
  }
  return codec->FromText(value, sink);
}

}  // namespace chameleon::worker::encode
