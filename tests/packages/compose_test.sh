#!/usr/bin/env bash
# docker-compose.yml without a container engine: its form is checked, the image's steps run in
# systems made by debootstrap, and the commands and health checks of its services are executed there,
# in a network of their own, against real servers, up to a replica that both workers could serve.
# Needs root and the Debian mirror of /etc/apt. compose_test.sh SOURCE BUILD
set -euo pipefail
source=$1
build=$2
compose_file=$source/docker-compose.yml
. "$source/tests/support/chroot.sh"
if [ "$(id -u)" != 0 ]; then
  echo "error: needs root for a chroot" >&2
  exit 1
fi
export MYSQL_ROOT_PASSWORD=root-s3cret POSTGRES_PASSWORD=pg-s3cret
compose() { /usr/bin/python3 "$source/tests/packages/compose.py" "$compose_file" "$@"; }
step() { printf '== %s\n' "$*"; }
fail() {
  printf 'FAILED: %s\n' "$*"
  exit 1
}

step "the file"
compose check
(unset POSTGRES_PASSWORD; compose check) >/dev/null 2>&1 && fail "a missing password is accepted"

dir=$(mktemp -d /tmp/cham-image-XXXXXX)
chmod 755 "$dir"
trap 'rm -rf --one-file-system "$dir"' EXIT

step "the image"
stage=
root=
user=root
workdir=/
run() { # COMMAND in the current stage
  in_chroot "$root" setpriv --reuid "$user" --regid "$user" --init-groups \
    env "${image_env[@]}" sh -c "cd '$workdir' && $1"
}
image_env=(_=)
number=0
declare -A stages
while IFS=$'\t' read -r instruction rest; do
  echo "-- $instruction ${rest:0:100}"
  case $instruction in
  FROM)
    number=$((number + 1))
    root=$dir/$number
    user=root
    workdir=/
    make_chroot "$root"
    stage=${rest##* AS }
    stages[$stage]=$root
    # The compiler's cache of this machine, so that the build is not the test of an evening.
    if [ "$stage" = build ] && command -v ccache >/dev/null; then
      mkdir -p "$root/root/.cache/ccache" "$root/root/.config/ccache"
      cp ~/.config/ccache/ccache.conf "$root/root/.config/ccache/" 2>/dev/null || true
      chroot_binds=("$(ccache -k cache_dir)" "$root/root/.cache/ccache")
    else
      chroot_binds=()
    fi
    ;;
  WORKDIR)
    workdir=$rest
    mkdir -p "$root$workdir"
    ;;
  COPY)
    read -r -a words <<<"$rest"
    if [[ ${words[0]} == --from=* ]]; then
      cp -a "${stages[${words[0]#--from=}]}${words[1]}" "$root${words[2]}"
    else
      # As .dockerignore says.
      mkdir -p "$root${words[1]}"
      tar -C "$source" --exclude=./build --exclude=./.git --exclude=./configuration -cf - . |
        tar -xf - -C "$root${words[1]}"
    fi
    ;;
  ENV) image_env+=("$rest") ;;
  USER) user=$rest ;;
  RUN) run "$rest" >"$dir/run.log" 2>&1 || { tail -40 "$dir/run.log"; fail "RUN ${rest:0:60}"; } ;;
  *) fail "unknown instruction $instruction" ;;
  esac
done < <(compose dockerfile keys)
[ "$user" != root ] || fail "the image runs as root"
chroot_binds=()
find "$root/keys" -mindepth 1 | grep -q . && fail "the image has keys in it"
grep -rqE 'root-s3cret|pg-s3cret' "$root/etc" "$root/var/lib/chameleon" && fail "a secret is in the image"

step "the services"
compose config default.yml >"$root/etc/chameleon/default.yml"
chmod 644 "$root/etc/chameleon/default.yml"
# One system for all of chameleon's services: they share nothing in it but /keys, like the volume.
for service in keys coordinator worker-1 worker-2; do compose command "$service" >"$root/root/$service"; done
for service in coordinator worker-1 worker-2 mysql postgres; do
  compose health "$service" >"$dir/$service.health"
done
printf '127.0.0.1 localhost coordinator mysql postgres\n' >"$root/etc/hosts"
chmod 755 "$root/root"
export dir root user source build
export -f in_chroot
printf '%s\n' "${image_env[@]:1}" >"$dir/env"
# A network with nothing but a loopback: the ports are free, and nothing is reached from outside.
timeout -k 10 300 setpriv --pdeathsig KILL unshare --net --pid --fork --kill-child --mount-proc \
  bash -euo pipefail "$source/tests/packages/compose_services.sh"
echo "the image builds, its services run and are healthy"
