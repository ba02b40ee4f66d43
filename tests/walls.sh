#!/usr/bin/env bash
# The walls of DESIGN.md: who may know whom, that policy/ does no I/O, and that no law stands in C.
# Prints each crossing as file:line: what: the line. Comments do not count: citing a source in one is welcome.
set -euo pipefail
# The packs beside this script say what law is: their countries, exceptions, lists and authorities are in no string of C.
rules=$(cd "$(dirname "${BASH_SOURCE[0]}")/../rules" && pwd)
cd "${1:-${SRC:-$(dirname "${BASH_SOURCE[0]}")/..}}"

code=$(mktemp)
trap 'rm -f "$code"' EXIT

# Every line of our C code as "file:line:text", comments blanked, strings kept.
find policy storage fetch server cli -name '*.[ch]' | sort | while IFS= read -r file; do
	awk -v file="$file" '
	{
		out = ""
		n = length($0)
		quote = ""
		for (i = 1; i <= n; i++) {
			c = substr($0, i, 1)
			two = substr($0, i, 2)
			if (comment) {
				if (two == "*/") { comment = 0; i++ }
			} else if (quote != "") {
				out = out c
				if (c == "\\") { i++; out = out substr($0, i, 1) }
				else if (c == quote) quote = ""
			} else if (two == "/*") { comment = 1; i++; out = out " " }
			else if (two == "//") break
			else {
				out = out c
				if (c == "\"" || c == "\047") quote = c
			}
		}
		if (out !~ /^[ \t]*$/) print file ":" FNR ":" out
	}' "$file"
done >"$code"

failed=0

# wall WHAT FILES PATTERN: no code line of the files (a regex on the path) may match the pattern.
wall() {
	local hits
	hits=$(grep -E "^($2)[^:]*:[0-9]+:" "$code" | grep -E "^[^:]*:[0-9]+.*($3)" || true)
	if [ -n "$hits" ]; then
		while IFS= read -r hit; do
			printf '%s: %s\n' "$1" "$hit"
		done <<<"$hits"
		failed=1
	fi
}

# A call of one of the functions, not a member or a longer name that ends alike.
calls() {
	printf '(^|[^A-Za-z0-9_.>])(%s)[[:space:]]*\\(' "$1"
}

include='#[[:space:]]*include[[:space:]]*[<"]'
generated='([a-z0-9_./]*\.pb-c\.h|protobuf-c/|proto/)'

wall 'policy/, storage/ and fetch/ do not know gRPC' 'policy/|storage/|fetch/' "${include}grpc/"
wall 'only storage/ knows LMDB' 'policy/|fetch/|server/|cli/' "${include}lmdb\.h"
wall 'only fetch/ knows libcurl' 'policy/|storage/|server/|cli/' "${include}curl/"
wall 'policy/ knows nothing above it' 'policy/' "${include}(storage|fetch|server|cli)/"
wall 'storage/ knows nothing above it' 'storage/' "${include}(fetch|server|cli)/"
wall 'fetch/ knows nothing above it' 'fetch/' "${include}(server|cli)/"
wall 'server/ does not know cli/' 'server/' "${include}cli/"
wall 'generated code is known to server/ and cli/ alone' 'policy/|storage/|fetch/' "${include}${generated}"

# What cannot be declared cannot be called; stdio.h and stdlib.h stay open for snprintf and malloc.
wall 'policy/ does no I/O, takes no lock and reads no clock' 'policy/' \
	"${include}(unistd|fcntl|dirent|poll|netdb|syslog|pthread|threads|time|sys/[a-z]+|arpa/[a-z]+|netinet/[a-z]+)\.h"
wall 'policy/ does no I/O' 'policy/' "$(calls 'fopen|fdopen|freopen|fread|fwrite|fputs|fputc|putc|puts|putchar')"
wall 'policy/ does no I/O' 'policy/' "$(calls 'printf|vprintf|fprintf|vfprintf|dprintf|perror|fflush|popen|system|getenv')"
wall 'policy/ does no I/O' 'policy/' "$(calls 'open|openat|socket|mmap|time|clock_gettime|gettimeofday')"
wall 'policy/ depends on its arguments alone' 'policy/' "$(calls 'rand|random|getrandom')"
wall 'libraries never log: only server/ and cli/ print' 'storage/|fetch/' "$(calls 'printf|vprintf|puts|putchar|perror|syslog')"

ours='policy/|storage/|fetch/|server/|cli/'
wall 'law is data: a citation in C' "$ours" '"[^"]*[0-9]+ (CFR|FR|USC|U\.S\.C\.) '
wall 'law is data: a classification in C' "$ours" '"[0-9][A-E][0-9]{3}([^0-9]|$)|"EAR99"'
wall 'law is data: a country group in C' "$ours" '"([^"]*[^A-Za-z0-9_%"])?[A-E]:[1-6]([^0-9]|$)'
wall 'law is data: a section in C' "$ours" '"[^"]*([Ss]ection|[Pp]art|§) ?[0-9]{3}[. "]|"(12[0-9]|7[3-7][0-9])\.[0-9]+([^0-9.]|$)'
wall 'law is data: a category of munitions in C' "$ours" '"[IVX]+\([a-z]\)'

# Lines to a regex that matches one of them, as they stand.
either() {
	sed -E 's/[][(){}.*+?|^$\\]/\\&/g' | sort -u | paste -sd '|'
}

countries=$(cut -d, -f1 "$rules/us/tables/countries.csv" | grep -E '^[A-Z]{2}$' | either)
# Georgia is a typeface, too.
names=$(cut -d, -f3 "$rules/us/tables/countries.csv" | tr -d '"' | grep -E '^[A-Z][a-z]{3,}' | grep -vx Georgia | either)
exceptions=$(grep -hoE 'exception: *\[?"?[A-Z][A-Z0-9]+' "$rules"/*/rules/*.yaml | grep -oE '[A-Z][A-Z0-9]+$' | either)
domains=$(sed -nE 's/^  (list|authority|jurisdiction|regime|other_agency): \{ symbols: \[(.*)\].*/\2/p' \
	"$rules"/*/*.yaml | tr ',' '\n' | tr -d '" ' | grep -E '^[A-Z_]{3,}$' | grep -vE '^(NONE|OTHER_AGENCY|UNSETTLED)$' | either)
for words in "$countries" "$names" "$exceptions" "$domains"; do
	[ "${#words}" -ge 20 ] || { echo "walls.sh finds no law in $rules"; exit 1; }
done
wall 'law is data: a country in C' "$ours" "\"($countries)\""
wall 'law is data: a country in C' "$ours" "\"([^\"]*[^A-Za-z\"])?($names)([^A-Za-z]|\$)"
wall 'law is data: an exception in C' "$ours" "\"($exceptions)[\"(]"
wall 'law is data: a list, law or authority in C' "$ours" "\"($domains)\""

if [ "$failed" -eq 0 ]; then
	printf 'walls: %s lines of code in %s files, nothing crosses\n' "$(wc -l <"$code")" \
		"$(cut -d: -f1 "$code" | sort -u | wc -l)"
fi
exit "$failed"
