#!/usr/bin/env bash
# The manifests: kustomize renders every overlay; the types of the Kubernetes API and the rules in rules.mjs hold for
# each object, and do not for manifests that are broken on purpose. PRATIQUED is the server whose flags count.
set -euo pipefail
# shellcheck source=tests/k8s/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
: "${PRATIQUED:=$src/build/release/pratiqued}"

rendered=()
for overlay in "$src"/k8s/overlays/*/; do
	name=$(basename "$overlay")
	"$kubectl" kustomize "$overlay" >"$name.yaml"
	rendered+=("$name.yaml")
done

for component in "$src"/k8s/components/*/; do
	grep -qrF "components/$(basename "$component")" "$src"/k8s/overlays/*/kustomization.yaml || {
		echo "no overlay has the component $component, so that nothing checks it" >&2
		exit 1
	}
done

"$PRATIQUED" --help >pratiqued.help
node check.mjs pratiqued.help objects.ts "${rendered[@]}"
# The libraries' own types are not checked: they are not ours.
node_modules/.bin/tsc --noEmit --strict --skipLibCheck --target es2022 --module nodenext objects.ts
echo "types: every object is what Kubernetes takes, and what is broken is refused"
