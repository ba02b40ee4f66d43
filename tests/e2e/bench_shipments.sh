#!/usr/bin/env bash
# The realistic shipments that benchmarks send: the store refuses none, equal seeds give equal ones, and a form that is
# wrong is told.
set -euo pipefail

bodies=$(dirname "$PRATIQUE")/bench/tools/bodies
[ -x "$bodies" ] || {
	echo "the benchmarks are not built"
	exit 77
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
	echo "$*" >&2
	exit 1
}

forms=$SRC/bench/shipments.json
"$bodies" "$STORE" 1500 shipments "$forms" >"$scratch/first" 2>"$scratch/told"
grep -qx '1500 bodies of 1500 requests' "$scratch/told" || fail "not all are answered: $(cat "$scratch/told")"
"$bodies" "$STORE" 1500 shipments "$forms" >"$scratch/second" 2>/dev/null
cmp "$scratch/first" "$scratch/second" || fail "equal seeds gave other shipments"

# refused TEXT FORM: the file with that one form is refused, and TEXT is in what is said.
refused() {
	printf '{"forms": [[1, "the form", %s]], "named": {}}' "$2" >"$scratch/forms.json"
	! "$bodies" "$STORE" 3 shipments "$scratch/forms.json" >/dev/null 2>"$scratch/told" || fail "not refused: $2"
	grep -qF "the form: $1" "$scratch/told" || fail "wanted '$1', got: $(cat "$scratch/told")"
}
refused '$named: nothing is named here' '{"destination": {"$named": "here"}}'
refused 'there is no word $any' '{"destination": {"$any": 1}}'
refused '$symbol: the store knows no symbols of value_usd' '{"destination": {"$symbol": "value_usd"}}'
refused 'destination' '{"as_of": "2026-03-02", "transaction_type": "export", "destination": "Atlantis"}'
refused 'a list of [weight, value] is wrong' '{"destination": {"$one": [["KH"]]}}'

! "$bodies" "$STORE" 3 shipments "$scratch/none.json" >/dev/null 2>"$scratch/told" || fail "a file that is not there is read"
grep -qF "$scratch/none.json" "$scratch/told" || fail "the file is not named: $(cat "$scratch/told")"
