#!/usr/bin/env bash
# The clients of clients/, built by the lines of their READMEs, against real servers: ./dev test-clients [LANGUAGE...].
#
# Every client must print clients/answers.txt: over a Unix socket, over TCP, over TLS with certificates on both sides,
# and where the first attempt of every call is turned down. With CLIENTS_UPDATE=1 the first one writes it anew.
#
# In a README, "<!-- build -->" and "<!-- run -->" stand before the blocks that are run here, as they are; only the
# target is put in.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
export SRC=$PWD
PRATIQUE=${PRATIQUE:-$PWD/build/release/pratique} PRATIQUED=${PRATIQUED:-$PWD/build/release/pratiqued}
target=unix:/run/pratique/pratique.sock
# shellcheck source=tests/e2e/lib_cli.sh
source tests/e2e/lib_cli.sh
# shellcheck source=tests/e2e/lib_certs.sh
source tests/e2e/lib_certs.sh
# shellcheck source=tests/e2e/lib_server.sh
source tests/e2e/lib_server.sh

[ "$#" -gt 0 ] || set -- python c cpp go java node ruby
for language in "$@"; do
	[ -e "clients/$language/README.md" ] || { echo "no client in clients/$language"; exit 2; }
done

# block KIND README: the lines of the block that follows "<!-- KIND -->".
block() {
	awk -v mark="<!-- $1 -->" '$0 == mark { found = 1; next } found && /^```$/ { exit } found && !/^```/' "$2"
}

# listed LANGUAGE: ./dev installs every package that the README names.
listed() {
	local name
	for name in $(block install "clients/$1/README.md" | tr -d '\\' | sed 's/.*--no-install-recommends//'); do
		grep -q "^	\"$name " dev || note "clients/$1/README.md names $name, which is not among the packages in ./dev"
	done
}

# build LANGUAGE: by its README; the script that runs it goes to $scratch/LANGUAGE.
build() {
	local page=clients/$1/README.md began=$SECONDS
	block build "$page" >"$scratch/$1.build"
	block run "$page" | sed "s|$target|\"\$@\"|" >"$scratch/$1"
	if [ ! -s "$scratch/$1.build" ] || ! grep -qF '"$@"' "$scratch/$1"; then
		note "$page lacks a build block or a run block with $target"
		return 1
	fi
	if ! bash -euo pipefail "$scratch/$1.build" >"$scratch/$1.log" 2>&1; then
		note "$1 does not build:"$'\n'"$(<"$scratch/$1.log")"
		return 1
	fi
	echo "$1: built in $((SECONDS - began)) s"
}

# answers LANGUAGE WAY ARGUMENT...: what it prints is clients/answers.txt.
answers() {
	local language=$1 way=$2
	shift 2
	exits 0 timeout 120 bash "$scratch/$language" "$@"
	[ "$code" -eq 0 ] || return 0
	if ! cmp -s "$scratch/.out" clients/answers.txt; then
		note "$language over $way does not print clients/answers.txt:"$'\n'"$(diff clients/answers.txt "$scratch/.out")"
	fi
}

began=$SECONDS
"$PRATIQUE" compile rules/us rules/us-ear rules/us-itar -o "$scratch/us.mdb" >/dev/null || exit 1
authority ca
certificate server ca 30
certificate client ca 30
# Netty reads keys in PKCS #8 only; all others do, too.
openssl pkcs8 -topk8 -nocrypt -in "$scratch/client.key" -out "$scratch/client.pkcs8" || exit 1
echo 'decide cn:client' >"$scratch/roles"

# From a catalog, for a store alone has no sequence that a client could ask for.
exits 0 "$PRATIQUE" publish --data "$scratch/data" "$scratch/us.mdb" --activate
cp -r "$scratch/data" "$scratch/data-tls"
start plain --data "$scratch/data" --listen "unix:$scratch/plain.sock" --listen 127.0.0.1:0
start tls --data "$scratch/data-tls" --listen 127.0.0.1:0 --tls-cert "$scratch/server.pem" \
	--tls-key "$scratch/server.key" --tls-client-ca "$scratch/ca.pem" --roles "$scratch/roles"
[ "$failures" -eq 0 ] || finish
mkfifo "$scratch/relay.fifo"
/usr/bin/python3 tests/clients_relay.py "unix:$scratch/plain.sock" "unix:$scratch/relay.sock" >"$scratch/relay.fifo" &
pids[relay]=$!
read -r line <"$scratch/relay.fifo" || note "the relay is not ready: ${line:-it ended}"

for language in "$@"; do
	listed "$language"
	build "$language" || continue
	if [ -n "${CLIENTS_UPDATE:-}" ]; then
		bash "$scratch/$language" "unix:$scratch/plain.sock" >clients/answers.txt || exit 1
		git --no-pager diff --stat -- clients/answers.txt
		CLIENTS_UPDATE=
	fi
	answers "$language" 'a Unix socket' "unix:$scratch/plain.sock"
	answers "$language" TCP "$(address plain 2)"
	answers "$language" 'a server that turns down first attempts' "unix:$scratch/relay.sock"
	mtls=(--ca "$scratch/ca.pem" --cert "$scratch/client.pem" --key "$scratch/client.pkcs8")
	answers "$language" TLS "${mtls[@]}" "$(address tls 1 | sed 's/127.0.0.1/localhost/')"
	echo "$language: compared"
done

stop plain
stop tls
kill -TERM "${pids[relay]}"
ended relay 0
echo "$((SECONDS - began)) s"
finish
