#!/usr/bin/env bash
# The API as a product: ./dev test-api [--update | --release].
#
# Style, format and breaking changes by buf; docs/api.md is what proto/ says; old and newer clients against this server;
# a call by reflection alone. --update writes docs/api.md anew, --release proto/released/v1.binpb, and both end then.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
export SRC=$PWD
PRATIQUE=${PRATIQUE:-$PWD/build/release/pratique} PRATIQUED=${PRATIQUED:-$PWD/build/release/pratiqued}
made=$PWD/build/api released=$PWD/proto/released/v1.binpb
# shellcheck source=tests/e2e/lib_cli.sh
source tests/e2e/lib_cli.sh
# shellcheck source=tests/e2e/lib_server.sh
source tests/e2e/lib_server.sh

mkdir -p "$made/rpc" "$made/health"
mapfile -t files < <(cd proto && ls pratique/v1/*.proto)
protoc -Iproto --include_imports --include_source_info --descriptor_set_out="$made/v1.binpb" "${files[@]}" || exit 1
case ${1:-} in
--update) /usr/bin/python3 tests/api/api_doc.py "$made/v1.binpb" docs/api.md; exit ;;
--release)
	mkdir -p proto/released
	# With comments and places, which buf asks for.
	cp "$made/v1.binpb" "$released"; exit
	;;
esac

npm ci --prefix tests/api --no-audit --no-fund --silent >"$made/npm.log" 2>&1 || { cat "$made/npm.log"; exit 1; }
buf=$PWD/tests/api/node_modules/.bin/buf
export HOME=${HOME:-$scratch}
(cd proto && "$buf" lint) || note 'buf lint: the files under proto/ are not in style'
(cd proto && "$buf" format -d --exit-code) || note 'buf format: run `buf format -w` in proto/'
(cd proto && "$buf" breaking --against "$released") || note 'what is released has changed: docs/api.md says what may'
# The check itself: a field that changed its number is found.
cp -r proto "$scratch/changed"
sed -i 's/string destination = 6;/string destination = 66;/' "$scratch/changed/pratique/v1/decision.proto"
exits 100 "$buf" breaking "$scratch/changed" --against "$released"
says 'Previously present field "6" with name "destination"'
/usr/bin/python3 tests/api/api_doc.py "$made/v1.binpb" docs/api.md --check || note 'docs/api.md is not current'

# Every reason that the server gives is explained.
while read -r reason; do
	grep -q "\`$reason\`" docs/api.md || note "docs/api.md does not explain the reason $reason"
done < <(sed -nE 's/^#define PQ_REASON_[A-Z_]+ "([A-Z_]+)".*/\1/p' server/reply.h)

"$PRATIQUE" compile rules/us rules/us-ear rules/us-itar -o "$scratch/us.mdb" >/dev/null || exit 1
start api --store "$scratch/us.mdb" --listen 127.0.0.1:0
[ "$failures" -eq 0 ] || finish

request='{"asOf":"2026-03-02","query":"QUERY_JURISDICTION_ONLY","transactionType":"export","origin":"US",
	"destination":"GB","item":{"eccn":"EAR99"}}'
# --schema is not given: buf asks the server's reflection.
exits 0 timeout 60 "$buf" curl --protocol grpc --http2-prior-knowledge -d "$request" \
	"http://$(address api 1)/pratique.v1.DecisionService/Decide"
says OUTCOME_SUBJECT_TO_EAR

protoc -Iproto --python_out="$made/rpc" google/rpc/status.proto google/rpc/error_details.proto &&
	protoc -I/usr/share/grpc-proto --python_out="$made/health" --grpc_python_out="$made/health" \
		--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin grpc/health/v1/health.proto ||
	note 'protoc failed'
# The generated folder grpc/ is put behind the library of that name, which it would hide on the path.
exits 0 env PYTHONPATH="$made/rpc" timeout 120 /usr/bin/python3 -c '
import sys, runpy, grpc
grpc.__path__.append(sys.argv.pop(1) + "/grpc")
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")' "$made/health" tests/api/compat.py "$(address api 1)" "$released"
stop api
finish
