#!/usr/bin/env bash
# Eight shards under calls from many clients at once, over both kinds of address, with answers sent together and without:
# every call is answered, and none differently.
#
# ctest: labels=tsan timeout=120
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_server.sh
source "$SRC/tests/e2e/lib_server.sh"

clients=8 calls=3
store=$scratch/toy.mdb
toy_store "$store"
question=(--as-of 2026-06-01 --type export --item machine --to FAR --value 50
	--party 'role=end_user,military_end_user=false' --json)

exits 0 "$PRATIQUE" decide --store "$store" "${question[@]}"
says '"outcome":"LICENSE_EXCEPTION_AVAILABLE"'

# ask NUMBER ADDRESS: some calls, one after the other; the answers in a file.
ask() {
	local i
	for ((i = 0; i < calls; i++)); do
		timeout 60 "$PRATIQUE" decide --server "$2" "${question[@]}" || return 1
	done >"$scratch/answers.$1" 2>&1
}

for merge in on off; do
	start "$merge" --store "$store" --listen "unix:$scratch/s.sock" --listen 127.0.0.1:0 --shards 8 \
		--merge-replies "$merge"
	logged "$merge" '"shards":8'
	asking=()
	for ((client = 0; client < clients; client++)); do
		ask "$client" "$(address "$merge" $((client % 2 + 1)))" &
		asking+=($!)
	done
	for client in "${asking[@]}"; do
		wait "$client" || note 'a client was not answered'
	done
	answers=$(cat "$scratch"/answers.* | wc -l)
	[ "$answers" -eq $((clients * calls)) ] || note "$answers answers instead of $((clients * calls))"
	kinds=$(sort -u "$scratch"/answers.* | wc -l)
	[ "$kinds" -eq 1 ] || note "$kinds different answers to one question"
	stop "$merge"
	logged "$merge" "\"method\":\"decide\",\"calls\":$((clients * calls)),\"refused\":0"
	rm -f "$scratch"/answers.*
done

finish
