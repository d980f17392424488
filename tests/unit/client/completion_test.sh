#!/usr/bin/env bash
# Completion and manual pages as their readers take them: each script runs in its own shell, on a
# home with two configurations. completion_test.sh BIN SHARE bash|zsh|fish|man
set -u
bin=$1
share=$2
export PATH=$bin:$PATH LC_ALL=C.UTF-8
failed=0
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export CHAMELEON_HOME=$home
mkdir -p "$home/configuration"
configuration() { # NAME SOURCE SCHEMA…
  {
    echo "pg_conn: {user: u, database: d}"
    echo "sources:"
    echo "  $2:"
    echo "    db_conn: {host: h, user: u}"
    echo "    schema_mappings: {$3: $3, $4: $4}"
  } >"$home/configuration/$1.yml"
}
configuration default shop orders people
configuration crm customers contacts leads
# A name that would run something if it were expanded.
touch "$home/configuration/"'$(touch '"${home//\//_}"').yml'

# check WHAT EXPECTED GIVEN: candidates, one per line, in any order.
check() {
  if [ "$(sort <<<"$2")" != "$(sort <<<"$3")" ]; then
    printf 'FAILED: %s\nexpected:\n%s\ngiven:\n%s\n' "$1" "$2" "$3"
    failed=1
  fi
}
lines() { printf '%s\n' "$@"; }

# cases: what is typed, then its candidates. `complete` is the shell's own.
cases() {
  check "commands" "$(lines show_config show_errors show_sources show_status show_workers)" "$(complete "show_")"
  check "one command" "init_replica" "$(complete "init")"
  check "options" "$(lines --source --schema)" "$(complete "refresh_schema --s")"
  check "only those of the command" "" "$(complete "show_config --sch")"
  check "sources" "shop" "$(complete "init_replica --source ")"
  check "sources of a configuration" "customers" \
    "$(complete "init_replica --config crm --source ")"
  check "sources, written with =" "customers" "$(complete "init_replica --config=crm --source ")"
  check "configurations" "$(lines crm)" "$(complete "show_status --config c")"
  check "schemas" "$(lines orders people)" "$(complete "refresh_schema --schema ")"
  check "choices" "$(lines json)" "$(complete "show_status --output j")"
  check "levels" "$(lines critical error info warning)" "$(complete "init_replica --rollbar-level ")"
  check "arguments" "$(lines cancel list watch)" "$(complete "operations ")"
  check "shells" "$(lines bash zsh fish)" "$(complete "completion ")"
  check "a broken configuration offers nothing" "" \
    "$(complete "show_status --config nosuch --source ")"
  [ "$(find "$home" | wc -l)" = 5 ] || { echo "FAILED: something was run or started"; failed=1; }
}

case $3 in
bash)
  # shellcheck disable=SC1091
  . "$share/chamctl.bash"
  complete() {
    # As readline cuts the line: = is a word of its own.
    read -ra COMP_WORDS <<<"chamctl ${1//=/ = }"
    [[ $1 == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    _chamctl 2>&1
    [ ${#COMPREPLY[@]} = 0 ] || lines "${COMPREPLY[@]}"
  }
  cases
  check "value after =" "table" "$(complete "show_status --output=t")"
  # The shell itself, not our reading of it: what it would list.
  builtin complete -p chamctl | grep -q -- '-F _chamctl' || failed=1
  ;;
fish)
  complete() { fish --no-config -c "source $share/chamctl.fish; complete -C 'chamctl $1'" | cut -f1 | grep -v '^-[a-z]$'; }
  cases
  check "value after =" "--output=table" "$(complete "show_status --output=t")"
  ;;
zsh)
  complete() {
    zsh -f "$(dirname "$0")/complete.zsh" "$share/chamctl.zsh" "chamctl $1"
  }
  cases
  ;;
man)
  for page in chamctl.1 chameleon-coordinator.8 chameleon-worker.8; do
    warnings=$(man --warnings -E UTF-8 -l "$share/$page" 2>&1 >/dev/null)
    check "man $page" "" "$warnings"
    check "mandoc $page" "" "$(mandoc -T lint -W warning "$share/$page" 2>&1)"
  done
  # Every command of --help is in the page, and the page says nothing of this machine.
  text=$(MANWIDTH=200 man -E UTF-8 -l "$share/chamctl.1" | sed 's/.\x08//g')
  for command in $(chamctl --help | sed -n '/^Subcommands/,/^$/s/^  \([a-z_-]*\) .*/\1/p'); do
    grep -q "^   $command\$" <<<"$text" || { echo "FAILED: no $command in chamctl(1)"; failed=1; }
  done
  grep -rl "$HOME" "$share"/*.[18] && { echo "FAILED: a page names this machine"; failed=1; }
  ;;
esac
exit $failed
