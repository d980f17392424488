// JSON columns of MySQL, and the cleaning that text documents share.
#include "worker/encode/column_codec.h"
#include "worker/encode/json.h"
#include "worker/encode/json_sink.h"

namespace chameleon::worker::encode {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The unit of "\uXXXX" at `at`, or -1.
int UnitAt(std::string_view text, size_t at) {
  if (text.size() < at + 6 || text[at] != '\\' || text[at + 1] != 'u') return -1;
  int unit = 0;
  for (size_t i = at + 2; i < at + 6; ++i) {
    const int digit = HexValue(text[i]);
    if (digit < 0) return -1;
    unit = unit << 4 | digit;
  }
  return unit;
}

bool IsHigh(int unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool IsLow(int unit) { return unit >= 0xDC00 && unit < 0xE000; }

class JsonCodec : public ColumnCodec {
 public:
  Outcome FromBinlog(const binlog::ColumnMap&, std::string_view bytes, Sink& sink) override {
    sink.scratch.clear();
    JsonFlaws flaws;
    const char* const problem = AppendJsonDocument(bytes, &sink.scratch, &flaws);
    if (problem != nullptr) return sink.Damaged(problem);
    CountJsonFlaws(flaws, sink);
    sink.Text(sink.scratch);
    return Outcome::kLiteral;
  }
  Outcome FromText(std::string_view text, Sink& sink) override {
    AppendJsonText(text, sink);
    return Outcome::kLiteral;
  }
};

}  // namespace

bool NeedsCleaning(std::string_view text) { return text.find("\\u") != std::string_view::npos; }

void CleanJson(std::string_view text, std::string* out, JsonFlaws* flaws) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t slash = std::min(text.find('\\', at), text.size());
    out->append(text, at, slash - at);
    at = slash;
    if (at == text.size()) break;
    const int unit = UnitAt(text, at);
    if (unit == 0) {
      ++flaws->nul;
      at += 6;
    } else if (IsHigh(unit) && IsLow(UnitAt(text, at + 6))) {
      out->append(text, at, 12);
      at += 12;
    } else if (IsHigh(unit) || IsLow(unit)) {
      ++flaws->surrogate;
      at += 6;
    } else {
      const size_t length = unit < 0 ? 2 : 6;
      out->append(text, at, length);
      at += length;
    }
  }
}

void CountJsonFlaws(const JsonFlaws& flaws, Sink& sink) {
  if (flaws.nul != 0) sink.Lost(Loss::kJsonNul);
  if (flaws.surrogate != 0) sink.Lost(Loss::kJsonSurrogate);
  if (flaws.undecodable != 0) sink.Lost(Loss::kUndecodable);
}

void AppendJsonText(std::string_view text, Sink& sink) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    sink.Lost(Loss::kJsonEmpty);
    sink.Clean("null");
    return;
  }
  if (!NeedsCleaning(text)) {
    sink.Text(text);
    return;
  }
  JsonFlaws flaws;
  sink.scratch2.clear();
  CleanJson(text, &sink.scratch2, &flaws);
  CountJsonFlaws(flaws, sink);
  sink.Text(sink.scratch2);
}

ColumnCodecPtr MakeJsonCodec(v1::Encoding encoding) {
  if (encoding != v1::ENCODING_JSON && encoding != v1::ENCODING_TEXT) return nullptr;
  return std::make_unique<JsonCodec>();
}

}  // namespace chameleon::worker::encode
