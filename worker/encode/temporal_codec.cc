// DATE, TIME, DATETIME and TIMESTAMP columns.
//
// The storage form is taken from the table map, not from the definition: tables of 5.5 keep the
// old one until they are rebuilt, and the definition does not always tell.
#include "worker/encode/column_codec.h"
#include "worker/encode/temporal.h"

namespace chameleon::worker::encode {
namespace {

using binlog::ColumnMap;
using binlog::ColumnType;

class DateTimeCodec : public ColumnCodec {
 public:
  DateTimeCodec(const v1::ColumnDef& def, v1::Encoding encoding)
      : base_(def.base_type()), fsp_(def.fsp()), encoding_(encoding) {}

  Outcome FromBinlog(const ColumnMap& map, std::string_view bytes, Sink& sink) override {
    DateTime value;
    if (!Read(map, bytes, &value)) return sink.Damaged("bytes that are not a date or time");
    return Print(value, sink);
  }

  Outcome FromText(std::string_view text, Sink& sink) override {
    DateTime value;
    if (!ParseDateTime(text, base_ != v1::DATE, &value)) {
      return sink.Damaged("a text that is not a date or time");
    }
    return Print(value, sink);
  }

 private:
  bool Read(const ColumnMap& map, std::string_view bytes, DateTime* value) const {
    switch (map.type) {
      case ColumnType::kDate:
      case ColumnType::kNewDate:
        return ReadDate(bytes, value);
      case ColumnType::kDatetime2:
        return ReadDateTime2(bytes, fsp_, value);
      case ColumnType::kDatetime:
        return ReadOldDateTime(bytes, fsp_, value);
      case ColumnType::kTimestamp2:
        return ReadTimestamp2(bytes, fsp_, value);
      case ColumnType::kTimestamp:
        return ReadOldTimestamp(bytes, fsp_, value);
      default:
        return false;
    }
  }

  Outcome Print(const DateTime& value, Sink& sink) const {
    if (encoding_ != v1::ENCODING_TEXT) {
      if (IsZeroDate(value)) return sink.Null(Loss::kZeroDate);
      if (IsInvalidDate(value)) return sink.Null(Loss::kInvalidDate);
    }
    if (base_ == v1::DATE) {
      AppendDate(value, sink.out());
      if (encoding_ == v1::ENCODING_DATETIME || encoding_ == v1::ENCODING_TIMESTAMP) {
        sink.Clean(" 00:00:00");
      }
    } else {
      AppendDateTime(value, fsp_, sink.out());
    }
    if (encoding_ == v1::ENCODING_TIMESTAMP) sink.Clean("+00");
    return Outcome::kLiteral;
  }

  const v1::BaseType base_;
  const unsigned fsp_;
  const v1::Encoding encoding_;
};

class TimeCodec : public ColumnCodec {
 public:
  explicit TimeCodec(unsigned fsp) : fsp_(fsp) {}

  Outcome FromBinlog(const ColumnMap& map, std::string_view bytes, Sink& sink) override {
    TimeOfDay value;
    const bool good = map.type == ColumnType::kTime ? ReadOldTime(bytes, fsp_, &value)
                                                    : ReadTime2(bytes, fsp_, &value);
    if (!good) return sink.Damaged("bytes that are not a time");
    AppendTime(value, fsp_, sink.out());
    return Outcome::kLiteral;
  }

  Outcome FromText(std::string_view text, Sink& sink) override {
    TimeOfDay value;
    if (!ParseTime(text, &value)) return sink.Damaged("a text that is not a time");
    AppendTime(value, fsp_, sink.out());
    return Outcome::kLiteral;
  }

 private:
  const unsigned fsp_;
};

}  // namespace

ColumnCodecPtr MakeTemporalCodec(const v1::ColumnDef& def, v1::Encoding encoding) {
  if (def.fsp() > 6) return nullptr;
  const bool text = encoding == v1::ENCODING_TEXT;
  if (def.base_type() == v1::TIME) {
    if (!text && encoding != v1::ENCODING_TIME) return nullptr;
    return std::make_unique<TimeCodec>(def.fsp());
  }
  const bool stamp =
      encoding == v1::ENCODING_DATETIME || encoding == v1::ENCODING_TIMESTAMP || text;
  // A date with a time of day is not a date: that override would lose it without a word.
  const bool date = def.base_type() == v1::DATE && encoding == v1::ENCODING_DATE;
  if (!stamp && !date) return nullptr;
  return std::make_unique<DateTimeCodec>(def, encoding);
}

}  // namespace chameleon::worker::encode
