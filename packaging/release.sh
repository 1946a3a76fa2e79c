#!/usr/bin/env bash
# Builds the release as it is shipped, in build/release: compiled once so that it counts what it does (build/counting), run over
# traffic, and compiled for good after what the counters say (GCC's profile-guided optimisation). It takes twice as long as
# `cmake --preset release`, and what comes of it is faster (docs/PERFORMANCE.md) and does the same.
#
#   packaging/release.sh [CMAKE_OPTION…] [-- TARGET…]      without targets: everything
#   WEIR_CRS4_DIR  an unpacked CRS 4 release, to count with; without it Debian's CRS 3.3.4
#
# The traffic is made from seeds, and one thread counts. What has not changed is neither compiled nor counted anew.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'release: %s\n' "$*" >&2; }
# logged FILE COMMAND…: what it says goes into the file, and is shown where it fails.
logged() {
  local log=$1
  shift
  "$@" >> "$log" 2>&1 || { tail -n 25 "$log" >&2; say "failed; the whole log is in $log"; exit 3; }
}
options=() targets=()
while [ $# -gt 0 ]; do
  case "$1" in
    --) shift; targets=(--target "$@"); break ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) options+=("$1"); shift ;;
    *) echo "release: what is '$1'? Options of CMake come first, then -- and targets" >&2; exit 2 ;;
  esac
done
# Counts are found again by the names of the sources, which ccache makes relative ones of, if told to, but not always.
unset CCACHE_BASEDIR CCACHE_NOHASHDIR
counting=$PWD/build/counting
traffic=$counting/traffic
counters=$counting/counters

say "building what counts (build/counting)"
mkdir -p "$traffic"
: > "$counting/build.log"
logged "$counting/build.log" cmake --preset release -B "$counting" -DWEIR_TESTS=OFF -DWEIR_COUNT="$counters"
logged "$counting/build.log" cmake --build "$counting" --target weir
weir=$counting/app/weir

# Another seed than that of the benchmarks.
if ! [ "$traffic/made" -nt tests/bench/path/make_capture.py ] || ! [ "$traffic/made" -nt tests/bench/make_corpus.py ]; then
  say "making traffic"
  make_capture() { python3 tests/bench/path/make_capture.py "$traffic/$1.pcap" --seed 20261201 "${@:2}" > /dev/null; }
  make_capture mixed --requests 12000
  make_capture few --requests 1000
  touch "$traffic/made"
fi

rules=()
if [ -n "${WEIR_CRS4_DIR:-}" ]; then rules=(--rules "$WEIR_CRS4_DIR"); fi

# The counts stand in a directory that is named after what was counted, so that other counts are other flags of the compiler.
sum=$({ cat "$weir" "$traffic"/*.pcap packaging/release.sh && echo "${rules[*]}"; } | sha256sum | cut -c1-16)
counted=$counting/counted-$sum
if [ ! -d "$counted" ]; then
  say "counting"
  inspect() { logged "$counting/build.log" "$weir" inspect --cache "$counting/cache" --no-progress --output /dev/null "$@"; }
  inspect "${rules[@]}" tests/pcap/demo.pcap  # the first run compiles patterns, which is not what is to be quick
  rm -rf "$counters" "$counting"/counted-*
  inspect "${rules[@]}" "$traffic/mixed.pcap"
  inspect "${rules[@]}" --paranoia 4 "$traffic/few.pcap"
  inspect --format jsonl --mode block --paranoia 2 tests/pcap/demo.pcap "$traffic/few.pcap"
  inspect --inline "$traffic/few.pcap"
  inspect --rules none "$traffic/mixed.pcap"
  # A counter's file is named after its object, with a # for each /.
  mkdir "$counted.part"
  for file in "$counters"/*.gcda; do
    name=${file##*/}
    mv "$file" "$counted.part/${name//#build#counting#/#build#release#}"
  done
  mv "$counted.part" "$counted"
fi

say "building the release (build/release)"
mkdir -p build/release
: > build/release/build.log
logged build/release/build.log cmake --preset release -DWEIR_COUNTED="$counted" "${options[@]}"
logged build/release/build.log cmake --build --preset release "${targets[@]}"
