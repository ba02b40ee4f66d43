#!/usr/bin/env bash
# cases: each failure with what was expected and what came, a count, and an exit code.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"

store=$scratch/toy.mdb
toy_store "$store"
good=$scratch/good.jsonl
mixed=$scratch/mixed.jsonl

{
	toy_case A1 '"destination": "FAR", "value_usd": 5' LICENSE_EXCEPTION_AVAILABLE '"SMALL"' null
	echo
	toy_case A2 '"destination": "NEAR", "value_usd": 5' NO_LICENSE_REQUIRED '' null
} >"$good"
exits 0 "$PRATIQUE" cases --store "$store" "$good"
[ "$out" = "2 passed, 0 failed" ] || note "unexpected: $out"
exits 0 "$PRATIQUE" cases --store "$store" "$good" "$good"
says "4 passed, 0 failed"

{
	cat "$good"
	toy_case A3 '"destination": "FOE", "value_usd": 5' LICENSE_EXCEPTION_AVAILABLE '"SMALL"' '"CASE_BY_CASE"'
	echo '{"id": "A4", "as_of": '
	toy_case A5 '"destination": "XX"' NO_LICENSE_REQUIRED '' null
	toy_case A6 '"destination": "NEAR"' NO_LICENCE '' null
} >"$mixed"
exits 1 "$PRATIQUE" cases --store "$store" "$mixed"
says "FAIL A3 ($mixed:4)"
says "outcome: expected LICENSE_EXCEPTION_AVAILABLE, got LICENSE_REQUIRED"
says "exceptions_available: expected SMALL, got none"
says "review_policy: expected CASE_BY_CASE, got POLICY_OF_DENIAL"
says "$mixed:5"
says "FAIL A5 ($mixed:6)"
says "destination"
says "$mixed:7"
says "expected.outcome"
says "NO_LICENCE"
says "2 passed, 4 failed"

exits 1 "$PRATIQUE" cases --store "$store" --json "$mixed"
[ "$(wc -l <<<"$out")" -eq 6 ] || note "not one line a case"
says '{"id":"A1","passed":true,'
says '"id":"A3","passed":false,'
says '"decision":{"outcome":"LICENSE_REQUIRED","exceptions_available":[]'
says '"id":null,"passed":false,'
says '"decision":null}'
complains "2 passed, 4 failed"

exits 1 "$PRATIQUE" cases --store "$store" "$good" "$scratch/missing.jsonl"
complains missing.jsonl
says "2 passed, 0 failed"
exits 1 "$PRATIQUE" cases --store "$scratch/missing.mdb" "$good"
complains missing.mdb
printf '{"id": "\xff"}\n' >"$scratch/bytes.jsonl"
exits 1 "$PRATIQUE" cases --store "$store" "$scratch/bytes.jsonl"
says "bytes.jsonl:1"
says "0 passed, 1 failed"
: >"$scratch/empty.jsonl"
exits 1 "$PRATIQUE" cases --store "$store" "$scratch/empty.jsonl"
says "0 passed, 0 failed"
exits 1 "$PRATIQUE" cases --server "unix:$scratch/no.sock" --timeout 500 "$good"
complains "server is gone"
finish
