#!/usr/bin/env bash
# build.sh PRATIQUE PRATIQUED STORE TAG: the images pratique:TAG and pratique:TAG-us in podman's storage, and what they
# weigh. Equal input gives equal digests. Of a client of docker it would be:
#   k8s/image/root.sh PRATIQUE PRATIQUED DIR/root.tar; cp STORE DIR/us.mdb
#   docker build -f k8s/image/Containerfile --target programs DIR
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pratique=$1 pratiqued=$2 store=$3 tag=$4

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
"$here/root.sh" "$pratique" "$pratiqued" "$context/root.tar"
install -m 644 "$store" "$context/us.mdb"
for target in programs us; do
	image=localhost/pratique:$tag$([ "$target" = programs ] || echo "-$target")
	# No step runs anything, so there is nothing to isolate, and no need of what isolating takes.
	podman build --quiet --isolation chroot --format oci --timestamp "${SOURCE_DATE_EPOCH:-0}" --target "$target" \
		--tag "$image" --file "$here/Containerfile" "$context" >/dev/null
	podman image inspect --format "$image  {{.Size}} bytes  {{.Digest}}" "$image"
done
