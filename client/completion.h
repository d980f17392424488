// Completion scripts for bash, zsh and fish, from the tables of commands and options.
//
// The scripts ask `chamctl names` for configurations, sources and schemas; nothing else is run.
#pragma once

#include <string>

namespace chameleon::client {

// `shell` is bash, zsh or fish; "" for another one.
std::string CompletionScript(const std::string& shell);

}  // namespace chameleon::client
