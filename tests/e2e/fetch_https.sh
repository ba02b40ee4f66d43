#!/usr/bin/env bash
# Fetching over HTTPS: trust in the server, passwords, 304, ranges, transfers that break.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_fetch.sh
source "$SRC/tests/e2e/lib_fetch.sh"
if ! /usr/bin/python3 -c 'import ssl' 2>/dev/null; then
	echo "needs python3"
	exit 77
fi

revisions
place=$scratch/place
mkdir "$place"
exits 0 "$PRATIQUE" push "file://$place" "$scratch/1.mdb" "$scratch/1.manifest"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$scratch/tls.key" -out "$scratch/tls.crt" -days 2 \
	-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>/dev/null

web tls "$place" --tls "$scratch/tls.crt" "$scratch/tls.key" --login 'reader:pass word'
url=https://127.0.0.1:$port
fetch() {
	"$PRATIQUE" fetch "$url" -o "$scratch/got.mdb" --ca "$scratch/tls.crt" "$@"
}
printf '{"auths": {"127.0.0.1:%s": {"auth": "%s"}}}' "$port" "$(printf 'reader:pass word' | base64)" >"$scratch/login.json"
printf '{"auths": {"127.0.0.1:%s": {"auth": "%s"}}}' "$port" "$(printf 'reader:wrong' | base64)" >"$scratch/wrong.json"

exits 1 "$PRATIQUE" fetch "$url" -o "$scratch/got.mdb" --credentials "$scratch/login.json"
complains "cannot be trusted"
exits 1 fetch
complains "401: who are you?"
exits 1 fetch --credentials "$scratch/wrong.json"
complains 401
exits 1 fetch --credentials "$scratch/nowhere.json"
complains nowhere.json
exits 0 fetch --credentials "$scratch/login.json" --mark "$scratch/mark"
same "$scratch/got.mdb" "$scratch/1.mdb"
exits 0 fetch --credentials "$scratch/login.json" --mark "$scratch/mark"
says unchanged
grep -q 'GET /latest.manifest HTTP/1.1" 304' "$scratch/tls.log" || note "no 304:"$'\n'"$(<"$scratch/tls.log")"
! grep -q 'pass word' "$scratch/tls.log" "$scratch/.err" || note "a password was printed"

# A server that breaks every body off: the transfer goes on where it stood, by ranges.
exits 0 "$PRATIQUE" push "file://$place" "$scratch/2.mdb" "$scratch/2.manifest" --base "$scratch/1.mdb"
web cut "$place" --cut 1500
url=http://127.0.0.1:$port
rm "$scratch/got.mdb"
exits 0 fetch
says resumed
same "$scratch/got.mdb" "$scratch/2.mdb"
grep -q 'bytes=3000-' "$scratch/cut.log" || note "no range was asked for:"$'\n'"$(<"$scratch/cut.log")"

# One that knows no ranges: what comes again is passed over.
web plain "$place" --no-ranges
url=http://127.0.0.1:$port
rm "$scratch/got.mdb"
exits 0 fetch
same "$scratch/got.mdb" "$scratch/2.mdb"
cp "$scratch/1.mdb" "$scratch/got.mdb"
exits 0 fetch
says "as differences"
same "$scratch/got.mdb" "$scratch/2.mdb"

# Nobody there, nothing there; another machine without TLS is not even asked.
url=http://127.0.0.1:$port/none
exits 1 fetch
complains "404: no such file here"
kill "$web_pid"
wait "$web_pid" 2>/dev/null
exits 1 fetch
complains "cannot be reached"
exits 1 "$PRATIQUE" fetch http://192.0.2.1/x -o "$scratch/got.mdb"
complains "not encrypted"
same "$scratch/got.mdb" "$scratch/2.mdb"
finish
