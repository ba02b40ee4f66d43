#!/usr/bin/env bash
# grid: a record of every answer; what moved since is told with both answers, cell by cell; and a sample of the US grid
# still is as recorded.
# ctest: timeout=300
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"

pack=$scratch/law
mkdir -p "$pack/tables" "$pack/rules"
cat >"$pack/pack.yaml" <<'YAML'
pack: law
title: Places and things
edition: 2024-01-01
jurisdiction: L
domains:
  place: { symbols: [AA, BB, CC, DD] }
  thing: { symbols: [T1, T2, T3] }
  authority: { symbols: [O] }
  reason: { symbols: [R] }
  exception: { symbols: [X] }
jurisdictions: [{ name: L, available: LICENSE_EXCEPTION_AVAILABLE }]
facts:
  - { name: to, type: symbol, domain: place }
  - { name: thing, type: code, domain: thing, separator: ".", path: thing.part }
  - { name: secret, type: bool, silence: unknown }
attributes: [{ name: listed, type: bool, title: listed }]
tables:
  - name: listed
    file: tables/listed.csv
    cite: Law 1
    edition: 2024-01-01
    columns:
      place: { type: symbol, domain: place }
      thing: { type: symbol, domain: thing }
      parts: { type: path }
YAML
table() {
	cat >"$pack/tables/listed.csv"
}
table <<'CSV'
place,thing,parts,valid_from,valid_to
AA,T1,entire,2022-01-01,2023-01-01
BB,T1,.a,2022-06-01,
*,T2,entire,,
CSV
cat >"$pack/rules/rules.yaml" <<'YAML'
- { id: law.l, kind: jurisdiction, cite: Law 0, jurisdiction: L }
- { id: law.d, kind: derive, cite: Law 1, attribute: listed, lookup: { table: listed, where: { place: to, thing: thing, parts: thing.part } } }
- { id: law.r, kind: requirement, cite: Law 2, authority: O, reason: R, when: { listed: true } }
- { id: law.p, kind: prohibition, cite: Law 3, from: 2025-01-01, when: { to: [CC], secret: true } }
- { id: law.o, kind: obligation, cite: Law 4, obligation: REPORT, when: { thing: [T3] } }
YAML
cat >"$scratch/plain.json" <<'JSON'
{ "title": "things to places", "rows": "thing", "columns": "to", "as_of": "2021-01-01",
  "special": { "CC/open": { "to": "CC" } }, "request": { "facts": { "secret": false } } }
JSON
# A special column takes the place of what the scenario says; here it says the same.
seal() {
	"$PRATIQUE" compile "$pack" -o "$scratch/law.mdb" >/dev/null 2>&1 || note "the small law is not compiled"
}
seal
record=$scratch/record.txt
grid=("$PRATIQUE" grid --store "$scratch/law.mdb")

exits 0 "${grid[@]}" --since 2021-01-01 --check 1 -o "$record" "$scratch/plain.json"
complains "plain: 4 classifications x 5 destinations x 5 days"
exits 0 "${grid[@]}" --since 2021-01-01 --check 0 --threads 1 "$scratch/plain.json"
[ "$out" = "$(cat "$record")" ] || note "one thread writes another record than several"
out=$(cat "$record")
says "since 2021-01-01"
says "columns AA BB CC DD CC/open"
says "LICENSE_REQUIRED"
says "NO_LICENSE_REQUIRED; duties REPORT"
says "moves 2022-01-01 2" # T1 and T1.a to AA
says "moves 2022-06-01 2" # to BB T1.a, and T1, of which it is not known whether it is T1.a
says "moves 2023-01-01 2"
says "at T1.a "
lacks "moves 2025-01-01"

exits 0 "${grid[@]}" --against "$record" "$scratch/plain.json"
says "No cell moved."

# The law changes: one row ends later, another is gone, and T3 goes under a duty of another name.
table <<'CSV'
place,thing,parts,valid_from,valid_to
AA,T1,entire,2022-01-01,2023-07-01
*,T2,entire,,
CSV
sed -i 's/obligation: REPORT/obligation: TELL/' "$pack/rules/rules.yaml"
seal
exits 1 "${grid[@]}" --against "$record" --moved "$scratch/moved.txt" "$scratch/plain.json"
says "plain, 2023-01-01 to 2023-06-30: AA"
says "  was NO_LICENSE_REQUIRED"$'\n'"  now LICENSE_REQUIRED"
says "plain, from 2022-06-01 on: BB"
says "  was NEEDS_INFORMATION; missing thing.part"$'\n'"  now NO_LICENSE_REQUIRED"$'\n'"  1 cell: T1"
says "  was LICENSE_REQUIRED"$'\n'"  now not in the grid"
says "plain, from 2021-01-01 on: AA BB CC DD CC/open"
says "now NO_LICENSE_REQUIRED; duties TELL"$'\n'"  5 cells: T3"
lacks "T2"
complains "the answers are not those of $record"
[ "$(grep -c '^plain, ' "$scratch/moved.txt")" = "$(grep -c '^plain, ' <<<"$out")" ] || note "the list has not every group"

# Some of the cells show it, too; and a record that was tampered with is refused.
exits 1 "${grid[@]}" --against "$record" --every 2 "$scratch/plain.json"
complains "a sample"
sed 's/^history .*/history zz 2021-01-01=nothing/' "$record" >"$scratch/broken.txt"
exits 1 "${grid[@]}" --against "$scratch/broken.txt" "$scratch/plain.json"
complains "broken.txt:"
echo "something else" >"$scratch/broken.txt"
exits 1 "${grid[@]}" --against "$scratch/broken.txt" "$scratch/plain.json"
complains "broken.txt:1: is no line of a record"

exits 2 "${grid[@]}" "$scratch/plain.json"
complains "--since"
exits 2 "${grid[@]}" --since 2021-01-01 --every 3 "$scratch/plain.json"
exits 2 "${grid[@]}" --since 2021-02-30 "$scratch/plain.json"
exits 2 "${grid[@]}" --since 2021-01-01 --threads 0 "$scratch/plain.json"
sed 's/"special"/"only": ["BB"], "special"/' "$scratch/plain.json" >"$scratch/some.json"
exits 0 "${grid[@]}" --since 2021-01-01 "$scratch/some.json"
says "columns BB CC/open"
sed -i 's/"BB"/"XX"/' "$scratch/some.json"
exits 1 "${grid[@]}" --since 2021-01-01 "$scratch/some.json"
complains 'some.json: "only": no. 1 is no value of to'
sed 's/"title"/"titel"/' "$scratch/plain.json" >"$scratch/untitled.json"
exits 1 "${grid[@]}" --since 2021-01-01 "$scratch/untitled.json"
complains "untitled.json: \"title\" must be a text of one line"

# The US grid: a sample of its cells (PQ_GRID_EVERY: each so many-th) is as recorded. ./dev grid looks at all of them.
if [ -n "${STORE:-}" ] && [ -e "$SRC/tests/grid/record.txt" ]; then
	exits 0 "$PRATIQUE" grid --store "$STORE" --against "$SRC/tests/grid/record.txt" --every "${PQ_GRID_EVERY:-991}" \
		"$SRC"/tests/grid/*.json
	says "No cell moved."
fi

finish
