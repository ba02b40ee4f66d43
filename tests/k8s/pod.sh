#!/usr/bin/env bash
# The sidecar as a pod that really runs: the image is made, the rendered overlay is played by podman with as few changes
# as podman allows (pod.mjs prints them), and a client in a second container asks over the socket that both share.
# Exits 77 where podman cannot run containers. Podman's storage and network are this script's own, and go with it.
#   PRATIQUE, PRATIQUED: the programs for the image; STORE: the store for it
set -euo pipefail
# shellcheck source=tests/k8s/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
: "${PRATIQUE:=$src/build/release/pratique}" "${PRATIQUED:=$src/build/release/pratiqued}" "${STORE:?}"
network=pratique-test-$$
checks=0
pod_is_there=

fail() {
	echo "FAIL $*" >&2
	podman logs application-pratiqued >&2 || true
	exit 1
}

skip() {
	echo "skipped: $*"
	exit 77
}

check() {
	checks=$((checks + 1))
	[ "$2" = "$3" ] || fail "$1: \"$2\" instead of \"$3\""
}

command -v podman >/dev/null || skip "podman is not installed"
[ "$(id -u)" -eq 0 ] || skip "podman of a user who is not root gives a pod no address that is reached from here"
own=$(mktemp -d)
export CONTAINERS_CONF=$own/containers.conf CONTAINERS_STORAGE_CONF=$own/storage.conf

clean_up() {
	if [ -n "$pod_is_there" ]; then
		podman kube down "$own/pod.yaml" || true
		podman pod rm --force --time 0 application || true
	fi
	podman network rm --force "$network" || true
	podman rmi --all --force || true
	awk -v own="$own/" 'index($2, own) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount
	rm -rf "$own"
} >/dev/null 2>&1
trap clean_up EXIT
trap 'exit 1' INT TERM

# Limits that a user who is not allowed to raise them has already; names of the machine's own configuration do not count.
cat >"$CONTAINERS_CONF" <<-TOML
	[containers]
	default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
	[engine]
	runtime = "runc"
	cgroup_manager = "cgroupfs"
	events_logger = "file"
	[network]
	network_backend = "netavark"
TOML
for driver in overlay vfs; do
	printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "%s"\n' "$driver" "$own/graph" "$own/run" \
		>"$CONTAINERS_STORAGE_CONF"
	! podman info >/dev/null 2>"$own/why" || break
	[ "$driver" != vfs ] || skip "podman keeps no images here: $(tail -n 1 "$own/why")"
done

# Of nothing but a file, so that what fails is podman and not the image.
mkdir "$own/probe"
printf 'FROM scratch\nCOPY Containerfile /\n' >"$own/probe/Containerfile"
podman build --isolation chroot "$own/probe" >/dev/null 2>"$own/why" || skip "podman makes no image here: $(tail -n 1 "$own/why")"

"$src/k8s/image/build.sh" "$PRATIQUE" "$PRATIQUED" "$STORE" 0.1.0
# 125 is podman's own failure; what fails within the image fails the test.
podman network create --disable-dns "$network" >/dev/null 2>"$own/why" || skip "podman makes no network here: $(tail -n 1 "$own/why")"
code=0
version=$(podman run --rm --network "$network" localhost/pratique:0.1.0-us --version 2>"$own/why") || code=$?
[ "$code" -ne 125 ] || skip "podman runs no container here: $(tail -n 1 "$own/why")"
[ "$code" -eq 0 ] || fail "the image does not start: $(<"$own/why")"
check "pratiqued of the image" "$version" "$("$PRATIQUED" --version)"

"$kubectl" kustomize "$src/k8s/overlays/sidecar" >sidecar.yaml
node pod.mjs sidecar.yaml "$here/request.json" "$own/pod.yaml"
pod_is_there=yes
podman kube play --network "$network" "$own/pod.yaml" >/dev/null 2>"$own/why" || fail "the pod is not played: $(<"$own/why")"

# What the startup probe would ask.
infra=$(podman pod inspect --format '{{.InfraContainerID}}' application)
ip=$(podman inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$infra")
tries=0
until [ "$(curl -s -m 5 "http://$ip:9464/readyz")" = serving ]; do
	tries=$((tries + 1))
	[ "$tries" -lt 300 ] || fail "the pod was not ready"
	sleep 0.2
done
check "liveness" "$(curl -s -o /dev/null -w '%{http_code}' "http://$ip:9464/livez")" 200

# The client may have started before the server, as no probe held it back: once more.
podman wait application-application >/dev/null
code=0
answer=$(podman start --attach application-application 2>&1) || code=$?
check "the client's exit code" "$code" 0
check "the answer over the socket" "$(grep -o '"outcome":"[A-Z_]*"' <<<"$answer" | head -n 1)" '"outcome":"LICENSE_REQUIRED"'
check "its review policy" "$(grep -o '"review_policy":"[A-Z_]*"' <<<"$answer" | head -n 1)" '"review_policy":"CASE_BY_CASE"'
check "decisions that were counted" "$(curl -s "http://$ip:9464/metrics" |
	grep -cE '^pratique_decisions_total\{outcome="LICENSE_REQUIRED"\} [1-9]')" 1

# How the server is confined, as the kernel has it.
pid=$(podman inspect --format '{{.State.Pid}}' application-pratiqued)
status() {
	sed -nE "s/^$1:[[:space:]]*//p" "/proc/$pid/status" | tr '\t' ' '
}
check "users" "$(status Uid)" "65532 65532 65532 65532"
check "capabilities" "$(status CapEff) $(status CapPrm) $(status CapBnd)" \
	"0000000000000000 0000000000000000 0000000000000000"
check "no new privileges" "$(status NoNewPrivs)" 1
check "a seccomp filter" "$(status Seccomp)" 2
check "the root" "$(awk '$2 == "/" { print substr($4, 1, 3) }' "/proc/$pid/mounts")" ro,
check "what listens on the network" "$(awk '$4 == "0A" { print $2 }' "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6")" \
	00000000:24F8
check "the memory limit" "$(podman inspect --format '{{.HostConfig.Memory}}' application-pratiqued)" $((640 << 20))
check "the client's root" "$(podman inspect --format '{{.HostConfig.ReadonlyRootfs}}' application-application)" true

# Another user with the same volume may not ask.
code=0
podman run --rm --network none --user 1000:1000 --volume socket:/run/pratique --volume "$here/request.json:/request.json:ro" \
	--entrypoint /usr/bin/pratique localhost/pratique:0.1.0-us decide --server unix:/run/pratique/pratique.sock \
	/request.json >/dev/null 2>"$own/why" || code=$?
check "the exit code of another user" "$code" 1
grep -q 'Permission denied' "$own/why" || fail "another user fails otherwise: $(<"$own/why")"

podman stop --time 45 application-pratiqued >/dev/null
check "the exit code at the end" "$(podman inspect --format '{{.State.ExitCode}}' application-pratiqued)" 0
check "the last line of the log" "$(podman logs application-pratiqued 2>&1 | tail -n 1 | grep -o '"event":"[a-z]*"')" \
	'"event":"ended"'
echo "$checks checks of the running pod passed"
