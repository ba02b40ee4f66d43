#!/usr/bin/env bash
# A replica of a web server that wants TLS and a password and breaks off, and of a registry: polls that cost nothing, a tag
# that goes back, one that is away for a while.
# ctest: timeout=600
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_server.sh
source "$SRC/tests/e2e/lib_server.sh"
# shellcheck source=tests/e2e/lib_fetch.sh
source "$SRC/tests/e2e/lib_fetch.sh"
# shellcheck source=tests/e2e/lib_follow.sh
source "$SRC/tests/e2e/lib_follow.sh"

law
state 1 1
state 2 2
state 3 3

if /usr/bin/python3 -c 'import ssl' 2>/dev/null; then
	place=$scratch/place
	mkdir "$place"
	exits 0 "$PRATIQUE" push "file://$place" "$scratch/1.mdb" "$scratch/1.manifest"
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$scratch/tls.key" -out "$scratch/tls.crt" -days 2 \
		-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>/dev/null
	web tls "$place" --tls "$scratch/tls.crt" "$scratch/tls.key" --login 'reader:pass word'
	login() {
		printf '{"auths": {"127.0.0.1:%s": {"auth": "%s"}}}' "$port" "$(printf '%s' "$1" | base64)" >"$scratch/login.json"
	}
	login 'reader:wrong'
	replica stranger --follow "https://127.0.0.1:$port" --poll-interval 1
	fails stranger 'cannot be trusted'
	stop stranger
	replica site --follow "https://127.0.0.1:$port" --poll-interval 1 --follow-ca "$scratch/tls.crt" \
		--follow-credentials "$scratch/login.json"
	fails site 401
	metric_is site pratique_follow_reached 0 || note 'a wrong password reaches the place'
	login 'reader:pass word'
	serves site 1
	answers site NO_LICENSE_REQUIRED
	until_so 'nothing new is a 304' site grep -q 'GET /latest.manifest HTTP/1.1" 304' "$scratch/tls.log"
	exits 0 "$PRATIQUE" push "file://$place" "$scratch/2.mdb" "$scratch/2.manifest" --base "$scratch/1.mdb"
	serves site 2
	logged site '"event":"fetched","sequence":2,.*"differences":1'
	kill "$web_pid"
	wait "$web_pid" 2>/dev/null
	fails site 'cannot be reached'
	answers site LICENSE_EXCEPTION_AVAILABLE
	! grep -q 'pass word' "$scratch/site.log" || note 'a password was logged'
	stop site

	# Every body is broken off: what came is kept, and the transfer goes on.
	web cut "$place" --cut 1500
	replica cut --follow "http://127.0.0.1:$port" --poll-interval 1
	serves cut 2
	logged cut '"event":"fetched".*"resumed":[1-9]'
	stop cut
else
	echo 'left out: web servers, which need python3'
fi

if ! command -v docker-registry >/dev/null; then
	echo 'left out: a registry, which needs docker-registry'
	finish
	exit
fi
registry 0
tag=oci+http://127.0.0.1:$registry_port/law/us:latest
push() {
	exits 0 "$PRATIQUE" push "$tag" "$scratch/$1.mdb" "$scratch/$1.manifest" "${@:2}"
}

# Nothing is there yet.
replica oci --follow "$tag" --poll-interval 1
fails oci 404
push 1
serves oci 1
until_so 'nothing new is a 304' oci \
	grep -qE 'GET /v2/law/us/manifests/latest HTTP/1.1" 304|http.response.status=304' "$scratch/registry.log"
push 2 --base "$scratch/1.mdb"
serves oci 2
logged oci '"event":"fetched","sequence":2,.*"differences":1'

# The tag is moved to an older revision.
push 1 --force
refuses oci '"sequence":1,.*points back to sequence 1'
metric_above oci pratique_verify_failures_total 0 || note 'it is not counted'
metric_is oci pratique_revision_sequence 2 || note 'the law went back'
answers oci LICENSE_EXCEPTION_AVAILABLE

# The registry is away, and comes back with what is newer.
kill "$registry_pid"
wait "$registry_pid" 2>/dev/null
fails oci 'cannot be reached'
metric_is oci pratique_serving 1 || note 'it is not ready'
answers oci LICENSE_EXCEPTION_AVAILABLE
until_so 'its age grows' oci metric_above oci pratique_revision_age_seconds 1
registry "$registry_port"
push 3 --base "$scratch/2.mdb"
serves oci 3
answers oci LICENSE_REQUIRED
until_so 'it is up to date' oci metric_is oci pratique_follow_reached 1
stop oci
finish
