#!/usr/bin/env bash
# How the server ends: drained on the first signal, at once on the second, and what it leaves behind when it is killed.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_server.sh
source "$SRC/tests/e2e/lib_server.sh"

store=$scratch/toy.mdb
toy_store "$store"
listen=(--listen "unix:$scratch/s.sock")
question=(--as-of 2026-06-01 --type export --item machine --to FAR --value 50
	--party role=end_user,military_end_user=false --json)

answers() {
	exits 0 "$PRATIQUE" decide --server "unix:$scratch/s.sock" "${question[@]}"
	says '"outcome":"LICENSE_EXCEPTION_AVAILABLE"'
}

for signal in TERM INT; do
	start "$signal" --store "$store" "${listen[@]}"
	answers
	kill -"$signal" "${pids[$signal]}"
	ended "$signal" 0
	logged "$signal" '"event":"ended"'
	logged "$signal" '"method":"decide","calls":1,"refused":0'
	[ ! -e "$scratch/s.sock" ] || note "the socket is still there after SIG$signal"
done

# While it drains it still answers; a second signal ends it at once, and the socket goes too.
start slow --store "$store" "${listen[@]}" --drain-delay 60
kill -TERM "${pids[slow]}"
until grep -q '"event":"ending"' "$scratch/slow.log"; do sleep 0.02; done
answers
began=$SECONDS
kill -TERM "${pids[slow]}"
ended slow 5
[ $((SECONDS - began)) -lt 30 ] || note 'the second signal was waited out'
[ ! -e "$scratch/s.sock" ] || note 'the socket is still there after the second signal'

# A server that was killed leaves its socket; the next one takes the place.
start killed --store "$store" "${listen[@]}"
kill -KILL "${pids[killed]}"
ended killed 137
[ -S "$scratch/s.sock" ] || note 'expected a stale socket'
start next --store "$store" "${listen[@]}"
answers
stop next

# What parties are called is never logged, not even at the lowest level, nor when the request is refused.
start quiet --store "$store" "${listen[@]}" --log-level debug
answers
exits 0 "$PRATIQUE" decide --server "unix:$scratch/s.sock" "${question[@]}"
run "$PRATIQUE" decide --server "unix:$scratch/s.sock" --as-of 2026-06-01 --type export --item machine --to Atlantis \
	--party role=end_user,name=Secretive --json
[ "$code" -ne 0 ] || note 'an unknown country was not refused'
logged quiet '"code":"INVALID_ARGUMENT"'
if grep -q 'Secretive\|Atlantis\|FAR' "$scratch/quiet.log"; then
	note "the log tells what was asked:"$'\n'"$(<"$scratch/quiet.log")"
fi
stop quiet

# Each line of a log is an object with time, level and event.
if grep -vE '^\{"time":"[0-9T:.-]+Z","level":"(debug|info|warn|error)","event":"[a-z_]+"[,}].*$' "$scratch/quiet.log"; then
	note 'these lines of the log are not as they should be'
fi

finish
