# Sourced by the benchmarks, at the top of the tree. Sets `build` to a build that has the programs: the one that was named,
# or the release preset, built for them.
#
#   release_build OUT [CMAKE_OPTION…] -- TARGET…     OUT: a directory, for build.log
release_build() {
  local out=$1 options=()
  shift
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  [ -z "$build" ] || return 0
  build=build/release
  say "building the release preset"
  export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1
  { cmake --preset release "${options[@]}" && cmake --build --preset release --target "$@"; } > "$out/build.log" 2>&1 ||
    { tail -n 20 "$out/build.log" >&2; exit 3; }
}
