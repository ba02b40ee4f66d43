# shellcheck shell=bash
# What the scripts of the command line share: sourced, not run.
# Every check says what it looked for; at the end `finish` fails if any check did.

failures=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

note() {
	echo "FAIL: $*"
	failures=$((failures + 1))
}

# run COMMAND...: leaves the exit code in $code, standard output in $out and standard error in $err.
run() {
	code=0
	"$@" >"$scratch/.out" 2>"$scratch/.err" </dev/null || code=$?
	out=$(<"$scratch/.out")
	err=$(<"$scratch/.err")
}

# exits CODE COMMAND...: run it and expect this exit code.
exits() {
	local want=$1
	shift
	run "$@"
	[ "$code" -eq "$want" ] || note "exit code $code instead of $want: $*"$'\n'"$out"$'\n'"$err"
}

# says TEXT: standard output of the last run holds it.
says() {
	[[ $out == *"$1"* ]] || note "no \"$1\" in the output:"$'\n'"$out"
}

# complains TEXT: standard error of the last run holds it.
complains() {
	[[ $err == *"$1"* ]] || note "no \"$1\" among the complaints:"$'\n'"$err"
}

lacks() {
	[[ $out != *"$1"* ]] || note "\"$1\" in the output:"$'\n'"$out"
}

finish() {
	if [ "$failures" -gt 0 ]; then
		echo "$failures checks failed"
		exit 1
	fi
	echo "all checks passed"
}

# toy_pack DIR: a law small enough to hold in the head. A licence is needed for machines to Far and Foe; SMALL covers
# orders of up to 100 to Far, but not with a military end user; Foe is denied.
toy_pack() {
	mkdir -p "$1/tables" "$1/rules" "$1/cases"
	cat >"$1/pack.yaml" <<-'YAML'
		pack: toy
		title: A small law
		edition: 2026-01-01
		covers: { from: 2020-01-01, to: 2030-01-01, grace_days: 100 }
		time_zone: UTC
		jurisdiction: TOY
		gaps:
		  - Only three countries are known.
		domains:
		  jurisdiction: { symbols: [TOY] }
		  authority: { symbols: [OFFICE] }
		  reason: { symbols: [LIST] }
		  exception: { symbols: [SMALL] }
		  transaction_type: { symbols: [export] }
		  role: { symbols: [end_user, buyer] }
		  country: { symbols_of: [{ table: countries, column: code }] }
		  list: { symbols: [friend, watched, denied] }
		  item: { symbols: [machine, bread] }
		facts:
		  - { name: transaction_type, type: symbol, domain: transaction_type, required: true, title: what is done }
		  - { name: destination, type: symbol, domain: country, fixed: true, title: where it goes, ask: Where does it go? }
		  - { name: item.eccn, type: symbol, domain: item, fixed: true, title: what it is, ask: What is it? }
		  - { name: value_usd, type: number, min: 0, title: value, ask: What is it worth? }
		  - { name: party.role, type: symbol, domain: role, required: true, title: part }
		  - { name: party.name, type: text, title: name of the party }
		  - { name: party.military_end_user, type: bool, title: serves military ends, ask: Does it serve military ends? }
		attributes:
		  - { name: destination.list, type: symbols, domain: list, title: lists of the destination }
		tables:
		  - name: countries
		    file: tables/countries.csv
		    title: Countries
		    cite: Law 1
		    edition: 2026-01-01
		    columns:
		      code: { type: symbol, domain: country }
		      list: { type: symbol, domain: list }
		jurisdictions:
		  - { name: TOY, available: LICENSE_EXCEPTION_AVAILABLE }
		profiles:
		  - { name: peaceful, title: Nobody is military, assume: { party.military_end_user: false } }
		  - { name: warlike, title: Everybody is military, assume: { party.military_end_user: true } }
	YAML
	printf 'code,list\nNEAR,friend\nFAR,watched\nFOE,denied\n' >"$1/tables/countries.csv"
	cat >"$1/rules/law.yaml" <<-'YAML'
		- id: toy.law
		  kind: jurisdiction
		  jurisdiction: TOY
		  cite: Law 0
		- id: toy.list
		  kind: derive
		  attribute: destination.list
		  cite: Law 1
		  lookup: { table: countries, where: { code: destination }, take: list }
		- id: toy.machines
		  kind: requirement
		  title: Machines need a licence
		  cite: Law 2
		  authority: OFFICE
		  reason: LIST
		  label: Machine
		  when: { item.eccn: machine, destination.list: [watched, denied] }
		- id: toy.small
		  kind: exception
		  exception: SMALL
		  title: Small orders
		  cite: Law 3
		  overcomes: [LIST]
		  considered: always
		  when: { destination.list: watched, value_usd: "<= 100" }
		- id: toy.small.military
		  kind: restriction
		  title: Nothing small for armies
		  cite: Law 3(b)
		  bars: [SMALL]
		  when: { any_party: { military_end_user: true } }
		- id: toy.denial
		  kind: review
		  cite: Law 4
		  policy: POLICY_OF_DENIAL
		  when: { destination.list: denied }
		- id: toy.review
		  kind: review
		  cite: Law 4
		  policy: CASE_BY_CASE
		- id: toy.records
		  kind: obligation
		  obligation: RECORDS
		  label: RECORDS(Law 5)
		  title: Keep the records
		  cite: Law 5
	YAML
	toy_case T1 '"destination": "FOE", "value_usd": 50' LICENSE_REQUIRED '' '"POLICY_OF_DENIAL"' >"$1/cases/law.jsonl"
	toy_case T2 '"destination": "FAR", "value_usd": 100' LICENSE_EXCEPTION_AVAILABLE '"SMALL"' null >>"$1/cases/law.jsonl"
	toy_case T3 '"destination": "FAR", "value_usd": 100.01' LICENSE_REQUIRED '' '"CASE_BY_CASE"' >>"$1/cases/law.jsonl"
}

# toy_case ID FACTS OUTCOME EXCEPTIONS POLICY: a line of a case file for a machine.
toy_case() {
	printf '{"id": "%s", "as_of": "2026-06-01", "request": {"transaction_type": "export", "item": {"eccn": "machine"}, ' "$1"
	printf '%s, "parties": [{"role": "end_user", "military_end_user": false}]}, "expected": {"outcome": "%s", ' "$2" "$3"
	printf '"exceptions_available": [%s], "exceptions_barred": [], "review_policy": %s, ' "$4" "$5"
	printf '"obligations": ["RECORDS(Law 5)"], "missing_facts": []}}\n'
}

# toy_store FILE: the toy pack, compiled.
toy_store() {
	toy_pack "$scratch/toy"
	"$PRATIQUE" compile "$scratch/toy" -o "$1" >"$scratch/.compile" 2>&1 || {
		cat "$scratch/.compile"
		exit 1
	}
}
