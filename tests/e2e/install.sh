#!/usr/bin/env bash
# What `cmake --install` puts where, and that it is worth having there: pages and completions that know every flag and no
# others, a unit that systemd takes, programs, rules and messages that work.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"

build=$(dirname "$PRATIQUE")
if [ ! -e "$build/packaging/man8/pratiqued.8" ]; then
	echo "this build makes no manual pages (it is sanitized, or only a part of it)"
	exit 77
fi
usr=$scratch/usr
exits 0 cmake --install "$build" --prefix "$usr"

for file in bin/pratique sbin/pratiqued share/man/man1/pratique.1 share/man/man8/pratiqued.8 \
	share/bash-completion/completions/pratique share/bash-completion/completions/pratiqued \
	share/zsh/site-functions/_pratique lib/systemd/system/pratiqued.service lib/sysusers.d/pratique.conf \
	lib/tmpfiles.d/pratique.conf share/pratique/rules/us/pack.yaml share/pratique/rules/us-ear/pack.yaml \
	share/pratique/proto/pratique/v1/decision_service.proto share/pratique/proto/google/rpc/status.proto \
	share/doc/pratique/README.md share/doc/pratique/LICENSE share/doc/pratique/docs/access.md; do
	[ -s "$usr/$file" ] || note "$file is not installed, or empty"
done
[ "$failures" -eq 0 ] || finish

# ---- programs, rules, messages ----
pratique=$usr/bin/pratique pratiqued=$usr/sbin/pratiqued
toy_pack "$scratch/toy"
exits 0 "$pratique" compile "$scratch/toy" -o "$scratch/toy.mdb"
rules=$usr/share/pratique/rules
exits 0 "$pratique" check --no-cases "$rules/us" "$rules/us-ear" "$rules/us-itar"
if command -v protoc >/dev/null; then
	exits 0 protoc -I "$usr/share/pratique/proto" --descriptor_set_out=/dev/null \
		"$usr"/share/pratique/proto/pratique/v1/*.proto
fi

# ---- flags: tables, help, pages, completions ----
mapfile -t commands < <("$pratique" help | sed -n 's/^  pratique \([a-z]*\)  .*/\1/p')

long() {
	grep -oE -- '--[a-z0-9][a-z0-9-]*' | sort -u
}
page_flags() {
	sed -n '/^\.SH DESCRIPTION/,/^\.SH EXIT/p' "$1" | sed -n 's/^\\fB\(.*\)\\fR$/\1/p' | sed 's/\\-/-/g' | long
}
help_flags() {
	sed -n 's/^  \(-[^ ]*\( [^ ]\+\)*\).*/\1/p' | long
}
# alike WHAT LEFT RIGHT: sets of flags, a line each.
alike() {
	[ "$2" = "$3" ] || note "$1 differ:"$'\n'"$(diff <(echo "$2") <(echo "$3"))"
}

# candidates WORD...: what bash would complete the last word to.
# shellcheck disable=SC1091
candidates() (
	source "$usr/share/bash-completion/completions/pratique"
	COMP_WORDS=("$@")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	"_$1"
	printf '%s\n' "${COMPREPLY[@]}"
)

for command in "${commands[@]}"; do
	table=$("$pratique" "$command" --list-flags | sed 's/^\([^ ]*\) .*/--\1/' | sort)
	[ -n "$table" ] || note "$command lists no flags"
	page=$usr/share/man/man1/pratique-$command.1
	[ -s "$page" ] || { note "there is no page of $command"; continue; }
	said=$("$pratique" help "$command" | help_flags)
	# explain takes what decide takes, and says so.
	[ "$command" != explain ] || said=$({ echo "$said"; "$pratique" help decide | help_flags | grep -vx -- --json; } | sort -u)
	alike "the flags that $command takes and those of its help" "$(grep -vx -- --help <<<"$table")" "$said"
	[ "$command" = explain ] ||
		alike "the flags of the help of $command and of its page" "$said" "$(page_flags "$page")"
	alike "the flags that $command takes and those that bash completes" "$table" "$(candidates pratique "$command" -- | sort)"
	alike "the flags that $command takes and those that zsh completes" "$table" \
		"$(grep "^$command) " "$usr/share/zsh/site-functions/_pratique" | long)"
	grep -q "fBpratique.-$command" "$usr/share/man/man1/pratique.1" || note "pratique(1) does not list $command"
done
table=$("$pratiqued" --list-flags | sed 's/^\([^ ]*\) .*/--\1/' | sort)
said=$("$pratiqued" --help | help_flags)
alike "the flags that pratiqued takes and those of its help" "$table" "$said"
alike "the flags of the help of pratiqued and of its page" "$said" \
	"$(sed -n '/^\.SH OPTIONS/,/^\.SH ENV/p' "$usr/share/man/man8/pratiqued.8" | sed -n 's/^\\fB\(.*\)\\fR$/\1/p' | sed 's/\\-/-/g' | long)"
alike "the flags that pratiqued takes and those that bash completes" "$table" "$(candidates pratiqued -- | sort)"

# ---- completing ----
[ "$(candidates pratique acti)" = activate ] || note "acti: $(candidates pratique acti)"
[ "$(candidates pratique help roll)" = rollback ] || note "help roll: $(candidates pratique help roll)"
[ "$(candidates pratique decide --tls-c)" = $'--tls-ca\n--tls-cert' ] || note "--tls-c: $(candidates pratique decide --tls-c)"
[ -z "$(candidates pratique decide --store --tl)" ] || note "the value of --store is completed to flags"
[ "$(candidates pratiqued --log-level w)" = warn ] || note "--log-level w: $(candidates pratiqued --log-level w)"
if command -v zsh >/dev/null; then
	exits 0 zsh -n "$usr/share/zsh/site-functions/_pratique"
fi

# ---- pages ----
if command -v groff >/dev/null; then
	for page in "$usr"/share/man/man?/*; do
		exits 0 groff -man -Tutf8 -ww -z "$page"
		[ -z "$err" ] || note "$page: $err"
	done
	page=$(groff -man -Tutf8 -P-bcou -rLL=200n "$usr/share/man/man1/pratique-publish.1")
	[[ $page == *'--at TIME'*'2026-11-24T16:30:00Z'* ]] || note "pratique-publish(1) reads:"$'\n'"$page"
fi

# ---- the service ----
unit=$usr/lib/systemd/system/pratiqued.service
grep -q "^ExecStart=$pratiqued " "$unit" || note "the unit does not start pratiqued"
# Its flags are flags.
for flag in $(sed -n 's/^Environment="PRATIQUED_FLAGS=\(.*\)"/\1/p' "$unit" | long); do
	grep -qx -- "$flag" <<<"$table" || note "the unit gives $flag, which pratiqued does not know"
done
# systemd wants /run and sometimes more than a container has: that it cannot run at all is no fault of the unit.
if command -v systemd-analyze >/dev/null && systemd-analyze calendar daily >/dev/null 2>&1; then
	run systemd-analyze verify --man=no "$unit"
	[ "$code" -eq 0 ] && [[ $err != *pratiqued.service* ]] || note "systemd-analyze verify: $code: $out$err"
	run systemd-analyze security --offline=true --no-pager --threshold=20 "$unit"
	[ "$code" -eq 0 ] || note "systemd-analyze security: $(tail -n 1 <<<"$out") $err"
fi
if command -v systemd-sysusers >/dev/null; then
	exits 0 systemd-sysusers --dry-run "$usr/lib/sysusers.d/pratique.conf"
fi

# ---- what the server tells its manager ----
if [ -x /usr/bin/python3 ]; then
	exits 0 timeout 60 /usr/bin/python3 - "$scratch" "$pratiqued" <<-'PY'
		import os, signal, socket, subprocess, sys
		folder, program = sys.argv[1:]
		for name in (folder + "/notify.sock", "\0" + folder):
		    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		    manager.bind(name)
		    server = subprocess.Popen([program, "--store", folder + "/toy.mdb", "--listen", "unix:" + folder + "/s.sock"],
		                              env={**os.environ, "NOTIFY_SOCKET": name.replace("\0", "@")}, stderr=subprocess.PIPE)
		    try:
		        assert manager.recv(100) == b"READY=1"
		        socket.socket(socket.AF_UNIX).connect(folder + "/s.sock")
		        server.send_signal(signal.SIGTERM)
		        assert manager.recv(100) == b"STOPPING=1"
		    finally:
		        server.terminate()
		        log = server.communicate()[1]
		    assert server.returncode == 0 and b"notify_failed" not in log, log
		server = subprocess.Popen([program, "--store", folder + "/toy.mdb", "--listen", "unix:" + folder + "/s.sock"],
		                          env={**os.environ, "NOTIFY_SOCKET": folder + "/nobody"}, stderr=subprocess.PIPE)
		for line in server.stderr:
		    if b"notify_failed" in line:
		        break
		else:
		    sys.exit("a manager that is not there is not complained of")
		server.terminate()
		server.communicate()
		sys.exit(server.returncode)
	PY
fi
finish
