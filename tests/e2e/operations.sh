#!/usr/bin/env bash
# The commands of docs/operations.md run as they stand, and its alarms speak of metrics that there are.
# ctest: timeout=300
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_docs.sh
source "$SRC/tests/e2e/lib_docs.sh"

if [ -z "${STORE:-}" ] || ! command -v curl >/dev/null; then
	echo "there are no US packs, or no curl"
	exit 77
fi
cd "$scratch" || exit 1
: >.servers
trap end_all EXIT

end_all() {
	local pid
	while read -r pid; do
		[ "$(readlink "/proc/$pid/exe")" != "$(realpath "$PRATIQUED")" ] || kill -KILL "$pid"
	done <"$scratch/.servers"
	rm -rf "$scratch"
}

cp "$STORE" us.mdb
run_page "$SRC/docs/operations.md"
[ "$commands" -ge 40 ] || note "only $commands commands were found in the page"

for socket in p-metrics.sock r-metrics.sock; do
	curl -s --unix-socket "$socket" http://localhost/metrics
done | sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' >metrics
# Of servers with a certificate alone.
echo pratique_certificate_not_after_seconds >>metrics
grep -oE '(pratique|grpc_server|process)_[a-z_]+' alerts.yaml | sed 's/_bucket$//' | sort -u >alarmed
[ "$(wc -l <alarmed)" -ge 10 ] || note "only $(wc -l <alarmed) metrics were found in the alarms"
while IFS= read -r name; do
	grep -qx "$name" metrics || note "an alarm speaks of $name, which is no metric"
done <alarmed
[ "$failures" -eq 0 ] || tail -n 5 ./*.log
finish
