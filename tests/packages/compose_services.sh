# The second half of compose_test.sh, inside a network and process space of its own.
# shellcheck shell=bash
ip link set lo up
service() { # what a container of it would run
  in_chroot "$root" setpriv --reuid "$user" --regid "$user" --init-groups --no-new-privs \
    env "$(cat "$dir/env")" sh -c "$1"
}
fail() {
  printf 'FAILED: %s\n' "$*"
  tail -n 20 "$dir"/*.log || true
  exit 1
}
connections() { cat /proc/net/tcp /proc/net/tcp6 | grep -ci ':1B9E 01 ' || true; }
healthy() { # SERVICE COMMAND…: its health check, as often as compose would try
  for _ in $(seq 60); do
    "${@:2}" >"$dir/health.out" 2>&1 && { echo "$1 is healthy"; return; }
    sleep 0.5
  done
  cat "$dir/health.out"
  fail "$1 is not healthy"
}

TMPDIR=$dir "$build/bin/sandbox" "$dir/servers" 2>"$dir/sandbox.log" &
for _ in $(seq 600); do [ ! -e "$dir/servers" ] || break; sleep 0.1; done
. "$dir/servers"
# The containers' servers listen on their default ports, with the passwords of the environment.
export MYSQL_TCP_PORT=$SOURCE_PORT PGPORT=$PG_PORT PGHOST=127.0.0.1
mariadb --no-defaults -u root -S "$SOURCE_SOCKET" -e "
  CREATE OR REPLACE USER root@'%', root@'127.0.0.1' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';
  ALTER USER root@'%' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';
  GRANT ALL ON *.* TO root@'%', root@'127.0.0.1';
  CREATE DATABASE shop; USE shop; CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1)"
psql -q -X -U postgres -c 'CREATE DATABASE db_replica' postgres
sed -i "s/port: \"3306\"/port: \"$SOURCE_PORT\"/; s/port: \"5432\"/port: \"$PG_PORT\"/" \
  "$root/etc/chameleon/default.yml"
healthy mysql sh -c "$(cat "$dir/mysql.health")"
healthy postgres sh -c "$(cat "$dir/postgres.health")"

service ". /root/keys" >"$dir/keys.log" 2>&1 || fail "keys"
[ "$(stat -c %a "$root/keys/join.token")" = 600 ] || fail "a token can be read by others"
token=$(cat "$root/keys/join.token")
service ". /root/keys" >"$dir/keys.log" 2>&1 || fail "keys, a second time"
[ "$(cat "$root/keys/join.token")" = "$token" ] || fail "a second start makes new keys"

service "$(cat "$dir/coordinator.health")" >/dev/null 2>&1 && fail "healthy without a coordinator"
service ". /root/coordinator" >"$dir/coordinator.log" 2>&1 &
healthy coordinator service "$(cat "$dir/coordinator.health")"
for worker in worker-1 worker-2; do
  # /proc/net is the network's: with the other worker there, only a new one tells.
  before=$(connections)
  service ". /root/$worker" >"$dir/$worker.log" 2>&1 &
  healthy "$worker" service "$(cat "$dir/$worker.health")"
  for _ in $(seq 60); do
    after=$(connections)
    [ "$after" -le "$before" ] || break
    sleep 0.5
  done
  [ "$after" -gt "$before" ] || fail "$worker did not join"
done

# docker compose exec coordinator chamctl …
for command in create_replica_schema add_source init_replica start_replica; do
  service "chamctl $command" >"$dir/chamctl.log" 2>&1 || fail "chamctl $command"
done
mariadb --no-defaults -u root -S "$SOURCE_SOCKET" shop -e 'INSERT INTO t VALUES (2, 2), (3, 3)'
for _ in $(seq 100); do
  count=$(psql -X -A -t -U postgres -c 'SELECT count(*) FROM shop.t' db_replica)
  [ "$count" != 3 ] || break
  sleep 0.2
done
[ "$count" = 3 ] || fail "rows did not arrive"
service "chamctl show_status --source mysql" | tee "$dir/status.log"
grep -qE '^Worker +worker-[12]' "$dir/status.log" || fail "no worker of the containers serves it"
