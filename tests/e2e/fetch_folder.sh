#!/usr/bin/env bash
# Pushing into a folder and fetching from it: order, differences, what was interrupted, what is wrong.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_fetch.sh
source "$SRC/tests/e2e/lib_fetch.sh"

revisions
place=$scratch/place
mkdir "$place"

exits 1 "$PRATIQUE" fetch "file://$place" -o "$scratch/got.mdb"
complains latest.manifest
exits 0 "$PRATIQUE" push "file://$place" "$scratch/1.mdb" "$scratch/1.manifest"
same "$place/latest.manifest" "$scratch/1.manifest"
exits 0 "$PRATIQUE" fetch "file://$place" -o "$scratch/got.mdb" --mark "$scratch/mark" --manifest "$scratch/got.manifest"
says "sequence 1"
complains "not verified"
same "$scratch/got.mdb" "$scratch/1.mdb"
same "$scratch/got.manifest" "$scratch/1.manifest"
exits 0 "$PRATIQUE" fetch "file://$place" -o "$scratch/got.mdb" --mark "$scratch/mark"
says unchanged

# The next revision, as differences against what is there.
exits 0 "$PRATIQUE" push "file://$place" "$scratch/2.mdb" "$scratch/2.manifest" --base "$scratch/1.mdb"
says differences
exits 0 "$PRATIQUE" fetch "file://$place" -o "$scratch/got.mdb" --mark "$scratch/mark"
says "as differences"
same "$scratch/got.mdb" "$scratch/2.mdb"

# Damaged differences cost only the way: the whole snapshot is got.
cp "$scratch/1.mdb" "$scratch/got.mdb"
differences=$(echo "$place"/*.from.*)
printf 'x' | dd of="$differences" bs=1 seek=$(($(stat -c %s "$differences") - 5)) conv=notrunc status=none
exits 0 "$PRATIQUE" fetch "file://$place" -o "$scratch/got.mdb"
lacks "as differences"
same "$scratch/got.mdb" "$scratch/2.mdb"

# An older revision is not pushed over a newer one; if it is there all the same, its sequence tells.
exits 1 "$PRATIQUE" push "file://$place" "$scratch/1.mdb" "$scratch/1.manifest"
complains "holds sequence 2 already"
exits 0 "$PRATIQUE" push "file://$place" "$scratch/1.mdb" "$scratch/1.manifest" --force
exits 1 "$PRATIQUE" fetch "file://$place" -o "$scratch/got.mdb" --after 2
complains "points back to sequence 1"
same "$scratch/got.mdb" "$scratch/2.mdb"

# A manifest of another store; a store that is damaged; a place that is none; what is half a snapshot.
exits 1 "$PRATIQUE" push "file://$place" "$scratch/2.mdb" "$scratch/1.manifest"
head -c 9000 "$scratch/2.mdb" >"$scratch/cut.mdb"
exits 1 "$PRATIQUE" push "file://$place" "$scratch/cut.mdb" "$scratch/2.manifest"
complains cut.mdb
exits 1 "$PRATIQUE" push "file://$scratch/nowhere" "$scratch/2.mdb" "$scratch/2.manifest"
complains nowhere
exits 1 "$PRATIQUE" push https://127.0.0.1/x "$scratch/2.mdb" "$scratch/2.manifest"
complains "only be read"
exits 0 "$PRATIQUE" push "file://$place" "$scratch/2.mdb" "$scratch/2.manifest"
rm -f "$scratch"/got.mdb* "$place"/*.from.*
whole=$place/$(tail -c 32 "$scratch/2.mdb" | od -An -v -tx1 | tr -d ' \n').mdb.zst
cp "$whole" "$scratch/kept"
head -c 3000 "$scratch/kept" >"$whole"
exits 1 "$PRATIQUE" fetch "file://$place" -o "$scratch/got.mdb"
complains "ends after 3000 bytes"
[ ! -e "$scratch/got.mdb" ] || note "half a store was put into its place"
cp "$scratch/kept" "$whole"
exits 0 "$PRATIQUE" fetch "file://$place" -o "$scratch/got.mdb"
same "$scratch/got.mdb" "$scratch/2.mdb"
[ ! -e "$scratch/got.mdb.part" ] || note "the part was left"
# What zstd makes of a snapshot is the store, where zstd is at hand.
if command -v zstd >/dev/null; then
	zstd -dqc "$whole" >"$scratch/plain.mdb"
	same "$scratch/plain.mdb" "$scratch/2.mdb"
fi

# Signatures.
openssl genpkey -algorithm ed25519 -out "$scratch/key.pem" 2>/dev/null
openssl genpkey -algorithm ed25519 -out "$scratch/other.pem" 2>/dev/null
openssl pkey -in "$scratch/key.pem" -pubout -out "$scratch/key.pub"
openssl pkey -in "$scratch/other.pem" -pubout -out "$scratch/other.pub"
exits 1 "$PRATIQUE" fetch "file://$place" -o "$scratch/got.mdb" --trust "$scratch/key.pub"
manifest 2 3 >"$scratch/3.manifest"
sign "$scratch/key.pem" "$scratch/3.manifest"
exits 0 "$PRATIQUE" push "file://$place" "$scratch/2.mdb" "$scratch/3.manifest"
exits 0 "$PRATIQUE" fetch "file://$place" -o "$scratch/got.mdb" --trust "$scratch/other.pub" --trust "$scratch/key.pub"
says "sequence 3"
exits 1 "$PRATIQUE" fetch "file://$place" -o "$scratch/got.mdb" --trust "$scratch/other.pub"
exits 2 "$PRATIQUE" fetch "file://$place"
complains "-o"
exits 2 "$PRATIQUE" fetch "file://$place" -o x --after y
exits 2 "$PRATIQUE" push "file://$place" x
exits 2 "$PRATIQUE" push "file://$place" x y --level 20
exits 1 "$PRATIQUE" fetch "ftp://host/x" -o "$scratch/x"
complains "no place for revisions"
exits 1 "$PRATIQUE" fetch "https://name:secret@host/x" -o "$scratch/x"
[[ $err != *secret* ]] || note "a password was printed: $err"
finish
