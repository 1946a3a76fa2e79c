#!/usr/bin/env bash
# The suites that take long; each can be run alone.
#
#   tests/slow.sh sanitize   build with address and undefined-behaviour sanitizers, run every test
#   tests/slow.sh threads    the same with the thread sanitizer, unit tests only
#   tests/slow.sh clang      build with clang, warnings as errors
#   tests/slow.sh damage     1,000 damaged copies of the recorded captures (plain and sanitizer build)
#   tests/slow.sh fuzz [S]   every fuzz target for S seconds (default 60), clang and libFuzzer
#   tests/slow.sh live       weir run in the wire: routed, bridged, on the server's machine
#   tests/slow.sh mirrored   thousands of requests in the wire, on a mirror port and from a capture: the same alerts
#   tests/slow.sh gateway    behind a gateway load balancer: reload and bypass at 50,000 packets a second
#   tests/slow.sh clean      2 GiB each way, 10,000 requests, WebSocket, events, a browser: the same bytes without and with Weir
#   tests/slow.sh chaos      killed and stopped workers, reloads, a full disk, exhausted tables and pools, under load
#   tests/slow.sh million    a million half-open and idle connections through NFQUEUE, and SYNs without end; a quarter of an hour
#   tests/slow.sh scale      a million half-open connections, as many idle ones, 200,000 requests never finished; others go on
#   tests/slow.sh evasions   a raw-packet attacker against real servers behind weir run; writes docs/EVASIONS.md
#   tests/slow.sh suites     CRS suites through Apache with mod_security2, and through Weir
#   tests/slow.sh all
#
# WEIR_CRS4_DIR names an unpacked CRS 4 release with its tests, WEIR_SECRULES_TESTS the folder of
# ModSecurity's secrules-language-tests, WEIR_MRTS_DIR that of OWASP MRTS; what is not named is left out, and
# said so.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'slow tests: %s\n' "$*"; }

build() {
  say "building $1"
  cmake --preset "$@" >"build/$1.log" 2>&1 && cmake --build --preset "$1" >>"build/$1.log" 2>&1 || {
    tail -n 30 "build/$1.log" >&2
    exit 1
  }
}

suite3() { bash tests/support/crs_suite.sh build/crs-suite | tail -n 1; }

sanitize() {
  build asan
  WEIR_CRS3_SUITE=$(suite3) ctest --preset asan --no-tests=error
}
threads() {
  build tsan
  ctest --preset tsan --no-tests=error -L unit
}
clang() { build clang; }

damage() {
  build dev
  build asan
  [ -f build/dev/captures/clean.pcap ] || python3 tests/e2e/record.py build/dev/captures
  local captures=(build/dev/captures/{attack,clean,proxied}.pcap tests/pcap/demo.pcap)
  python3 tests/e2e/damage.py build/dev/app/weir 1000 "${captures[@]}" -- --cache build/dev/rule-cache
  python3 tests/e2e/damage.py build/asan/app/weir 200 "${captures[@]}" --ceiling-mib 3000 --seconds 300 \
    -- --cache build/asan/rule-cache
}

fuzz() {
  local seconds=${1:-60}
  build fuzz
  local program
  for program in $(find build/fuzz/tests/fuzz -type f -perm -u+x -name '*_fuzz' | sort); do
    local name
    name=$(basename "$program")
    mkdir -p "build/fuzz/corpus/$name"
    say "fuzzing $name for $seconds s"
    "$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="build/fuzz/$name-" "build/fuzz/corpus/$name" >"build/fuzz/$name.log" 2>&1 || {
      tail -n 40 "build/fuzz/$name.log" >&2
      say "$name found something; see build/fuzz/$name.log"
      exit 1
    }
    grep -E 'number_of_executed_units' "build/fuzz/$name.log" | sed 's/^/  /'
  done
}

live() {
  build dev
  local place
  for place in routed bridged local; do
    python3 tests/e2e/live.py build/dev/app/weir $place || [ $? -eq 77 ]
  done
}

mirrored() {
  build dev
  local suites=(--suite "$(suite3)") mode
  if [ -n "${WEIR_CRS4_DIR:-}" ]; then
    suites=(--crs "$WEIR_CRS4_DIR" --suite "$WEIR_CRS4_DIR/tests/regression/tests" "${suites[@]}")
  else
    say "WEIR_CRS4_DIR is not set: CRS 4 is left out"
  fi
  for mode in detect block; do
    python3 tests/e2e/mirrored.py build/dev/app/weir --mode $mode "${suites[@]}" || [ $? -eq 77 ]
  done
}

gateway() {
  build release -DWEIR_BENCH=ON
  python3 tests/e2e/gateway/full_rate.py build/release
}

clean() {
  build release
  python3 tests/e2e/clean.py build/release/app/weir || [ $? -eq 77 ]
}

chaos() {
  build release
  python3 tests/e2e/chaos.py build/release/app/weir || [ $? -eq 77 ]
}

million() {
  build release
  python3 tests/e2e/chaos.py build/release/app/weir million || [ $? -eq 77 ]
}

scale() {
  build release -DWEIR_BENCH=ON
  build/release/tests/bench/scale
}

evasions() {
  build dev
  python3 tests/e2e/evasions.py build/dev/app/weir --table || [ $? -eq 77 ]
  python3 tests/e2e/evasions.py build/dev/app/weir --beside || [ $? -eq 77 ]
}

suites() {
  build dev
  local weir=build/dev/app/weir suite
  suite=$(suite3)
  python3 tests/e2e/compare_suite.py $weir "$suite"
  if [ -n "${WEIR_CRS4_DIR:-}" ]; then
    python3 tests/e2e/compare_suite.py $weir "$WEIR_CRS4_DIR/tests/regression/tests" --crs "$WEIR_CRS4_DIR"
  else
    say "WEIR_CRS4_DIR is not set: CRS 4 is left out"
  fi
  if [ -n "${WEIR_MRTS_DIR:-}" ]; then
    python3 tests/e2e/mrts.py $weir "$WEIR_MRTS_DIR" --apache
  else
    say "WEIR_MRTS_DIR is not set: MRTS is left out"
  fi
  if [ -n "${WEIR_SECRULES_TESTS:-}" ]; then
    build/dev/tests/unit/rules_match/rules_match_test --gtest_filter="LanguageTests.*"
  else
    say "WEIR_SECRULES_TESTS is not set: the language tests are left out"
  fi
}

mkdir -p build
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1
case "${1:-}" in
  sanitize | threads | clang | damage | live | mirrored | gateway | clean | chaos | million | scale | evasions | suites) "$1" ;;
  fuzz) fuzz "${2:-60}" ;;
  all)
    clang
    sanitize
    threads
    damage
    fuzz 60
    suites
    ;;
  *)
    sed -n '2,22p' "$0" | sed 's/^# \{0,1\}//'
    exit 2
    ;;
esac
