#!/usr/bin/env bash
# Where a request's time goes: pratiqued on one processor under a closed loop of unary calls from the other, sampled by
# perf (cpu-clock), samples by layer. `./dev bench layers` runs it.
#
#   BUILD          which build (default release)
#   STORE          a sealed store (default: the US packs of rules/, sealed for this run)
#   BENCH_SECONDS  of sampling (default 4)
#
# A sample belongs to the layer of the function it was taken in (not of its callers). The server's process alone is
# sampled; interrupts that the kernel serves on its processor meanwhile count as its own.
set -euo pipefail
cd "${SRC:-$(dirname "${BASH_SOURCE[0]}")/..}"

pratiqued=${PRATIQUED:-build/${BUILD:-release}/pratiqued}
build=$(dirname "$pratiqued")
seconds=${BENCH_SECONDS:-4}
command -v perf >/dev/null || {
	echo "skipped: perf is not installed (Debian package linux-perf)"
	exit 0
}
scratch=$(mktemp -d)
server=
clean_up() {
	[ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
	rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

store=${STORE:-$scratch/us.mdb}
[ -n "${STORE:-}" ] || "$build/pratique" compile rules/us rules/us-ear rules/us-itar -o "$store" >/dev/null

# by_layer < "percent object symbol" a line
by_layer() {
	awk '
		function layer(object, symbol) {
			if (object ~ /kernel|unknown|guest|vdso/) return symbol ~ /tcp|inet|ip_|sock|skb|net_|sendmsg|recvmsg|dev_|loopback/ ? "kernel: sockets and TCP" : "kernel: the rest"
			if (object ~ /libgrpc|libgpr|libabsl|libupb|libaddress_sorting|libre2|libcares|libz/) return "gRPC C core"
			if (object ~ /libprotobuf-c/) return "protobuf-c"
			if (object ~ /libc|ld-linux|libstdc/) return symbol ~ /alloc|free|cfree/ ? "libc: malloc and free" : "libc: the rest"
			if (object !~ /pratiqued/) return "others: " object
			sub(/\.(constprop|part|isra|cold|lto_priv).*/, "", symbol)
			if (symbol in of) return of[symbol]
			return "ours: not found in a layer"
		}
		FNR == NR { of[$2] = "ours: " $1; next }
		{ sum[layer($2, $3)] += $1; all += $1 }
		END { for (name in sum) printf "%6.1f %%  %s\n", 100 * sum[name] / all, name }' "$scratch/symbols" - | sort -rn
}

# Which of our functions stands in which folder: by where it is defined, for a linked program no longer knows.
for layer in server policy storage; do
	grep -ohE '^[a-z_0-9]+\(' "$layer"/*.c | tr -d '(' | sed "s/^/$layer /"
done | sort -u >"$scratch/symbols"

# sample PART
sample() {
	"$build/bench/tools/bodies" "$store" 0 "$1" >"$scratch/bodies" 2>/dev/null
	mkfifo "$scratch/ready"
	taskset -c 0 "$pratiqued" --store "$store" --listen 127.0.0.1:0 --shards 1 --log-level warn --ready-fd 3 \
		3>"$scratch/ready" 2>"$scratch/log" &
	server=$!
	read -r address <"$scratch/ready"
	rm "$scratch/ready"
	taskset -c 1 timeout 60 "$build/bench/client" mix "$address" "$scratch/bodies" seconds="$((seconds + 1))" warm=0.5 \
		>"$scratch/load" &
	local load=$!
	sleep 1
	perf record -q -e cpu-clock -F 4999 -p "$server" -o "$scratch/perf" -- sleep "$seconds" 2>/dev/null >/dev/null
	wait "$load"
	kill -TERM "$server"
	wait "$server" || true
	server=
	printf '\n%s cases: %s calls a second\n' "$1" "$(grep -oE '"per_second": [0-9]+' "$scratch/load" | grep -oE '[0-9]+')"
	perf report -i "$scratch/perf" --no-children --sort dso,symbol -F overhead,dso,symbol -g none --stdio 2>/dev/null |
		awk '/^ +[0-9.]+%/ { gsub("%", "", $1); print $1, $2, $4 }' |
		sort -rn >"$scratch/report"
	by_layer <"$scratch/report"
	echo "  the functions with most of it:"
	head -n 12 "$scratch/report" | awk '{ printf "  %6.1f %%  %-24s %s\n", $1, $2, $3 }'
}

printf 'load average %s\n' "$(cut -d' ' -f1 /proc/loadavg)"
sample simple
sample all
