#!/bin/sh
# Fetches the sources of Debian's modsecurity-crs, whose regression tests the binary package leaves out,
# into a cache directory, and prints the path of the unpacked sources.
#
#   crs_suite.sh CACHE_DIRECTORY
#
# The version is the installed package's, else apt's candidate. The sources come from where this machine
# gets its packages: the `deb` entries of its own apt configuration, read as `deb-src`. Nothing outside the
# cache directory is changed; a second call finds what the first one fetched.
set -eu

if [ $# -ne 1 ]; then
  echo "usage: $0 CACHE_DIRECTORY" >&2
  exit 2
fi
mkdir -p "$1"
cache=$(cd "$1" && pwd)

version=$(dpkg-query -W -f '${Version}' modsecurity-crs 2>/dev/null || true)
if [ -z "$version" ]; then
  version=$(apt-cache policy modsecurity-crs | sed -n 's/^  Candidate: //p')
fi
if [ -z "$version" ] || [ "$version" = "(none)" ]; then
  echo "$0: apt does not know modsecurity-crs" >&2
  exit 1
fi

unpacked=$cache/modsecurity-crs-$(echo "$version" | tr ':/' '__')
if [ -d "$unpacked/tests/regression/tests" ]; then
  echo "$unpacked"
  exit 0
fi

work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/sources"
{
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -n 's/^[[:space:]]*deb[[:space:]]/deb-src /p'
} > "$work/sources/weir.list"
for file in /etc/apt/sources.list.d/*.sources; do
  [ -e "$file" ] || continue
  sed 's/^Types:.*/Types: deb-src/' "$file" > "$work/sources/$(basename "$file")"
done

options="-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=$work/sources
  -o Dir::State::lists=$work/lists -o Dir::Cache::archives=$work/archives
  -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User= -o Debug::NoLocking=1"
# Some entry may have no sources; what counts is whether ours are found.
# shellcheck disable=SC2086
apt-get $options -q update > "$work/update.log" 2>&1 || true
# shellcheck disable=SC2086
if ! (cd "$work" && apt-get $options -q source "modsecurity-crs=$version" > source.log 2>&1); then
  cat "$work/update.log" "$work/source.log" >&2
  echo "$0: cannot fetch the sources of modsecurity-crs $version" >&2
  exit 1
fi
found=$(find "$work" -maxdepth 1 -type d -name 'modsecurity-crs-*' | head -n 1)
if [ ! -d "$found/tests/regression/tests" ]; then
  echo "$0: the sources of modsecurity-crs $version hold no regression tests" >&2
  exit 1
fi
rm -rf "$unpacked"
mv "$found" "$unpacked"
echo "$unpacked"
