#!/usr/bin/env bash
# Pushing to a real S3 API that checks signatures (OpenStack Swift with s3api), and fetching from it: ./dev test-s3.
# Everything runs on loopback, in a temporary folder, from this script's own configuration, and is ended by its own pid.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export SRC=$PWD PRATIQUE=${PRATIQUE:-$PWD/build/release/pratique}
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"
# shellcheck source=tests/e2e/lib_fetch.sh
source "$SRC/tests/e2e/lib_fetch.sh"
if ! /usr/bin/python3 -c 'import swift.common.middleware.s3api' 2>/dev/null; then
	echo "needs Debian's swift, swift-account, swift-container, swift-object, swift-proxy and memcached"
	exit 77
fi

free_port() {
	/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# until_open PORT: somebody listens there.
until_open() {
	local tries=0
	until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || { note "nobody listens on port $1:"$'\n'"$(tail -n 20 "$scratch"/swift/*.log)"; finish; }
		sleep 0.1
	done
}

swift=$scratch/swift
user=$(id -un)
account_port=$(free_port) container_port=$(free_port) object_port=$(free_port)
cache_port=$(free_port) proxy_port=$(free_port)
mkdir -p "$swift/devices/d1" "$swift/cache"
export SWIFT_DIR=$swift

# server KIND PORT: its configuration and its ring of one device.
server() {
	cat >"$swift/$1-server.conf" <<-INI
		[DEFAULT]
		bind_ip = 127.0.0.1
		bind_port = $2
		user = $user
		swift_dir = $swift
		devices = $swift/devices
		mount_check = false
		workers = 0
		disable_fallocate = true
		log_address = $swift/no-syslog
		[pipeline:main]
		pipeline = $1-server
		[app:$1-server]
		use = egg:swift#$1
	INI
	swift-ring-builder "$swift/$1.builder" create 4 1 0 >/dev/null &&
		swift-ring-builder "$swift/$1.builder" add "r1z1-127.0.0.1:$2/d1" 1 >/dev/null 2>&1 &&
		swift-ring-builder "$swift/$1.builder" rebalance >/dev/null 2>&1
}

server account "$account_port"
server container "$container_port"
server object "$object_port"
cat >"$swift/swift.conf" <<-INI
	[swift-hash]
	swift_hash_path_suffix = test
	swift_hash_path_prefix = test
	[storage-policy:0]
	name = only
	default = yes
INI
cat >"$swift/proxy-server.conf" <<-INI
	[DEFAULT]
	bind_ip = 127.0.0.1
	bind_port = $proxy_port
	user = $user
	swift_dir = $swift
	workers = 0
	log_address = $swift/no-syslog
	[pipeline:main]
	pipeline = catch_errors cache s3api tempauth proxy-server
	[app:proxy-server]
	use = egg:swift#proxy
	account_autocreate = true
	[filter:catch_errors]
	use = egg:swift#catch_errors
	[filter:cache]
	use = egg:swift#memcache
	memcache_servers = 127.0.0.1:$cache_port
	[filter:s3api]
	use = egg:swift#s3api
	location = eu-test-1
	[filter:tempauth]
	use = egg:swift#tempauth
	user_test_tester = sesame .admin
INI

memcached -l 127.0.0.1 -p "$cache_port" -m 16 -U 0 $([ "$(id -u)" -ne 0 ] || echo -u "$user") >"$swift/cache.log" 2>&1 </dev/null &
servers+=("$!")
for kind in account container object proxy; do
	# Their own folders for rings and hashes: the program reads them from where this says.
	/usr/bin/python3 -c '
import sys
from swift.common import utils
utils.SWIFT_CONF_FILE = sys.argv[1] + "/swift.conf"
from swift.common.wsgi import run_wsgi
sys.exit(run_wsgi(sys.argv[1] + "/" + sys.argv[2] + "-server.conf", sys.argv[2] + "-server"))
' "$swift" "$kind" >"$swift/$kind.log" 2>&1 </dev/null &
	servers+=("$!")
done
for port in "$cache_port" "$account_port" "$container_port" "$object_port" "$proxy_port"; do
	until_open "$port"
done

export AWS_ACCESS_KEY_ID=test:tester AWS_SECRET_ACCESS_KEY=sesame AWS_REGION=eu-test-1
export AWS_ENDPOINT_URL_S3=http://127.0.0.1:$proxy_port
fetch() {
	"$PRATIQUE" fetch s3://law/us -o "$scratch/got.mdb" "$@"
}

revisions
exits 1 "$PRATIQUE" push s3://law/us "$scratch/1.mdb" "$scratch/1.manifest"
complains NoSuchBucket
# The bucket is made by Swift's own API.
/usr/bin/python3 - >/dev/null <<-PYTHON || note "no bucket"
	import http.client
	c = http.client.HTTPConnection("127.0.0.1", $proxy_port)
	c.request("GET", "/auth/v1.0", headers={"X-Auth-User": "test:tester", "X-Auth-Key": "sesame"})
	r = c.getresponse(); r.read()
	c.request("PUT", "/v1/AUTH_test/law", headers={"X-Auth-Token": r.getheader("X-Auth-Token"), "Content-Length": "0"})
	assert c.getresponse().status == 201
PYTHON
exits 0 "$PRATIQUE" push s3://law/us "$scratch/1.mdb" "$scratch/1.manifest"
exits 0 fetch --mark "$scratch/mark"
same "$scratch/got.mdb" "$scratch/1.mdb"
exits 0 fetch --mark "$scratch/mark"
says unchanged
exits 0 "$PRATIQUE" push s3://law/us "$scratch/2.mdb" "$scratch/2.manifest" --base "$scratch/1.mdb"
exits 0 fetch --mark "$scratch/mark"
says "as differences"
same "$scratch/got.mdb" "$scratch/2.mdb"

# A wrong key, a wrong region, no key.
AWS_SECRET_ACCESS_KEY=wrong exits 1 fetch
complains SignatureDoesNotMatch
exits 1 fetch --s3-region elsewhere
complains "the server answers 4"
AWS_ACCESS_KEY_ID='' AWS_SECRET_ACCESS_KEY='' exits 1 fetch
complains "the server answers 4"
# The key may also come from a file.
printf '{"s3": {"access_key_id": "test:tester", "secret_access_key": "sesame", "region": "eu-test-1"}}' >"$scratch/key.json"
AWS_ACCESS_KEY_ID='' AWS_SECRET_ACCESS_KEY='' AWS_REGION='' exits 0 fetch --credentials "$scratch/key.json"
same "$scratch/got.mdb" "$scratch/2.mdb"
finish
