// An operation's progress: one line that is redrawn on a terminal, now and then a line elsewhere.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#include "chameleon/v1/control.pb.h"

namespace chameleon::client {

// "copy: 3 of 11 tables, 120000 of about 200000 rows (60 %), 85000 rows/s, 1 s left"
std::string ProgressText(const v1::Operation& operation, double seconds);

class ProgressPrinter {
 public:
  ProgressPrinter(FILE* out, bool terminal) : out_(out), terminal_(terminal) {}
  void Show(const v1::Operation& operation);
  void Finish();  // leaves a clean line

 private:
  FILE* const out_;
  const bool terminal_;
  bool drawn_ = false;
  std::string last_phase_;
  std::chrono::steady_clock::time_point last_line_{};
};

}  // namespace chameleon::client
