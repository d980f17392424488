#!/bin/bash
# sanitized PRESET TEST…: builds these tests in build/PRESET and runs them.
sanitized() {
  local preset=$1
  shift
  cmake --preset "$preset"
  cmake --build --preset "$preset" --target "$@"
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j2 \
    -R "^($(echo "$@" | tr ' ' '|'))\$"
}
