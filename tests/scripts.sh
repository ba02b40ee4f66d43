#!/usr/bin/env bash
# Every script parses, and those that are called by name are executable.
set -euo pipefail
cd "${SRC:-$(dirname "${BASH_SOURCE[0]}")/..}"

failed=0
while IFS= read -r script; do
	bash -n "$script" || failed=1
done < <(printf '%s\n' dev .ci/run; find tests bench cli k8s packaging -name '*.sh' | sort)

for script in dev .ci/run; do
	if [ ! -x "$script" ]; then
		echo "$script is not executable"
		failed=1
	fi
done
exit "$failed"
