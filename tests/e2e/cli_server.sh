#!/usr/bin/env bash
# The command line as a client: a server gives the answers that the store gives.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"

store=$scratch/toy.mdb
address=unix:$scratch/s
toy_store "$store"

exec 3< <(exec "$PRATIQUED" --store "$store" --listen "$address" --ready-fd 4 4>&1 >"$scratch/log" 2>&1)
server=$!
trap 'kill "$server" 2>/dev/null; rm -rf "$scratch"' EXIT
if ! read -r -t 30 line <&3 || [ -z "$line" ]; then
	cat "$scratch/log"
	echo "the server did not start"
	exit 1
fi

# same ARGUMENTS: the decision is the same text from both.
same() {
	exits 0 "$PRATIQUE" decide --json --store "$store" "$@"
	local here=$out
	exits 0 "$PRATIQUE" decide --json --server "$address" "$@"
	[ "$out" = "$here" ] || note "store and server differ: $*"$'\n'"$here"$'\n'"$out"
	exits 0 "$PRATIQUE" decide --store "$store" "$@"
	here=$out
	exits 0 "$PRATIQUE" decide --server "$address" "$@"
	[ "$out" = "$here" ] || note "the pages of store and server differ: $*"$'\n'"$here"$'\n'"$out"
}

base=(--as-of 2026-06-01 --type export --item machine)
party=(--party role=end_user,military_end_user=false)
same "${base[@]}" --to FAR --value 100 "${party[@]}"
same "${base[@]}" --to FAR --value 100.01 "${party[@]}"
same "${base[@]}" --to FOE "${party[@]}"
same "${base[@]}" --to NEAR
same "${base[@]}" --to FAR
same "${base[@]}" --to null --value null "${party[@]}"
same "${base[@]}" --to FAR --value 5 --party role=buyer,military_end_user=null --party role=end_user
same "${base[@]}" --to FAR --value 5 --as-of 2019-12-31
same "${base[@]}" --to FOE --as-of 2030-02-01 "${party[@]}"
cat >"$scratch/lines.json" <<-'JSON'
	{"as_of": "2026-06-01", "transaction_type": "export", "destination": "FAR",
	 "item": {"lines": [{"eccn": "machine", "value_usd": 60}, {"eccn": "bread", "value_usd": 500}]},
	 "parties": [{"role": "end_user", "military_end_user": false}]}
JSON
same "$scratch/lines.json"
same "$scratch/lines.json" --near-misses --profile warlike
same "${base[@]}" --to FAR --value 50 --party role=end_user --profile peaceful --near-misses=2
same "${base[@]}" --to FAR --value 5000 --party role=end_user --assume party.military_end_user=false --near-misses
sed 's/bread/wine/' "$scratch/lines.json" >"$scratch/bad-line.json"
same "$scratch/bad-line.json"
exits 0 "$PRATIQUE" explain --store "$store" "$scratch/bad-line.json"
here=$out
exits 0 "$PRATIQUE" explain --server "$address" "$scratch/bad-line.json"
[ "$out" = "$here" ] || note "store and server explain in different words"
exits 3 "$PRATIQUE" decide --server "$address" "${base[@]}" --profile nobody --assume nonsense=1
complains "nobody"
complains "assume.nonsense"

exits 3 "$PRATIQUE" decide --server "$address" "${base[@]}" --to ATLANTIS --value -1 --fact nonsense=1
complains "destination"
complains "value_usd"
complains "nonsense"

exits 0 "$PRATIQUE" cases --server "$address" "$scratch/toy/cases/law.jsonl"
says "3 passed, 0 failed"
exits 0 "$PRATIQUE" cases --server "$address" --json "$scratch/toy/cases/law.jsonl"
over_wire=$out
exits 0 "$PRATIQUE" cases --store "$store" --json "$scratch/toy/cases/law.jsonl"
[ "$out" = "$over_wire" ] || note "cases differ between store and server"

kill "$server"
for _ in $(seq 100); do
	kill -0 "$server" 2>/dev/null || break
	sleep 0.1
done
exits 1 "$PRATIQUE" decide --server "$address" --timeout 500 "${base[@]}" --to NEAR
[ -n "$err" ] || note "nothing said of a server that has gone"
finish
