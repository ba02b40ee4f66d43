#!/usr/bin/env bash
# Asking for law that is new enough, with the real programs: a publisher, a replica that waits for what is not there yet,
# and one whose publisher is gone.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_server.sh
source "$SRC/tests/e2e/lib_server.sh"

cd "$scratch" || exit 1
toy_pack toy
exits 0 "$PRATIQUE" compile toy -o one.mdb
sed -i 's/A small law/A small law, amended/' toy/pack.yaml
exits 0 "$PRATIQUE" compile toy -o two.mdb
question=(--as-of 2026-03-02 --type export --item machine --to NEAR --value 50)

# decide NAME CODE FLAG...
decide() {
	local name=$1 code=$2
	shift 2
	exits "$code" "$PRATIQUE" decide --server "$(address "$name" 1)" "${question[@]}" "$@"
}

start store --store one.mdb --listen "unix:$scratch/store.sock"
decide store 0 --max-age 1
lacks "Revision"
decide store 1 --min-revision 1
complains "min_revision: revision 1 is asked for, and this server has a store (--store)"
stop store
exits 2 "$PRATIQUE" decide --store one.mdb "${question[@]}" --min-revision 1
complains "asked of a server"
for wrong in 0 -1 x 1x ''; do
	exits 2 "$PRATIQUE" decide --server x "${question[@]}" --min-revision "$wrong"
	complains "--min-revision"
	exits 2 "$PRATIQUE" decide --server x "${question[@]}" --max-age "$wrong"
	complains "--max-age"
done
exits 2 "$PRATIQUE" decide --server x "${question[@]}" --max-age 100000d

exits 0 "$PRATIQUE" publish --data publisher one.mdb --activate
start publisher --data publisher --listen 127.0.0.1:0 --admin-on-main
start replica --data replica --follow "$(address publisher 1)" --listen "unix:$scratch/replica.sock"
decide publisher 0 --min-revision 1 --max-age 30s
says "Revision 1, in force there since 20"
says "known to be so 0 seconds"
decide publisher 1 --min-revision 2
complains "min_revision: revision 2 is asked for, and this server has 1"

# The replica has it, or waits for it.
for _ in 1 2 3 4 5; do
	run "$PRATIQUE" decide --server "unix:$scratch/replica.sock" "${question[@]}" --min-revision 1 --timeout 60000
	[ "$code" -eq 0 ] && break
	# It has no revision at all yet.
	sleep 1
done
says "Revision 1, in force there since 20"
"$PRATIQUE" decide --server "unix:$scratch/replica.sock" "${question[@]}" --json --min-revision 2 --timeout 60000 \
	>waited 2>&1 &
waiter=$!
exits 0 "$PRATIQUE" publish --server "$(address publisher 1)" two.mdb --activate
wait "$waiter" || note "the replica did not wait for revision 2:"$'\n'"$(<waited)"
out=$(<waited)
says '"revision":{"digest":"'
says '"sequence":2,'
decide publisher 0 --json
says '"sequence":2,'
says '"age_s":0}}'

# Its publisher is gone: what it knows ages, and it does not wait for ever.
stop publisher
decide replica 1 --min-revision 3 --timeout 3000
complains "min_revision: revision 3 is asked for, and this server has 2"
for _ in {1..60}; do
	run "$PRATIQUE" decide --server "unix:$scratch/replica.sock" "${question[@]}" --max-age 2
	[ "$code" -ne 0 ] && break
	sleep 1
done
complains "max_age_s: what this server knows of the revision in force is"
decide replica 0 --max-age 1d
stop replica
finish
