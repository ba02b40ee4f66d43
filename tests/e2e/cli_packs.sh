#!/usr/bin/env bash
# check and compile: faults are named with their place, and nothing faulty is sealed or left half written.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"

pack=$scratch/toy
store=$scratch/toy.mdb
fresh() {
	rm -rf "$pack"
	toy_pack "$pack"
}

# not_sealed TEXT: compile refuses, says TEXT, and leaves the older store and nothing beside it.
not_sealed() {
	printf 'the older one' >"$store"
	exits 1 "$PRATIQUE" compile "$pack" -o "$store"
	complains "$1"
	[ "$(<"$store")" = 'the older one' ] || note "the older store was touched"
	[ -z "$(find "$scratch" -name '.*.tmp')" ] || note "a temporary was left behind"
	rm -f "$store"
}

fresh
exits 0 "$PRATIQUE" check "$pack"
says "3 passed, 0 failed"
says "0 errors"
exits 0 "$PRATIQUE" check --no-cases "$pack"
exits 0 "$PRATIQUE" check --no-cases --dates "$pack"
says "on which something begins or ends"
# Findings are warnings; --strict makes them fail.
exits 0 "$PRATIQUE" check --no-cases --analyse "$pack"
says "analysed "
cat >"$pack/rules/twins.yaml" <<'TWINS'
- { id: toy.twin.first, kind: prohibition, cite: c, text: twins, when: { as_of: ">= 2190-01-01" } }
- { id: toy.twin.second, kind: prohibition, cite: c, text: twins, when: { as_of: ">= 2190-01-02" } }
TWINS
exits 0 "$PRATIQUE" check --no-cases --analyse "$pack"
says 'toy/rules/twins.yaml:2:9: warning: shadowed: the prohibition "toy.twin.second" changes no outcome'
exits 1 "$PRATIQUE" check --no-cases --analyse --strict "$pack"
fresh
lacks "passed"
(cd "$pack" && exits 0 "$PRATIQUE" check . && [ "$failures" -eq 0 ]) || note "a pack is not found as \".\""
exits 0 "$PRATIQUE" check "$pack/"
exits 1 "$PRATIQUE" check "$pack" "$pack"
complains "was given before"

# The same packs give the same bytes, wherever they stand.
exits 0 "$PRATIQUE" compile "$pack" -o "$store"
says "sha256"
says "3, all passed"
mkdir "$scratch/elsewhere"
cp -r "$pack" "$scratch/elsewhere/"
exits 0 "$PRATIQUE" compile "$scratch/elsewhere/toy" --output "$scratch/again.mdb"
cmp -s "$store" "$scratch/again.mdb" || note "two compiles differ"

exits 0 "$PRATIQUE" inspect "$store"
says "A small law"
says "Only three countries are known."
# The digest is that of all but the 56 bytes of the trailer.
says "$(head -c -56 "$store" | sha256sum | cut -d' ' -f1)"
exits 0 "$PRATIQUE" inspect "$store" --rule toy.small
says "Law 3"
says "toy/rules/law.yaml:"
says "value_usd"
exits 1 "$PRATIQUE" inspect "$store" --rule toy.none
complains toy.none
exits 0 "$PRATIQUE" inspect "$store" --attrs --tables --rules
says "destination.list"
says "Countries"
says "requirement toy.machines: Law 2"
exits 0 "$PRATIQUE" inspect "$store" --json --attrs --tables --rule toy.machines
says '"name":"toy"'
says '"id":"toy.machines"'

# Faults of packs: each with the file, the line and what is wrong.
fresh
printf -- '- id: [broken\n  kind: warning\n' >"$pack/rules/law.yaml"
exits 1 "$PRATIQUE" check "$pack"
says "$pack/rules/law.yaml:"
says "error:"
not_sealed "not written"

fresh
printf 'code,list\nNEAR,friend\nFAR\n' >"$pack/tables/countries.csv"
exits 1 "$PRATIQUE" check "$pack"
says "$pack/tables/countries.csv:3"

fresh
sed -i 's/\[watched, denied\]/[watched, hated]/' "$pack/rules/law.yaml"
exits 1 "$PRATIQUE" check "$pack"
says hated
says "rules/law.yaml:17:"

fresh
sed -i 's/id: toy.small.military/id: toy.small/' "$pack/rules/law.yaml"
exits 1 "$PRATIQUE" check "$pack"
says toy.small

fresh
sed -i '/cite: Law 2/d; /cite: Law 5/d' "$pack/rules/law.yaml"
exits 1 "$PRATIQUE" check "$pack"
says "2 errors"

# Cases that fail stop the sealing, with what was expected and what came.
fresh
sed -i '1s/LICENSE_REQUIRED/REFER/' "$pack/cases/law.jsonl"
exits 1 "$PRATIQUE" check "$pack"
says "FAIL T1"
says "outcome: expected REFER, got LICENSE_REQUIRED"
says "2 passed, 1 failed"
not_sealed "expected REFER, got LICENSE_REQUIRED"

fresh
sed -i '2s/"outcome"/"outcomes"/' "$pack/cases/law.jsonl"
not_sealed "law.jsonl:2"

# One cell changes one answer.
fresh
sed -i 's/FOE,denied/FOE,watched/' "$pack/tables/countries.csv"
exits 1 "$PRATIQUE" check "$pack"
says "FAIL T1"
lacks "FAIL T2"
lacks "FAIL T3"

# Places that cannot be written.
fresh
exits 1 "$PRATIQUE" compile "$pack" -o "$scratch/no/such/folder.mdb"
exits 1 "$PRATIQUE" compile "$pack" -o "$scratch"

# Whenever the compile is interrupted, the older store stays and no temporary does.
printf 'the older one' >"$store"
for delay in 0 0.001 0.002 0.004 0.006 0.008 0.01 0.012 0.015 0.02 0.03 0.05; do
	"$PRATIQUE" compile "$pack" -o "$store" >/dev/null 2>&1 &
	pid=$!
	sleep "$delay"
	kill -TERM "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	code=$?
	[ -z "$(find "$scratch" -name '.*.tmp')" ] || note "a temporary was left behind after $delay s"
	if [ "$code" -eq 0 ]; then
		"$PRATIQUE" inspect "$store" >/dev/null || note "the store is not whole after $delay s"
		printf 'the older one' >"$store"
	fi
	if [ "$(<"$store")" != 'the older one' ] 2>/dev/null; then
		# Ended by the signal after the rename: then the new one is whole.
		"$PRATIQUE" inspect "$store" >/dev/null || note "the store is not whole after $delay s"
		printf 'the older one' >"$store"
	fi
done 2>/dev/null
finish
