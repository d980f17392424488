// Orderly stop on SIGINT and SIGTERM.
#pragma once

#include <functional>

namespace chameleon {

// Blocks SIGINT, SIGTERM and SIGPIPE in this thread and all it starts: call first in main.
void BlockSignals();

// Starts a thread that waits for SIGINT or SIGTERM and calls `on_stop(signal)` for each.
void OnStopSignal(std::function<void(int signal)> on_stop);

}  // namespace chameleon
