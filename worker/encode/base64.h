// Base64 as MySQL prints opaque JSON values: RFC 4648, padded, a line feed after 76 characters.
#pragma once

#include <string>
#include <string_view>

namespace chameleon::worker::encode {

void AppendBase64(std::string_view bytes, std::string* out);

}  // namespace chameleon::worker::encode
