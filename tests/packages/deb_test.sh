#!/usr/bin/env bash
# The .deb as an administrator meets it: built by CPack, installed in a bare Debian, its programs run
# there against real servers under the unit's own command line, then removed and purged: nothing is
# left. Needs root, and the Debian mirror of /etc/apt. deb_test.sh SOURCE BUILD
set -euo pipefail
source=$1
build=$2
. "$source/tests/support/chroot.sh"
if [ "$(id -u)" != 0 ]; then
  echo "error: needs root for a chroot" >&2
  exit 1
fi
dir=$(mktemp -d /tmp/cham-deb-XXXXXX)
root=$dir/root
chmod 755 "$dir"
sandbox_pid=
clean_up() {
  [ -z "$sandbox_pid" ] || kill "$sandbox_pid" 2>/dev/null || true
  [ -z "$sandbox_pid" ] || wait "$sandbox_pid" 2>/dev/null || true
  rm -rf --one-file-system "$dir"
}
trap clean_up EXIT
step() { printf '== %s\n' "$*"; }
fail() {
  printf 'FAILED: %s\n' "$*"
  exit 1
}

step "cpack"
(cd "$build" && cpack -G DEB -B "$dir/out" >"$dir/cpack.log" 2>&1) || { cat "$dir/cpack.log"; fail cpack; }
deb=$(echo "$dir"/out/*.deb)
dpkg-deb -f "$deb" Package Version Depends
for package in adduser libc6 libpqxx libmariadb3 libgrpc++; do
  dpkg-deb -f "$deb" Depends | grep -q "$package" || fail "no Depends on $package"
done

step "a bare Debian with what the package depends on"
make_chroot "$root"
cp "$deb" "$root/root/chameleon.deb"
dependencies=$(dpkg-deb -f "$deb" Depends | tr ',' '\n' | sed 's/(.*//; s/|.*//; s/ //g')
# The bare system may be an old copy.
apt() { in_chroot "$root" apt-get -qq -o Acquire::Retries=5 "$@" >>"$dir/apt.log" 2>&1; }
# shellcheck disable=SC2086
apt update && apt install --no-install-recommends $dependencies ||
  { tail -20 "$dir/apt.log"; fail "dependencies"; }
inventory() {
  (cd "$root" && find . -xdev \( -path ./proc -o -path ./dev -o -path ./tmp -o -path ./var/lib/dpkg \
    -o -path ./var/cache -o -path ./var/log -o -path ./var/backups -o -path ./run \) -prune -o -print | sort)
  ls "$root/var/log" | grep -v -e '^apt$' -e dpkg.log
  # Ids that adduser gives out again are no trace; names are.
  cut -d: -f1 "$root/etc/passwd" "$root/etc/group" "$root/etc/shadow"
}
inventory >"$dir/before"

step "install"
in_chroot "$root" dpkg -i /root/chameleon.deb >"$dir/dpkg.log" 2>&1 || { cat "$dir/dpkg.log"; fail install; }
as_chameleon() {
  in_chroot "$root" setpriv --reuid chameleon --regid chameleon --clear-groups \
    --no-new-privs --bounding-set -all env HOME=/var/lib/chameleon "$@"
}
[ "$(as_chameleon chamctl --version)" = "chameleon $(dpkg-deb -f "$deb" Version)" ] || fail version
as_chameleon chamctl set_configuration_files | grep -q '^exists .*/config-example.yml' ||
  fail "the example is not that of the program"
as_chameleon sh -c 'echo x >/etc/chameleon/x' 2>/dev/null && fail "chameleon may write configurations"
in_chroot "$root" setpriv --reuid nobody --clear-groups --regid nogroup \
  cat /etc/default/chameleon-worker 2>/dev/null && fail "everybody may read the join token"
for file in man/man1/chamctl.1.gz man/man8/chameleon-worker.8.gz bash-completion/completions/chamctl \
  zsh/vendor-completions/_chamctl fish/vendor_completions.d/chamctl.fish doc/chameleon/copyright; do
  [ -s "$root/usr/share/$file" ] || fail "no $file"
done
grep -q '/usr/local' "$root"/usr/lib/systemd/system/chameleon-* && fail "a unit names /usr/local"

step "units"
for unit in chameleon-coordinator chameleon-worker; do
  warnings=$(systemd-analyze verify --man=no --root="$root" "/usr/lib/systemd/system/$unit.service" 2>&1 |
    # A bare system has no systemd whose targets it could know.
    grep -F "$unit" | grep -v 'Unit .*\.target not found' || true)
  [ -z "$warnings" ] || fail "$warnings"
  # 0 is none, 10 is a root service without any protection; a plain User= is about 9.
  exposure=$(systemd-analyze security --offline=true --root="$root" --no-pager "$unit.service" 2>&1 |
    sed -n 's/.*Overall exposure level.*: \([0-9.]*\) .*/\1/p')
  echo "$unit: exposure ${exposure:-unknown}"
  awk -v given="${exposure:-10}" 'BEGIN { exit !(given < 3) }' || fail "$unit is not hardened"
done

step "a replica under the unit's command line"
TMPDIR=$dir setpriv --pdeathsig TERM "$build/bin/sandbox" "$dir/servers" 2>"$dir/sandbox.log" &
sandbox_pid=$!
for _ in $(seq 600); do
  [ ! -e "$dir/servers" ] || break
  kill -0 "$sandbox_pid" || { cat "$dir/sandbox.log"; fail sandbox; }
  sleep 0.1
done
. "$dir/servers"
mariadb --no-defaults -u root -S "$SOURCE_SOCKET" -e "CREATE DATABASE shop; USE shop;
  CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO t VALUES (1, 'one'), (2, 'two')"
sql() { psql -q -X -A -t -h 127.0.0.1 -p "$PG_PORT" -U postgres "$@"; }
sql -c 'CREATE DATABASE db_replica' postgres
cat >"$root/etc/chameleon/default.yml" <<YAML
pg_conn: {host: 127.0.0.1, port: "$PG_PORT", user: postgres, password: none, database: db_replica}
sources:
  mysql:
    db_conn: {host: 127.0.0.1, port: "$SOURCE_PORT", user: repl, password: repl}
    schema_mappings: {shop: shop}
YAML
chroot "$root" chown root:chameleon /etc/chameleon/default.yml
chmod 0640 "$root/etc/chameleon/default.yml"
# What systemd would run, read from the unit.
exec_start=$(sed -n 's/^ExecStart=//p' "$root/usr/lib/systemd/system/chameleon-coordinator.service")
cat >"$root/root/session" <<SESSION
set -eu
. /etc/default/chameleon-coordinator
$exec_start &
coordinator=\$!
for i in \$(seq 100); do [ ! -S /var/lib/chameleon/.pg_chameleon/pid/chameleon.sock ] || break; sleep 0.1; done
for command in create_replica_schema add_source init_replica start_replica show_status; do
  echo "\$ chamctl \$command"
  chamctl \$command
done
chamctl stop_replica
kill -TERM \$coordinator
wait \$coordinator
SESSION
chmod 755 "$root/root"
chmod 644 "$root/root/session"
as_chameleon bash /root/session >"$dir/session.log" 2>&1 || { cat "$dir/session.log"; fail session; }
grep -q ' running ' "$dir/session.log" || { cat "$dir/session.log"; fail "not running"; }
[ "$(sql -c 'SELECT count(*) FROM shop.t' db_replica)" = 2 ] || fail "rows did not arrive"
chmod 700 "$root/root"

step "upgrade, remove, purge"
in_chroot "$root" dpkg -i /root/chameleon.deb >"$dir/dpkg.log" 2>&1 || { cat "$dir/dpkg.log"; fail upgrade; }
in_chroot "$root" dpkg --remove chameleon >"$dir/dpkg.log" 2>&1 || { cat "$dir/dpkg.log"; fail remove; }
[ ! -e "$root/usr/bin/chamctl" ] || fail "a program is left"
[ -e "$root/etc/chameleon/default.yml" ] || fail "remove took a configuration along"
[ -d "$root/var/lib/chameleon/.pg_chameleon/logs" ] || fail "remove took the logs along"
in_chroot "$root" dpkg --purge chameleon >"$dir/dpkg.log" 2>&1 || { cat "$dir/dpkg.log"; fail purge; }
rm "$root/root/session"
inventory >"$dir/after"
# Backups that adduser's tools make of the account files.
diff <(grep -v '^./etc/.*-$' "$dir/before") <(grep -v '^./etc/.*-$' "$dir/after") || fail "purge left something"
echo "the package installs, runs and leaves nothing"
