# shellcheck shell=bash
# Revisions, and servers to get them from: sourced after lib_cli.sh. Servers are ended by their own pid.

servers=()

end_servers() {
	local pid
	for pid in "${servers[@]}"; do
		kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	servers=()
}
trap 'end_servers; rm -rf "$scratch"' EXIT

# Neither a proxy nor what the caller's environment holds may come between.
export no_proxy=127.0.0.1,localhost HOME=$scratch
unset PRATIQUE_CREDENTIALS DOCKER_CONFIG AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_ENDPOINT_URL

# revisions: $scratch/1.mdb and 2.mdb, which differ in one country's row, and their manifests 1.manifest, 2.manifest.
revisions() {
	toy_pack "$scratch/toy"
	"$PRATIQUE" compile "$scratch/toy" -o "$scratch/1.mdb" >/dev/null 2>&1 || note "no store"
	sed -i 's/^NEAR,friend/NEAR,watched/' "$scratch/toy/tables/countries.csv"
	"$PRATIQUE" compile "$scratch/toy" -o "$scratch/2.mdb" >/dev/null 2>&1 || note "no second store"
	manifest 1 1 >"$scratch/1.manifest"
	manifest 2 2 >"$scratch/2.manifest"
}

# manifest N SEQUENCE: the unsigned manifest of $scratch/N.mdb, as text.
manifest() {
	printf '{"created":"2026-11-24T16:30:00Z","digest":"%s","note":"","sequence":%s,"size":%s,"type":"pratique.revision.v1"}\n' \
		"$(tail -c 32 "$scratch/$1.mdb" | od -An -v -tx1 | tr -d ' \n')" "$2" "$(stat -c %s "$scratch/$1.mdb")"
}

# sign KEY FILE: append the signature of the manifest's first line.
sign() {
	local id
	id=$(openssl pkey -in "$1" -pubout -outform DER | tail -c 32 | sha256sum | cut -c1-16)
	head -n 1 "$2" >"$scratch/.signed"
	printf '%s %s\n' "$id" "$(openssl pkeyutl -sign -rawin -inkey "$1" -in "$scratch/.signed" | base64 -w0)" >>"$2"
}

# web NAME FLAG...: a place_server.py; its port in $port, its pid in $web_pid, its log in $scratch/NAME.log.
web() {
	local name=$1
	shift
	mkfifo "$scratch/$name.fifo"
	/usr/bin/python3 "$SRC/tests/e2e/place_server.py" "$@" >"$scratch/$name.fifo" 2>"$scratch/$name.log" </dev/null &
	web_pid=$!
	servers+=("$web_pid")
	read -r port <"$scratch/$name.fifo" || note "the web server $name is not ready:"$'\n'"$(<"$scratch/$name.log")"
	rm "$scratch/$name.fifo"
}

# registry PORT [AUTH]: start one; its port in $registry_port, its pid in $registry_pid, its log in $scratch/registry.log.
registry() {
	cat >"$scratch/registry.yml" <<-YAML
		version: 0.1
		storage: { filesystem: { rootdirectory: $scratch/blobs } }
		http: { addr: "127.0.0.1:$1" }
		${2:-}
	YAML
	docker-registry serve "$scratch/registry.yml" >"$scratch/registry.log" 2>&1 </dev/null &
	registry_pid=$!
	servers+=("$registry_pid")
	registry_port=
	local tries=0
	until [ -n "$registry_port" ]; do
		registry_port=$(sed -nE 's/.*listening on 127\.0\.0\.1:([0-9]+).*/\1/p' "$scratch/registry.log" | head -n 1)
		tries=$((tries + 1))
		if [ "$tries" -gt 600 ] || ! kill -0 "$registry_pid" 2>/dev/null; then
			note "the registry is not ready:"$'\n'"$(<"$scratch/registry.log")"
			finish
		fi
		sleep 0.05
	done
}

# same A B: two files are alike.
same() {
	cmp -s "$1" "$2" || note "$1 is not $2"
}
