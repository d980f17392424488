#!/bin/bash
# fetch_mysql.sh [SUITE DIRECTORY PACKAGE…]
#
# Unpacks a database server of another Debian suite, with all its libraries, into
# ${CHAMELEON_CACHE:-$HOME/.cache/chameleon}/DIRECTORY/root. By default MySQL of sid in mysql-sid;
# MariaDB 11.8 is: fetch_mysql.sh trixie mariadb-trixie mariadb-server-core
# CHAMELEON_FETCH_ALONE=1 takes the named packages without what they depend on: to be read, not run.
#
# Nothing of it is installed. The machine's own Debian entry in /etc/apt, with the suite changed,
# goes into a private apt directory, so the mirror, its keys and any proxy are those of the machine.
# Quick when it is there already; fails loudly when it cannot be had.
set -euo pipefail

suite=${1:-sid}
name=${2:-mysql-sid}
shift $(($# < 2 ? $# : 2))
packages=("$@")
[ ${#packages[@]} -gt 0 ] || packages=(mysql-server-core mysql-client-core)

cache=${CHAMELEON_CACHE:-$HOME/.cache/chameleon}
base=$cache/$name
attempts=5

fail() {
  {
    echo "error: cannot fetch ${packages[*]} of Debian $suite: $1"
    echo "HINT: check that the machine reaches the Debian mirror named in /etc/apt, then run" \
      "tests/support/fetch_mysql.sh again; or copy $base/root from a machine that has it;" \
      "or set CHAMELEON_WITHOUT_MYSQL=1 to test with this machine's MariaDB alone."
  } >&2
  exit 1
}

# root appears by rename only when it is complete.
[ -d "$base/root/usr" ] && exit 0

mkdir -p "$base"
exec 9>"$base/lock"
flock 9
[ -d "$base/root/usr" ] && exit 0

codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$codename" ] || fail "this machine does not say which Debian it is (/etc/os-release)"

apt=$base/apt
rm -rf "$apt" "$base/root.new"
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/etc"
: >"$apt/status"

# The deb822 paragraph whose suites have the codename itself (not -security, not another vendor's).
for file in /etc/apt/sources.list.d/*.sources; do
  [ -e "$file" ] || continue
  awk -v codename="$codename" -v suite="$suite" 'BEGIN { RS = ""; FS = "\n" }
    {
      ours = 0; debian = 0
      for (i = 1; i <= NF; i++) {
        if ($i ~ /^Suites:/ && (" " substr($i, 8) " ") ~ ("[ \t]" codename "[ \t]")) ours = 1
        if ($i ~ /^Components:.*main/) debian = 1
      }
      if (!ours || !debian) next
      for (i = 1; i <= NF; i++) {
        if ($i ~ /^Suites:/) print "Suites: " suite
        else if ($i ~ /^Components:/) print "Components: main"
        else if ($i ~ /^Types:/) print "Types: deb"
        else if ($i !~ /^#/) print $i
      }
      print ""
    }' "$file" >>"$apt/etc/other.sources"
done
# The classic one-line form: deb [options] URI codename component…
if [ ! -s "$apt/etc/other.sources" ]; then
  rm -f "$apt/etc/other.sources"
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -e "$file" ] || continue
    awk -v codename="$codename" -v suite="$suite" '$1 == "deb" {
        for (i = 2; i < NF; i++) if ($i == codename && $(i + 1) == "main") {
          line = "deb"
          for (j = 2; j < i; j++) line = line " " $j
          print line, suite, "main"
          next
        }
      }' "$file" >>"$apt/etc/other.list"
  done
  [ -s "$apt/etc/other.list" ] || fail "no entry for $codename main in /etc/apt"
fi

# Signatures are checked; an age is not: a mirror that lags gives an older server, which will do.
options=(-q -y -o "Acquire::Check-Valid-Until=false"
  -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$apt/etc"
  -o "Dir::State::Lists=$apt/lists" -o "Dir::State::status=$apt/status"
  -o "Dir::Cache=$apt/cache" -o "APT::Get::List-Cleanup=0" -o "Acquire::Languages=none"
  -o "APT::Sandbox::User=$(id -un)" -o "Acquire::Retries=3")

# apt-get update alone succeeds without a network, on old lists: an error must be one.
retry() {
  local attempt
  for attempt in $(seq $attempts); do
    if "$@"; then return 0; fi
    if [ "$attempt" -lt $attempts ]; then
      echo "attempt $attempt of $attempts failed, again in $((attempt * 5)) s" >&2
      sleep $((attempt * 5))
    fi
  done
  return 1
}

echo "fetching ${packages[*]} of Debian $suite into $base"
retry apt-get "${options[@]}" -o APT::Update::Error-Mode=any update >"$base/log" 2>&1 ||
  fail "apt-get update, see $base/log: $(tail -n 3 "$base/log" | tr '\n' ' ')"
download() {
  if [ -n "${CHAMELEON_FETCH_ALONE:-}" ]; then
    (cd "$apt/cache/archives" && apt-get "${options[@]}" download "${packages[@]}")
  else
    # With an empty package list of our own, apt adds every library down to the C library.
    apt-get "${options[@]}" install --download-only --no-install-recommends "${packages[@]}"
  fi
}
retry download >>"$base/log" 2>&1 ||
  fail "apt-get download, see $base/log: $(tail -n 3 "$base/log" | tr '\n' ' ')"
for deb in "$apt"/cache/archives/*.deb; do
  dpkg -x "$deb" "$base/root.new" || fail "cannot unpack ${deb##*/}"
done
rm -rf "$apt"
mv "$base/root.new" "$base/root"
