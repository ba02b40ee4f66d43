#!/usr/bin/env bash
# calendar: the dates on which something changes for a country, with the rows, what follows, and the rules that can apply
# from then on or cannot any more.
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"

[ -n "${STORE:-}" ] || exit 77

# day DATE: the part of the last calendar about that day, into $out.
day() {
	out=$(awk -v day="$1" '/^[0-9]/ { on = $1 == day } on' "$scratch/calendar")
	[ -n "$out" ] || note "nothing on $1"
}

calendar() {
	exits 0 "$PRATIQUE" calendar --store "$STORE" --to "$1"
	printf '%s\n' "$out" >"$scratch/calendar"
}

calendar KH
day 2021-12-09
says "row begins        itar_126_1: KH"
says "row begins        country_groups: KH, D:5"
says "now               destination.group = D:5"
says "now               destination.list = NS_REVIEW_742_4_B7"
says "rule can apply    ear.740-2.a12"
says "rule can apply    ear.744-21.a1"
says "rule can apply    ear.744-22"
day 2025-11-07
says "row ends          itar_126_1: KH"
says "no longer         destination.group = D:5"
says "rule cannot apply ear.740-2.a12"
says "rule can apply    ear.warn.d5.printed"
lacks "744-21.a1"
lacks "NS_REVIEW_742_4_B7"
day 2026-02-03
says "row ends          country_groups: KH, D:5"
says "rule cannot apply ear.warn.d5.printed"
lacks "destination.group ="

calendar NI
day 2024-03-15
says "no longer         destination.group = B"
says "now               destination.group = D:5"
says "rule can apply    ear.740-2.a12"

# What concerns another country only is not in a country's calendar.
calendar AU
exits 1 grep -q 'itar_126_1:\|country_groups: .*D:5' "$scratch/calendar"

exits 3 "$PRATIQUE" calendar --store "$STORE" --to XX
exits 2 "$PRATIQUE" calendar --store "$STORE"

finish
