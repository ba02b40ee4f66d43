#!/usr/bin/env bash
# The walls hold: walls.sh names every file of a tree in which each file crosses one wall, and passes a clean tree.
set -euo pipefail
cd "${SRC:-$(dirname "${BASH_SOURCE[0]}")/..}"
walls=$PWD/tests/walls.sh

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0
count=0

# plant TREE: make a file of each "folder|line of code" on standard input.
plant() {
	local folder line
	mkdir -p "$1"/{policy,storage,fetch,server,cli}
	while IFS='|' read -r folder line; do
		count=$((count + 1))
		printf '%s\n' "$line" >"$1/$folder/f$count.c"
	done
}

plant "$tree/bad" <<'CROSSINGS'
policy|#include <grpc/grpc.h>
storage|#include <grpc/grpc.h>
fetch|#include <grpc/grpc.h>
fetch|#include <lmdb.h>
policy|#include <lmdb.h>
server|#include "lmdb.h"
cli|# include <lmdb.h>
policy|#include "storage/store.h"
policy|#include "fetch/fetcher.h"
storage|#include "fetch/fetcher.h"
fetch|#include "server/server.h"
fetch|#include "pratique/v1/decision.pb-c.h"
server|#include <curl/curl.h>
fetch|	printf("%d", x);
policy|#include "server/server.h"
storage|#include "server/server.h"
storage|#include "cli/print.h"
server|#include "cli/print.h"
policy|#include "pratique/v1/decision.pb-c.h"
storage|#include <protobuf-c/protobuf-c.h>
storage|#include "proto/descriptor_set.h"
policy|#include <unistd.h>
policy|#include <sys/stat.h>
policy|	FILE *f = fopen(path, "r");
policy|	printf("%d", x);
policy|	int fd = open (path, 0);
policy|	now = time(NULL);
policy|	x = "/*"; printf("a comment in a string starts none");
policy|printf("at the start of a line");
policy|	r = rand();
storage|	printf("%d", x);
policy|	cite = "15 CFR 740.2";
server|	cite = "see 15 CFR 740.2";
cli|	if (strcmp(eccn, "9A610.x") == 0)
storage|static const char *const x = "EAR99";
policy|	group = "D:5 effective";
policy|	group = "in D:5";
policy|	if (strcmp(country, "KH") == 0)
policy|	if (strcmp(country, "FR") == 0)
cli|	puts("not to Cambodia");
server|	is = !strcmp(name, "Lebanon");
policy|	if (strcmp(exception, "LVS") == 0)
policy|	covers = strncmp(name, "STA(c)", 6) == 0;
policy|	on = has(party, "SDN");
policy|	law = "ITAR";
cli|	by = "BIS";
server|	text = "see section 740.2";
policy|	cite = "744.21";
policy|	category = "VIII(h)";
CROSSINGS
crossings=$count
printf '#include <lmdb.h>\n' >"$tree/bad/policy/f$((count + 1)).h"

status=0
bash "$walls" "$tree/bad" >"$tree/out" || status=$?
[ "$status" -eq 1 ] || { echo "walls.sh gave $status for a tree full of crossings"; failed=1; }
for i in $(seq 1 $((crossings + 1))); do
	if ! grep -qE "/f$i\.[ch]:1:" "$tree/out"; then
		echo "not noticed: $(cat "$tree"/bad/*/f"$i".[ch])"
		failed=1
	fi
done

plant "$tree/good" <<'CLEAN'
policy|	snprintf(buf, size, "%s:%d", name, line);
policy|	store->open(path);
policy|	mid_time(x); resocket(y);
policy|	/* Source: 15 CFR 740.2, "D:5", fopen(path) */ int x;
policy|	// printf("%s", "9A610.x")
policy|	c = '"'; /* printf("%s", "9A610.x") */
storage|#include <lmdb.h>
fetch|#include <curl/curl.h>
fetch|#include "storage/manifest.h"
server|#include <grpc/grpc.h>
server|#include "pratique/v1/decision.pb-c.h"
cli|	printf("%s\n", text);
cli|	address = "127.0.0.1:8300"; ok = "OK"; none = "NONE"; part = "parts[0]";
policy|	name = "STALE"; text = "cannot"; version = "740";
CLEAN
if ! bash "$walls" "$tree/good"; then
	echo "walls.sh refused a clean tree"
	failed=1
fi
exit "$failed"
