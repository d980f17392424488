#!/usr/bin/env bash
# The tree is the architecture: which room may include what. Prints each trespass; fails if any.
# fences.sh [ROOT]
set -u
cd "${1:-$(dirname "$0")/../..}" || exit 2
failed=0

# forbid WHAT PATTERN PLACES EXCEPT: files below PLACES must not match, but for those matching EXCEPT.
forbid() {
  local found
  found=$(grep -rnE --include='*.h' --include='*.cc' "$2" $3 2>/dev/null | grep -vE "$4")
  if [ -n "$found" ]; then
    printf '%s:\n%s\n' "$1" "$found"
    failed=1
  fi
}

all="proto worker coordinator client"
forbid 'mysql.h outside worker/source' '#include [<"](mysql|errmsg|mysqld_error|ma_common)\.h' \
  "$all" '^worker/source/'
forbid 'libpq or libpqxx outside coordinator/pg and the PostgreSQL source reader' \
  '#include [<"](libpq-fe\.h|pqxx)' "$all" '^(coordinator/pg/|worker/pgsource/connection\.cc:.*libpq)'
forbid 'yaml-cpp outside coordinator/config' '#include [<"]yaml-cpp' "$all" '^coordinator/config/'
forbid 'gRPC outside the rooms that speak it' '#include [<"]grpcpp|\.grpc\.pb\.h' "$all" \
  '^(proto/wire/(status|channel)\.|coordinator/(api/|sources/|main|coordinator|daemon)|worker/(stream/(coordinator_link|uplink)\.|host|session|task|main)|client/)'
forbid 'programs include each other: worker' '#include "(coordinator|client)/' worker '^$'
forbid 'programs include each other: coordinator' '#include "(worker|client)/' coordinator '^$'
forbid 'programs include each other: client' '#include "(worker|coordinator)/' client '^$'
forbid 'the contract includes a program' '#include "(worker|coordinator|client)/' proto '^$'
forbid 'I/O, clock, thread or log in a pure room' \
  '#include <(thread|mutex|chrono|fstream|iostream|filesystem|spdlog.*|unistd\.h)>' \
  "worker/binlog worker/encode worker/ddl coordinator/target" \
  '^worker/encode/charset_multibyte.cc:.*mutex' # tables that are built once, at first use

[ "$failed" = 0 ] && echo "all rooms keep their fences"
exit "$failed"
