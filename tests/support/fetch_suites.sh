#!/bin/bash
# The test suites of MariaDB and MySQL, as Debian packages them, for server_suites_test: unpacked into
# ${CHAMELEON_CACHE:-$HOME/.cache/chameleon}/mariadb-tests and mysql-tests, installed nowhere.
set -euo pipefail
cd "$(dirname "$0")"
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
./fetch_mysql.sh "$codename" mariadb-tests mariadb-test-data
./fetch_mysql.sh sid mysql-tests mysql-testsuite
# Their interpreter, mysqltest, comes with MySQL's suite; MariaDB's is a package of its own.
./fetch_mysql.sh "$codename" mariadb-test-bin mariadb-test
