#!/usr/bin/env bash
# Weir in the wire with NFQUEUE, as ratios in one run: against an empty loop that accepts every packet of the queue, and
# against plain forwarding. Needs root: client, Weir and server are network namespaces, made and removed.
#
#   tests/bench/inline.sh [--quick] [--build DIR] [--rounds N] [--nice N] [--only NAME,…]
#
#   --quick      short runs, two rounds
#   --build DIR  a build that has the programs, instead of building the release preset
#   --rounds N   measure everything N times, alternately (default 5)
#   --transfers N  large transfers of each kind in a round, of which the median counts (default 3)
#   --nice N     priority of everything measured: below 0 where the machine is busy with other things
#   --only       some of: plain, accept, none, none-release, crs, crs-release, suricata, suricata-rules
#   WEIR_CRS4_DIR  an unpacked CRS 4 release; without it Debian's CRS 3.3.4 is used
#
# Measured, each with one queue: small requests (requests a second, p99, CPU time of the program in the middle), a large
# download and a large upload (MB/s, the same CPU time). Weir in block mode without rules and with the CRS, with and without
# release.responses and release.requests; Suricata 7 in NFQUEUE mode without rules and with the CRS's patterns as its signatures, if it is to be had.
set -euo pipefail
cd "$(dirname "$0")/../.."

build= options=()
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) options+=(--quick) ;;
    --build) build=$2; shift ;;
    --rounds | --only | --nice | --transfers) options+=("$1" "$2"); shift ;;
    *) sed -n '2,19s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift
done
say() { printf 'inline: %s\n' "$*" >&2; }

out=build/bench
mkdir -p $out/cache
. tests/bench/release_build.sh
release_build -- weir accept_all
rules=()
if [ -n "${WEIR_CRS4_DIR:-}" ]; then
  options+=(--crs "$WEIR_CRS4_DIR")
  rules=(--rules "$WEIR_CRS4_DIR")
fi
say "filling the cache of compiled patterns"
"$build/app/weir" check --compile "${rules[@]}" --cache $out/cache > /dev/null
if suricata=$(bash tests/bench/suricata.sh); then
  options+=(--suricata "$suricata")
else
  say "without Suricata"
fi
exec python3 tests/bench/inline/run.py "$build" $out "${options[@]}"
