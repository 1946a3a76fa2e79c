# Sourced by the benchmarks, at the top of the tree. Sets `build` to a build that has the programs: the one that was named,
# or the release as it is shipped, built for them.
#
#   release_build [CMAKE_OPTION…] -- TARGET…
release_build() {
  [ -z "$build" ] || return 0
  build=build/release
  bash packaging/release.sh "$@" || exit 3
}
