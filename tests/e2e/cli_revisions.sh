#!/usr/bin/env bash
# A revision directory from the command line: keys, signatures, publishing, activating, plans, rolling back, forgetting,
# the journal, and every wrong way of it.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"

cd "$scratch" || exit 1
data=$scratch/data
toy_pack toy
exits 0 "$PRATIQUE" compile toy -o one.mdb
sed -i 's/A small law/A small law, amended/' toy/pack.yaml
exits 0 "$PRATIQUE" compile toy -o two.mdb

# ---- keys and signatures ----
exits 0 "$PRATIQUE" keygen -o old
says "key id"
[ "$(stat -c %a old.key)" = 600 ] || note "old.key has the mode $(stat -c %a old.key)"
exits 1 "$PRATIQUE" keygen -o old
complains "exists already"
exits 0 "$PRATIQUE" keygen -o new
exits 0 "$PRATIQUE" sign --key old.key --sequence 1 --note "The first" one.mdb -o one.manifest
exits 0 "$PRATIQUE" verify --trust old.pub one.manifest one.mdb
says "as the store's"
exits 1 "$PRATIQUE" verify --trust new.pub one.manifest
complains "by no trusted key"
exits 1 "$PRATIQUE" verify --trust old.pub one.manifest two.mdb
complains "is not the store of the manifest"
sed 's/"sequence":1/"sequence":9/' one.manifest >forged.manifest
exits 1 "$PRATIQUE" verify --trust old.pub forged.manifest
complains "wrong signature"
head -c 100 one.manifest >cut.manifest
exits 1 "$PRATIQUE" verify --trust old.pub cut.manifest
complains "cut.manifest:1: is cut short"
exits 0 "$PRATIQUE" sign --key new.key --manifest one.manifest -o both.manifest
says "2 signatures"
exits 0 "$PRATIQUE" verify --trust new.pub both.manifest
exits 0 "$PRATIQUE" verify --trust old.pub --trust new.pub one.manifest
exits 1 "$PRATIQUE" sign --key old.pub --sequence 1 one.mdb -o x.manifest
exits 1 "$PRATIQUE" sign --key old.key --sequence 1 one.manifest -o x.manifest
[ ! -e x.manifest ] || note "x.manifest was written"
chmod 644 new.key
exits 1 "$PRATIQUE" sign --key new.key --sequence 1 one.mdb -o x.manifest
complains "everybody may read"

# ---- with trust ----
trusting() {
	local command=$1
	shift
	"$PRATIQUE" "$command" --data "$data" --trust "$scratch/old.pub" --by alice "$@"
}
exits 1 trusting publish one.mdb
complains "is not signed"
exits 1 trusting publish --manifest forged.manifest one.mdb
complains "wrong signature"
exits 1 trusting publish --manifest one.manifest two.mdb
complains "is not the store of the manifest"
exits 1 trusting publish --manifest cut.manifest one.mdb
exits 0 trusting publish --manifest one.manifest one.mdb --activate
says "signed by"
says "activated"
exits 0 trusting publish --manifest one.manifest one.mdb
says "was published before"
exits 0 trusting publish --key old.key --note "The second" two.mdb
says "sequence 2 published"
exits 0 trusting schedule 2 --at 2099-01-01T00:00:00Z
exits 0 "$PRATIQUE" revisions --data "$data"
says "active since"
says "planned for 2099-01-01T00:00:00Z  The second"
exits 0 trusting activate --due
exits 0 trusting schedule 2 --cancel
exits 1 trusting schedule 2 --cancel
complains "has no plan"
exits 0 trusting schedule 2 --at 2001-01-01T00:00:00Z
exits 0 trusting activate --due
says "sequence 2 is active now"
exits 1 trusting activate 1
complains "a rollback is a new sequence"
exits 1 trusting activate 77
complains "no revision with the sequence 77"
exits 1 trusting publish --manifest one.manifest two.mdb --activate
complains "not higher than the active one"

# ---- back ----
exits 1 trusting rollback 1
complains "must be signed"
exits 0 trusting rollback 1 --draft back.manifest
exits 0 "$PRATIQUE" sign --key old.key --manifest back.manifest
exits 0 trusting rollback --manifest back.manifest
says "sequence 3 published"
says "activated"
exits 0 trusting rollback 2 --key old.key --note "And forth"
exits 0 "$PRATIQUE" revisions --data "$data" --json
[ "$(grep -c '"active":true' <<<"$out")" = 1 ] || note "not one revision is active:"$'\n'"$out"
says '"note":"And forth"'
says '"note":"Rollback to the sequence 1"'
[ "$(find "$data/revisions" -type f | wc -l)" = 2 ] || note "two stores were expected: $(ls -A "$data/revisions")"

# ---- forgetting, and the journal ----
exits 0 "$PRATIQUE" prune --data "$data" --keep 0 --by bob
says "3 revisions forgotten"
[ "$(find "$data/revisions" -type f | wc -l)" = 1 ] || note "one store was expected: $(ls -A "$data/revisions")"
exits 1 trusting rollback 1 --key old.key
exits 0 "$PRATIQUE" journal --data "$data"
says "alice: The second"
says "bob"
[ "$(grep -c . <<<"$out")" = 14 ] || note "14 records were expected:"$'\n'"$out"
exits 0 "$PRATIQUE" journal --data "$data" --after 12 --max 1 --json
says '"id":13'
lacks '"id":14'

# ---- without trust, from packs ----
data=$scratch/plain
exits 0 "$PRATIQUE" publish --data "$data" toy --activate
says "not verified: no --trust was given"
sed -i 's/FOE,denied/FOE,friend/' toy/tables/countries.csv
exits 1 "$PRATIQUE" publish --data "$data" toy --activate
complains FAIL
complains "cases failed"
printf 'nonsense' >toy/rules/more.yaml
exits 1 "$PRATIQUE" publish --data "$data" toy
complains "nothing is published"
exits 0 "$PRATIQUE" revisions --data "$data"
[ "$(grep -c . <<<"$out")" = 1 ] || note "one revision was expected:"$'\n'"$out"
[ "$(find "$data" -name '.*' -type f | wc -l)" = 0 ] || note "something is left: $(ls -A "$data")"
exits 0 "$PRATIQUE" rollback --data "$data" 1
says "sequence 2 published"

# ---- one at a time, and wrong places ----
exec 9<>"$data/lock"
flock 9
exits 1 "$PRATIQUE" revisions --data "$data"
complains "is in use by"
exec 9>&-
exits 0 "$PRATIQUE" revisions --data "$data"
exits 1 "$PRATIQUE" revisions --data "$scratch/nowhere"
complains nowhere
exits 1 "$PRATIQUE" revisions --data "$scratch/toy"
complains "is no revision directory"
exits 1 "$PRATIQUE" publish --data "$scratch/one.mdb" two.mdb
complains "one.mdb"
exits 1 "$PRATIQUE" publish --data "$data" "$scratch/none.mdb"
complains "none.mdb"
exits 1 "$PRATIQUE" publish --data "$data" --trust "$scratch/none.pub" two.mdb
complains "none.pub"
exits 1 "$PRATIQUE" publish --data "$data" old.key
complains "old.key"

# ---- flags ----
exits 2 "$PRATIQUE" activate --data "$data" 1 --due
exits 2 "$PRATIQUE" activate --data "$data" one
complains "is no sequence"
exits 2 "$PRATIQUE" activate --data "$data" 1 2
exits 2 "$PRATIQUE" activate --data "$data" 1 --keep 3
complains "--keep says nothing to activate"
exits 2 "$PRATIQUE" schedule --data "$data" 1 --at tomorrow
complains "is no time in UTC"
exits 2 "$PRATIQUE" prune --data "$data"
exits 2 "$PRATIQUE" prune --data "$data" --keep all
exits 2 "$PRATIQUE" publish --data "$data" two.mdb --activate --at 2099-01-01T00:00:00Z
exits 2 "$PRATIQUE" publish --data "$data" two.mdb --sequence 0
exits 2 "$PRATIQUE" publish --data "$data" two.mdb --manifest one.manifest --sequence 2
exits 2 "$PRATIQUE" publish --data "$data" two.mdb one.mdb
exits 2 "$PRATIQUE" rollback --data "$data"
exits 2 "$PRATIQUE" revisions --data "$data" --key old.key
exits 2 "$PRATIQUE" journal --data "$data" --max -1
exits 2 "$PRATIQUE" sign --key old.key one.mdb -o x
complains "--sequence"
exits 2 "$PRATIQUE" keygen
exits 2 "$PRATIQUE" verify one.manifest
complains "--trust"

finish
