#!/bin/bash
# Installs what is missing, builds release, runs all tests, and closes with ctest's summary.
# Arguments go to ctest: ./test.sh -L unit. Without any, all but two labels are run: "long" installs
# packages and images in bare systems and plays real migrations live (.ci/run runs it, too); "oracle"
# plays every statement of the corpus on both servers.
# The label "fuzz" builds with clang in build/fuzz and fuzzes for about a minute.
#
#   CHAMELEON_WITHOUT_MYSQL=1   do without MySQL 9.7 and MariaDB 11.8 when they cannot be
#                               downloaded
#   CHAMELEON_TEST_SECONDS=10   load for the long integration tests (60)
#   CHAMELEON_SEED=N            repeat a failed run's random choices
#   CHAMELEON_CACHE=DIRECTORY   where downloads and server templates are kept (~/.cache/chameleon)
set -euo pipefail
cd "$(dirname "$0")"
. tests/support/packages.sh

install_packages "$packages_build $packages_servers $packages_tests $packages_hosts $packages_fuzz"
if [ "${CHAMELEON_WITHOUT_MYSQL:-}" != 1 ]; then
  tests/support/fetch_mysql.sh
  tests/support/fetch_mysql.sh trixie mariadb-trixie mariadb-server-core
fi
cmake --preset release
cmake --build --preset release
[ $# -gt 0 ] || set -- -LE "oracle|long"
if [[ " $* " == *" -L "*oracle* ]] && [ "${CHAMELEON_WITHOUT_MYSQL:-}" != 1 ]; then
  tests/support/fetch_suites.sh
  tests/support/fetch_applications.sh
fi
# Two at a time: they mostly wait for servers.
exec ctest --test-dir build/release --output-on-failure --no-tests=error -j2 "$@"
