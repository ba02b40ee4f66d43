#!/usr/bin/env bash
# TLS: who is let in with which certificate, files that cannot be used, and files that change while connections stand.
# ctest: timeout=300
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_server.sh
source "$SRC/tests/e2e/lib_server.sh"
# shellcheck source=tests/e2e/lib_certs.sh
source "$SRC/tests/e2e/lib_certs.sh"

store=$scratch/toy.mdb
toy_store "$store"
question=(--as-of 2026-06-01 --type export --item machine --to FAR --value 50
	--party role=end_user,military_end_user=false --json)

authority ca
authority other
certificate server ca 30
certificate shop ca 30 DNS:shop.example
certificate late ca -1 DNS:shop.example
certificate stranger other 30 DNS:shop.example
tls=(--tls-cert "$scratch/server.pem" --tls-key "$scratch/server.key")
mutual=("${tls[@]}" --tls-client-ca "$scratch/ca.pem")
trust=(--tls-ca "$scratch/ca.pem")

as() {
	printf '%s\n' --tls-cert "$scratch/$1.pem" --tls-key "$scratch/$1.key"
}

# ask ADDRESS FLAG...: a decision, by whatever way the flags say.
ask() {
	local address=$1
	shift
	run "$PRATIQUE" decide --server "$address" --timeout 20000 "$@" "${question[@]}"
}

answered() {
	[ "$code" -eq 0 ] && [[ $out == *'"outcome":"LICENSE_EXCEPTION_AVAILABLE"'* ]] || note "$1: not answered: $err"
}

shut_out() {
	[ "$code" -eq 1 ] || note "$1: exit code $code instead of 1: $out"
	[ -n "$err" ] || note "$1: nothing is said"
}

# ---- the server's certificate alone ----

start plain --store "$store" --listen 127.0.0.1:0 --listen "unix:$scratch/s.sock" "${tls[@]}" --shards 2
address=$(address plain 1)
ask "$address" "${trust[@]}"
answered 'TLS'
ask "$address" --tls-ca "$scratch/other.pem"
shut_out 'an authority that did not sign the server'
ask "$address"
shut_out 'a plain connection to a TLS port'
ask "unix:$scratch/s.sock"
answered 'a Unix socket beside TLS'
exits 4 "$PRATIQUED" --store "$store" --listen "$address" "${tls[@]}"
complains 'cannot be listened on'
stop plain

# ---- both certificates ----

start mutual --store "$store" --listen 127.0.0.1:0 "${mutual[@]}" --shards 2
address=$(address mutual 1)
mapfile -t flags < <(as shop)
ask "$address" "${trust[@]}" "${flags[@]}"
answered 'mTLS'
ask "$address" "${trust[@]}"
shut_out 'no certificate'
# The connection does not come about; a server that let it in would refuse the call, for want of roles.
[[ $err != *UNAUTHENTICATED* ]] || note "a client without a certificate was let in, and its call refused: $err"
if command -v curl >/dev/null; then
	# Health asks for no role: only the handshake can keep this out.
	printf '\0\0\0\0\0' >"$scratch/empty"
	run curl -sSN --http2 --cacert "$scratch/ca.pem" -H 'content-type: application/grpc' -H 'te: trailers' \
		--data-binary "@$scratch/empty" -D "$scratch/head" "https://$address/grpc.health.v1.Health/Check"
	[ "$code" -ne 0 ] || note "health was told to a client without a certificate: $(<"$scratch/head")"
fi
mapfile -t flags < <(as stranger)
ask "$address" "${trust[@]}" "${flags[@]}"
shut_out 'a certificate of another authority'
mapfile -t flags < <(as late)
ask "$address" "${trust[@]}" "${flags[@]}"
shut_out 'an expired certificate'

# ---- files that change: a stream that stands goes on, new connections see what is new ----

if command -v curl >/dev/null; then
	printf '\0\0\0\0\0' >"$scratch/empty"
	curl -sSN --http2 --cacert "$scratch/ca.pem" --cert "$scratch/shop.pem" --key "$scratch/shop.key" \
		-H 'content-type: application/grpc' -H 'te: trailers' --data-binary "@$scratch/empty" \
		"https://$address/grpc.health.v1.Health/Watch" >"$scratch/watch" 2>"$scratch/watch.err" &
	watch=$!
	until [ -s "$scratch/watch" ] || ! kill -0 "$watch" 2>/dev/null; do sleep 0.02; done
fi

# wait_for TEXT: until the log has it.
wait_for() {
	until grep -q -- "$1" "$scratch/mutual.log"; do
		kill -0 "${pids[mutual]}" 2>/dev/null || { note "the server is gone before it logged $1"; return; }
		sleep 0.02
	done
}

# A key that does not belong to the certificate: what was served before stays.
cp "$scratch/server.key" "$scratch/server.key.before"
new_key server
kill -HUP "${pids[mutual]}"
wait_for '"event":"certificates_refused"'
logged mutual 'is not the key of the certificate'
mapfile -t flags < <(as shop)
ask "$address" "${trust[@]}" "${flags[@]}"
answered 'mTLS after a key that was refused'

# Now the certificate of that key, and by another authority: the old one is served no more.
certificate server other 30
kill -HUP "${pids[mutual]}"
wait_for '"event":"certificates_reloaded"'
ask "$address" "${trust[@]}" "${flags[@]}"
shut_out 'the old authority after the reload'
ask "$address" --tls-ca "$scratch/other.pem" "${flags[@]}"
answered 'mTLS with the new certificate'

# The authorities of clients change, too.
cat "$scratch/other.pem" >>"$scratch/ca.pem"
mapfile -t flags < <(as stranger)
ask "$address" --tls-ca "$scratch/other.pem" "${flags[@]}"
answered 'a client of an authority that was added'

if [ -n "${watch:-}" ]; then
	kill -0 "$watch" 2>/dev/null || note "the stream did not live through the reload: $(<"$scratch/watch.err")"
	stop mutual
	wait "$watch"
	# SERVING, and NOT_SERVING at the end: two messages of two bytes on one connection.
	[ "$(od -An -tx1 -v "$scratch/watch" | tr -d ' \n')" = 000000000208010000000002080"2" ] ||
		note "the watch was told: $(od -An -tx1 -v "$scratch/watch")"
else
	stop mutual
fi

# ---- files that cannot be used ----

# unusable FLAG FILE TEXT: the server does not start, and says why.
unusable() {
	local -a with=(--tls-cert "$scratch/shop.pem" --tls-key "$scratch/shop.key" --tls-client-ca "$scratch/ca.pem")
	exits 6 "$PRATIQUED" --store "$store" --listen 127.0.0.1:0 "${with[@]}" "$1" "$2"
	complains "$(basename "$2")"
	complains "$3"
}

echo nonsense >"$scratch/nonsense.pem"
chmod 600 "$scratch/nonsense.pem"
unusable --tls-cert "$scratch/none.pem" ''
unusable --tls-cert "$scratch" ''
unusable --tls-cert "$scratch/nonsense.pem" 'holds no certificate'
unusable --tls-cert "$scratch/late.pem" 'expired at'
unusable --tls-key "$scratch/nonsense.pem" 'no private key'
unusable --tls-key "$scratch/other.key" 'is not the key of the certificate'
openssl ec -in "$scratch/shop.key" -aes128 -passout pass:secret -out "$scratch/locked.key" 2>/dev/null
unusable --tls-key "$scratch/locked.key" 'passphrase'
cp "$scratch/shop.key" "$scratch/open.key"
chmod 644 "$scratch/open.key"
unusable --tls-key "$scratch/open.key" 'others may not read'
unusable --tls-client-ca "$scratch/nonsense.pem" 'holds no certificate'
unusable --tls-client-ca "$scratch/late.pem" 'valid now'
sed '5s/./#/' "$scratch/shop.pem" >"$scratch/broken.pem"
cat "$scratch/other.pem" "$scratch/broken.pem" >"$scratch/half.pem"
unusable --tls-client-ca "$scratch/half.pem" 'certificate 2 cannot be read'

# ---- flags of the client ----

exits 2 "$PRATIQUE" decide --server "$address" --tls-cert "$scratch/shop.pem" "${question[@]}"
complains --tls-key
exits 2 "$PRATIQUE" decide --server "$address" --tls-key "$scratch/shop.key" --tls-ca "$scratch/ca.pem" "${question[@]}"
complains --tls-cert
exits 2 "$PRATIQUE" decide --server "$address" --tls-cert "$scratch/shop.pem" --tls-key "$scratch/shop.key" "${question[@]}"
complains --tls-ca
exits 2 "$PRATIQUE" decide --store "$store" --tls-ca "$scratch/ca.pem" "${question[@]}"
complains 'without --server'
exits 2 "$PRATIQUE" cases --store "$store" --token-file "$scratch/shop.token" x.jsonl
complains 'without --server'
exits 1 "$PRATIQUE" decide --server "$address" --tls-ca "$scratch/none.pem" "${question[@]}"
complains none.pem
exits 1 "$PRATIQUE" decide --server "$address" "${trust[@]}" --tls-cert "$scratch/shop.pem" --tls-key "$scratch/open.key" "${question[@]}"
complains open.key
exits 2 "$PRATIQUE" inspect --tls-ca "$scratch/ca.pem" "$store"

finish
