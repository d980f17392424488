#include "coordinator/ingest/copy_text.h"

namespace chameleon::coordinator::ingest {

void AppendCopyText(std::string_view text, std::string* out) {
  for (const char c : text) {
    switch (c) {
      case '\\':
        *out += "\\\\";
        break;
      case '\n':
        *out += "\\n";
        break;
      case '\r':
        *out += "\\r";
        break;
      case '\t':
        *out += "\\t";
        break;
      case '\0':
        break;
      default:
        *out += c;
    }
  }
}

}  // namespace chameleon::coordinator::ingest
