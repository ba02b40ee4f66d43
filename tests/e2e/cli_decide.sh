#!/usr/bin/env bash
# decide: requests from files, standard input and flags give one answer; every wrong request is refused by name.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"

store=$scratch/toy.mdb
toy_store "$store"

cat >"$scratch/request.json" <<'JSON'
{
  "as_of": "2026-06-01",
  "transaction_type": "export",
  "item": { "eccn": "machine" },
  "destination": "FAR",
  "value_usd": 100.5,
  "parties": [{ "role": "end_user", "military_end_user": false }]
}
JSON
flags=(--as-of 2026-06-01 --type export --item machine --to FAR --value 100.5
	--party role=end_user,military_end_user=false)

exits 0 "$PRATIQUE" decide --store "$store" "$scratch/request.json" --json
from_file=$out
says '"outcome":"LICENSE_REQUIRED"'
says '"review_policy":"CASE_BY_CASE"'
says '"obligations":["RECORDS(Law 5)"]'
says '"exceptions_available":[]'
says '"missing_facts":[]'
says '"file":"toy/rules/law.yaml"'
exits 0 "$PRATIQUE" decide --json "${flags[@]}" --store "$store"
[ "$out" = "$from_file" ] || note "flags and file give different answers"
out=$("$PRATIQUE" decide --store "$store" --json - <"$scratch/request.json")
[ "$out" = "$from_file" ] || note "standard input and file give different answers"
printf '{"as_of": "2026-06-01", "id": "x", "request": %s}' "$(sed 's/"as_of": "2026-06-01",//' "$scratch/request.json")" \
	>"$scratch/wrapped.json"
exits 0 "$PRATIQUE" decide --store "$store" "$scratch/wrapped.json" --json
[ "$out" = "$from_file" ] || note "the wrapped form gives a different answer"

# Flags go before the file, wherever the fact stands in it.
exits 0 "$PRATIQUE" decide --store "$store" "$scratch/request.json" --value 100 --json
says '"outcome":"LICENSE_EXCEPTION_AVAILABLE","exceptions_available":["SMALL"]'
exits 0 "$PRATIQUE" decide --store "$store" "$scratch/request.json" --fact value_usd=100 --json
says '"exceptions_available":["SMALL"]'
exits 0 "$PRATIQUE" decide --store "$store" "$scratch/request.json" --fact item.eccn=bread --json
says '"outcome":"NO_LICENSE_REQUIRED"'
exits 0 "$PRATIQUE" decide --store "$store" "$scratch/wrapped.json" --as-of 2026-06-02 --json
says '"as_of":"2026-06-02"'
exits 0 "$PRATIQUE" decide --store "$store" "$scratch/request.json" --party role=buyer,military_end_user=true --value 5 --json
says '"exceptions_barred":["SMALL'
exits 0 "$PRATIQUE" decide --store "$store" "$scratch/request.json" --to null --json
says '"outcome":"NEEDS_INFORMATION"'
says '"missing_facts":["destination"]'
says '{"fact":"destination","question":"Where does it go?"}'

# What is not said is not known, and the page says what to ask.
exits 0 "$PRATIQUE" decide --store "$store" --as-of 2026-06-01 --type export --item machine --to FAR
says NEEDS_INFORMATION
says "What is it worth?"
exits 0 "$PRATIQUE" decide --store "$store" "$scratch/request.json"
says "LICENSE_REQUIRED"
says "A licence is required."
says "Law 2"
says "toy/rules/law.yaml:"
says "RECORDS(Law 5)"
says "case by case"
while IFS= read -r line; do
	[ "${#line}" -le 80 ] || note "a line of ${#line} columns: $line"
done <<<"$out"

# The page is no way into the terminal.
printf '{"as_of": "2026-06-01", "transaction_type": "export", "item": {"eccn": "ma\\u001b[31mchine"}}' >"$scratch/escape.json"
exits 3 "$PRATIQUE" decide --store "$store" "$scratch/escape.json"
[[ $err != *$'\e'* ]] || note "an escape sequence reached the terminal"

# refused TEXT REQUEST: exit code 3 and a message that holds TEXT.
refused() {
	printf '%s' "$2" >"$scratch/bad.json"
	exits 3 "$PRATIQUE" decide --store "$store" "$scratch/bad.json"
	complains "$1"
	[ -z "$out" ] || note "an answer to a refused request: $out"
}
day='"as_of": "2026-06-01", "transaction_type": "export"'
refused "as_of" '{"transaction_type": "export"}'
refused "as_of" '{"as_of": "2026-02-30", "transaction_type": "export"}'
refused "transaction_type" '{"as_of": "2026-06-01"}'
refused "destination" "{$day, \"destination\": \"XX\"}"
refused "destination" "{$day, \"destination\": 7}"
refused "item.eccn" "{$day, \"item\": {\"eccn\": \"9Z999\"}}"
refused "value_usd" "{$day, \"value_usd\": -1}"
refused "value_usd" "{$day, \"value_usd\": 1.00001}"
refused "value_usd" "{$day, \"value_usd\": \"much\"}"
refused "nonsense" "{$day, \"nonsense\": true}"
refused "parties[0]" "{$day, \"parties\": [{\"military_end_user\": true}]}"
refused "parties[1].role" "{$day, \"parties\": [{\"role\": \"buyer\"}, {\"role\": \"thief\"}]}"
refused "parties" "{$day, \"parties\": null}"
refused "destination" "{$day, \"destination\": \"$(printf 'x%.0s' {1..600})\"}"
refused "query" "{$day, \"query\": \"everything\"}"
refused "bad.json:1:" '{"as_of": "2026-06-01",}'
refused "duplicate" "{$day, \"destination\": \"FAR\", \"destination\": \"NEAR\"}"
refused "0xff" "{$day, \"destination\": \"$(printf '\xff')\"}"
refused "\\u0000" "{$day, \"destination\": \"FAR\\u0000\"}"
refused "bad.json" '[]'
refused "bad.json" ''
printf '{"as_of": "2026-06-01", "destination": "F\0AR"}' >"$scratch/nul.json"
exits 3 "$PRATIQUE" decide --store "$store" "$scratch/nul.json"
head -c 1100000 /dev/zero | tr '\0' ' ' >"$scratch/long.json"
exits 3 "$PRATIQUE" decide --store "$store" "$scratch/long.json"
complains long.json
code=0
err=$("$PRATIQUE" decide --store "$store" - <"$scratch/long.json" 2>&1) || code=$?
[ "$code" -eq 3 ] || note "exit code $code for an endless standard input"
exits 1 "$PRATIQUE" decide --store "$store" "$scratch/missing.json"
complains missing.json

# What nobody says may be assumed: by the request, or by a profile of the packs; both are echoed.
silent=(--as-of 2026-06-01 --type export --item machine --to FAR --value 50 --party role=end_user)
exits 0 "$PRATIQUE" decide --store "$store" --json "${silent[@]}"
says '"outcome":"NEEDS_INFORMATION"'
says '"assumed":[]'
exits 0 "$PRATIQUE" decide --store "$store" --json "${silent[@]}" --assume party.military_end_user=false
says '"outcome":"LICENSE_EXCEPTION_AVAILABLE"'
says '"assumed":[{"fact":"party.military_end_user","value":"false","source":null}]'
exits 0 "$PRATIQUE" decide --store "$store" --json "${silent[@]}" --profile peaceful --profile warlike
says '"outcome":"LICENSE_EXCEPTION_AVAILABLE"'
says '"assumed":[{"fact":"party.military_end_user","value":"false","source":"peaceful"}]'
exits 0 "$PRATIQUE" decide --store "$store" --json "${silent[@]}" --profile peaceful --assume party.military_end_user=true
says '"outcome":"LICENSE_REQUIRED"'
exits 0 "$PRATIQUE" decide --store "$store" "${silent[@]}" --profile peaceful
says "Assumed"
says "party.military_end_user: false (by the profile peaceful)"
printf '{%s, "destination": "FAR", "item": {"eccn": "machine"}, "value_usd": 50, "parties": [{"role": "end_user"}],
	"assume": {"party": {"military_end_user": true}}, "profile": ["warlike"], "near_misses": 3}' "$day" >"$scratch/assume.json"
exits 0 "$PRATIQUE" decide --store "$store" --json "$scratch/assume.json"
says '"outcome":"LICENSE_REQUIRED"'
exits 0 "$PRATIQUE" decide --store "$store" --json "$scratch/assume.json" --assume party.military_end_user=false
says '"outcome":"LICENSE_EXCEPTION_AVAILABLE"'
printf '{%s, "destination": "FAR", "item": {"eccn": "machine"}, "value_usd": 50, "parties": [{"role": "end_user"}],
	"profile": "warlike"}' "$day" >"$scratch/assume.json"
exits 0 "$PRATIQUE" decide --store "$store" --json "$scratch/assume.json" --profile peaceful
says '"source":"peaceful"'
refused "assume" "{$day, \"assume\": null}"
refused "assume" "{$day, \"assume\": [\"civil\"]}"
refused "assume.value_usd" "{$day, \"assume\": {\"value_usd\": null}}"
refused "assume.value_usd" "{$day, \"assume\": {\"value_usd\": true}}"
refused "assume.nonsense" "{$day, \"assume\": {\"nonsense\": 1}}"
refused "profile" "{$day, \"profile\": \"nobody\"}"
refused "profile" "{$day, \"profile\": 5}"
refused "profile[1]" "{$day, \"profile\": [\"peaceful\", 5]}"
refused "profile" "{$day, \"profile\": [$(printf '"peaceful",%.0s' {1..16})\"peaceful\"]}"

# Near misses, where they are asked for.
exits 0 "$PRATIQUE" decide --store "$store" --json "${flags[@]}"
says '"near_misses":[]'
exits 0 "$PRATIQUE" decide --store "$store" --json "${flags[@]}" --near-misses
says '"near_misses":[{"fact":"value_usd","from":"100.5","to":"100","outcome":"LICENSE_EXCEPTION_AVAILABLE","rule":"toy.small","cite":"Law 3"}]'
exits 0 "$PRATIQUE" decide --store "$store" "${flags[@]}" --value 50 --near-misses=1
says "What would change the answer"
says "instead of"
exits 0 "$PRATIQUE" decide --store "$store" --json "${flags[@]}" --near-misses=0
says '"near_misses":[]'
for wrong in 65 -1 1.5 '"3"' null '[]'; do
	refused "near_misses" "{$day, \"near_misses\": $wrong}"
done

# One bad line does not lose the others; where all are bad, the request is.
printf '{%s, "destination": "FAR", "parties": [{"role": "end_user", "military_end_user": false}], "item": {"lines": [
	{"eccn": "machine", "value_usd": 50}, {"eccn": "wine"}, {"eccn": "bread"}]}}' "$day" >"$scratch/lines.json"
exits 0 "$PRATIQUE" decide --store "$store" --json "$scratch/lines.json"
says '"outcome":"NEEDS_INFORMATION"'
says '"part":"lines[0]","outcome":"LICENSE_EXCEPTION_AVAILABLE"'
says '"part":"lines[2]","outcome":"NO_LICENSE_REQUIRED"'
says '"violations":[{"field":"lines[1].item.eccn","reason":"UNKNOWN_SYMBOL",'
exits 0 "$PRATIQUE" decide --store "$store" "$scratch/lines.json"
says "lines[1]: refused"
refused "lines[1].item.eccn" "{$day, \"item\": {\"lines\": [{\"eccn\": \"wine\"}, {\"eccn\": \"beer\"}]}}"

# Flags that are wrong name themselves.
exits 2 "$PRATIQUE" decide --store "$store" "${flags[@]}" --assume bare
complains "--assume"
exits 2 "$PRATIQUE" decide --store "$store" "${flags[@]}" --near-misses=many
complains "--near-misses"
exits 3 "$PRATIQUE" decide --store "$store" "${flags[@]}" --near-misses=65
complains "near_misses"
exits 3 "$PRATIQUE" decide --store "$store" "${flags[@]}" --profile nobody
complains "nobody"
exits 2 "$PRATIQUE" decide --store "$store" "${flags[@]}" --value 1e5
complains "--value"
exits 2 "$PRATIQUE" decide --store "$store" "${flags[@]}" --fact bare
complains "--fact"
exits 2 "$PRATIQUE" decide --store "$store" "${flags[@]}" --party end_user
complains "--party"
exits 2 "$PRATIQUE" decide --store "$store" "${flags[@]}" --party role=buyer,role=buyer
complains "twice"
exits 2 "$PRATIQUE" decide --store "$store" "${flags[@]}" --to ''
complains "--to"
exits 2 "$PRATIQUE" decide --store "$store" "${flags[@]}" --to "$(printf '\xff')"
complains "--to"
exits 3 "$PRATIQUE" decide --store "$store" "${flags[@]}" --as-of 2026-13-01
complains "as_of"
exits 3 "$PRATIQUE" decide --store "$store" "${flags[@]}" --value -5
complains "value_usd"
exits 3 "$PRATIQUE" decide --store "$store" "${flags[@]}" --query everything
complains "query"
exits 3 "$PRATIQUE" decide --store "$store" "${flags[@]}" --fact nonsense=1 --fact rubbish=2
complains "nonsense"
complains "rubbish"

# A damaged store is refused before it is asked.
head -c 3000 "$store" >"$scratch/short.mdb"
exits 1 "$PRATIQUE" decide --store "$scratch/short.mdb" "${flags[@]}"
complains short.mdb
cp "$store" "$scratch/flipped.mdb"
printf '\x55' | dd of="$scratch/flipped.mdb" bs=1 seek=9000 conv=notrunc status=none
exits 1 "$PRATIQUE" decide --store "$scratch/flipped.mdb" "${flags[@]}"
complains "flipped.mdb"
exits 1 "$PRATIQUE" decide --server "unix:$scratch/no.sock" --timeout 500 "${flags[@]}"
[ -n "$err" ] || note "nothing said of a server that is not there"
finish
