#!/bin/bash
# Shows chameleon at work: a throwaway MariaDB with a small shop (230,000 rows) is copied into a
# throwaway PostgreSQL, then followed through a few seconds of changes; at the end every table is
# compared. Installs what is missing and builds first: minutes on a bare machine, seconds later.
#
#   --keep    leave everything running and say how to reach it
#   --mysql   MySQL 9.7 as the source instead of MariaDB
set -euo pipefail
cd "$(dirname "$0")"
. tests/support/packages.sh

keep=no
sandbox_options=()
for argument in "$@"; do
  case $argument in
    --keep) keep=yes ;;
    --mysql) sandbox_options+=(--mysql) ;;
    *)
      sed -n '2,7s/^# \{0,1\}//p' "$0"
      exit 2
      ;;
  esac
done

step() { printf '\n== %s\n' "$*"; }
# The commands a user types, shown as typed.
chamctl() {
  printf '\n$ chamctl %s\n' "$*"
  build/release/bin/chamctl "$@"
}

step "packages and build"
install_packages "$packages_build $packages_servers $packages_tools"
if [ ${#sandbox_options[@]} -gt 0 ]; then tests/support/fetch_mysql.sh; fi
cmake --preset release >/dev/null
cmake --build --preset release --target chamctl chameleon-coordinator chameleon-worker \
  sandbox equal workload
bin=build/release/bin

dir=$(mktemp -d /tmp/chameleon-demo-XXXXXX)
chmod 755 "$dir"
sandbox_pid=

# Processes of this demonstration are known by its directory in their environment.
own_processes() {
  grep -lzsx "CHAMELEON_HOME=$dir/home" /proc/[0-9]*/environ | cut -d/ -f3 | grep -vx "$$" || true
}
clean_up() {
  trap - EXIT
  local pids
  pids=$(own_processes)
  # shellcheck disable=SC2086
  [ -z "$pids" ] || kill $pids 2>/dev/null || true
  for _ in $(seq 50); do
    [ -n "$(own_processes)" ] || break
    sleep 0.1
  done
  if [ -n "$sandbox_pid" ]; then
    kill "$sandbox_pid" 2>/dev/null || true
    wait "$sandbox_pid" 2>/dev/null || true
  fi
  rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

step "throwaway servers in $dir"
TMPDIR=$dir setsid "$bin/sandbox" "${sandbox_options[@]}" "$dir/servers" 2>"$dir/sandbox.log" &
sandbox_pid=$!
until [ -e "$dir/servers" ]; do
  kill -0 "$sandbox_pid" 2>/dev/null || {
    cat "$dir/sandbox.log" >&2
    exit 1
  }
  sleep 0.1
done
. "$dir/servers"
echo "$SOURCE_KIND on port $SOURCE_PORT, PostgreSQL on port $PG_PORT"
mariadb --no-defaults -u root -S "$SOURCE_SOCKET" <tests/support/shop.sql
psql -q -X -h 127.0.0.1 -p "$PG_PORT" -U postgres -c 'CREATE DATABASE db_replica' postgres

export CHAMELEON_HOME=$dir/home
if [ "$(id -u)" = 0 ]; then
  # As root only because this is a demonstration that is thrown away.
  export CHAMELEON_ALLOW_ROOT=1
fi

step "the manual's commands"
chamctl set_configuration_files
cat >"$CHAMELEON_HOME/configuration/default.yml" <<YAML
pid_dir: '$CHAMELEON_HOME/pid/'
log_dir: '$CHAMELEON_HOME/logs/'
log_dest: file
log_level: info
log_days_keep: 10
rollbar_key: ''
rollbar_env: ''

pg_conn:
  host: "127.0.0.1"
  port: "$PG_PORT"
  user: "postgres"
  password: "not needed here"
  database: "db_replica"
  charset: "utf8"

sources:
  mysql:
    db_conn:
      host: "127.0.0.1"
      port: "$SOURCE_PORT"
      user: "repl"
      password: "repl"
      charset: 'utf8'
      connect_timeout: 10
    schema_mappings:
      shop: shop
    limit_tables:
    skip_tables:
    grant_select_to:
    lock_timeout: "120s"
    my_server_id: 100
    replica_batch_size: 10000
    replay_max_rows: 10000
    batch_retention: '1 day'
    copy_max_memory: "300M"
    copy_mode: 'direct'
    out_dir: /tmp
    sleep_loop: 1
    on_error_replay: continue
    on_error_read: continue
    auto_maintenance: "disabled"
    gtid_enable: false
    type: mysql
    keep_existing_schema: No
YAML
chmod 600 "$CHAMELEON_HOME/configuration/default.yml"
chamctl create_replica_schema --config default
chamctl add_source --config default --source mysql
chamctl init_replica --config default --source mysql
chamctl start_replica --config default --source mysql

step "five seconds of changes from four connections"
"$bin/workload" --source "$SOURCE_SOCKET" --schema shop --seconds 5

chamctl show_status --config default
chamctl show_status --config default --source mysql

step "comparing every row of every table"
compare() {
  "$bin/equal" --source "$SOURCE_SOCKET" --pg "$PG_PORT" --database db_replica shop=shop
}
# The last changes may still be on their way.
result=1
for _ in $(seq 60); do
  if compare >"$dir/equal"; then
    result=0
    break
  fi
  sleep 0.5
done
if [ $result != 0 ]; then
  cat "$dir/equal"
  tail -n 30 "$CHAMELEON_HOME"/logs/* || true
  exit 1
fi

if [ $keep = yes ]; then
  trap - EXIT
  cat <<TEXT

everything keeps running:
  source      mariadb -u root -S $SOURCE_SOCKET shop
  target      psql -h 127.0.0.1 -p $PG_PORT -U postgres db_replica
  chamctl     CHAMELEON_HOME=$CHAMELEON_HOME ${CHAMELEON_ALLOW_ROOT:+CHAMELEON_ALLOW_ROOT=1 }$PWD/$bin/chamctl show_status --config default
  compare     $bin/equal --source $SOURCE_SOCKET --pg $PG_PORT --database db_replica shop=shop
  end it      kill \$(grep -lzsx CHAMELEON_HOME=$CHAMELEON_HOME /proc/[0-9]*/environ | cut -d/ -f3) $SANDBOX_PID; rm -rf $dir

TEXT
  cat "$dir/equal"
  exit 0
fi
chamctl stop_replica --config default --source mysql
mv "$dir/equal" "$dir.equal"
clean_up
step "all gone again"
cat "$dir.equal"
rm "$dir.equal"
