#!/usr/bin/env bash
# Both evaluators over the real US packs and very many random requests. `./dev bench oracle` runs it.
#
#   BENCH_REQUESTS  random requests over all cores (default 1000000)
#   BENCH_SECONDS   the run ends after so many seconds, done or not (default 1500)
#   BENCH_CORES     processes (default: all cores)
#   BENCH_SEED      of the first request (default 1)
#   BENCH_SEARCH    of the requests whose answer needs a search every n-th is compared (default 20): each takes the oracle
#                   as long as dozens of others
#   BENCH_LOG       folder in which each process writes how far it is (default: none is kept)
#   ORACLE          the test program (default: it is built, optimised, in build/oracle)
#
# Each process prints a line after every thousandth part of its requests, and the outcomes at the end. Disagreements are
# shown with the request and the seed; then this fails.
set -euo pipefail
cd "${SRC:-$(dirname "${BASH_SOURCE[0]}")/..}"

requests=${BENCH_REQUESTS:-1000000}
seconds=${BENCH_SECONDS:-1500}
cores=${BENCH_CORES:-$(nproc)}
seed=${BENCH_SEED:-1}
search=${BENCH_SEARCH:-20}
oracle=${ORACLE:-build/oracle/tests/oracle_us_packs}

if [ -z "${ORACLE:-}" ]; then
	cmake --preset release -B build/oracle -DBUILD_TESTING=ON >build/oracle-configure.log
	cmake --build build/oracle --target oracle_us_packs -- --quiet | sed '/no work to do/d'
fi

if [ -n "${BENCH_LOG:-}" ]; then
	scratch=$BENCH_LOG
	mkdir -p "$scratch"
else
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
fi
each=$(((requests + cores - 1) / cores))
pids=()
for ((core = 0; core < cores; core++)); do
	PQ_DIFF_SEED=$((seed + core * each)) PQ_DIFF_US_REQUESTS=$each PQ_DIFF_US_SECONDS=$seconds \
		PQ_DIFF_US_SEARCH=$search PQ_DIFF_US_PROGRESS=$((each / 1000 + 1)) nice "$oracle" >"$scratch/$core" 2>"$scratch/$core.err" &
	pids+=($!)
done

failed=0
for core in "${!pids[@]}"; do
	while kill -0 "${pids[$core]}" 2>/dev/null; do
		sleep 5
		for file in "$scratch"/[0-9]; do
			[ ! -t 1 ] || printf '%s: %s   ' "${file##*/}" "$(grep -a ' agree, ' "$file" | tail -n 1)"
		done
		[ ! -t 1 ] || printf '\r'
	done
	wait "${pids[$core]}" || failed=1
done
[ ! -t 1 ] || printf '\n'

if [ "$failed" -ne 0 ]; then
	grep -a -h -A 40 '^====' "$scratch"/[0-9] || cat "$scratch"/*.err
	exit 1
fi
# sum LABEL: the number after "LABEL: " over all processes.
sum() { sed -n "s/^$1: //p" "$scratch"/[0-9] | awk '{ n += $1 } END { print n + 0 }'; }
grep -a -h '^seed ' "$scratch"/[0-9]
echo "$(sum made) of $requests random requests over the US packs: $(sum settled) settled without a search were" \
	"compared, all, and $(sum searched) that need one, every ${search}th, $(sum 'left out') were left out;" \
	"the evaluators agree on all that were compared"
