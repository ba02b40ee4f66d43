#!/usr/bin/env bash
# The examples of docs/request.md run, and its tables know every fact of the US packs.
#
# In the page, "<!-- file: NAME -->" before a block makes it a file. In a block marked "console", "$ " begins a command;
# the lines below it must stand in the command's output, in this order, each as a part of some line; "? N" is the exit
# code that is expected instead of 0.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"

if [ -z "${STORE:-}" ]; then
	echo "there are no US packs"
	exit 77
fi
page=$SRC/docs/request.md
cd "$scratch" || exit 1
ln -s "$STORE" us.mdb

pratique() {
	"$PRATIQUE" "$@"
}

awk '
	/^<!-- file: / { name = $3; next }
	/^```/ && inside { inside = 0; name = ""; close(out); next }
	/^```/ && name != "" { inside = 1; out = name; next }
	inside { print > out }
' "$page"

awk '/^```console/ { inside = 1; next } /^```/ { inside = 0 } inside' "$page" >commands

commands=0
answer=
command=
expected_code=0

# The command before this line has been read whole: run it and look for what the page shows.
check_command() {
	[ -n "$command" ] || return 0
	commands=$((commands + 1))
	code=0
	answer=$(eval "$command" 2>&1 </dev/null) || code=$?
	[ "$code" -eq "$expected_code" ] || note "exit code $code instead of $expected_code: $command"$'\n'"$answer"
	local rest=$answer line
	for line in "${shown[@]}"; do
		if [[ $rest != *"$line"* ]]; then
			note "no \"$line\" (in this order) in the output of: $command"$'\n'"$answer"
			break
		fi
		rest=${rest#*"$line"}
	done
}

shown=()
while IFS= read -r line; do
	case $line in
	'$ '*)
		check_command
		command=${line#'$ '}
		expected_code=0
		shown=()
		;;
	'? '*) expected_code=${line#'? '} ;;
	*) shown+=("$line") ;;
	esac
done <commands
check_command
[ "$commands" -ge 5 ] || note "only $commands commands were found in the page"

exits 0 "$PRATIQUE" inspect us.mdb --attrs --json
tr '{' '\n' <<<"$out" | sed -n 's/^"name":"\([^"]*\)".*"fact":true.*/\1/p' | sort >known
sed -n '/^## The facts/,/^### Symbols/s/^| `\([^`]*\)` |.*/\1/p' "$page" | sort >documented
[ "$(wc -l <known)" -gt 50 ] || note "only $(wc -l <known) facts were found in the store"
while IFS= read -r name; do
	note "the fact $name is not in docs/request.md"
done < <(comm -23 known documented)
while IFS= read -r name; do
	note "docs/request.md has the fact $name, which the packs do not know"
done < <(comm -13 known documented)
finish
