#!/bin/sh
# Runs a CRS regression suite with `weir test`. Exit status 77: there is no such suite here.
#
#   suite.sh crs3|crs4 WEIR
set -eu

case $1 in
  crs3)
    [ -n "${WEIR_CRS3_SUITE:-}" ] || exit 77
    suite=$WEIR_CRS3_SUITE
    set -- "$2"
    ;;
  crs4)
    [ -n "${WEIR_CRS4_DIR:-}" ] || exit 77
    suite=$WEIR_CRS4_DIR
    set -- "$2" --rules "$WEIR_CRS4_DIR"
    ;;
esac
# The folder of the release or of its tests.
[ ! -d "$suite/tests/regression/tests" ] || suite=$suite/tests/regression/tests
weir=$1
shift
exec "$weir" test --no-progress --show-failures-only "$@" "$suite"
