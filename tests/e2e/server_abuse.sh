#!/usr/bin/env bash
# Clients with bad manners, each beside one that asks and must get every answer: memory, descriptors and answers.
# ctest: timeout=300 serial
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_server.sh
source "$SRC/tests/e2e/lib_server.sh"
# shellcheck source=tests/e2e/lib_certs.sh
source "$SRC/tests/e2e/lib_certs.sh"
command -v python3 >/dev/null || { echo 'needs python3'; exit 77; }
[ "$(ulimit -n)" -ge 4096 ] || ulimit -n 4096 || { echo 'needs 4096 descriptors'; exit 77; }

store=$scratch/toy.mdb
toy_store "$store"
authority ca
certificate server ca 30
# A sanitizer keeps what is freed for itself, so there answers and descriptors are judged alone.
memory=()
! grep -q -e __asan_init -e __tsan_init "$PRATIQUED" || memory=(--any-memory)
limits=(--handshake-timeout 1 --max-buffer-bytes 67108864 --shards 2)

start abused --store "$store" --listen 127.0.0.1:0 --listen "unix:$scratch/s.sock" --metrics-listen 127.0.0.1:0 "${limits[@]}"
run timeout 200 python3 "$SRC/tests/abuse/run.py" "$(address abused 1)" "${pids[abused]}" "${memory[@]}"
echo "$out"
[ "$code" -eq 0 ] || note "over TCP: $err"
# Where addresses are files, too.
run timeout 60 python3 "$SRC/tests/abuse/run.py" "unix:$scratch/s.sock" "${pids[abused]}" "${memory[@]}" --only rapid_reset,endless_text,hoard
echo "$out"
[ "$code" -eq 0 ] || note "over a Unix socket: $err"
# It still gives the answer that it gave at the start.
run "$PRATIQUE" decide --server "$(address abused 1)" --as-of 2026-06-01 --type export --item machine --to FAR --value 50 \
	--party role=end_user,military_end_user=false --json
says '"outcome":"LICENSE_EXCEPTION_AVAILABLE"'
if command -v curl >/dev/null; then
	run curl -sS "http://$(address abused 3)/metrics"
	for reason in headers burden unfinished; do
		[[ $out =~ pratique_connections_broken_off_total\{reason=\"$reason\"\}\ [1-9] ]] || note "no $reason is counted"
	done
fi
stop abused

# TLS ports are gRPC's own: a handshake that does not end is closed in the same time. The first address is TLS, too.
start sealed --store "$store" --listen 127.0.0.1:0 --listen "unix:$scratch/t.sock" "${limits[@]}" \
	--tls-cert "$scratch/server.pem" --tls-key "$scratch/server.key"
run timeout 60 python3 "$SRC/tests/abuse/run.py" "unix:$scratch/t.sock" "${pids[sealed]}" --tls "$(address sealed 1)" \
	"${memory[@]}" --only half_tls
echo "$out"
[ "$code" -eq 0 ] || note "TLS: $err"
stop sealed

# No more connections than are allowed; administration is not shut out.
start few --store "$store" --listen 127.0.0.1:0 --admin-listen "unix:$scratch/admin.sock" --max-connections 5 --shards 1
run python3 - "$SRC/tests/abuse" "$(address few 1)" "unix:$scratch/admin.sock" <<-'PYTHON'
	import sys
	sys.path.insert(0, sys.argv[1])
	from h2 import Connection
	from run import small
	held = [Connection(sys.argv[2]) for _ in range(5)]
	assert all(connection.ask(small()) for connection in held)
	more = Connection(sys.argv[2])
	more.frames(20)
	assert more.lost, "a sixth connection"
	assert Connection(sys.argv[3]).drain(0.2), "the address of administration"
	held.pop().close()
	for _ in range(100):
	    again = Connection(sys.argv[2])
	    again.frames(0.1)
	    if not again.lost:
	        break
	assert again.ask(small()), "where one went another comes"
PYTHON
[ "$code" -eq 0 ] || note "--max-connections: $err"
stop few

finish
