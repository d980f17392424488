// ENUM and SET columns: sent as numbers by both ways of reading, written as labels.
#include <charconv>
#include <string>
#include <vector>

#include "worker/encode/column_codec.h"
#include "worker/encode/number.h"

namespace chameleon::worker::encode {
namespace {

using binlog::ColumnMap;

bool ParseUnsigned(std::string_view text, uint64_t* value) {
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, *value);
  return read.ec == std::errc() && read.ptr == end;
}

class LabelCodec : public ColumnCodec {
 public:
  LabelCodec(const v1::ColumnDef& def, v1::Encoding encoding)
      : labels_(def.labels().begin(), def.labels().end()),
        is_set_(def.base_type() == v1::SET),
        number_(encoding == v1::ENCODING_NUMBER) {}

  Outcome FromBinlog(const ColumnMap&, std::string_view bytes, Sink& sink) override {
    if (bytes.empty() || bytes.size() > 8) return sink.Damaged("an enum or set of the wrong size");
    return Print(LoadLittle(bytes), sink);
  }

  Outcome FromText(std::string_view text, Sink& sink) override {
    uint64_t value = 0;
    if (!ParseUnsigned(text, &value)) return sink.Damaged("an enum or set that is not a number");
    return Print(value, sink);
  }

  // As a number: the label '' and the invalid index 0 look the same, and so does a label that the
  // connection cannot show. A sum would go through a double and lose members of a large set.
  std::string SelectExpression(std::string_view quoted) const override {
    return "CAST(" + std::string(quoted) + " AS UNSIGNED)";
  }

 private:
  Outcome Print(uint64_t value, Sink& sink) const {
    if (number_) {
      AppendUnsigned(value, sink.out());
      return Outcome::kLiteral;
    }
    if (!is_set_) {
      if (value == 0 || value > labels_.size()) return sink.Null(Loss::kEnumInvalid);
      sink.Text(labels_[value - 1]);
      return Outcome::kLiteral;
    }
    bool empty = true;  // so far: the servers put a comma only behind something
    for (size_t i = 0; i < labels_.size() && i < 64; ++i) {
      const uint64_t bit = uint64_t{1} << i;
      if ((value & bit) == 0) continue;
      if (!empty) sink.Clean(",");
      sink.Text(labels_[i]);
      empty = empty && labels_[i].empty();
      value &= ~bit;
    }
    if (value != 0) sink.Lost(Loss::kSetUnknown);
    return Outcome::kLiteral;
  }

  const std::vector<std::string> labels_;
  const bool is_set_, number_;
};

}  // namespace

ColumnCodecPtr MakeLabelCodec(const v1::ColumnDef& def, v1::Encoding encoding) {
  const auto own = def.base_type() == v1::SET ? v1::ENCODING_SET : v1::ENCODING_ENUM;
  if (encoding != own && encoding != v1::ENCODING_TEXT && encoding != v1::ENCODING_NUMBER) {
    return nullptr;
  }
  return std::make_unique<LabelCodec>(def, encoding);
}

}  // namespace chameleon::worker::encode
