#!/usr/bin/env bash
# Manual pages and completions, from what the programs say of themselves: generate.sh PRATIQUE PRATIQUED VERSION FOLDER DOCDIR
#
# The text of a page about a command is its help; its flags in completions are those of its table (--list-flags).
# tests/e2e/install.sh holds help, tables, pages and completions against each other.
set -euo pipefail
pratique=$1 pratiqued=$2 version=$3 folder=$4 docdir=$5
pages=$(cd "$(dirname "${BASH_SOURCE[0]}")/../docs/man" && pwd)

mapfile -t commands < <("$pratique" help | sed -n 's/^  pratique \([a-z]*\)  .*/\1/p')
[ "${#commands[@]}" -gt 10 ] || { echo "generate.sh: only ${#commands[@]} commands in pratique help" >&2; exit 1; }

# roff PART: of a help on standard input its "synopsis", the lines that begin with the program's name, or the "rest".
# A line of two blanks and a flag begins an entry; what is indented further belongs to it.
roff() {
	awk -v part="$1" '
	function escaped(text) {
		gsub(/\\/, "\\e", text)
		gsub(/-/, "\\-", text)
		return text ~ /^[.\047]/ ? "\\&" text : text
	}
	{ synopsis = !over && ($0 ~ /^ *pratiqued? / && $0 !~ /pratiqued answers/ || ($0 ~ /^ / && synopsis)) }
	$0 ~ /^  -/ { over = 1 }
	synopsis {
		if (part == "synopsis") {
			if ($0 ~ /^ *pratiqued? /) print shown++ ? ".br" : ".nh"
			sub(/^ +/, "")
			print escaped($0)
		}
		next
	}
	part == "synopsis" { next }
	/^$/ { blank = 1; next }
	/^  -/ {
		text = substr($0, 3)
		at = match(text, /   */)
		print ".TP"
		print "\\fB" escaped(at ? substr(text, 1, at - 1) : text) "\\fR"
		if (at) print escaped(substr(text, at + RLENGTH))
		blank = 0
		next
	}
	{
		if (blank) print ".PP"
		blank = 0
		sub(/^ +/, "")
		print escaped($0)
	}'
}

# fill TEMPLATE NAME FILE...: lines "@NAME@" of the template become the file.
fill() {
	local template=$1
	shift
	awk -v version="$version" -v docdir="$docdir" '
	BEGIN { for (i = 2; i < ARGC; i += 2) { files["@" ARGV[i] "@"] = ARGV[i + 1] } ARGC = 2 }
	$0 in files { while ((getline line < files[$0]) > 0) print line; next }
	{ gsub(/@VERSION@/, version); gsub(/@DOCDIR@/, docdir); print }' "$template" "$@"
}

manual() {
	local command summary name
	for command in "${commands[@]}"; do
		summary=$("$pratique" help | sed -n "s/^  pratique $command  *//p")
		name=pratique-$command
		printf '.TP\n\\fB%s\\fR(1)\n%s\n' "${name//-/\\-}" "$summary" >>"$work/commands"
		"$pratique" help "$command" | roff synopsis >"$work/synopsis"
		"$pratique" help "$command" | roff rest >"$work/rest"
		sed -e "s/@NAME@/${name//-/\\\\-}/; s/@TITLE@/${name^^}/; s/@SUMMARY@/$summary/" "$pages/command.1.in" >"$work/template"
		fill "$work/template" SYNOPSIS "$work/synopsis" REST "$work/rest" >"$folder/man1/$name.1"
	done
	fill "$pages/pratique.1.in" COMMANDS "$work/commands" >"$folder/man1/pratique.1"
	"$pratiqued" --help | roff synopsis >"$work/synopsis"
	# What follows the flags is said in the template.
	"$pratiqued" --help | sed '/^A flag goes before/,$d; 1d' | roff rest >"$work/rest"
	fill "$pages/pratiqued.8.in" SYNOPSIS "$work/synopsis" REST "$work/rest" >"$folder/man8/pratiqued.8"
}

# flags COMMAND...: of its table, "--name" each; those that take a value separately again with valued.
flags() {
	"$@" --list-flags | awk '{ printf "--%s ", $1; if ($2 != "-") printf "-%s ", $2 }'
}
valued() {
	"$@" --list-flags | awk '$3 == "value" { printf "--%s ", $1; if ($2 != "-") printf "-%s ", $2 }'
}

bash_completion() {
	local command
	cat <<'BASH'
# bash completion for pratique and pratiqued; made from the flags' tables.

_pratique_words() { # FLAGS VALUED: complete the last word
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	case $prev in
	--log-level) mapfile -t COMPREPLY < <(compgen -W 'debug info warn error' -- "$cur"); return ;;
	--merge-replies) mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur"); return ;;
	--query) mapfile -t COMPREPLY < <(compgen -W 'jurisdiction_only' -- "$cur"); return ;;
	esac
	[[ " $2 " != *" $prev "* ]] || return # a value: what bash does by itself
	[[ $cur != -* ]] || mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_pratique() {
	local flags= valued=
	if [ "$COMP_CWORD" -eq 1 ] || { [ "$COMP_CWORD" -eq 2 ] && [ "${COMP_WORDS[1]}" = help ]; }; then
BASH
	printf "\t\tmapfile -t COMPREPLY < <(compgen -W '%s help version' -- \"\${COMP_WORDS[COMP_CWORD]}\")\n" "${commands[*]}"
	printf '\t\treturn\n\tfi\n\tcase ${COMP_WORDS[1]} in\n'
	for command in "${commands[@]}"; do
		printf "\t%s)\n\t\tflags='%s'\n\t\tvalued='%s'\n\t\t;;\n" "$command" "$(flags "$pratique" "$command")" \
			"$(valued "$pratique" "$command")"
	done
	printf '\tesac\n\t_pratique_words "$flags" "$valued"\n}\n\n_pratiqued() {\n'
	printf "\t_pratique_words '%s' '%s'\n}\n\n" "$(flags "$pratiqued")" "$(valued "$pratiqued")"
	printf 'complete -o bashdefault -o default -F _pratique pratique\n'
	printf 'complete -o bashdefault -o default -F _pratiqued pratiqued\n'
}

# zsh_flags COMMAND...: a word each for _arguments.
zsh_flags() {
	"$@" --list-flags | awk -v q="'" '
	function word(flag) {
		return " " q "*" flag ($3 == "value" ? "[]:value:_files" : $3 == "may" ? "=-[]::value:" : "[]") q
	}
	{ printf "%s", word("--" $1); if ($2 != "-") printf "%s", word("-" $2) }'
}

zsh_completion() {
	local command
	printf '#compdef pratique pratiqued\n# zsh completion; made from the flags'"'"' tables.\n\n'
	printf 'local -a commands\ncommands=(%s help version)\n\n' "${commands[*]}"
	printf 'if [[ $service == pratiqued ]]; then\n\t_arguments%s\n\treturn\nfi\n' "$(zsh_flags "$pratiqued")"
	printf 'if (( CURRENT == 2 )) || [[ CURRENT -eq 3 && $words[2] == help ]]; then\n\tcompadd -a commands\n\treturn\nfi\n'
	printf 'local command=$words[2]\nshift words\n(( CURRENT-- ))\ncase $command in\n'
	for command in "${commands[@]}"; do
		printf "%s) _arguments%s '*:file:_files' ;;\n" "$command" "$(zsh_flags "$pratique" "$command")"
	done
	printf 'esac\n'
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder/man1" "$folder/man8" "$folder/bash" "$folder/zsh"
manual
bash_completion >"$folder/bash/pratique"
zsh_completion >"$folder/zsh/_pratique"
