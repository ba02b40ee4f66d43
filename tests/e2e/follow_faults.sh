#!/usr/bin/env bash
# A replica of a server: what damages, cuts short, breaks off or forges what it is sent is refused and reported, and what was
# good serves on; a publisher that is gone for a while is survived; and the publisher's numbers say it.
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
if ! /usr/bin/python3 -c 'import grpc' 2>/dev/null; then
	echo 'needs python3-grpcio'
	exit 77
fi

law
publisher() {
	replica p
}
# publish N SEQUENCE: and put it in force.
publish() {
	state "$1" "$2"
	exits 0 "$PRATIQUE" publish --server "unix:$scratch/p.sock" --manifest "$scratch/$2.manifest" "$scratch/$1.mdb"
	exits 0 "$PRATIQUE" activate --server "unix:$scratch/p.sock" "$2"
}
# relay MODE
relay() {
	echo "$1" >"$scratch/relay.mode.new"
	mv "$scratch/relay.mode.new" "$scratch/relay.mode"
}
# listed TEXT: the publisher's list of replicas says so.
listed() {
	"$PRATIQUE" replicas --server "unix:$scratch/p.sock" --json 2>/dev/null | grep -q -- "$1"
}
lag() {
	printf 'pratique_replica_lag_%s{replica="r"}' "$1"
}

publisher
relay pass
mkfifo "$scratch/relay.fifo"
/usr/bin/python3 "$SRC/tests/e2e/relay.py" "unix:$scratch/p.sock" "$scratch/relay.mode" >"$scratch/relay.fifo" \
	2>"$scratch/relay.log" </dev/null &
servers+=("$!")
read -r port <"$scratch/relay.fifo" || note "no relay: $(<"$scratch/relay.log")"
replica r --follow "127.0.0.1:$port" --replica-name r
publish 1 1
serves r 1
until_so 'the publisher counts one replica' p metric_is p pratique_replicas 1
until_so 'it lags by nothing' p metric_is p "$(lag revisions)" 0
metric_is p pratique_activations_total 1 || note 'the publisher counts no activation'

# refused SEQUENCE TEXT: refused for this, and what was good serves on.
refused() {
	refuses r "\"sequence\":$1,.*$2"
	until_so "the publisher's list says so: $2" p listed "sequence $1: .*$2"
	until_so 'the publisher counts the lag' p metric_above p "$(lag revisions)" 0
	metric_is r pratique_revision_sequence "$serving" || note "it does not serve sequence $serving"
	metric_is r pratique_serving 1 || note 'it is not ready'
	metric_above r pratique_follow_failures_total "$met" || note "no failure is counted: $2"
	met=$(metric r pratique_follow_failures_total)
}
# mended SEQUENCE: what came in between is over.
mended() {
	relay pass
	serves r "$1"
	serving=$1
	until_so 'it lags by nothing' p metric_is p "$(lag revisions)" 0
	until_so 'the list has no error' p listed '"error":""'
	met=$(metric r pratique_follow_failures_total)
}
serving=1
met=0

relay damage
publish 2 2
refused 2 .
metric_above r pratique_verify_failures_total 0 || note 'damage is not counted'
answers r NO_LICENSE_REQUIRED
mended 2
answers r LICENSE_EXCEPTION_AVAILABLE

relay truncate
publish 3 3
refused 3 'ended too early'
answers r LICENSE_EXCEPTION_AVAILABLE
mended 3

# Broken off after each four pieces of a hundred bytes, which end in the middle of a record: it goes on from that record's
# start, and needs nobody for it.
relay drop
publish 4 4
serves r 4
logged r '"event":"fetch_resumed","at":[1-9]'
! grep -q '"event":"revision_refused","sequence":4,' "$scratch/r.log" || note 'a transfer that goes on was refused'
serving=4

relay forge
publish 1 5
refused 5 'signature'
mended 5

# ---- a store whose own cases fail, from a publisher that does not care: it reaches nobody ----

state bad 6
exits 1 "$PRATIQUE" publish --server "unix:$scratch/p.sock" --manifest "$scratch/6.manifest" "$scratch/bad.mdb"
complains 'own cases fail'
metric_above p pratique_verify_failures_total 0 || note 'the publisher does not count what it refused'
metric_is p pratique_revision_sequence 5 || note 'the publisher serves something else'

# ---- the publisher is silent, is gone, and is back with something new ----

relay silence
fails r 'nothing was heard'
until_so 'its age grows' r metric_above r pratique_revision_age_seconds 2
relay pass
until_so 'it is young again' r metric_is r pratique_follow_reached 1
stop p
fails r 'the server ends\|Connection refused\|No such file\|connect'
until_so 'its age grows' r metric_above r pratique_revision_age_seconds 2
metric_is r pratique_follow_reached 0 || note 'it reaches nobody and does not say so'
answers r NO_LICENSE_REQUIRED
publisher
publish 3 7
serves r 7
until_so 'its age is small' r metric_is r pratique_follow_reached 1
answers r LICENSE_REQUIRED
until_so 'the publisher knows it again' p metric_is p "$(lag revisions)" 0
metric_above p "$(lag seconds)" -1 || note 'no lag in seconds'
stop r
stop p
finish
