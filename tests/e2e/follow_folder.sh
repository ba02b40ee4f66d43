#!/usr/bin/env bash
# A replica of a folder: it comes to what is pushed; what is wrong there is refused, reported, and what was good serves on.
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

law
place=$scratch/place
mkdir "$place"
push() {
	exits 0 "$PRATIQUE" push "file://$place" "$scratch/$1.mdb" "$scratch/$2.manifest" "${@:3}"
}

# Nothing there yet: it starts, is not ready, and goes on asking.
replica r --follow "file://$place" --poll-interval 1
fails r 'latest.manifest'
metric_is r pratique_serving 0 || note 'it serves nothing and is ready'
metric_is r pratique_follow_reached 0 || note 'nothing was reached'
metric_above r pratique_follow_failures_total 0 || note 'no failure is counted'

state 1 1
push 1 1
serves r 1
answers r NO_LICENSE_REQUIRED
metric_is r pratique_serving 1 || note 'it serves and is not ready'
metric_is r pratique_follow_reached 1 || note 'the place was not reached'
metric_is r pratique_activations_total 1 || note 'no activation is counted'
metric_is r pratique_swap_duration_seconds_count 1 || note 'no duration is counted'

# The next comes as differences.
state 2 2
push 2 2 --base "$scratch/1.mdb"
serves r 2
answers r LICENSE_EXCEPTION_AVAILABLE
logged r '"event":"fetched","sequence":2,.*"differences":1'
metric_is r pratique_verify_failures_total 0 || note 'a failure to verify is counted'

# wrong TEXT: sequence 2 serves on, ready, and the refusal is counted.
wrong() {
	refuses r "$1"
	metric_is r pratique_revision_sequence 2 || note "it does not serve sequence 2: $1"
	metric_is r pratique_serving 1 || note "it is not ready: $1"
	metric_above r pratique_verify_failures_total "$failures_before" || note "no failure to verify is counted: $1"
	answers r LICENSE_EXCEPTION_AVAILABLE
	failures_before=$(metric r pratique_verify_failures_total)
}
failures_before=0

# Signed by a stranger; a signature of another statement; not signed at all.
state 3 3 other
push 3 3
wrong '"sequence":3,.*trusted'
state 3 4
sed -i '1s/"note":""/"note":"x"/' "$scratch/4.manifest"
cp "$scratch/4.manifest" "$place/latest.manifest"
wrong '"sequence":4,.*signature'
head -n 1 "$scratch/4.manifest" >"$place/latest.manifest"
wrong '"sequence":4,.*signed'

# The folder points back, or states something else under a sequence that is known.
cp "$scratch/1.manifest" "$place/latest.manifest"
wrong '"sequence":1,.*points back to sequence 1'
"$PRATIQUE" sign --key "$scratch/law.key" --sequence 2 "$scratch/3.mdb" -o "$scratch/again.manifest" >/dev/null
cp "$scratch/again.manifest" "$place/latest.manifest"
wrong '"sequence":2,.*something else'
cp "$scratch/2.manifest" "$place/latest.manifest"

# A snapshot that was damaged, was cut short, is of another store, is not there.
digest() {
	tail -c 32 "$scratch/$1.mdb" | od -An -v -tx1 | tr -d ' \n'
}
snapshot=$place/$(digest 3).mdb.zst
cp "$snapshot" "$scratch/good.zst"
size=$(stat -c %s "$snapshot")
printf '\377\377\377\377' | dd of="$snapshot" bs=1 seek=$((size / 2)) conv=notrunc status=none
state 3 5
cp "$scratch/5.manifest" "$place/latest.manifest"
wrong '"sequence":5,'
state 3 6
head -c $((size / 2)) "$scratch/good.zst" >"$snapshot"
cp "$scratch/6.manifest" "$place/latest.manifest"
refuses r '"sequence":6,.*ends after'
state 3 7
cp "$place/$(digest 1).mdb.zst" "$snapshot"
cp "$scratch/7.manifest" "$place/latest.manifest"
refuses r '"sequence":7,.*another store'
state 3 8
rm "$snapshot"
cp "$scratch/8.manifest" "$place/latest.manifest"
refuses r '"sequence":8,.*cannot be opened: No such file'
answers r LICENSE_EXCEPTION_AVAILABLE

# A store, properly signed and whole, whose own cases fail.
failures_before=$(metric r pratique_verify_failures_total)
state bad 9
push bad 9
wrong '"sequence":9,.*own cases fail'
[ -z "$(find "$scratch/r.data/revisions" -name '*.part')" ] || note 'a part of what was refused is left'

# The age of what it knows grows meanwhile, and makes it unready where that is asked for.
until_so 'its age grows' r metric_above r pratique_revision_age_seconds 2
stop r
replica r --follow "file://$place" --poll-interval 1 --max-staleness 1
until_so 'it is unready' r metric_is r pratique_serving 0
answers r LICENSE_EXCEPTION_AVAILABLE

# A good one ends all that.
state 4 10
push 4 10
serves r 10
until_so 'it is ready' r metric_is r pratique_serving 1
answers r LICENSE_REQUIRED
stop r

# It starts and serves at once while the place is gone.
mv "$place" "$scratch/gone"
replica r --follow "file://$place" --poll-interval 1
metric_is r pratique_revision_sequence 10 || note 'it does not serve at once'
answers r LICENSE_REQUIRED
fails r "$place"
mv "$scratch/gone" "$place"
until_so 'the place is reached again' r metric_is r pratique_follow_reached 1
logged r '"event":"follow"'
stop r

# ---- disks that are full ----

# A file may not grow beyond what the catalog takes already.
state 3 11
push 3 11
cp -a "$scratch/r.data" "$scratch/small.data"
rm "$scratch/small.data/lock"
limit=$(ulimit -S -f)
ulimit -S -f 140
replica small --follow "file://$place" --poll-interval 1
ulimit -S -f "$limit"
refuses small '"sequence":11,.*File too large'
answers small LICENSE_REQUIRED
metric_above small pratique_follow_failures_total 0 || note 'no failure is counted'
metric_is small pratique_verify_failures_total 0 || note 'a full disk is counted as a failure to verify'
stop small
replica small --follow "file://$place" --poll-interval 1
serves small 11
stop small

# A file system without room, where one can be mounted.
mkdir "$scratch/full.data"
room=$(($(du -sk "$scratch/r.data" | cut -f1) + 500))
if mount -t tmpfs -o "size=${room}k" tmpfs "$scratch/full.data" 2>/dev/null; then
	trap 'end_servers; kill_all; umount "$scratch/full.data"; stop_all' EXIT
	cp -a "$scratch/r.data/." "$scratch/full.data"
	rm "$scratch/full.data/lock"
	head -c 2M /dev/zero >"$scratch/full.data/filler" 2>/dev/null
	replica full --follow "file://$place" --poll-interval 1
	refuses full '"sequence":11,.*No space left'
	answers full LICENSE_REQUIRED
	rm "$scratch/full.data/filler"
	serves full 11
	stop full
	umount "$scratch/full.data"
	trap 'end_servers; stop_all' EXIT
else
	echo 'left out: a full file system, for none can be mounted here'
fi

# ---- flags ----

exits 2 "$PRATIQUED" --data "$scratch/x" --follow ftp://example/x
complains 'ftp://example/x'
exits 2 "$PRATIQUED" --data "$scratch/x" --follow file://relative
exits 2 "$PRATIQUED" --data "$scratch/x" --follow https://robot:secret@example/x
complains 'belong into credentials'
[[ $err != *secret* ]] || note 'a password was printed'
exits 2 "$PRATIQUED" --data "$scratch/x" --follow "file://$place" --follow-token "$scratch/law.pub"
complains '--follow-token: is for following a server'
exits 2 "$PRATIQUED" --data "$scratch/x" --follow 127.0.0.1:1 --poll-interval 5
complains '--poll-interval: is for following a place'
exits 2 "$PRATIQUED" --data "$scratch/x" --poll-interval 5
complains 'is for replicas'
exits 2 "$PRATIQUED" --store "$scratch/1.mdb" --follow "file://$place"
complains 'needs --data'
finish
