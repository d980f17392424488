// Helpers of the encode tests: bytes from hex, definitions from text protos, one literal at a time.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "google/protobuf/text_format.h"
#include "proto/wire/error.h"
#include "worker/encode/column_codec.h"

namespace chameleon::worker::encode {

// Spaces allowed.
inline std::string Bytes(std::string_view hex) {
  std::string out;
  std::string digits;
  for (const char c : hex) {
    if (c == ' ') continue;
    digits.push_back(c);
    if (digits.size() < 2) continue;
    out.push_back(static_cast<char>(std::stoi(digits, nullptr, 16)));
    digits.clear();
  }
  return out;
}

template <typename Message>
Message Proto(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

// The literal; "NULL"; "damaged: why"; losses follow in brackets.
inline std::string Shown(Outcome outcome, Sink& sink, const std::string& literal) {
  std::string text = literal;
  if (outcome == Outcome::kNull) text = "NULL" + literal;
  if (outcome == Outcome::kDamaged) text = std::string("damaged: ") + sink.problem();
  for (const auto& [kind, loss] : sink.TakeLosses()) text += " [" + kind + "]";
  return text;
}

// One column, both ways of reading. `def` is the text of a ColumnDef.
class OneColumn {
 public:
  OneColumn(const std::string& def, v1::Encoding encoding) {
    auto codec = MakeColumnCodec(Proto<v1::ColumnDef>(def), encoding);
    if (codec.ok()) {
      codec_ = *std::move(codec);
    } else {
      refusal_ = Text(codec.status());
    }
  }
  std::string Binlog(binlog::ColumnType type, std::string_view bytes) {
    if (codec_ == nullptr) return refusal_;
    binlog::ColumnMap map;
    map.type = type;
    std::string out;
    sink_.Bind(Escape::kNone, true, &out);
    sink_.BeginColumn(nullptr);
    const Outcome outcome = codec_->FromBinlog(map, bytes, sink_);
    return Shown(outcome, sink_, out);
  }
  std::string Select(std::string_view text) {
    if (codec_ == nullptr) return refusal_;
    std::string out;
    sink_.Bind(Escape::kNone, true, &out);
    sink_.BeginColumn(nullptr);
    const Outcome outcome = codec_->FromText(text, sink_);
    return Shown(outcome, sink_, out);
  }
  std::string Expression() { return codec_->SelectExpression("`c`"); }
  const std::string& refusal() const { return refusal_; }

 private:
  ColumnCodecPtr codec_;
  std::string refusal_;
  Sink sink_;
};

}  // namespace chameleon::worker::encode
