#!/usr/bin/env bash
# Roles: by certificate and by token, where administration is offered, and what is not let be reached by others.
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
socket=unix:$scratch/s.sock
question=(--as-of 2026-06-01 --type export --item machine --to FAR --value 50
	--party role=end_user,military_end_user=false --json)

ask() {
	local address=$1
	shift
	run "$PRATIQUE" decide --server "$address" --timeout 20000 "$@" "${question[@]}"
}

answered() {
	[ "$code" -eq 0 ] && [[ $out == *'"outcome":"LICENSE_EXCEPTION_AVAILABLE"'* ]] || note "$1: not answered: $err"
}

# refused WHAT TEXT
refused() {
	[ "$code" -eq 1 ] || note "$1: exit code $code instead of 1: $out"
	[[ $err == *"$2"* ]] || note "$1: no \"$2\" in: $err"
}

# token NAME TEXT: a file with the token, for the client.
token() {
	printf '%s\n' "$2" >"$scratch/$1.token"
	chmod 600 "$scratch/$1.token"
}

digest() {
	printf %s "$1" | sha256sum | cut -d' ' -f1
}

# ---- tokens, over a Unix socket ----

token shop shop-secret
token ship ship-secret
token wrong shop-secreu
{
	echo '# who may ask'
	echo "decide $(digest shop-secret)"
	echo
	echo "  publish	$(digest ship-secret | tr a-f A-F)  "
} >"$scratch/tokens"
chmod 600 "$scratch/tokens"
start tokens --store "$store" --listen "$socket" --tokens "$scratch/tokens" --log-level debug
ask "$socket" --token-file "$scratch/shop.token"
answered 'the right token'
ask "$socket"
refused 'no token' 'needs the role decide'
ask "$socket" --token-file "$scratch/wrong.token"
refused 'a wrong token' 'is not known here'
ask "$socket" --token-file "$scratch/ship.token"
refused 'a token of another role' 'which the caller does not have'
logged tokens '"code":"UNAUTHENTICATED"'
logged tokens '"code":"PERMISSION_DENIED"'
! grep -q 'shop-secre\|ship-secret' "$scratch/tokens.log" || note 'the log tells tokens'

# A token that is taken out of the file is good no more; a file that cannot be read leaves things as they were.
wait_for() {
	until grep -q -- "$1" "$scratch/tokens.log"; do
		kill -0 "${pids[tokens]}" 2>/dev/null || { note "the server is gone before it logged $1"; return; }
		sleep 0.02
	done
}
echo "decide not-a-digest" >>"$scratch/tokens"
kill -HUP "${pids[tokens]}"
wait_for '"event":"roles_refused"'
logged tokens 'tokens:5: what follows the role is no SHA-256'
ask "$socket" --token-file "$scratch/shop.token"
answered 'a token after a file that was refused'
echo "decide $(digest ship-secret)" >"$scratch/tokens"
kill -HUP "${pids[tokens]}"
wait_for '"event":"roles_reloaded"'
ask "$socket" --token-file "$scratch/ship.token"
answered 'a token that got a role'
ask "$socket" --token-file "$scratch/shop.token"
refused 'a token that was taken out' 'is not known here'
stop tokens

# ---- certificates ----

authority ca
certificate server ca 30
certificate shop ca 30 DNS:shop.example
certificate ship ca 30 URI:spiffe://example/ship
certificate jo ca 30 DNS:jo.example
certificate nobody ca 30 DNS:shop.example.org
tls=(--tls-cert "$scratch/server.pem" --tls-key "$scratch/server.key" --tls-client-ca "$scratch/ca.pem")
cat >"$scratch/roles" <<'ROLES'
decide dns:shop.example
decide uri:spiffe://example/ship
publish uri:spiffe://example/ship
admin cn:jo
ROLES
start roles --store "$store" --listen 127.0.0.1:0 --listen "$socket" "${tls[@]}" --roles "$scratch/roles" \
	--tokens "$scratch/tokens" --admin-listen "unix:$scratch/admin.sock"
address=$(address roles 1)
for name in shop ship jo nobody; do
	ask "$address" --tls-ca "$scratch/ca.pem" --tls-cert "$scratch/$name.pem" --tls-key "$scratch/$name.key"
	case $name in
	jo | nobody) refused "the certificate of $name" 'needs the role decide, which the caller does not have' ;;
	*) answered "the certificate of $name" ;;
	esac
done
# A certificate without the role, and a token with it.
ask "$address" --tls-ca "$scratch/ca.pem" --tls-cert "$scratch/nobody.pem" --tls-key "$scratch/nobody.key" \
	--token-file "$scratch/ship.token"
answered 'a certificate without the role and a token with it'
# A wrong token is refused whatever else there is.
ask "$address" --tls-ca "$scratch/ca.pem" --tls-cert "$scratch/shop.pem" --tls-key "$scratch/shop.key" \
	--token-file "$scratch/wrong.token"
refused 'a certificate with the role and a wrong token' 'is not known here'
# A Unix socket has no certificates.
ask "$socket"
refused 'a Unix socket without a token' 'needs the role decide'
# What is asked elsewhere is not answered among administration.
ask "unix:$scratch/admin.sock" --token-file "$scratch/ship.token"
refused 'a decision of the admin listener' 'no such method'
stop roles
[ ! -e "$scratch/admin.sock" ] || note 'the admin socket is still there'

# "*": everybody decides, without a name.
echo 'decide *' >"$scratch/everybody"
start everybody --store "$store" --listen "$socket" --listen 127.0.0.1:0 "${tls[@]}" --roles "$scratch/everybody"
ask "$socket"
answered 'everybody'
stop everybody

# ---- streams and batches are guarded as single decisions are; health is not ----

if command -v curl >/dev/null; then
	echo "decide $(digest ship-secret)" >"$scratch/tokens"
	start guarded --store "$store" --listen "$socket" --tokens "$scratch/tokens"
	printf '\0\0\0\0\0' >"$scratch/empty"
	# grpc METHOD CURL-FLAG...: the status, from headers or trailers. Where a stream is ended before its message is sent,
	# curl may take that for a broken stream and show nothing; it is then asked again.
	grpc() {
		local try
		for try in {1..50}; do
			curl -sS --max-time 60 --http2-prior-knowledge --unix-socket "$scratch/s.sock" -D "$scratch/.head" -o /dev/null \
				-H 'content-type: application/grpc' -H 'te: trailers' --data-binary "@$scratch/empty" "${@:2}" \
				"http://x/$1" 2>"$scratch/.curl"
			grep -q '^grpc-status' "$scratch/.head" && break
		done
		sed -n 's/^grpc-status: *\([0-9]*\).*/\1/p' "$scratch/.head"
	}
	for method in Decide BatchDecide StreamDecide; do
		[ "$(grpc "pratique.v1.DecisionService/$method")" = 16 ] || note "$method without a token: $(<"$scratch/.head")"
		grep -q '^grpc-status-details-bin: ' "$scratch/.head" || note "$method: no details: $(<"$scratch/.head")"
		got=$(grpc "pratique.v1.DecisionService/$method" -H 'authorization: bearer ship-secret')
		[[ $got =~ ^(0|3)$ ]] || note "$method with a token: $(<"$scratch/.head")"
		[ "$(grpc "pratique.v1.DecisionService/$method" -H 'authorization: Basic x')" = 16 ] || note "$method with Basic"
	done
	[ "$(grpc grpc.health.v1.Health/Check)" = 0 ] || note "health asks for a role: $(<"$scratch/.head")"
	[ "$(grpc grpc.reflection.v1.ServerReflection/ServerReflectionInfo)" = 16 ] || note 'reflection asks for no role'
	stop guarded
fi

# ---- what is wrong is said ----

exits 2 "$PRATIQUED" --store "$store" --tls-cert x
complains '--tls-cert: needs its key'
exits 2 "$PRATIQUED" --store "$store" --tls-key x
complains '--tls-key: needs its certificate'
exits 2 "$PRATIQUED" --store "$store" --tls-client-ca x
complains '--tls-client-ca: needs'
exits 2 "$PRATIQUED" --store "$store" --roles x
complains '--roles: goes by the certificates'
exits 2 "$PRATIQUED" --store "$store" --listen 0.0.0.0:0 --insecure-public --tokens "$scratch/tokens"
complains 'tokens would come there'
exits 2 "$PRATIQUED" --store "$store" --admin-listen 0.0.0.0:0
complains '--admin-listen: other machines reach'
exits 2 "$PRATIQUED" --store "$store" --admin-listen 0.0.0.0:0 "${tls[@]}"
complains '--admin-listen: other machines reach'
exits 2 "$PRATIQUED" --store "$store" --listen 0.0.0.0:0 "${tls[@]}" --admin-on-main
complains '--admin-on-main: other machines reach'
exits 2 "$PRATIQUED" --store "$store" --listen 0.0.0.0:0 --tls-cert x --tls-key y
complains '--insecure-public'

# wrong_file FLAG FILE TEXT
wrong_file() {
	exits 6 "$PRATIQUED" --store "$store" --listen "$socket" --listen 127.0.0.1:0 "${tls[@]}" "$1" "$scratch/$2"
	complains "$3"
}
wrong_file --roles none none
echo 'decide shop.example' >"$scratch/wrong"
wrong_file --roles wrong 'wrong:1: \"shop.example\" is no name'
printf '\nchief dns:x\n' >"$scratch/wrong"
wrong_file --roles wrong 'wrong:2: \"chief\" is no role'
echo 'decide dns:' >"$scratch/wrong"
wrong_file --roles wrong 'wrong:1: \"dns:\" is no name'
yes 'decide dns:x' | head -1001 >"$scratch/wrong"
wrong_file --roles wrong 'wrong:1001: has more than 1000'
chmod 666 "$scratch/roles"
wrong_file --roles roles 'only its owner may write it'
chmod 644 "$scratch/tokens"
wrong_file --tokens tokens 'others may not read'
chmod 600 "$scratch/tokens"
chmod 644 "$scratch/shop.token"
ask "$socket" --token-file "$scratch/shop.token"
refused 'a token that others may read' shop.token
ask 192.0.2.1:1 --token-file "$scratch/ship.token"
[ "$code" -eq 2 ] && [[ $err == *--token-file* ]] || note "a token in clear over the network: $code: $err"

finish
