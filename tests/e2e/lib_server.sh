# shellcheck shell=bash
# Servers for scripts: sourced after lib_cli.sh. A server writes to $scratch/NAME.log and is ended by its own pid.

declare -A pids=()

# start NAME FLAG...: leaves the addresses, one a line, in $scratch/NAME.ready; returns when it listens or has ended.
start() {
	local name=$1
	shift
	# Opening the pipe waits for the other side, and reading ends when the server has written or ended.
	mkfifo "$scratch/$name.fifo"
	"$PRATIQUED" --ready-fd 7 "$@" 7>"$scratch/$name.fifo" 2>"$scratch/$name.log" </dev/null &
	pids[$name]=$!
	cat "$scratch/$name.fifo" >"$scratch/$name.ready"
	rm "$scratch/$name.fifo"
	[ -s "$scratch/$name.ready" ] || note "the server $name is not ready:"$'\n'"$(<"$scratch/$name.log")"
}

# address NAME N: the Nth address that it listens on.
address() {
	sed -n "$2p" "$scratch/$1.ready"
}

# ended NAME CODE: wait for its end and expect this exit code.
ended() {
	local code=0
	wait "${pids[$1]}" || code=$?
	unset "pids[$1]"
	[ "$code" -eq "$2" ] || note "the server $1 ended with $code instead of $2:"$'\n'"$(<"$scratch/$1.log")"
}

# stop NAME: as an operator would.
stop() {
	kill -TERM "${pids[$1]}"
	ended "$1" 0
}

logged() {
	grep -q -- "$2" "$scratch/$1.log" || note "no \"$2\" in the log of $1:"$'\n'"$(<"$scratch/$1.log")"
}

kill_all() {
	local name
	for name in "${!pids[@]}"; do
		kill -KILL "${pids[$name]}" 2>/dev/null
		wait "${pids[$name]}" 2>/dev/null
	done
}

stop_all() {
	kill_all
	rm -rf "$scratch"
}
trap stop_all EXIT
