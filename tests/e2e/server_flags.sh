#!/usr/bin/env bash
# What the server is told: wrong flags and variables are named, stores and addresses that cannot be had end it with a code
# of their own, and nothing but this machine reaches it unasked.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_server.sh
source "$SRC/tests/e2e/lib_server.sh"

store=$scratch/toy.mdb
toy_store "$store"
socket=unix:$scratch/s.sock

exits 0 "$PRATIQUED" --help
says '--listen ADDRESS'
says 'PRATIQUE_STORE'
exits 0 "$PRATIQUED" --version
says pratiqued

# Each wrong value names the flag or the variable.
exits 2 "$PRATIQUED"
complains '--store: is missing'
exits 2 "$PRATIQUED" --no-such-flag
complains '--no-such-flag'
exits 2 "$PRATIQUED" --store
complains '--store: needs a value'
for wrong in '--shards 0' '--shards many' '--shards 1000' '--grace -1' '--max-message-bytes 5' '--log-level loud' \
	'--ready-fd 1' '--max-concurrent-streams 0' '--drain-delay 1h' \
	'--handshake-timeout 0' '--handshake-timeout 1s' '--max-connection-idle never' '--max-connections 0' '--keepalive never' \
	'--guard maybe' '--max-buffer-bytes 5' '--max-connection-age -1'; do
	# shellcheck disable=SC2086
	exits 2 "$PRATIQUED" --store "$store" $wrong
	complains "${wrong%% *}"
done
exits 2 env PRATIQUE_SHARDS=none "$PRATIQUED" --store "$store"
complains PRATIQUE_SHARDS
exits 2 env PRATIQUE_LISTEN=127.0.0.1:0,nowhere "$PRATIQUED" --store "$store"
complains 'PRATIQUE_LISTEN: "nowhere"'
for wrong in 127.0.0.1 127.0.0.1:99999 ::1:80 '[127.0.0.1]:80' example.org:80 unix: :80 "unix:$(printf '%0120d' 0)"; do
	exits 2 "$PRATIQUED" --store "$store" --listen "$wrong"
	complains --listen
done

# Others reach it only when that is asked for.
for public in 0.0.0.0:0 '[::]:0' 192.0.2.1:0; do
	exits 2 "$PRATIQUED" --store "$store" --listen "$public"
	complains --insecure-public
done
start public --store "$store" --listen 0.0.0.0:0 --insecure-public
stop public

# Stores that cannot be opened.
exits 3 "$PRATIQUED" --store "$scratch/none.mdb" --listen "$socket"
complains none.mdb
head -c 5000 "$store" >"$scratch/cut.mdb"
exits 3 "$PRATIQUED" --store "$scratch/cut.mdb" --listen "$socket"
complains cut.mdb

# Records of what was verified: a second start believes them, and not once the file has been touched.
mkdir -m 0777 "$scratch/open"
chmod 0777 "$scratch/open"
exits 3 "$PRATIQUED" --store "$store" --listen "$socket" --verified-cache "$scratch/open"
complains "$scratch/open: is no safe place"
if [ "$(stat -f -c %T "$scratch")" != tmpfs ]; then
	cp "$store" "$scratch/known.mdb"
	sleep 4
	start hashed --store "$scratch/known.mdb" --listen "$socket" --verified-cache "$scratch/verified"
	stop hashed
	logged hashed '"verified":"in full"'
	start known --store "$scratch/known.mdb" --listen "$socket" --verified-cache "$scratch/verified"
	stop known
	logged known '"verified":"by record"'
	printf '\001' | dd of="$scratch/known.mdb" bs=1 seek=9000 conv=notrunc status=none
	touch -r "$store" "$scratch/known.mdb"
	exits 3 "$PRATIQUED" --store "$scratch/known.mdb" --listen "$socket" --verified-cache "$scratch/verified"
	complains 'known.mdb: is damaged'
fi

# Addresses that cannot be had.
touch "$scratch/file"
exits 4 "$PRATIQUED" --store "$store" --listen "unix:$scratch/file"
complains 'is no socket'
start first --store "$store" --listen "$socket" --listen 127.0.0.1:0
exits 4 "$PRATIQUED" --store "$store" --listen "$socket"
complains 'another process listens on it'
exits 4 "$PRATIQUED" --store "$store" --listen "$(address first 2)"
complains 'cannot be listened on'
[ -S "$scratch/s.sock" ] || note 'the socket of the first server is gone'
stop first
[ ! -e "$scratch/s.sock" ] || note 'the socket is still there'

# The environment does what flags do; a flag goes first.
export PRATIQUE_STORE=$scratch/none.mdb PRATIQUE_LISTEN=unix:$scratch/a.sock,unix:$scratch/b.sock PRATIQUE_SHARDS=1
start environment --store "$store"
[ "$(wc -l <"$scratch/environment.ready")" -eq 2 ] || note 'not both addresses of PRATIQUE_LISTEN'
logged environment '"shards":1'
stop environment

finish
