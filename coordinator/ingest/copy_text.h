// A text as a field of PostgreSQL's COPY text format.
#pragma once

#include <string>
#include <string_view>

namespace chameleon::coordinator::ingest {

// U+0000 is left out: PostgreSQL's texts hold none.
void AppendCopyText(std::string_view text, std::string* out);

}  // namespace chameleon::coordinator::ingest
