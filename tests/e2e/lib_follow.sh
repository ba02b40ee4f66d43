# shellcheck shell=bash
# Replicas for scripts: sourced after lib_cli.sh, lib_server.sh and lib_fetch.sh.

trap 'end_servers; stop_all' EXIT
command -v curl >/dev/null || { echo 'needs curl'; exit 77; }
command -v openssl >/dev/null || { echo 'needs openssl'; exit 77; }

# law: $scratch/1.mdb to 4.mdb, and bad.mdb, whose own cases fail; law.key signs, law.pub is trusted, other.key is not.
law() {
	local list
	"$PRATIQUE" keygen -o "$scratch/law" >/dev/null || note "no keys"
	"$PRATIQUE" keygen -o "$scratch/other" >/dev/null || note "no keys"
	toy_pack "$scratch/toy"
	for list in 1:friend 2:watched 3:denied; do
		sed -i "s/^NEAR,.*/NEAR,${list#*:}/" "$scratch/toy/tables/countries.csv"
		"$PRATIQUE" compile "$scratch/toy" -o "$scratch/${list%:*}.mdb" >/dev/null 2>&1 || note "no store $list"
	done
	sed -i 's/title: Small orders/title: Orders that are small/' "$scratch/toy/rules/law.yaml"
	"$PRATIQUE" compile "$scratch/toy" -o "$scratch/4.mdb" >/dev/null 2>&1 || note "no store 4"
	forge "$scratch/4.mdb" "$scratch/bad.mdb" 's/"destination": "FOE"/"destination": "FAR"/'
}

# forge FROM TO SED: a sealed store whose bytes were changed, with a digest that fits.
forge() {
	head -c -56 "$1" | LC_ALL=C sed "$3" >"$2"
	openssl dgst -sha256 -binary "$2" >"$scratch/.digest"
	tail -c 56 "$1" | head -c 24 >>"$2"
	cat "$scratch/.digest" >>"$2"
	! cmp -s "$1" "$2" || note "nothing was forged"
}

# state N SEQUENCE [KEY]: the manifest $scratch/SEQUENCE.manifest of the store N.
state() {
	"$PRATIQUE" sign --key "$scratch/${3:-law}.key" --sequence "$2" "$scratch/$1.mdb" -o "$scratch/$2.manifest" \
		>/dev/null 2>"$scratch/.err" || note "no manifest: $(<"$scratch/.err")"
}

# replica NAME FLAG...: start one on the directory $scratch/NAME.data.
replica() {
	start "$1" --data "$scratch/$1.data" --trust "$scratch/law.pub" --listen "unix:$scratch/$1.sock" --admin-on-main \
		--metrics-listen 127.0.0.1:0 --shards 1 --log-level info "${@:2}"
}

# metric NAME SAMPLE: what a scrape of the server says.
metric() {
	curl -sS --noproxy '*' --max-time 20 "http://$(tail -n 1 "$scratch/$1.ready")/metrics" 2>/dev/null |
		awk -v sample="$2" '$1 == sample { print $2 }'
}

# until_so WHAT NAME COMMAND...: run it again until it succeeds; the log of NAME is shown where it never does.
until_so() {
	local tries=0
	until "${@:3}"; do
		tries=$((tries + 1))
		if [ "$tries" -ge 900 ]; then
			note "it never came to this: $1"$'\n'"$(tail -n 30 "$scratch/$2.log")"
			return
		fi
		sleep 0.1
	done
}

metric_is() {
	[ "$(metric "$1" "$2")" = "$3" ]
}

metric_above() {
	awk -v have="$(metric "$1" "$2")" -v bound="$3" 'BEGIN { exit !(have != "" && have + 0 > bound) }'
}

# serves NAME SEQUENCE: wait until it does.
serves() {
	until_so "$1 serves sequence $2" "$1" metric_is "$1" pratique_revision_sequence "$2"
}

# refuses NAME TEXT: wait until the log tells of a refusal with this in it.
refuses() {
	until_so "$1 refuses: $2" "$1" grep -q "\"event\":\"revision_refused\".*$2" "$scratch/$1.log"
}

# fails NAME TEXT: wait until the log tells of a failure to reach the publisher with this in it.
fails() {
	until_so "$1 fails: $2" "$1" grep -q "\"event\":\"follow_failed\".*$2" "$scratch/$1.log"
}

# near NAME: what it decides for the country NEAR, which says the law it has.
near() {
	"$PRATIQUE" decide --server "unix:$scratch/$1.sock" --as-of 2026-06-01 --type export --item machine --to NEAR \
		--value 50 --party role=end_user,military_end_user=false --json 2>&1 | grep -oE '"outcome":"[A-Z_]+"' | cut -d'"' -f4
}

# answers NAME OUTCOME
answers() {
	local have
	have=$(near "$1")
	[ "$have" = "$2" ] || note "$1 answers $have instead of $2"
}
