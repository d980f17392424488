// Integers, YEAR, BIT, DECIMAL, FLOAT and DOUBLE columns.
#include <bit>
#include <charconv>
#include <cstring>

#include "worker/encode/column_codec.h"
#include "worker/encode/number.h"

namespace chameleon::worker::encode {
namespace {

using binlog::ColumnMap;

Outcome Boolean(uint64_t value, Sink& sink) {
  if (value > 1) sink.Lost(Loss::kBoolean);
  sink.Clean(value == 0 ? "f" : "t");
  return Outcome::kLiteral;
}

// Digits with an optional sign and fraction, without ZEROFILL's padding.
Outcome PlainNumber(std::string_view text, bool fraction, Sink& sink) {
  std::string_view digits = text;
  const bool negative = !digits.empty() && digits[0] == '-';
  if (negative) digits.remove_prefix(1);
  if (digits.empty()) return sink.Damaged("an empty number");
  bool zero = true;
  for (const char c : digits) {
    if (c == '.' && fraction) continue;
    if (c < '0' || c > '9') return sink.Damaged("a number with other characters than digits");
    zero = zero && c == '0';
  }
  size_t skip = 0;
  while (skip + 1 < digits.size() && digits[skip] == '0' && digits[skip + 1] != '.') ++skip;
  digits.remove_prefix(skip);
  if (negative && !zero) sink.Clean("-");
  if (digits[0] == '.') sink.Clean("0");
  sink.Clean(digits);
  return Outcome::kLiteral;
}

class IntegerCodec : public ColumnCodec {
 public:
  IntegerCodec(unsigned width, bool is_unsigned, bool boolean)
      : width_(width), unsigned_(is_unsigned), boolean_(boolean) {}

  Outcome FromBinlog(const ColumnMap&, std::string_view bytes, Sink& sink) override {
    if (bytes.size() != width_) return sink.Damaged("an integer of the wrong size");
    const uint64_t raw = LoadLittle(bytes);
    if (boolean_) return Boolean(raw, sink);
    if (unsigned_) {
      AppendUnsigned(raw, sink.out());
    } else {
      const unsigned shift = 64 - 8 * width_;
      AppendSigned(static_cast<int64_t>(raw << shift) >> shift, sink.out());
    }
    return Outcome::kLiteral;
  }

  Outcome FromText(std::string_view text, Sink& sink) override {
    if (!boolean_) return PlainNumber(text, false, sink);
    const size_t first = text.find_first_not_of('0');
    if (first == std::string_view::npos) return Boolean(0, sink);
    return Boolean(text.substr(first) == "1" ? 1 : 2, sink);
  }

 private:
  const unsigned width_;
  const bool unsigned_, boolean_;
};

class YearCodec : public ColumnCodec {
 public:
  explicit YearCodec(bool two_digits) : two_digits_(two_digits) {}
  Outcome FromBinlog(const ColumnMap&, std::string_view bytes, Sink& sink) override {
    if (bytes.size() != 1) return sink.Damaged("a year of the wrong size");
    const auto raw = static_cast<unsigned char>(bytes[0]);
    if (two_digits_) {
      AppendUnsigned(FullYear(raw % 100u), sink.out());
    } else {
      AppendUnsigned(raw == 0 ? 0 : 1900u + raw, sink.out());
    }
    return Outcome::kLiteral;
  }
  Outcome FromText(std::string_view text, Sink& sink) override {
    if (!two_digits_) return PlainNumber(text, false, sink);
    unsigned year = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), year);
    if (read.ec != std::errc() || year > 99) return sink.Damaged("a year that has not two digits");
    AppendUnsigned(FullYear(year), sink.out());
    return Outcome::kLiteral;
  }

 private:
  // YEAR(2), of MySQL 5.5 and MariaDB: a SELECT shows the last two digits of 1970 … 2069.
  static unsigned FullYear(unsigned last) { return last < 70 ? 2000 + last : 1900 + last; }

  const bool two_digits_;
};

class BitCodec : public ColumnCodec {
 public:
  BitCodec(unsigned bits, v1::Encoding encoding) : bits_(bits), encoding_(encoding) {}

  Outcome FromBinlog(const ColumnMap&, std::string_view bytes, Sink& sink) override {
    if (bytes.size() != (bits_ + 7) / 8) return sink.Damaged("a bit value of the wrong size");
    const uint64_t raw = LoadBig(bytes);
    switch (encoding_) {
      case v1::ENCODING_BOOLEAN:
        return Boolean(raw, sink);
      case v1::ENCODING_NUMBER:
        AppendUnsigned(raw, sink.out());
        break;
      case v1::ENCODING_BYTEA:
        sink.Bytea(bytes);
        break;
      default: {
        char digits[64];
        for (unsigned i = 0; i < bits_; ++i) {
          digits[i] = static_cast<char>('0' + (raw >> (bits_ - 1 - i) & 1));
        }
        sink.Clean({digits, bits_});
      }
    }
    return Outcome::kLiteral;
  }
  // A SELECT sends the same bytes.
  Outcome FromText(std::string_view text, Sink& sink) override {
    return FromBinlog({}, text, sink);
  }

 private:
  const unsigned bits_;
  const v1::Encoding encoding_;
};

class DecimalCodec : public ColumnCodec {
 public:
  DecimalCodec(unsigned precision, unsigned scale) : precision_(precision), scale_(scale) {}

  Outcome FromBinlog(const ColumnMap&, std::string_view bytes, Sink& sink) override {
    if (!AppendDecimal(bytes, precision_, scale_, sink.out())) {
      return sink.Damaged("bytes that are not a decimal of this precision");
    }
    return Outcome::kLiteral;
  }
  Outcome FromText(std::string_view text, Sink& sink) override {
    return PlainNumber(text, true, sink);
  }

 private:
  const unsigned precision_, scale_;
};

// The double that a SELECT printed: exact, because the server prints doubles round trip.
bool ParseDouble(std::string_view text, double* value) {
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, *value);
  return read.ec == std::errc() && read.ptr == end;
}

class FloatCodec : public ColumnCodec {
 public:
  // `widen`: the exact double of the float, for a double precision target.
  explicit FloatCodec(bool widen) : widen_(widen) {}

  Outcome FromBinlog(const ColumnMap&, std::string_view bytes, Sink& sink) override {
    if (bytes.size() != 4) return sink.Damaged("a float of the wrong size");
    return Print(std::bit_cast<float>(static_cast<uint32_t>(LoadLittle(bytes))), sink);
  }
  Outcome FromText(std::string_view text, Sink& sink) override {
    double value = 0;
    if (!ParseDouble(text, &value)) return sink.Damaged("a text that is not a number");
    return Print(static_cast<float>(value), sink);
  }
  // FLOAT is sent with six digits only. As a product it is sent as the exact double; unlike
  // CAST(… AS DOUBLE) servers of every version know it, unlike + 0e0 it keeps negative zero.
  std::string SelectExpression(std::string_view quoted) const override {
    return std::string(quoted) + "*1e0";
  }

 private:
  Outcome Print(float value, Sink& sink) const {
    if (widen_) {
      AppendDouble(value, sink.out());
    } else {
      AppendFloat(value, sink.out());
    }
    return Outcome::kLiteral;
  }
  const bool widen_;
};

class DoubleCodec : public ColumnCodec {
 public:
  explicit DoubleCodec(bool fixed_decimals) : fixed_decimals_(fixed_decimals) {}

  Outcome FromBinlog(const ColumnMap&, std::string_view bytes, Sink& sink) override {
    if (bytes.size() != 8) return sink.Damaged("a double of the wrong size");
    AppendDouble(std::bit_cast<double>(LoadLittle(bytes)), sink.out());
    return Outcome::kLiteral;
  }
  Outcome FromText(std::string_view text, Sink& sink) override {
    double value = 0;
    if (!ParseDouble(text, &value)) return sink.Damaged("a text that is not a number");
    AppendDouble(value, sink.out());
    return Outcome::kLiteral;
  }
  // DOUBLE(M,D) is sent with D decimals, which need not read back to the stored number.
  std::string SelectExpression(std::string_view quoted) const override {
    return fixed_decimals_ ? std::string(quoted) + "*1e0" : std::string(quoted);
  }

 private:
  const bool fixed_decimals_;
};

}  // namespace

ColumnCodecPtr MakeIntegerCodec(const v1::ColumnDef& def, v1::Encoding encoding) {
  if (encoding != v1::ENCODING_NUMBER && encoding != v1::ENCODING_BOOLEAN &&
      encoding != v1::ENCODING_TEXT) {
    return nullptr;
  }
  unsigned width = 8;
  if (def.base_type() == v1::TINYINT) width = 1;
  if (def.base_type() == v1::SMALLINT) width = 2;
  if (def.base_type() == v1::MEDIUMINT) width = 3;
  if (def.base_type() == v1::INT) width = 4;
  return std::make_unique<IntegerCodec>(width, def.is_unsigned(), encoding == v1::ENCODING_BOOLEAN);
}

ColumnCodecPtr MakeYearCodec(const v1::ColumnDef& def, v1::Encoding encoding) {
  if (encoding != v1::ENCODING_NUMBER && encoding != v1::ENCODING_TEXT) return nullptr;
  return std::make_unique<YearCodec>(def.column_type() == "year(2)");
}

ColumnCodecPtr MakeBitCodec(const v1::ColumnDef& def, v1::Encoding encoding) {
  switch (encoding) {
    case v1::ENCODING_BIT:
    case v1::ENCODING_BOOLEAN:
    case v1::ENCODING_NUMBER:
    case v1::ENCODING_BYTEA:
    case v1::ENCODING_TEXT:
      if (def.length() < 1 || def.length() > 64) return nullptr;
      return std::make_unique<BitCodec>(def.length(), encoding);
    default:
      return nullptr;
  }
}

ColumnCodecPtr MakeDecimalCodec(const v1::ColumnDef& def, v1::Encoding encoding) {
  if (encoding != v1::ENCODING_NUMBER && encoding != v1::ENCODING_TEXT) return nullptr;
  return std::make_unique<DecimalCodec>(def.length(), def.scale());
}

ColumnCodecPtr MakeFloatCodec(const v1::ColumnDef& def, v1::Encoding encoding) {
  const bool is_float = def.base_type() == v1::FLOAT;
  switch (encoding) {
    case v1::ENCODING_FLOAT:
      if (!is_float) return nullptr;  // digits would be lost without a word
      [[fallthrough]];
    case v1::ENCODING_DOUBLE:
    case v1::ENCODING_NUMBER:
    case v1::ENCODING_TEXT:
      if (is_float) return std::make_unique<FloatCodec>(encoding == v1::ENCODING_DOUBLE);
      return std::make_unique<DoubleCodec>(def.length() != 0);
    default:
      return nullptr;
  }
}

}  // namespace chameleon::worker::encode
