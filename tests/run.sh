#!/usr/bin/env bash
# Installs what the tests need, builds, and runs every test that is not labelled slow. Idempotent.
#
#   tests/run.sh              what continuous integration runs
#   tests/slow.sh             the rest: sanitizers, fuzzing, damaged captures, foreign suites
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'tests: %s\n' "$*"; }
stop() {
  printf 'tests: %s\n' "$*" >&2
  exit 1
}

bash packaging/install-deps.sh test || stop "the Debian packages could not be installed"

say "building"
mkdir -p build
# Compiled files are found again in another checkout of the same sources.
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1
log=build/tests.log
if ! { cmake --preset dev && cmake --build --preset dev; } >$log 2>&1; then
  grep -E 'error|Error|warning' $log | head -n 40 >&2
  tail -n 20 $log >&2
  stop "the build failed; the whole log is in $log"
fi

if suite=$(bash tests/support/crs_suite.sh build/crs-suite 2>build/crs-suite.log | tail -n 1) && [ -d "$suite" ]; then
  say "the CRS 3.3.4 regression suite is in $suite"
  WEIR_CRS3_SUITE=$(realpath "$suite")
  export WEIR_CRS3_SUITE
else
  cat build/crs-suite.log >&2
  stop "the source package of modsecurity-crs could not be had"
fi

say "running the tests"
# The lab's clients, servers and kernel share a machine with whatever else runs there: what fails is tried once
# more, and only what fails twice fails the run. ctest's summary names no retry; its log does.
ctest --preset dev --no-tests=error --repeat until-pass:2
