# shellcheck shell=bash
# Pages whose examples run: sourced after lib_cli.sh.
#
# In a page, "<!-- file: NAME -->" before a block makes it a file. In a block marked "console", "$ " begins a command;
# the lines below it must stand in the command's output, in this order, each as a part of some line; "? N" is the exit
# code that is expected instead of 0.

pratique() {
	"$PRATIQUE" "$@"
}

# In the background of a command: its output is not the command's, which would not end.
pratiqued() {
	exec >/dev/null
	echo "$BASHPID" >>.servers
	exec "$PRATIQUED" "$@"
}

# The command of $command was read whole: run it and look for what the page shows.
check_command() {
	[ -n "$command" ] || return 0
	commands=$((commands + 1))
	code=0
	local answer rest line
	answer=$(eval "$command" 2>&1 </dev/null) || code=$?
	[ "$code" -eq "$expected_code" ] || note "exit code $code instead of $expected_code: $command"$'\n'"$answer"
	rest=$answer
	for line in "${shown[@]}"; do
		if [[ $rest != *"$line"* ]]; then
			note "no \"$line\" (in this order) in the output of: $command"$'\n'"$answer"
			break
		fi
		rest=${rest#*"$line"}
	done
}

# run_page PAGE: makes its files and runs its commands here; leaves their number in $commands.
run_page() {
	local line expected_code=0 command=
	local -a shown=()
	commands=0
	awk '
		/^<!-- file: / { name = $3; next }
		/^```/ && inside { inside = 0; name = ""; close(out); next }
		/^```/ && name != "" { inside = 1; out = name; next }
		inside { print > out }
	' "$1"
	awk '/^```console/ { inside = 1; next } /^```/ { inside = 0 } inside' "$1" >.commands
	while IFS= read -r line; do
		case $line in
		'$ '*)
			check_command
			command=${line#'$ '}
			expected_code=0
			shown=()
			;;
		'? '*) expected_code=${line#'? '} ;;
		*) shown+=("$line") ;;
		esac
	done <.commands
	check_command
}
