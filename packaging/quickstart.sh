#!/usr/bin/env bash
# From a fresh Debian 12 to verdicts: installs what the build needs, builds a release of Weir, and judges
# the requests of a small recorded capture with Debian's OWASP Core Rule Set. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'quickstart: %s\n' "$*"; }
stop() {
  printf 'quickstart: %s\n' "$*" >&2
  exit 3
}

. /etc/os-release 2>/dev/null || true
[ "${ID:-}" = debian ] && [ "${VERSION_ID:-}" = 12 ] ||
  say "this is ${PRETTY_NAME:-an unknown system}, not Debian 12; trying all the same"

bash packaging/install-deps.sh build || stop "the Debian packages could not be installed"

say "building a release (a few minutes the first time)"
log=build/quickstart.log
mkdir -p build
if ! { cmake --preset release -DWEIR_TESTS=OFF && cmake --build --preset release; } >$log 2>&1; then
  tail -n 25 $log >&2
  stop "the build failed; the whole log is in $log"
fi
weir=build/release/app/weir

say "judging tests/pcap/demo.pcap with Debian's modsecurity-crs"
"$weir" inspect tests/pcap/demo.pcap || stop "weir inspect failed"

cat <<EOF

What to try next:
  $weir inspect --paranoia 2 tests/pcap/demo.pcap     the same capture, stricter
  $weir inspect --format jsonl tests/pcap/demo.pcap   one JSON record for every transaction
  $weir inspect YOUR.pcap 'tcp port 80'               your own traffic
  $weir check --rules DIR                             does Weir take your rules?
  $weir --help
EOF
