# shellcheck shell=bash
# A bare Debian for tests of packages and images: source it, then call make_chroot.
#
# The system is made by debootstrap from the machine's own mirror, keys and proxy, once; copies of
# it are given out. Needs root.

# debian_mirror CODENAME: the address of the machine's own Debian, as apt knows it. A machine made from
# an image may have no lists: they are fetched into a directory that is gone afterwards.
debian_mirror() {
  local options=() found lists
  find_mirror() {
    # shellcheck disable=SC2016
    apt-get "${options[@]}" indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)' \
      'Created-By: Packages' | awk -v codename="$1" \
      '$2 == codename && $3 == "main" && $4 == "Debian" { print $1; exit }'
  }
  found=$(find_mirror "$1")
  if [ -z "$found" ]; then
    lists=$(mktemp -d)
    mkdir "$lists/partial"
    options=(-qq -o "Dir::State::Lists=$lists" -o "APT::Sandbox::User=$(id -un)" -o Acquire::Retries=5)
    apt-get "${options[@]}" update >&2 || true
    found=$(find_mirror "$1")
    rm -rf "$lists"
  fi
  echo "$found"
}

# make_chroot DIRECTORY: a new minimal Debian of this machine's release, apt ready to install.
make_chroot() {
  local cache=${CHAMELEON_CACHE:-$HOME/.cache/chameleon} codename base mirror attempt
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  base=$cache/debootstrap-$codename
  mkdir -p "$cache"
  (
    flock 9
    [ ! -e "$base.tar" ] || exit 0
    mirror=$(debian_mirror "$codename")
    if [ -z "$mirror" ]; then
      echo "error: apt knows no Debian $codename; run apt-get update" >&2
      exit 1
    fi
    for attempt in 1 2 3; do
      rm -rf "$base.new"
      debootstrap --variant=minbase "$codename" "$base.new" "$mirror" >"$base.log" 2>&1 && break
      tail -20 "$base.log" >&2
      [ $attempt -lt 3 ] || exit 1
      sleep $((attempt * 5))
    done
    # The machine's own sources (with security updates) and whatever apt needs to reach them.
    rm -f "$base.new/etc/apt/sources.list"
    for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
      [ ! -s "$file" ] || cp "$file" "$base.new/etc/apt/${file#/etc/apt/}"
    done
    cp /etc/apt/apt.conf.d/*proxy* "$base.new/etc/apt/apt.conf.d/" 2>/dev/null || true
    chroot "$base.new" apt-get -qq -o Acquire::Retries=5 update >>"$base.log" 2>&1 ||
      { tail -20 "$base.log" >&2; exit 1; }
    # No daemon starts by being installed.
    printf '#!/bin/sh\nexit 101\n' >"$base.new/usr/sbin/policy-rc.d"
    chmod 755 "$base.new/usr/sbin/policy-rc.d"
    tar -C "$base.new" -cf "$base.tar.new" .
    mv "$base.tar.new" "$base.tar"
    rm -rf "$base.new"
  ) 9>"$base.lock" || return 1
  mkdir -p "$1"
  tar -C "$1" -xf "$base.tar"
  cp -L /etc/resolv.conf "$1/etc/resolv.conf" 2>/dev/null || true
}

# in_chroot DIRECTORY COMMAND…: with /proc and /dev, in namespaces of its own: what it starts ends
# with it, it ends with who called it, and no mount outlives it. chroot_binds, if set, is a directory and where to
# mount it.
in_chroot() {
  local root=$1
  shift
  CHROOT_BIND_FROM=${chroot_binds[0]:-} CHROOT_BIND_TO=${chroot_binds[1]:-} \
    setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --ipc --uts -- bash -c '
    root=$1; shift
    [ -z "$CHROOT_BIND_FROM" ] || mount --bind "$CHROOT_BIND_FROM" "$CHROOT_BIND_TO" || exit 125
    mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" || exit 125
    exec chroot "$root" "$@"' in_chroot "$root" \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}
