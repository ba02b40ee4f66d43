#!/usr/bin/env bash
# The command line itself: help, exit codes, and a message that names what is wrong.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"

exits 0 "$PRATIQUE" help
for command in check compile inspect decide cases fetch push; do
	exits 0 "$PRATIQUE" help
	says "pratique $command"
	exits 0 "$PRATIQUE" help "$command"
	says "pratique $command"
	exits 0 "$PRATIQUE" "$command" --help
	says "pratique $command"
	exits 2 "$PRATIQUE" "$command"
	complains "pratique help $command"
	exits 2 "$PRATIQUE" "$command" --no-such-option x
	complains "--no-such-option"
	exits 2 "$PRATIQUE" "$command" -x
	complains "-x"
done
exits 0 "$PRATIQUE" version
says "pratique "
exits 2 "$PRATIQUE"
exits 2 "$PRATIQUE" frobnicate
complains frobnicate
exits 2 "$PRATIQUE" help frobnicate

exits 2 "$PRATIQUE" compile "$SRC"
complains "-o"
exits 2 "$PRATIQUE" compile "$SRC" -o
complains "needs a value"
exits 2 "$PRATIQUE" compile -o a -o b "$SRC"
complains twice
exits 2 "$PRATIQUE" inspect a b
exits 2 "$PRATIQUE" decide --type export
complains "--store or --server"
exits 2 "$PRATIQUE" decide --store a --server b --type export
complains "exclude each other"
exits 2 "$PRATIQUE" decide --store a
complains "no request"
exits 2 "$PRATIQUE" decide --store a x.json y.json
complains y.json
exits 2 "$PRATIQUE" cases --store a
complains "name the files"
exits 2 "$PRATIQUE" cases --store a --server b c
exits 2 "$PRATIQUE" cases --server a --timeout soon c
complains "--timeout"

# A store that is none is the system's failure, not the request's.
printf 'no store at all' >"$scratch/none.mdb"
exits 1 "$PRATIQUE" decide --store "$scratch/missing.mdb" --as-of 2026-01-01
complains missing.mdb
exits 1 "$PRATIQUE" decide --store "$scratch/none.mdb" --as-of 2026-01-01
complains none.mdb
exits 1 "$PRATIQUE" inspect "$scratch"
exits 1 "$PRATIQUE" check "$scratch/nowhere"
complains nowhere
exits 1 "$PRATIQUE" check "$scratch/a/../b"

# An answer that cannot be written is no answer.
if [ -e /dev/full ]; then
	code=0
	"$PRATIQUE" help >/dev/full 2>/dev/null || code=$?
	[ "$code" -eq 1 ] || note "exit code $code instead of 1 with a full disk"
fi
finish
