#!/bin/bash
# run.sh build: builds the fuzzers in build/fuzz.
# run.sh SECONDS [FUZZER…]: each of them (all) for so long, as many at a time as there are cores.
#
# Findings: a crash, a sanitizer's report, a leak, an input that takes longer than 5 s, one
# allocation above 256 MiB or 1 GiB in all. The input is kept in build/fuzz/findings; repeat it with
# build/fuzz/tests/fuzz/NAME_fuzzer FILE. $CHAMELEON_FUZZ_CORPUS: a directory whose NAME folders
# keep what was found interesting, for long runs.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "$1" = build ]; then
  cmake --preset fuzz >/dev/null
  exec cmake --build --preset fuzz
fi

seconds=$1
shift
[ $# -gt 0 ] || set -- event row encode json ddl
work=build/fuzz/work
rm -rf "$work"
mkdir -p "$work" build/fuzz/findings
build/fuzz/tests/fuzz/fuzz_seeds "$work/seeds"

fuzz() {
  local name=$1 corpus=${CHAMELEON_FUZZ_CORPUS:-$2}/$1
  mkdir -p "$corpus" "$2/seeds/$name"
  if build/fuzz/tests/fuzz/"${name}"_fuzzer -max_total_time="$3" -timeout=5 -rss_limit_mb=1024 \
    -malloc_limit_mb=256 -entropic=0 -max_len=16384 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/findings/$name-" "$corpus" "$2/seeds/$name" \
    >"$2/$name.log" 2>&1; then
    echo "$name: $(ls "$2/seeds/$name" | wc -l) seeds," \
      "$(sed -n 's/^stat::number_of_executed_units: *//p' "$2/$name.log") inputs," \
      "$(sed -n 's/^stat::peak_rss_mb: *//p' "$2/$name.log") MiB"
  else
    echo "$name: FINDING"
    grep -v '^#[0-9]' "$2/$name.log" | tail -n 60
    return 1
  fi
}
export -f fuzz
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} bash -c "fuzz {} $work $seconds"
