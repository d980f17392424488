// chamctl's manual page, from its tables of commands and options.
#pragma once

#include <string>

namespace chameleon::client {

std::string ChamctlManPage();

}  // namespace chameleon::client
