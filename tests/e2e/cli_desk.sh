#!/usr/bin/env bash
# Revisions of a server from the command line: the same words and exit codes as with a directory; roles; what goes wrong on
# the way; and what its replicas run.
# ctest: timeout=300
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_server.sh
source "$SRC/tests/e2e/lib_server.sh"

cd "$scratch" || exit 1
export TMPDIR=$scratch/tmp
mkdir "$TMPDIR"
toy_pack toy
exits 0 "$PRATIQUE" compile toy -o one.mdb
sed -i 's/A small law/A small law, amended/' toy/pack.yaml
exits 0 "$PRATIQUE" compile toy -o two.mdb
exits 0 "$PRATIQUE" keygen -o law
exits 0 "$PRATIQUE" keygen -o other
exits 0 "$PRATIQUE" sign --key law.key --sequence 1 --note "The first" one.mdb -o one.manifest
exits 0 "$PRATIQUE" sign --key other.key --sequence 1 one.mdb -o other.manifest

# both CODE COMMAND FLAG...: the same of a directory and of a server, but for times, and where the place is named.
both() {
	local want=$1 command=$2 here there
	local -a with=("${trust[@]}")
	shift 2
	[[ $command != revisions && $command != journal ]] || with=()
	exits "$want" "$PRATIQUE" "$command" --data "$scratch/$dir" "${with[@]}" "$@"
	here=$(plain "$scratch/$dir")
	exits "$want" "$PRATIQUE" "$command" --server "$admin" "$@"
	there=$(plain "$admin")
	[ "$here" = "$there" ] || note "$command $* differs between directory and server:"$'\n'"$here"$'\n---\n'"$there"
}

plain() {
	sed -E "s#$1#PLACE#g; s/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z/TIME/g; s/\"(proved_by)\":\"[^\"]*\"/\1/; s/: no --trust was given|: the server has no --trust//" \
		<<<"$out"
}

# ---- without trust, and without roles ----
start open --data "$scratch/open" --listen "unix:$scratch/main.sock" --admin-listen "unix:$scratch/admin.sock"
admin=unix:$scratch/admin.sock
dir=dir trust=()
both 0 publish --by alice --note "The first" one.mdb --activate
says "activated"
both 0 publish --by alice --note "The second" two.mdb --at 2099-01-01T00:00:00Z
says "sequence 2 published"
both 0 revisions
says "The second"
both 0 schedule 2 --cancel --by alice --note "not yet"
says "is not planned any more"
both 1 schedule 2 --cancel
complains "has no plan"
both 1 schedule 7 --at 2099-01-01T00:00:00Z
complains "no revision with the sequence 7"
both 0 activate 2 --by alice --note now
both 0 activate 2
says "is active already"
both 1 activate 1
complains "a rollback is a new sequence"
both 1 activate 77
complains "no revision with the sequence 77"
both 1 publish --sequence 2 one.mdb
complains "is known already"
both 0 publish --sequence 7 one.mdb
both 0 activate 7
both 1 publish --sequence 5 two.mdb
complains "not higher than the active one"
both 0 rollback 1 --by bob --note "Back"
says "sequence 8 published"
says "activated"
both 0 rollback 2 --by bob --no-activate
lacks "activated"
both 0 rollback 2 --draft draft.manifest
says "nothing is changed yet"
both 0 publish --by carol toy
says "sequence 10 published"
both 0 revisions --json
[ "$(grep -c '"active":true' <<<"$out")" = 1 ] || note "not one revision is active:"$'\n'"$out"
both 0 prune --keep 2 --by dora
says "revisions forgotten"
both 0 journal
says "alice: The second"
both 0 journal --after 3 --max 2 --json
both 0 journal --after 1000
[ -z "$(ls -A "$TMPDIR")" ] || note "something is left in $TMPDIR: $(ls -A "$TMPDIR")"
sed -i 's/FOE,denied/FOE,friend/' toy/tables/countries.csv
exits 1 "$PRATIQUE" publish --server "$admin" toy
complains "cases fail"
sed -i 's/FOE,friend/FOE,denied/' toy/tables/countries.csv
exits 1 "$PRATIQUE" publish --server "$admin" --manifest one.manifest two.mdb
complains "is not the store of the manifest"
exits 1 "$PRATIQUE" publish --server "$admin" none.mdb
complains "none.mdb"

# ---- what cannot be ----
exits 2 "$PRATIQUE" revisions
complains "--server"
exits 2 "$PRATIQUE" revisions --data x --server "$admin"
complains "exclude each other"
exits 2 "$PRATIQUE" publish --server "$admin" --trust law.pub one.mdb
complains "--trust"
exits 2 "$PRATIQUE" activate --server "$admin" --due
complains "--due"
exits 2 "$PRATIQUE" prune --server "$admin" --keep 0
complains "--keep"
exits 2 "$PRATIQUE" revisions --data x --timeout 5
complains "--timeout"
exits 2 "$PRATIQUE" revisions --data x --tls-ca y
complains "--tls-ca"
exits 2 "$PRATIQUE" replicas
complains "--server"
exits 2 "$PRATIQUE" replicas --server "$admin" more
exits 1 "$PRATIQUE" revisions --server "unix:$scratch/main.sock"
complains "--admin-listen"
exits 1 "$PRATIQUE" publish --server "unix:$scratch/main.sock" --sequence 99 one.mdb
complains "--admin-listen"
exits 1 "$PRATIQUE" revisions --server "unix:$scratch/nobody.sock"
complains "nobody.sock"
# A socket that takes connections and says nothing.
/usr/bin/python3 - "$scratch/deaf.sock" <<-'PY' &
	import socket, sys, time
	s = socket.socket(socket.AF_UNIX)
	s.bind(sys.argv[1])
	s.listen(8)
	time.sleep(100)
PY
deaf=$!
until [ -S "$scratch/deaf.sock" ]; do kill -0 "$deaf" 2>/dev/null || break; sleep 0.02; done
exits 1 "$PRATIQUE" revisions --server "unix:$scratch/deaf.sock" --timeout 300
complains "did not answer in time"
kill "$deaf"
wait "$deaf" 2>/dev/null

# ---- replicas ----
exits 0 "$PRATIQUE" replicas --server "$admin"
says "no replicas"
start copy --data "$scratch/copy" --follow "$admin" --replica-name copy-1 --listen "unix:$scratch/copy.sock" \
	--admin-listen "unix:$scratch/copyadmin.sock"
seen=
for _ in {1..600}; do
	run "$PRATIQUE" replicas --server "$admin"
	[[ $out != *current* ]] || { seen=yes; break; }
	kill -0 "${pids[copy]}" 2>/dev/null || break
	sleep 0.1
done
[ -n "$seen" ] || note "the replica is not up to date:"$'\n'"$out"$'\n'"$(<copy.log)"
says "copy-1"
says "NAME"
exits 0 "$PRATIQUE" replicas --server "$admin" --json
says '"name":"copy-1","sequence":8,'
says '"state":"current"'
says '"error":""'
exits 1 "$PRATIQUE" publish --server "unix:$scratch/copyadmin.sock" two.mdb
complains "this server follows"
stop copy
stop open
exits 1 "$PRATIQUE" revisions --server "$admin"
[ -n "$err" ] || note "nothing is said of a server that has gone"
start store --store one.mdb --listen "unix:$scratch/main.sock" --admin-listen "$admin"
exits 1 "$PRATIQUE" revisions --server "$admin"
complains "has no catalog"
exits 1 "$PRATIQUE" replicas --server "$admin"
complains "has no catalog"
stop store

# ---- with trust ----
rm -rf "$scratch/dir"
start trusting --data "$scratch/trusting" --trust law.pub --listen "unix:$scratch/main.sock" --admin-listen "$admin"
trust=(--trust "$scratch/law.pub")
both 1 publish one.mdb
complains "is not signed"
both 1 publish --manifest other.manifest one.mdb
complains "by no trusted key"
both 0 publish --manifest one.manifest one.mdb --activate --by alice
says "signed by"
both 0 publish --manifest one.manifest one.mdb
says "was published before"
says "signed by"
both 0 publish --key law.key two.mdb --activate
exits 1 "$PRATIQUE" rollback --data "$scratch/dir" "${trust[@]}" 1
complains "must be signed"
exits 1 "$PRATIQUE" rollback --server "$admin" 1
complains "must be signed"
both 0 rollback 1 --draft back.manifest
exits 0 "$PRATIQUE" sign --key law.key --manifest back.manifest
both 0 rollback --manifest back.manifest
says "sequence 3 published"
both 0 rollback 2 --key law.key --by bob
says "sequence 4 published"
both 0 revisions
both 0 journal
stop trusting

# ---- roles ----
token() {
	printf '%s\n' "$1-secret" >"$1.token"
	chmod 600 "$1.token"
	printf '%s %s\n' "$1" "$(printf %s "$1-secret" | sha256sum | cut -d' ' -f1)" >>tokens
}
: >tokens
for role in decide publish replicate admin; do token "$role"; done
chmod 600 tokens
start roles --data "$scratch/roles" --tokens tokens --listen "unix:$scratch/main.sock" --admin-listen "$admin"
as() {
	local role=$1 command=$2
	shift 2
	"$PRATIQUE" "$command" --server "$admin" --token-file "$scratch/$role.token" "$@"
}
for command in revisions journal replicas 'activate 1' 'prune --keep 1' 'rollback 1' 'schedule 1 --cancel'; do
	# shellcheck disable=SC2086
	exits 1 "$PRATIQUE" $command --server "$admin"
	complains "needs the role"
	# shellcheck disable=SC2086
	exits 1 as decide $command
	complains "which the caller does not have"
done
exits 1 as admin publish --sequence 1 one.mdb
complains "needs the role publish, which the caller does not have"
exits 0 as publish publish one.mdb
exits 1 as publish activate 1
complains "needs the role admin, which the caller does not have"
exits 1 as publish publish two.mdb --activate
says "sequence 2 published"
complains "needs the role admin"
exits 0 as admin activate 2
exits 0 as admin rollback 1
exits 0 as publish revisions
exits 1 as publish replicas
exits 0 as replicate replicas
exits 0 as admin replicas
stop roles

finish
