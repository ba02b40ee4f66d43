#!/usr/bin/env bash
# What callers say and show goes into answers and nowhere else: marked names, values, metadata, tokens and keys are looked
# for in the log at every level, in the metrics, and in the directory of revisions.
# ctest: timeout=300
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_server.sh
source "$SRC/tests/e2e/lib_server.sh"
command -v python3 >/dev/null || { echo 'needs python3'; exit 77; }

mark=zyxmark
store=$scratch/toy.mdb
toy_store "$store"
printf '%s-good-token-0123456789' "$mark" >"$scratch/good.token"
printf '%s-bad-token-01234567890' "$mark" >"$scratch/bad.token"
printf '%s-admin-token-012345678' "$mark" >"$scratch/admin.token"
chmod 600 "$scratch"/*.token
{
	printf 'decide %s\n' "$(sha256sum <"$scratch/good.token" | cut -d' ' -f1)"
	for role in publish admin; do printf '%s %s\n' "$role" "$(sha256sum <"$scratch/admin.token" | cut -d' ' -f1)"; done
} >"$scratch/tokens"
chmod 600 "$scratch/tokens"

# A request with the mark wherever a text may stand; $1 is the destination, $2 more facts.
request() {
	printf '{"transaction_type": "export", "item": {"eccn": "machine"}, "destination": "%s", "value_usd": 50, %s' "$1" "$2"
	printf '"parties": [{"role": "end_user", "name": "%s Works", "military_end_user": false}]}\n' "$mark"
}
request FAR '' >"$scratch/good.json"
request "$mark" '' >"$scratch/place.json"
request FAR "\"end_use\": \"$mark\", " >"$scratch/use.json"
request FAR "\"facts\": {\"$mark\": \"$mark\"}, " >"$scratch/fact.json"

# Of one server: calls that succeed, and calls that fail in as many ways as there are.
calls() {
	local address=$1 file token
	for file in good place use fact; do
		for token in good bad; do
			run "$PRATIQUE" decide --server "$address" --token-file "$scratch/$token.token" --as-of 2026-06-01 --json \
				"$scratch/$file.json"
			[ "$file-$token" != good-good ] || says '"outcome":"LICENSE_EXCEPTION_AVAILABLE"'
		done
	done
	run python3 - "$SRC/tests/abuse" "$address" "$mark" "$(<"$scratch/good.token")" <<-'PYTHON'
		import sys
		sys.path.insert(0, sys.argv[1])
		from h2 import BATCH, DECIDE, Connection
		from kinds import field
		mark = sys.argv[3].encode()
		shown = (b"authorization", b"Bearer " + sys.argv[4].encode())
		party = field(10, field(1, b"end_user") + field(3, mark))
		good = field(1, b"2026-06-01") + field(3, b"export") + field(6, b"FAR") + field(8, field(1, b"machine")) + party
		bodies = [good, good + field(5, mark), field(1, mark), mark, good + field(15, field(1, mark)), b"\xff" + mark,
		          field(10, field(3, mark + b"\xff"))]
		more = [(), ((b"x-request-id", mark),), ((b"traceparent", mark * 8),), ((b"x-name", mark),),
		        ((b"grpc-encoding", mark),), ((b"user-agent", mark),), ((b"grpc-timeout", mark),), ((b"x-bin-bin", mark + b"!"),),
		        ((mark, mark),), ((b"grpc-timeout", b"1n"),), ((b"x-large", mark * 2000),), ((b"content-type", mark),)]
		answered = 0
		for path in (DECIDE, BATCH, "/pratique.v1.DecisionService/StreamDecide", "/" + sys.argv[3] + "/Call",
		             "/grpc.health.v1.Health/Check", "/pratique.v1.RevisionService/Activate"):
		    for body in bodies:
		        for pairs in more if body is good or body is mark else more[:1]:
		            sent = field(1, body) if path != DECIDE else body
		            try:
		                answered += len(Connection(sys.argv[2]).ask(sent, path, 20, shown, *pairs)) > 0
		            except Exception as error:
		                print(path, pairs, repr(error))
		assert answered > 10, answered
		ask = Connection(sys.argv[2]).ask
		assert mark in ask(good + field(5, mark), DECIDE, 20, shown) or ask(good, DECIDE, 20, shown)
	PYTHON
	[ "$code" -eq 0 ] || note "the calls by hand: $out $err"
}

# clean FILE...: none of them holds the mark, or a piece of a token.
clean() {
	local file
	for file in "$@"; do
		[ ! -s "$file" ] || ! grep -qai -e "$mark" -e "$(printf %s "$mark" | base64 | cut -c1-8)" "$file" ||
			note "$(basename "$file") holds what a caller said: $(grep -ai -m1 -e "$mark" "$file" | cut -c1-300)"
	done
}

for level in debug info warn error; do
	start "$level" --store "$store" --listen "unix:$scratch/$level.sock" --metrics-listen "unix:$scratch/$level.http" \
		--tokens "$scratch/tokens" --admin-on-main --log-level "$level" --shards 2
	calls "unix:$scratch/$level.sock"
	if command -v curl >/dev/null; then
		run curl -sS --unix-socket "$scratch/$level.http" http://localhost/metrics
		says grpc_server_handled_total
		printf '%s' "$out" >"$scratch/$level.metrics"
		run curl -sS --unix-socket "$scratch/$level.http" "http://localhost/$mark"
	fi
	stop "$level"
	clean "$scratch/$level.log" "$scratch/$level.metrics"
done
logged debug '"event":"call"'
logged debug '"code":"INVALID_ARGUMENT"'
logged debug '"code":"UNAUTHENTICATED"'

# A directory of revisions: what is decided leaves nothing there.
"$PRATIQUE" keygen "$scratch/key" >/dev/null 2>&1
run "$PRATIQUE" publish --data "$scratch/data" --sequence 1 "$store"
[ "$code" -eq 0 ] || note "publish: $err"
run "$PRATIQUE" activate --data "$scratch/data" 1
[ "$code" -eq 0 ] || note "activate: $err"
start kept --data "$scratch/data" --listen "unix:$scratch/kept.sock" --tokens "$scratch/tokens" --log-level debug --admin-on-main
calls "unix:$scratch/kept.sock"
stop kept
clean "$scratch/kept.log"
while IFS= read -r -d '' file; do clean "$file"; done < <(find "$scratch/data" -type f -print0)

# The test sees what it looks for.
[ "$failures" -gt 0 ] || {
	echo "$mark" >"$scratch/told"
	(clean "$scratch/told" >"$scratch/seen")
	grep -q FAIL "$scratch/seen" || note 'the mark is not found where it is'
}
finish
