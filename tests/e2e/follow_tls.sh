#!/usr/bin/env bash
# A replica reaches its publisher by TLS, with a certificate or a token: what is wrong with them is said, counted, tried
# again, and mended while it runs.
# ctest: timeout=600
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_server.sh
source "$SRC/tests/e2e/lib_server.sh"
# shellcheck source=tests/e2e/lib_fetch.sh
source "$SRC/tests/e2e/lib_fetch.sh"
# shellcheck source=tests/e2e/lib_follow.sh
source "$SRC/tests/e2e/lib_follow.sh"
# shellcheck source=tests/e2e/lib_certs.sh
source "$SRC/tests/e2e/lib_certs.sh"

law
authority ca
authority stranger
certificate server ca 30
certificate replica ca 30 DNS:replica.example
certificate idle ca 30 DNS:idle.example
certificate old ca -1 DNS:replica.example
certificate forged stranger 30 DNS:replica.example
state 1 1
state 2 2
exits 0 "$PRATIQUE" publish --data "$scratch/p.data" --trust "$scratch/law.pub" --manifest "$scratch/1.manifest" \
	"$scratch/1.mdb" --activate
printf 'replicate dns:replica.example\ndecide *\n' >"$scratch/roles"

# publisher FLAG...: on the same port each time.
at=0
publisher() {
	replica p --listen "127.0.0.1:$at" --tls-cert "$scratch/server.pem" --tls-key "$scratch/server.key" "$@"
	at=$(sed -n 's/.*127.0.0.1:\([0-9]*\)$/\1/p' "$scratch/p.ready" | head -n 1)
}

# follower NAME CERT CA FLAG...: a replica with that certificate.
follower() {
	replica "$1" --follow "127.0.0.1:$at" --follow-ca "$scratch/$3.pem" --follow-cert "$scratch/$2.pem" \
		--follow-key "$scratch/$2.key" "${@:4}"
}

# fails_well NAME TEXT: it says so, counts it, and goes on trying after a pause.
fails_well() {
	fails "$1" "$2"
	metric_is "$1" pratique_follow_reached 0 || note "$1 says that it reached the publisher"
	metric_above "$1" pratique_follow_failures_total 0 || note "no failure of $1 is counted"
	until_so "$1 tries again" "$1" metric_above "$1" pratique_follow_failures_total 2
	logged "$1" '"event":"follow_failed".*"again_in_ms":[1-9]'
}

publisher --tls-client-ca "$scratch/ca.pem" --roles "$scratch/roles"
follower good replica ca
serves good 1
answers good NO_LICENSE_REQUIRED

# The wrong authorities; a stranger's certificate; one that has expired; one without the role; none.
follower wrong replica stranger
fails_well wrong 'certificate verify failed'
cp "$scratch/ca.pem" "$scratch/stranger.pem.new"
follower foreign forged ca
fails_well foreign 'does it take our certificate'
follower old old ca
fails_well old 'old.pem: the certificate expired'
follower idle idle ca
fails_well idle 'role'
replica bare --follow "127.0.0.1:$at" --follow-ca "$scratch/ca.pem"
fails_well bare 'does it take our certificate'
# A publisher that shows a certificate that has expired.
certificate late ca -1
web late "$scratch" --tls "$scratch/late.pem" "$scratch/late.key"
replica late --follow "127.0.0.1:$port" --follow-ca "$scratch/ca.pem"
fails_well late 'certificate verify failed'
for name in foreign old idle bare late; do
	metric_is "$name" pratique_revision_sequence 0 || note "$name serves something"
	stop "$name"
done

# The file of authorities is mended: it comes through without a new start.
mv "$scratch/stranger.pem.new" "$scratch/stranger.pem"
serves wrong 1
stop wrong

# Certificates that change are taken up by a connection that stands; what is wrong with them leaves it.
cp "$scratch/idle.key" "$scratch/replica.key.new"
chmod 600 "$scratch/replica.key.new"
mv "$scratch/replica.key.new" "$scratch/replica.key"
until_so 'the files are refused' good grep -q '"event":"follow_files_refused".*is not the key' "$scratch/good.log"
metric_is good pratique_follow_reached 1 || note 'files that are wrong broke the connection'
rm "$scratch/replica.key"
certificate replica ca 30 DNS:replica.example
until_so 'the files are taken' good grep -q '"event":"follow_renewed"' "$scratch/good.log"
until_so 'it is reached' good metric_is good pratique_follow_reached 1
stop p
exits 0 "$PRATIQUE" publish --data "$scratch/p.data" --trust "$scratch/law.pub" --manifest "$scratch/2.manifest" \
	"$scratch/2.mdb" --activate

# The publisher is gone for a while.
fails good .
until_so 'its age grows' good metric_above good pratique_revision_age_seconds 1
answers good NO_LICENSE_REQUIRED
publisher --tls-client-ca "$scratch/ca.pem" --roles "$scratch/roles"
serves good 2
answers good LICENSE_EXCEPTION_AVAILABLE
stop good
stop p

# ---- by token ----

printf 'a-token-of-many-letters' >"$scratch/token"
printf 'another-token\n' >"$scratch/wrong.token"
chmod 600 "$scratch/token" "$scratch/wrong.token"
printf 'replicate %s\n' "$(sha256sum <"$scratch/token" | cut -d' ' -f1)" >"$scratch/tokens"
chmod 600 "$scratch/tokens"
publisher --tokens "$scratch/tokens"
cp -p "$scratch/wrong.token" "$scratch/used.token"
replica t --follow "localhost:$at" --follow-ca "$scratch/ca.pem" --follow-token "$scratch/used.token"
fails_well t 'token'
grep -q 'another-token' "$scratch/t.log" "$scratch/p.log" && note 'a token was logged'
cp -p "$scratch/token" "$scratch/used.token"
serves t 2
stop t
replica open --follow "127.0.0.1:$at" --follow-ca "$scratch/ca.pem"
fails_well open .
stop open
chmod 644 "$scratch/used.token"
replica open --follow "127.0.0.1:$at" --follow-ca "$scratch/ca.pem" --follow-token "$scratch/used.token"
fails open 'used.token: has mode 0644'
stop open

# ---- flags ----

exits 2 "$PRATIQUED" --data "$scratch/x" --follow 192.0.2.1:1 --follow-token "$scratch/token"
complains 'add --follow-ca'
exits 2 "$PRATIQUED" --data "$scratch/x" --follow 192.0.2.1:1 --follow-ca "$scratch/ca.pem" --follow-cert "$scratch/old.pem"
complains '--follow-cert: certificate and key go together'
exits 2 "$PRATIQUED" --data "$scratch/x" --follow 192.0.2.1:1 --follow-cert "$scratch/old.pem" --follow-key "$scratch/old.key"
complains 'needs --follow-ca'
exits 2 "$PRATIQUED" --data "$scratch/x" --follow "unix:$scratch/s" --follow-ca "$scratch/ca.pem"
complains 'is for TLS'
finish
