#!/usr/bin/env bash
# The exit codes that pratique(1) and pratiqued(8) promise for bad input, where no other script has asked already.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_server.sh
source "$SRC/tests/e2e/lib_server.sh"

cd "$scratch" || exit 1
toy_store one.mdb
exits 0 "$PRATIQUE" keygen -o law
exits 0 "$PRATIQUE" keygen -o other
exits 0 "$PRATIQUE" publish --data data --key other.key --activate one.mdb
socket=unix:$scratch/x.sock

# ---- 3: no law to serve ----
exits 3 "$PRATIQUED" --data data --trust none.pub --listen "$socket"
complains none.pub
exits 3 "$PRATIQUED" --data data --trust law.pub --listen "$socket"
complains 'is signed by no trusted key'
exits 3 "$PRATIQUED" --data data --trust one.mdb --listen "$socket"
complains one.mdb
exits 3 "$PRATIQUED" --data one.mdb --listen "$socket"
complains 'is not a directory'
exits 3 "$PRATIQUED" --data no/such --listen "$socket"
complains no/such
exits 3 "$PRATIQUED" --store "$scratch" --listen "$socket"
complains 'is not a regular file'

# ---- a directory and addresses that are taken ----
start first --data data --listen "unix:$scratch/s.sock" --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 \
	--metrics-listen 127.0.0.1:0
exits 3 "$PRATIQUED" --data data --listen "$socket"
complains 'is in use by process'
exits 1 "$PRATIQUE" revisions --data data
complains 'is in use by process'
for flag in 2--listen 3--admin-listen 4--metrics-listen; do
	exits 4 "$PRATIQUED" --store one.mdb --listen "$socket" "${flag#?}" "$(address first "${flag%%-*}")"
	complains 'cannot be listened on: Address already in use'
done
exits 4 "$PRATIQUED" --store one.mdb --listen unix:/no/such/folder/s
complains /no/such/folder/s
exits 4 "$PRATIQUED" --store one.mdb --listen 192.0.2.1:5 --insecure-public
complains 192.0.2.1:5
stop first

# ---- what others may not read, and not at all ----
if [ "$(id -u)" -ne 0 ]; then
	mkdir shut
	chmod 0 shut
	exits 3 "$PRATIQUED" --data shut --listen "$socket"
	complains shut
	exits 1 "$PRATIQUE" revisions --data shut
	complains shut
	chmod 700 shut
fi
exits 6 "$PRATIQUED" --store one.mdb --listen "$socket" --tokens none
complains none

# ---- servers that cannot be asked ----
for command in decide revisions replicas; do
	with=()
	[ "$command" != decide ] || with=(--as-of 2026-06-01 --type export)
	exits 2 "$PRATIQUE" "$command" --server "" "${with[@]}"
	complains --server
	exits 2 "$PRATIQUE" "$command" --server "$socket" --timeout 0 "${with[@]}"
	complains --timeout
	exits 2 "$PRATIQUE" "$command" --server "$socket" --tls-cert a "${with[@]}"
	complains --tls-key
	exits 2 "$PRATIQUE" "$command" --server "$socket" --tls-ca a --tls-key b "${with[@]}"
	complains --tls-cert
	exits 2 "$PRATIQUE" "$command" --server 192.0.2.1:5 --token-file a "${with[@]}"
	complains --token-file
	exits 1 "$PRATIQUE" "$command" --server "$socket" --timeout 5000 "${with[@]}"
	complains "$socket"
	exits 1 "$PRATIQUE" "$command" --server "$socket" --token-file none "${with[@]}"
	complains none
	exits 1 "$PRATIQUE" "$command" --server "$socket" --tls-ca none.pem "${with[@]}"
	complains none.pem
done
finish
