#!/usr/bin/env bash
# Prints the path of a Suricata 7, and installs Debian's (bookworm-backports) first if there is none.
#
# The packages come from where this machine gets its others: its own apt entries, with the suite's name
# followed by -backports. The machine's apt configuration stays as it is.
set -euo pipefail

fits() { command -v suricata >/dev/null && suricata -V 2>/dev/null | grep -q 'version 7\.'; }
if ! fits; then
  [ "$(id -u)" -eq 0 ] || { echo "suricata.sh: run me as root to install Suricata 7" >&2; exit 3; }
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  work=$(mktemp -d)
  policy=/usr/sbin/policy-rc.d
  made_policy=no
  finish() {
    [ $made_policy = no ] || rm -f $policy
    rm -rf "$work"
  }
  trap finish EXIT
  mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/sources"
  # One-line entries and deb822 ones; every entry is kept, and those of the plain suite are doubled.
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -e "$file" ] || continue
    grep -E '^[[:space:]]*deb[[:space:]]' "$file" >> "$work/sources/weir.list" || true
    { grep -E "^[[:space:]]*deb[[:space:]].*[[:space:]]$suite([[:space:]]|\$)" "$file" || true; } |
      sed -E "s/([[:space:]])$suite([[:space:]]|\$)/\1$suite-backports\2/" >> "$work/sources/weir.list"
  done
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -e "$file" ] || continue
    cp "$file" "$work/sources/$(basename "$file")"
    sed -E "s/^(Suites:.*[[:space:]])$suite([[:space:]]|\$)/\1$suite $suite-backports\2/" "$file" \
      > "$work/sources/$(basename "$file")"
  done
  options=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/sources"
           -o "Dir::State::lists=$work/lists" -o "Dir::Cache::archives=$work/archives"
           -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=)
  if [ ! -e $policy ]; then  # no service is wanted
    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod +x $policy
    made_policy=yes
  fi
  { apt-get "${options[@]}" -q update &&
    DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" -q install -y --no-install-recommends \
      -t "$suite-backports" suricata; } > "$work/log" 2>&1 || { tail -n 15 "$work/log" >&2; }
  fits || { echo "suricata.sh: no Suricata 7 is to be had" >&2; exit 3; }
fi
command -v suricata
