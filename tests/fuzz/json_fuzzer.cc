// MySQL's binary JSON and its partial updates: any bytes end in a text that is JSON, or in a named
// damage. Input: bytes of the document (u16), the document, then diffs.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "worker/encode/json.h"
#include "worker/encode/json_diff.h"

namespace {

using chameleon::worker::encode::AppendJsonDocument;
using chameleon::worker::encode::ApplyJsonDiffs;
using chameleon::worker::encode::JsonFlaws;

// Times longer: a number of two bytes has up to seven characters with its comma, a byte of a string
// six; entries of containers are at least three bytes.
constexpr size_t kGrowthMax = 16;

// A heap copy of exact size, so that reading past the end is seen.
class Exact {
 public:
  Exact(const uint8_t* data, size_t size) : bytes_(new char[size]), size_(size) {
    std::copy(data, data + size, bytes_.get());
  }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
};

bool Check(std::string_view document) {
  std::string text;
  JsonFlaws flaws;
  const bool sound = AppendJsonDocument(document, &text, &flaws) == nullptr;
  if (text.size() > kGrowthMax * document.size() + 64) std::abort();
  if (sound && !nlohmann::json::accept(text)) std::abort();
  return sound;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t document_bytes = std::min<size_t>(data[0] | data[1] << 8, size - 2);
  const Exact document(data + 2, document_bytes);
  const Exact diffs(data + 2 + document_bytes, size - 2 - document_bytes);
  Check(document.view());
  auto changed = ApplyJsonDiffs(document.view(), diffs.view());
  if (!changed.ok()) return 0;
  // What was opened is in the large form now.
  if (changed->size() > kGrowthMax * size + 64) std::abort();
  Check(*changed);
  return 0;
}
