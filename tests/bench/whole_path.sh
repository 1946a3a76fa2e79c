#!/usr/bin/env bash
# The whole path, from a capture file to verdicts, against what others need for the same file, in one run.
#
#   tests/bench/whole_path.sh [--quick] [--build DIR] [--rounds N]
#
#   --quick      a twelfth of the capture, two rounds
#   --build DIR  a build that has the benchmarks, instead of building the release preset
#   --rounds N   measure everything N times, alternately (default 3)
#   WEIR_CRS4_DIR  an unpacked CRS 4 release; without it Debian's CRS 3.3.4 is used
#
# Measured, each by its CPU and wall-clock time, pairwise in every round:
#   reading the capture and finding each packet's flow       (read_flows)
#   weir inspect --rules none, one worker
#   Suricata 7 without rules, one thread, no log
#   weir inspect with the CRS at paranoia level 1, one worker and two; and two programs of one worker side by side,
#     which says how much two processors do here: no program with two workers can have more
#   tshark -Y http.request
# The capture (217 MB, 57,600 requests with their responses) is made from a seed; build/bench keeps it.
set -euo pipefail
cd "$(dirname "$0")/../.."

quick=no build= rounds=3
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) quick=yes rounds=2 ;;
    --build) build=$2; shift ;;
    --rounds) rounds=$2; shift ;;
    *) sed -n '2,19s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift
done
say() { printf 'whole_path: %s\n' "$*" >&2; }

out=build/bench
mkdir -p $out/cache
. tests/bench/release_build.sh
release_build -DWEIR_BENCH=ON -- weir read_flows
weir=$build/app/weir

requests=57600
[ $quick = no ] || requests=4800
capture=$out/path-$requests.pcap
if [ ! -s "$capture" ]; then
  say "making the capture"
  python3 tests/bench/path/make_capture.py "$capture.part" --requests $requests >&2
  mv "$capture.part" "$capture"
fi
rules=()
name="CRS 3.3.4"
if [ -n "${WEIR_CRS4_DIR:-}" ]; then rules=(--rules "$WEIR_CRS4_DIR") name="CRS 4"; fi
"$weir" check --compile "${rules[@]}" --cache $out/cache > /dev/null

suricata=$(bash tests/bench/suricata.sh) || suricata=
if [ -n "$suricata" ]; then
  mkdir -p $out/suricata
  # One thread, no rules, no log: what it needs to decode, reassemble and parse.
  cat > $out/suricata/none.yaml <<YAML
%YAML 1.1
---
vars:
  address-groups: {HOME_NET: "any", EXTERNAL_NET: "any"}
default-log-dir: $PWD/$out/suricata
stats: {enabled: no}
outputs: []
app-layer: {protocols: {http: {enabled: yes}}}
stream: {memcap: 1gb, checksum-validation: yes, reassembly: {memcap: 2gb, depth: 0}}
flow: {memcap: 1gb}
max-pending-packets: 4096
runmode: single
YAML
  : > $out/suricata/empty.rules
fi

facts=$out/path.txt
: > $facts
# measure NAME COMMAND…: appends "NAME wall cpu".
measure() {
  local label=$1
  shift
  /usr/bin/env bash -c 'TIMEFORMAT="%R %U %S"; time "$@" >/dev/null 2>&1' measure "$@" 2> $out/time.txt ||
    { say "$label failed"; return 0; }
  awk -v name="$label" '{ print name, $1, $2 + $3 }' $out/time.txt >> $facts
}
cat "$capture" > /dev/null  # into the page cache
for round in $(seq 1 "$rounds"); do
  say "round $round"
  measure read_flows "$build/tests/bench/path/read_flows" "$capture"
  measure weir_none "$weir" inspect --rules none --no-progress "$capture"
  [ -z "$suricata" ] || measure suricata_none "$suricata" -c $out/suricata/none.yaml -S $out/suricata/empty.rules -r "$capture" -l $out/suricata --runmode single
  judge=("$weir" inspect "${rules[@]}" --cache $out/cache --no-progress "$capture")
  measure weir_rules_1 "${judge[@]}" --workers 1
  measure weir_rules_2 "${judge[@]}" --workers 2
  measure weir_side_by_side bash -c '"$@" & "$@" & wait' judge "${judge[@]}" --workers 1
  measure tshark "$(command -v tshark)" -Y http.request -r "$capture"
done
python3 tests/bench/path/report.py $facts "$capture" "$name"
