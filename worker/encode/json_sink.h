// JSON text into a sink, cleaned: for JSON columns, and MariaDB's, which are text.
#pragma once

#include <string_view>

#include "worker/encode/json.h"
#include "worker/encode/sink.h"

namespace chameleon::worker::encode {

void CountJsonFlaws(const JsonFlaws& flaws, Sink& sink);
// `text` must not lie in sink.scratch2. Nothing but white space becomes null, counted.
void AppendJsonText(std::string_view text, Sink& sink);

}  // namespace chameleon::worker::encode
