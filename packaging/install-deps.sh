#!/usr/bin/env bash
# Installs the Debian packages that Weir is built from, and with "test" also those its tests need.
# Idempotent: what is there already is left alone, and then no package list is fetched either.
#
#   packaging/install-deps.sh [build|test]
set -euo pipefail

if [ $# -gt 1 ]; then
  echo "install-deps: one argument at most; 'test' includes what 'build' installs" >&2
  exit 2
fi
want=${1:-build}
build_packages=(
  ca-certificates ccache cmake g++ git libbrotli-dev libcli11-dev libexpat1-dev libgnutls28-dev libhyperscan-dev
  libmaxminddb-dev libmd-dev libmicrohttpd-dev libmnl-dev libmodsecurity-dev libnetfilter-queue-dev libpcap-dev
  libpcre2-dev libre2-dev libsimdjson-dev libspdlog-dev libyaml-cpp-dev modsecurity-crs ninja-build pkg-config
  zlib1g-dev
)
test_packages=(
  apache2 apache2-utils chromium curl dpkg-dev haproxy iproute2 iptables libapache2-mod-security2 libgmock-dev
  libgtest-dev libnghttp2-dev nginx-light nlohmann-json3-dev php-cgi procps python3 python3-jsonschema python3-yaml
  sqlmap tcpdump tshark wget wrk
)

case "$want" in
  build) packages=("${build_packages[@]}") ;;
  test) packages=("${build_packages[@]}" "${test_packages[@]}") ;;
  *)
    echo "install-deps: unknown argument '$want'; say build or test" >&2
    exit 2
    ;;
esac

missing=()
for package in "${packages[@]}"; do
  if ! dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
    missing+=("$package")
  fi
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "install-deps: all ${#packages[@]} packages are there"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install-deps: run me as root, or install sudo: these packages are missing: ${missing[*]}" >&2
    exit 3
  fi
  as_root=(sudo)
fi

echo "install-deps: installing ${#missing[@]} Debian packages"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Services that a package would start are not wanted: the tests start their own, on their own ports.
policy=/usr/sbin/policy-rc.d
made_policy=no
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
  "${as_root[@]}" chmod +x $policy
  made_policy=yes
fi
finish() {
  [ $made_policy = no ] || "${as_root[@]}" rm -f $policy
  rm -f "$log"
}
trap finish EXIT
if ! { "${as_root[@]}" apt-get update && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
         apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 15 "$log" >&2
  echo "install-deps: apt-get could not install the packages; the last lines above say why" >&2
  exit 3
fi
echo "install-deps: done"
