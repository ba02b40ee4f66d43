#!/usr/bin/env bash
# Pushing to a real registry and fetching from it: 304, a tag that goes back, one that is away for a while, logins.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_fetch.sh
source "$SRC/tests/e2e/lib_fetch.sh"
if ! command -v docker-registry >/dev/null; then
	echo "needs the package docker-registry"
	exit 77
fi

revisions
registry 0
url=oci+http://127.0.0.1:$registry_port/law/us:latest
fetch() {
	"$PRATIQUE" fetch "$url" -o "$scratch/got.mdb" "$@"
}

exits 1 fetch
complains 404
exits 0 "$PRATIQUE" push "$url" "$scratch/1.mdb" "$scratch/1.manifest"
exits 0 fetch --mark "$scratch/mark" --manifest "$scratch/got.manifest"
same "$scratch/got.mdb" "$scratch/1.mdb"
same "$scratch/got.manifest" "$scratch/1.manifest"
exits 0 fetch --mark "$scratch/mark"
says unchanged
grep -qE 'GET /v2/law/us/manifests/latest HTTP/1.1" 304|http.response.status=304' "$scratch/registry.log" ||
	note "no 304:"$'\n'"$(tail -n 5 "$scratch/registry.log")"

# The same once more sends nothing. The next revision goes over as differences.
exits 0 "$PRATIQUE" push "$url" "$scratch/1.mdb" "$scratch/1.manifest"
says "sent         0 bytes"
exits 0 "$PRATIQUE" push "$url" "$scratch/2.mdb" "$scratch/2.manifest" --base "$scratch/1.mdb"
exits 0 fetch --mark "$scratch/mark"
says "as differences"
same "$scratch/got.mdb" "$scratch/2.mdb"

# The tag is moved back: its sequence tells, and a push does not do it by mistake.
exits 1 "$PRATIQUE" push "$url" "$scratch/1.mdb" "$scratch/1.manifest"
complains "holds sequence 2 already"
exits 0 "$PRATIQUE" push "$url" "$scratch/1.mdb" "$scratch/1.manifest" --force
exits 1 fetch --mark "$scratch/mark" --after 2
complains "points back to sequence 1"
same "$scratch/got.mdb" "$scratch/2.mdb"

# The registry is away, and comes back on the same port.
kill "$registry_pid"
wait "$registry_pid" 2>/dev/null
exits 1 fetch --mark "$scratch/mark"
complains "cannot be reached"
registry "$registry_port"
exits 0 fetch --mark "$scratch/mark"
says "sequence 1"
same "$scratch/got.mdb" "$scratch/1.mdb"

# What is no revision of ours.
printf '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": [], "config": {"mediaType":
"application/vnd.oci.empty.v1+json", "digest": "sha256:%s", "size": 2}}' \
	44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a >"$scratch/image.json"
if command -v curl >/dev/null; then
	curl -sf -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary @"$scratch/image.json" \
		"http://127.0.0.1:$registry_port/v2/law/us/manifests/image" >/dev/null || note "the image could not be put"
	exits 1 "$PRATIQUE" fetch "oci+http://127.0.0.1:$registry_port/law/us:image" -o "$scratch/got.mdb"
	complains "is no revision of Pratique"
fi

# A token, from a server that wants name and password for it.
if /usr/bin/python3 -c '' 2>/dev/null; then
	web proxy --proxy "127.0.0.1:$registry_port" --login 'robot:s3cret'
	url=oci+http://127.0.0.1:$port/law/us:next
	printf '{"auths": {"127.0.0.1:%s": {"auth": "%s"}}}' "$port" "$(printf 'robot:s3cret' | base64)" >"$scratch/login.json"
	exits 1 fetch
	complains "no token for you"
	exits 0 "$PRATIQUE" push "$url" "$scratch/2.mdb" "$scratch/2.manifest" --credentials "$scratch/login.json"
	exits 0 fetch --credentials "$scratch/login.json"
	same "$scratch/got.mdb" "$scratch/2.mdb"
	mkdir -p "$scratch/.docker"
	cp "$scratch/login.json" "$scratch/.docker/config.json"
	exits 0 fetch
	! grep -q 's3cret' "$scratch/.err" "$scratch/.out" "$scratch/proxy.log" || note "a password was printed"
fi

# Name and password themselves.
kill "$registry_pid"
wait "$registry_pid" 2>/dev/null
if hash=$(/usr/bin/python3 -W ignore -c 'import crypt; print(crypt.crypt("pass", crypt.mksalt(crypt.METHOD_BLOWFISH)))' 2>/dev/null); then
	printf 'robot:%s\n' "$hash" >"$scratch/htpasswd"
	registry 0 "auth: { htpasswd: { realm: here, path: $scratch/htpasswd } }"
	url=oci+http://127.0.0.1:$registry_port/law/us:latest
	exits 1 fetch
	complains "wants a name and a password"
	printf '{"auths": {"127.0.0.1:%s": {"auth": "%s"}}}' "$registry_port" "$(printf 'robot:pass' | base64)" >"$scratch/login.json"
	exits 0 fetch --credentials "$scratch/login.json"
	same "$scratch/got.mdb" "$scratch/1.mdb"
fi
finish
