#include "worker/encode/base64.h"

#include <cstdint>

namespace chameleon::worker::encode {

void AppendBase64(std::string_view bytes, std::string* out) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  constexpr size_t kLineBytes = 57;  // 76 characters
  const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  for (size_t i = 0; i < bytes.size(); i += 3) {
    // Inside a JSON string: the line feed is escaped.
    if (i != 0 && i % kLineBytes == 0) out->append("\\n");
    const size_t left = bytes.size() - i;
    const uint32_t group =
        at(i) << 16 | (left > 1 ? at(i + 1) << 8 : 0) | (left > 2 ? at(i + 2) : 0);
    out->push_back(kAlphabet[group >> 18]);
    out->push_back(kAlphabet[group >> 12 & 63]);
    out->push_back(left > 1 ? kAlphabet[group >> 6 & 63] : '=');
    out->push_back(left > 2 ? kAlphabet[group & 63] : '=');
  }
}

}  // namespace chameleon::worker::encode
