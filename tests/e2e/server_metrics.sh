#!/usr/bin/env bash
# Metrics: the format, under load, too; what they count against what was called; liveness and readiness; and traces in the
# log.
# ctest: timeout=300
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_server.sh
source "$SRC/tests/e2e/lib_server.sh"
command -v curl >/dev/null || { echo 'needs curl'; exit 77; }

store=$scratch/toy.mdb
toy_store "$store"
socket=unix:$scratch/s.sock
question=(--as-of 2026-06-01 --type export --item machine --value 50 --party role=end_user,military_end_user=false --json)

# get PATH CURL-FLAG...: the body in $scratch/page, the code in $got.
get() {
	got=$(curl -sS --noproxy '*' --max-time 60 -o "$scratch/page" -w '%{http_code}' "${@:2}" "http://$metrics$1")
}

# scrape FILE: samples, one a line; the page must be as it should be.
scrape() {
	get /metrics
	[ "$got" = 200 ] || note "/metrics answers $got"
	awk -f "$SRC/tests/e2e/lib_metrics.awk" "$scratch/page" >"$1" 2>"$scratch/.awk" || note "$(<"$scratch/.awk")"
}

# value FILE SAMPLE
value() {
	grep -F -- "$2 " "$1" | sed 's/.* //'
}

# is SAMPLE VALUE, in the last scrape.
is() {
	local have
	have=$(value "$scratch/now" "$1")
	[ "$have" = "$2" ] || note "$1 is \"$have\" instead of $2"
}

method() {
	printf '{grpc_service="%s",grpc_method="%s"%s}' "$1" "$2" "${3:+,grpc_code=\"$3\"}"
}
decide=(pratique.v1.DecisionService Decide)

start counted --store "$store" --listen "$socket" --metrics-listen 127.0.0.1:0 --shards 2 --log-level debug
metrics=$(address counted 2)
scrape "$scratch/now"
is "grpc_server_started_total$(method "${decide[@]}")" 0
is "grpc_server_handled_total$(method "${decide[@]}" OK)" 0
is 'pratique_decisions_total{outcome="LICENSE_REQUIRED"}' 0
is pratique_serving 1
is pratique_shards 2
is pratique_revision_sequence 0
is pratique_verify_failures_total 0
is pratique_replicas 0
digest=$("$PRATIQUE" inspect "$store" | grep -oE '[0-9a-f]{64}' | head -1)
is "pratique_revision_info{digest=\"$digest\"}" 1
[ "$(value "$scratch/now" process_resident_memory_bytes)" -gt 1000000 ] || note 'no memory is used'
[ "$(value "$scratch/now" process_start_time_seconds)" -le "$(date +%s)" ] || note 'started after now'

# Under load: each scrape is whole, and no counter goes back.
for _ in {1..400}; do cat "$scratch/toy/cases/law.jsonl"; done |
	awk '{ sub(/"id": "T/, "\"id\": \"" NR "T"); print }' >"$scratch/load.jsonl"
loads=()
for n in 1 2; do
	"$PRATIQUE" cases --server "$socket" --timeout 60000 "$scratch/load.jsonl" >"$scratch/load.$n" 2>&1 &
	loads+=($!)
done
: >"$scratch/before"
scrapes=0
while kill -0 "${loads[0]}" 2>/dev/null || kill -0 "${loads[1]}" 2>/dev/null; do
	scrape "$scratch/now"
	scrapes=$((scrapes + 1))
	awk 'NR == FNR { before[$1] = $2; next } $1 ~ /_(total|bucket|count)(\{|$)/ && $2 < before[$1] { print; bad = 1 }
		END { exit bad }' "$scratch/before" "$scratch/now" >"$scratch/.back" || note "went back: $(<"$scratch/.back")"
	mv "$scratch/now" "$scratch/before"
done
for n in 1 2; do
	wait "${loads[n - 1]}" || note "load $n failed: $(tail -3 "$scratch/load.$n")"
done
[ "$scrapes" -gt 0 ] || note 'nothing was scraped under load'

# What was called is what is counted.
exits 3 "$PRATIQUE" decide --server "$socket" --to ATLANTIS "${question[@]}"
exits 0 "$PRATIQUE" decide --server "$socket" --to NEAR "${question[@]}"
printf '\0\0\0\0\0' >"$scratch/empty"
# grpc METHOD CURL-FLAG...: what is answered does not matter; curl complains where it comes before the message is sent.
grpc() {
	curl -sS --max-time 60 --http2-prior-knowledge --unix-socket "$scratch/s.sock" -o /dev/null \
		-H 'content-type: application/grpc' -H 'te: trailers' --data-binary "@$scratch/empty" "${@:2}" "http://x/$1" \
		2>/dev/null
}
grpc pratique.v1.DecisionService/Nothing
grpc pratique.v1.DecisionService/BatchDecide
grpc pratique.v1.DecisionService/StreamDecide
grpc grpc.health.v1.Health/Check
scrape "$scratch/now"
is "grpc_server_started_total$(method "${decide[@]}")" 2402
is "grpc_server_handled_total$(method "${decide[@]}" OK)" 2401
is "grpc_server_handled_total$(method "${decide[@]}" INVALID_ARGUMENT)" 1
is "grpc_server_handling_seconds_count$(method "${decide[@]}")" 2402
is 'pratique_decisions_total{outcome="LICENSE_REQUIRED"}' 1600
is 'pratique_decisions_total{outcome="LICENSE_EXCEPTION_AVAILABLE"}' 800
is 'pratique_decisions_total{outcome="NO_LICENSE_REQUIRED"}' 1
is "grpc_server_handled_total$(method unknown unknown UNIMPLEMENTED)" 1
is "grpc_server_handled_total$(method pratique.v1.DecisionService BatchDecide OK)" 1
is "grpc_server_handled_total$(method pratique.v1.DecisionService StreamDecide OK)" 1
is "grpc_server_handling_seconds_count$(method pratique.v1.DecisionService StreamDecide)" 1
is "grpc_server_handled_total$(method grpc.health.v1.Health Check OK)" 1

# ---- what else is answered there ----

get /livez
[ "$got" = 200 ] || note "/livez answers $got"
get /readyz
[ "$got" = 200 ] || note "/readyz answers $got"
get /
[ "$got" = 404 ] || note "/ answers $got"
get /metrics -X DELETE
[ "$got" = 405 ] || note "DELETE is answered with $got"
head -c 100000 /dev/zero | tr '\0' x >"$scratch/large"
get /metrics --data-binary "@$scratch/large"
[ "$got" = 405 ] || note "POST is answered with $got"

# ---- traces: ids that can be ids are logged, others are not ----

trace=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
grpc pratique.v1.DecisionService/Decide -H "traceparent: $trace" -H 'x-request-id: 3f2a-77'
logged counted "\"method\":\"decide\",\"call\":\"[01]-[0-9]*\",.*\"traceparent\":\"$trace\",\"request_id\":\"3f2a-77\""
grpc pratique.v1.DecisionService/BatchDecide -H "traceparent: ${trace/4bf9/aaaa}"
logged counted "\"method\":\"batch_decide\",.*\"traceparent\":\"${trace/4bf9/aaaa}\""
grpc pratique.v1.DecisionService/Decide -H 'traceparent: Secretive' -H 'x-request-id: Secretive Ltd'
! grep -q Secretive "$scratch/counted.log" || note 'the log has what a client put for an id'

# ---- addresses, and the end ----

exits 4 "$PRATIQUED" --store "$store" --listen "unix:$scratch/b.sock" --metrics-listen "$metrics"
complains 'cannot be listened on'
exits 2 "$PRATIQUED" --store "$store" --metrics-listen nowhere
complains '--metrics-listen'
exits 2 "$PRATIQUED" --store "$store" --metrics-listen 127.0.0.1:1 --metrics-listen 127.0.0.1:2
complains 'at most 1 address'
stop counted

# While it drains it is alive, and not ready.
start slow --store "$store" --listen "$socket" --metrics-listen "unix:$scratch/m.sock" --drain-delay 60
metrics=x
get /readyz --unix-socket "$scratch/m.sock"
[ "$got" = 200 ] || note "/readyz answers $got over a Unix socket"
kill -TERM "${pids[slow]}"
until grep -q '"event":"ending"' "$scratch/slow.log"; do sleep 0.02; done
until get /readyz --unix-socket "$scratch/m.sock" && [ "$got" = 503 ]; do
	kill -0 "${pids[slow]}" 2>/dev/null || { note 'the server ended before it was unready'; break; }
done
get /livez --unix-socket "$scratch/m.sock"
[ "$got" = 200 ] || note "/livez answers $got while it drains"
kill -TERM "${pids[slow]}"
ended slow 5
[ ! -e "$scratch/m.sock" ] || note 'the socket of the metrics is still there'

finish
