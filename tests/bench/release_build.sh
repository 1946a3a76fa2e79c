# Sourced by the benchmarks, at the top of the tree. Sets `build` to a build that has the programs: the one that was named,
# or the release as it is shipped, built for them.
#
#   release_build OUT [CMAKE_OPTION…] -- TARGET…     OUT: a directory, for build.log
release_build() {
  local out=$1 options=()
  shift
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  [ -z "$build" ] || return 0
  build=build/release
  say "building the release"
  bash packaging/release.sh "${options[@]}" -- "$@" 2> "$out/build.log" || { tail -n 20 "$out/build.log" >&2; exit 3; }
}
