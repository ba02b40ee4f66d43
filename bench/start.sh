#!/usr/bin/env bash
# How long pratiqued takes from exec to ready, and what it holds in memory then. `./dev bench start` runs it.
#
#   PRATIQUE, PRATIQUED  the programs (default: those of build/$BUILD)
#   BUILD                which build (default release)
#   STORE                a sealed store (default: the US packs of rules/, sealed for this run)
#   BENCH_RUNS           starts (default 15)
#   BENCH_WORKERS        threads that answer (default 2)
#
# Ready is when --ready-fd has been written: sockets listen, the store is open and checked. Memory is read from
# /proc/PID/smaps_rollup of the idle server; "private" is what a second process would cost again, "shared" the rest of
# the resident memory (the store's pages and the libraries, as far as others map them too).
set -euo pipefail
cd "${SRC:-$(dirname "${BASH_SOURCE[0]}")/..}"

build=${BUILD:-release}
pratique=${PRATIQUE:-build/$build/pratique}
pratiqued=${PRATIQUED:-build/$build/pratiqued}
runs=${BENCH_RUNS:-15}
workers=${BENCH_WORKERS:-2}

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

# kib NAME: a figure of the running server's memory.
kib() {
	awk -v name="$1:" '$1 == name { print $2 }' "/proc/$server/smaps_rollup"
}

# microseconds: the clock that the shell has, without a process.
microseconds() {
	echo "${EPOCHREALTIME/./}"
}

one_start() {
	local began ready address
	mkfifo "$scratch/ready"
	began=$(microseconds)
	"$pratiqued" --store "$store" --listen "unix:$scratch/socket" --workers "$workers" --ready-fd 3 \
		3>"$scratch/ready" 2>"$scratch/log" &
	server=$!
	read -r address <"$scratch/ready" || {
		cat "$scratch/log" >&2
		exit 1
	}
	ready=$(microseconds)
	[ -n "$address" ]
	sleep 0.2
	echo "$((ready - began)) $(kib Rss) $(kib Pss) $(($(kib Private_Clean) + $(kib Private_Dirty))) $(kib Private_Dirty)" \
		>>"$scratch/runs"
	kill -TERM "$server"
	wait "$server" || true
	server=
	rm -f "$scratch/ready"
}

for ((i = 0; i < runs; i++)); do
	one_start
done

# column N: median, minimum and maximum of a column.
column() {
	awk -v n="$1" '{ print $n }' "$scratch/runs" | sort -n |
		awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)], v[1], v[NR] }'
}

# row NAME COLUMN DIVISOR UNIT
row() {
	column "$2" | awk -v name="$1" -v by="$3" -v unit="$4" \
		'{ printf "%-34s %10.1f %10.1f %10.1f  %s\n", name, $1 / by, $2 / by, $3 / by, unit }'
}

# What of it is the program: the same shell starting one that does nothing.
began=$(microseconds)
for ((i = 0; i < 20; i++)); do
	"$pratiqued" --version >/dev/null
done
empty=$((($(microseconds) - began) / 20))

printf '%s starts, %s workers, store of %s bytes, load average %s\n' "$runs" "$workers" "$(stat -c %s "$store")" \
	"$(cut -d' ' -f1 /proc/loadavg)"
printf '%-34s %10s %10s %10s\n' '' median min max
row 'from exec to ready' 1 1000 ms
row 'resident' 2 1024 MiB
row 'proportional' 3 1024 MiB
row 'private' 4 1024 MiB
row 'private, written to' 5 1024 MiB
awk -v us="$empty" 'BEGIN { printf "%-34s %10.1f %21s  ms\n", "for comparison: pratiqued --version", us / 1000, "" }'
