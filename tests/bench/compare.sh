#!/usr/bin/env bash
# What the rules cost, against Debian's libmodsecurity in the same process: one command for every figure.
#
#   tests/bench/compare.sh [--quick] [--build DIR] [--paranoia "1 4"] [--only PART]
#
#   --quick      part of each corpus, one round, no callgrind for libmodsecurity: a few minutes
#   --build DIR  a build that has the benchmarks, instead of building the release preset
#   --paranoia   the levels to measure (default "1 4")
#   --only PART  load, compare, instructions, growth or dos
#
#   WEIR_CRS4_DIR       an unpacked CRS 4 release; without it only Debian's CRS 3.3.4 is measured
#   WEIR_CORAZA_BENCH   a program that measures Coraza: called as PROGRAM RULES_FILE CORPUS ROUNDS, it prints
#                       the mean, p50, p99 and maximum of CPU microseconds per request
#
# Everything it makes is in build/bench. The tables are Markdown, for docs/PERFORMANCE.md.
set -euo pipefail
cd "$(dirname "$0")/../.."

quick=no
build=
levels="1 4"
part=all
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) quick=yes ;;
    --build) build=$2; shift ;;
    --paranoia) levels=$2; shift ;;
    --only) part=$2; shift ;;
    *) sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift
done
say() { printf 'compare: %s\n' "$*" >&2; }
wanted() { [ $part = all ] || [ $part = "$1" ]; }

out=build/bench
mkdir -p $out/cache
. tests/bench/release_build.sh
release_build -DWEIR_BENCH=ON -- compare dos
compare=$build/tests/bench/compare

suite=${WEIR_CRS4_DIR:+$WEIR_CRS4_DIR/tests/regression/tests}
if [ -z "$suite" ]; then
  suite=$(bash tests/support/crs_suite.sh build/crs-suite)/tests/regression/tests
fi
say "making the corpora"
python3 tests/bench/make_corpus.py $out/corpora --suite "$suite" >&2
corpora=()
for name in benign json attack large; do corpora+=("$out/corpora/$name.bin"); done

# rules VERSION LEVEL: the file that both engines load.
rules() {
  local setup folder level_names
  if [ "$1" = 3.3.4 ]; then
    setup=/etc/modsecurity/crs/crs-setup.conf folder=/usr/share/modsecurity-crs/rules
    level_names="setvar:tx.paranoia_level=$2,setvar:tx.executing_paranoia_level=$2"
  else
    setup=$WEIR_CRS4_DIR/crs-setup.conf.example folder=$WEIR_CRS4_DIR/rules
    level_names="setvar:tx.blocking_paranoia_level=$2,setvar:tx.detection_paranoia_level=$2"
  fi
  cat > "$out/crs-$1-pl$2.conf" <<RULES
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 13107200
SecPcreMatchLimit 100000
SecPcreMatchLimitRecursion 100000
SecAuditEngine Off
SecRule REQUEST_HEADERS:Content-Type "@rx ^(?:text/xml|application/(?:soap\+)?xml)" "id:200000,phase:1,pass,nolog,t:none,t:lowercase,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "@beginsWith application/json" "id:200001,phase:1,pass,nolog,t:none,t:lowercase,ctl:requestBodyProcessor=JSON"
Include $setup
SecAction "id:9000990,phase:1,nolog,pass,t:none,$level_names"
Include $folder/*.conf
RULES
  echo "$out/crs-$1-pl$2.conf"
}
folder_of() { if [ "$1" = 3.3.4 ]; then echo /usr/share/modsecurity-crs/rules; else echo "$WEIR_CRS4_DIR/rules"; fi; }

versions=(3.3.4)
if [ -n "${WEIR_CRS4_DIR:-}" ]; then
  versions+=("$(sed -n '/OWASP_CRS\/[0-9]/{s/.*OWASP_CRS\/\([0-9.]*[0-9]\).*/\1/p;q}' "$WEIR_CRS4_DIR/crs-setup.conf.example" \
    "$WEIR_CRS4_DIR/rules/REQUEST-901-INITIALIZATION.conf")")
fi
size=() rounds=3
if [ $quick = yes ]; then size=(--most 240) rounds=1; fi
facts=$out/facts.txt
: > $facts
note() { sed "s/^/version=$1 level=$2 /" >> $facts; }

# instructions CORPUS ENGINE RULES MOST: instructions per request, by the difference of one pass and three.
instructions() {
  local one three
  local run=(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$compare" --rules "$3" --only "$2" --most "$4" --cache $out/cache)
  # What a first run compiles is not what is asked for. (valgrind's processor has databases of its own.)
  [ "$2" != weir ] || "${run[@]}" --passes 1 "$1" > /dev/null 2>&1
  one=$("${run[@]}" --passes 1 "$1" 2>&1 | sed -n 's/.*Collected : //p')
  three=$("${run[@]}" --passes 3 "$1" 2>&1 | sed -n 's/.*Collected : //p')
  echo "corpus=$(basename "$1" .bin) engine=$2 instructions=$(((three - one) / 2 / $4))"
}

for version in "${versions[@]}"; do
  for level in $levels; do
    file=$(rules "$version" "$level")
    say "CRS $version, paranoia level $level"
    if wanted load; then
      rm -rf $out/cache-cold && mkdir $out/cache-cold
      $compare --rules "$file" --load-only --only weir --cache $out/cache-cold | sed 's/$/ state=cold/' | note "$version" "$level"
      for _ in 1 2 3; do
        $compare --rules "$file" --load-only --only weir --cache $out/cache-cold | sed 's/$/ state=warm/' | note "$version" "$level"
      done
      $compare --rules "$file" --load-only --only modsecurity | sed 's/$/ state=cold/' | note "$version" "$level"
    fi
    if wanted compare; then
      $compare --rules "$file" --cache $out/cache --rounds $rounds "${size[@]}" "${corpora[@]}" | note "$version" "$level"
      if [ -n "${WEIR_CORAZA_BENCH:-}" ]; then
        for corpus in "${corpora[@]}"; do
          read -r mean p50 p99 max < <("$WEIR_CORAZA_BENCH" "$file" "$corpus" $rounds)
          echo "corpus=$(basename "$corpus" .bin) coraza_mean=$mean coraza_p50=$p50 coraza_p99=$p99 coraza_max=$max" | note "$version" "$level"
        done
      fi
    fi
    if wanted instructions; then
      instructions $out/corpora/benign.bin weir "$file" 120 | note "$version" "$level"
      instructions $out/corpora/attack.bin weir "$file" 120 | note "$version" "$level"
      [ $quick = yes ] || instructions $out/corpora/benign.bin modsecurity "$file" 24 | note "$version" "$level"
    fi
  done
done

version=${versions[-1]}
if wanted growth; then
  base=$(rules "$version" 1)
  for times in 1 2 5 10; do python3 tests/bench/more_rules.py "$(folder_of "$version")" $times 1 > $out/variants-$times.conf; done
  # By turns: a machine that is slow for a minute is so for all of them.
  for turn in 1 2 3 4 5; do
    say "growing rules, turn $turn"
    for times in 1 2 5 10; do
      variants=$out/variants-$times.conf
      $compare --rules "$base" --rules $variants --only weir --cache $out/cache --rounds $rounds "${size[@]}" \
        $out/corpora/benign.bin | sed "s/^/growth=$times rules=$(grep -c ^SecRule $variants) /" | note "$version" 1
    done
  done
fi
if wanted dos; then
  for level in $levels; do
    say "requests made to be dear, level $level"
    more=()
    [ $quick = no ] || more=(--quick)
    { "$build/tests/bench/dos" --rules "$(rules "$version" "$level")" --cache $out/cache "${more[@]}" || true; } |
      tee "$out/dos-pl$level.txt" | grep '^dos=' | note "$version" "$level"
    sed '/^dos=/d; s/^/text=/' "$out/dos-pl$level.txt" | note "$version" "$level"
  done
fi
python3 tests/bench/report.py $facts
