#!/usr/bin/env bash
# What it costs always to say why: decisions with reasons and without (requirements, bars, rules that counted, moot facts),
# by two builds of bench/decide.c that take turns. `./dev bench why` runs it.
#
#   BENCH_TURNS  turns of each (default 7)
#   BUILD        which build (default release)
#   BENCH_ROUNDS, BENCH_RANDOM, BENCH_SEED, BENCH_ONLY  as for decide (rounds of a turn: 3, random requests: 3000)
set -euo pipefail
cd "${SRC:-$(dirname "${BASH_SOURCE[0]}")/..}"

programs=build/${BUILD:-release}/bench
[ -z "${PRATIQUE:-}" ] || programs=$(dirname "$PRATIQUE")/bench
export BENCH_ROUNDS=${BENCH_ROUNDS:-3} BENCH_RANDOM=${BENCH_RANDOM:-3000}
turns=${BENCH_TURNS:-7}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# mean PART: microseconds of processor time, of the run that has just ended.
mean() {
	awk -v part="    \"$1\": {" '
		index($0, part) == 1 { inside = 1 }
		inside && /"best_microseconds"/ { best = 1 }
		best && /"mean"/ { gsub(/[^0-9.e+-]/, "", $2); print $2; exit }' build/bench/decide.json
}

for ((turn = 1; turn <= turns; turn++)); do
	for which in decide tools/decide_bare; do
		"$programs/$which" >/dev/null
		for part in all simple searched; do
			mean "$part" >>"$scratch/${which##*/}.$part"
		done
	done
done

# median FILE: of the numbers in it.
median() {
	sort -g "$1" | awk '{at[NR] = $1} END {print at[int((NR + 1) / 2)]}'
}

echo "mean processor time of a decision in microseconds, median of $turns turns"
for part in all simple searched; do
	with=$(median "$scratch/decide.$part")
	without=$(median "$scratch/decide_bare.$part")
	awk -v part="$part" -v with="$with" -v without="$without" 'BEGIN {
		printf "%-9s with reasons %8.2f   without %8.2f   reasons cost %.1f %%\n", part, with, without, 100 * (with - without) / without
	}'
done
