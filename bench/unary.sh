#!/usr/bin/env bash
# Unary calls of Decide over loopback: requests a second and latency as h2load sees them, closed loop.
# `./dev bench unary` runs it. A first figure: client and server share the machine, h2load does not read grpc-status (one
# call by the command line is checked before), and all calls ask the same question.
#
#   PRATIQUE, PRATIQUED  the programs (default: those of build/$BUILD); the body is made by bench/tools beside them
#   BUILD                which build (default release)
#   STORE                a sealed store (default: the US packs of rules/, sealed for this run)
#   BENCH_SECONDS        of each measurement (default 5)
#   BENCH_ROUNDS         measurements of each kind (default 3)
#   BENCH_WORKERS        threads that answer (default 1)
set -euo pipefail
cd "${SRC:-$(dirname "${BASH_SOURCE[0]}")/..}"

build=${BUILD:-release}
pratique=${PRATIQUE:-build/$build/pratique}
pratiqued=${PRATIQUED:-build/$build/pratiqued}
tools=$(dirname "$pratiqued")/bench/tools
seconds=${BENCH_SECONDS:-5}
rounds=${BENCH_ROUNDS:-3}
workers=${BENCH_WORKERS:-1}

scratch=$(mktemp -d)
server=
clean_up() {
	[ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
	rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

store=${STORE:-$scratch/us.mdb}
if [ -z "${STORE:-}" ]; then
	"$pratique" compile rules/us rules/us-ear rules/us-itar -o "$store" >"$scratch/compile" 2>&1 || {
		cat "$scratch/compile" >&2
		exit 1
	}
fi

cat >"$scratch/request.json" <<-'JSON'
	{
	  "as_of": "2026-09-01", "regime": "EAR", "transaction_type": "export",
	  "item": {"eccn": "6B002", "kind": "commodity"}, "value_usd": 10000,
	  "origin": "US", "destination": "TD", "intermediate": [], "end_use": "civil",
	  "parties": [{"role": "end_user", "country": "TD", "lists": [],
	               "military_end_user": false, "military_intelligence_end_user": false}],
	  "screening": {"screened": true, "hits": [], "red_flags": []},
	  "facts": {}
	}
JSON
"$tools/request_body" <"$scratch/request.json" >"$scratch/body"

mkfifo "$scratch/ready"
"$pratiqued" --store "$store" --listen 127.0.0.1:0 --workers "$workers" --ready-fd 3 3>"$scratch/ready" 2>"$scratch/log" &
server=$!
read -r address <"$scratch/ready" || {
	cat "$scratch/log" >&2
	exit 1
}

# The call means something: one answer by name.
answer=$("$pratique" decide --server "$address" --json "$scratch/request.json")
printf 'store of %s bytes, request of %s bytes, %s worker(s), load average %s; the answer: %s\n' \
	"$(stat -c %s "$store")" "$(stat -c %s "$scratch/body")" "$workers" "$(cut -d' ' -f1 /proc/loadavg)" \
	"$(grep -oE '"outcome": ?"[A-Z_]*"' <<<"$answer" | head -n 1)"

# cpu: hundredths of a second of processor time that the server has used.
cpu() {
	awk '{ print $14 + $15 }' "/proc/$server/stat"
}

# load CONNECTIONS STREAMS
load() {
	local before after
	before=$(cpu)
	timeout $((seconds + 20)) h2load -t 1 -c "$1" -m "$2" -D "$seconds" --warm-up-time=1 -d "$scratch/body" \
		-H 'content-type: application/grpc' -H 'te: trailers' \
		--log-file="$scratch/calls" \
		"http://$address/pratique.v1.DecisionService/Decide" >"$scratch/h2load"
	after=$(cpu)
	grep -E '^(finished in|requests:|status codes:|time for request:)' "$scratch/h2load" | sed 's/^/   /'
	# A line a call: start, HTTP status, microseconds.
	cut -f 3 "$scratch/calls" | sort -n | awk -v cpu="$((after - before))" -v all="$(wc -l <"$scratch/calls")" '
		{ v[NR] = $1 }
		END {
			printf "   latency p50 %.3f ms, p90 %.3f ms, p99 %.3f ms; server %.1f us of processor time a call, warm-up included\n",
				v[int(NR * .5) + 1] / 1000, v[int(NR * .9) + 1] / 1000, v[int(NR * .99) + 1] / 1000, cpu * 10000 / all
		}'
	rm -f "$scratch/calls"
}

for ((round = 1; round <= rounds; round++)); do
	echo "round $round: 1 connection, 1 call at a time"
	load 1 1
	echo "round $round: 8 connections, 32 calls at a time on each"
	load 8 32
done
kill -TERM "$server"
wait "$server" || true
server=
