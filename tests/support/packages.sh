# shellcheck shell=bash disable=SC2034,SC2086
# The one list of Debian packages, for demo.sh and test.sh. Source it, then call install_packages
# with the groups that are needed.

# To build the product.
packages_build="g++ cmake ninja-build pkg-config ccache mold
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc libabsl-dev
  libpqxx-dev libpq-dev libmariadb-dev libyaml-cpp-dev libcli11-dev libspdlog-dev libfmt-dev
  zlib1g-dev libzstd-dev libicu-dev libcurl4-openssl-dev libssl-dev"
# To run it against private servers. Only the servers themselves: no service, no configuration.
packages_servers="mariadb-server-core mariadb-client-core postgresql"
# To build what demo.sh takes from the tests.
packages_tools="libgtest-dev libgmock-dev nlohmann-json3-dev python3"
# To build and run the tests.
# mariadb-client: mariadb-binlog, which prints logs that ours are compared with. zsh to mandoc: the
# readers of completion and manual pages. systemd to debootstrap: packages and images, checked.
packages_tests="$packages_tools mariadb-client
  zsh fish man-db mandoc systemd debootstrap dpkg-dev file
  python3-yaml openssl"
# To make a .deb: cpack.
packages_deb="dpkg-dev file"
# To run them all: network namespaces as hosts, a client in another language, an extension.
packages_hosts="iproute2 python3 python3-grpcio python3-grpc-tools postgresql-postgis"
# libFuzzer.
packages_fuzz="clang libclang-rt-dev"

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "error: \"$*\" needs root, and there is no sudo" >&2
    echo "HINT: run as root once, or install these packages yourself: $missing" >&2
    return 1
  fi
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_packages "name name …": installs what is missing; without a network it is quiet and quick
# when nothing is.
install_packages() {
  missing=""
  for package in $1; do
    is_installed "$package" || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  echo "installing:$missing"
  # Debian's package would create and start a PostgreSQL of its own on port 5432. The tests start
  # private ones, so a machine that had none shall not get one from us.
  if ! is_installed postgresql-common && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    as_root mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" | as_root tee /etc/postgresql-common/createcluster.conf \
      >/dev/null
  fi
  apt_get="apt-get -q -y -o Acquire::Retries=5 -o Dpkg::Options::=--force-confold
    -o APT::Install-Recommends=false -o Dpkg::Use-Pty=0"
  as_root env DEBIAN_FRONTEND=noninteractive $apt_get update
  as_root env DEBIAN_FRONTEND=noninteractive $apt_get install $missing
}
