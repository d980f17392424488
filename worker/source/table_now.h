// What has a name on the source now: for what the log leaves out. Pure.
#pragma once

#include <string>

namespace chameleon::worker::source {

struct TableNow {
  bool is_table = false;  // not a view or a sequence
  std::string charset;    // that it gives to new columns
  std::string engine;

  bool KeepsRows() const { return is_table && engine != "BLACKHOLE"; }
};

}  // namespace chameleon::worker::source
