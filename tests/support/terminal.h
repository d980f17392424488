// A program on a pseudo terminal, as a person runs it.
#pragma once

#include <string>

#include "tests/support/process.h"

namespace chameleon::test {

// Types `input` (end each line with "\n") when the program has asked something, and returns the
// exit code and all that the terminal showed, with \n line ends. Killed after `timeout`: exit code
// 137.
RunResult RunOnTerminal(const Spawn& spawn, const std::string& input,
                        Millis timeout = std::chrono::minutes(1));

}  // namespace chameleon::test
