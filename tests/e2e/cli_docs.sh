#!/usr/bin/env bash
# The examples of docs/request.md run, and its tables know every fact of the US packs.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_docs.sh
source "$SRC/tests/e2e/lib_docs.sh"

if [ -z "${STORE:-}" ]; then
	echo "there are no US packs"
	exit 77
fi
page=$SRC/docs/request.md
cd "$scratch" || exit 1
ln -s "$STORE" us.mdb

run_page "$page"
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
