#!/usr/bin/env bash
# Fuzzes the targets of tests/fuzz for a bounded processor time each, two at a time, and says what that brought.
# ./dev fuzz builds the targets and calls it.
#
# Usage: run.sh [TARGET...] [--minutes N] [--no-merge] [--keep]
#   TARGET       codec, csv, ...: all of them, those nearest to strangers first, unless some are named
#   --minutes N  processor minutes for each target, not minutes by the clock (1; 0.5 will do); 0 only counts and merges
#   --no-merge   leave minimising and the table to a later run
#   --keep       put the minimised corpora into tests/fuzz/corpus, and the table into tests/fuzz/record.txt and
#                docs/security.md
#
# Environment: PQ_FUZZ_BUILD, the preset's folder (build/fuzz); PQ_FUZZ_WORK, where corpora grow and crashes are kept
# over runs (build/fuzz-work); PQ_FUZZ_JOBS, how many at a time (2).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build=${PQ_FUZZ_BUILD:-build/fuzz}
work=${PQ_FUZZ_WORK:-build/fuzz-work}
jobs=${PQ_FUZZ_JOBS:-2}
minutes=1
merge=yes
keep=no
targets=()

# Those nearest to strangers first; a target that is not in the list comes last.
order=(codec decide_request messages snapshot registry access pem manifest store_open request_json options command_line
	pack_yaml csv)
# A target that fails again and again is left alone for this run.
findings_max=5
# Of what was found, a corpus in the tree has so many files at most, for each test run feeds all of them; none is longer
# than this, and all of a target's together not either.
tree_files=150
tree_file_bytes=65536
tree_bytes=1000000
ticks=$(getconf CLK_TCK)

die() {
	printf 'fuzz: %s\n' "$*" >&2
	exit 2
}

while [ "$#" -gt 0 ]; do
	case $1 in
	--minutes)
		[ "$#" -gt 1 ] || die "--minutes needs a number"
		minutes=$2
		shift
		;;
	--minutes=*) minutes=${1#*=} ;;
	--no-merge) merge=no ;;
	--keep) keep=yes ;;
	-*) die "there is no option $1" ;;
	*) targets+=("$1") ;;
	esac
	shift
done
[[ $minutes =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "--minutes: \"$minutes\" is no number"
share=$(awk -v m="$minutes" -v hz="$ticks" 'BEGIN { printf "%d", m * 60 * hz }')

all_targets() {
	local source name
	for name in "${order[@]}"; do
		[ ! -e "tests/fuzz/fuzz_$name.c" ] || echo "$name"
	done
	for source in tests/fuzz/fuzz_*.c; do
		name=${source##*/fuzz_}
		name=${name%.c}
		[[ " ${order[*]} " == *" $name "* ]] || echo "$name"
	done
}

[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(all_targets)
for target in "${targets[@]}"; do
	[ -e "tests/fuzz/fuzz_$target.c" ] || die "there is no target $target"
	[ -x "$build/tests/fuzz_$target" ] || die "$build/tests/fuzz_$target is not built: ./dev fuzz does it"
done

# What a target wants of libFuzzer, from its source: a comment "fuzz: -max_len=4096".
wishes() {
	sed -n 's/.*[^a-z]fuzz: \(-[-a-z_=0-9 ]*\).*/\1/p' "tests/fuzz/fuzz_$1.c"
	[ ! -e "tests/fuzz/dict/$1" ] || echo "-dict=tests/fuzz/dict/$1"
}

# Processor time of a process that runs, in ticks; nothing once it has ended.
ticks_of() {
	local line
	line=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
	line=${line##*) }
	# shellcheck disable=SC2086  # the words of the line
	set -- $line
	echo $((${12} + ${13}))
}

# A status line or final count of libFuzzer's log: number LOG PATTERN.
number() {
	sed -nE "s/.*$2.*/\\1/p" "$1" | tail -1 | grep . || echo 0
}

# Counts of a target over all runs: ticks, executions, findings.
read_counts() {
	ticks_spent=0 executed=0 findings=0
	# shellcheck disable=SC1090,SC1091  # three assignments, written below
	[ ! -e "$work/$1/counts" ] || . "$work/$1/counts"
}

write_counts() {
	printf 'ticks_spent=%s executed=%s findings=%s\n' "$ticks_spent" "$executed" "$findings" >"$work/$1/counts.new"
	mv "$work/$1/counts.new" "$work/$1/counts"
}

# One process of a target, ended when it has used its share: fuzz_once TARGET TICKS. Sets `spent`; false: it found
# something.
fuzz_once() {
	local target=$1 most=$2 pid now status=0
	local -a wanted
	mapfile -t wanted < <(wishes "$target" | xargs -r -n1)
	# Time limits of one input go by the clock, and the machine may be busy, or the process stopped for a while.
	nice -n 19 "$build/tests/fuzz_$target" -print_final_stats=1 -timeout=900 -report_slow_units=900 \
		-rss_limit_mb=3000 -reload=0 \
		"${wanted[@]}" -artifact_prefix="$work/$target/findings/" "$work/$target/corpus" "tests/fuzz/corpus/$target" \
		>"$work/$target/log" 2>&1 &
	pid=$!
	echo "$pid" >"$work/$target/pid"
	spent=0
	while now=$(ticks_of "$pid") && [ -n "$now" ]; do
		spent=$now
		if [ "$now" -ge "$most" ]; then
			kill -INT "$pid" 2>/dev/null || true
			break
		fi
		sleep 1
	done
	wait "$pid" || status=$?
	rm -f "$work/$target/pid"
	# 72: interrupted, which is how it is to end.
	[ "$status" -eq 72 ] || [ "$status" -eq 0 ]
}

# Fuzz a target for its time, again after each finding.
fuzz() {
	local target=$1 left=$share found=0 spent
	while [ "$left" -gt 0 ] && [ "$found" -lt "$findings_max" ]; do
		if ! fuzz_once "$target" "$left"; then
			found=$((found + 1))
			cp "$work/$target/log" "$work/$target/finding-$(date +%s).log"
		fi
		read_counts "$target"
		ticks_spent=$((ticks_spent + spent))
		executed=$((executed + $(number "$work/$target/log" 'stat::number_of_executed_units: +([0-9]+)')))
		findings=$(find "$work/$target/findings" -type f | wc -l)
		write_counts "$target"
		left=$((left - spent))
	done
}

# Only what adds coverage stays in the corpus.
minimise() {
	local target=$1 old
	local -a wanted
	mapfile -t wanted < <(wishes "$target" | xargs -r -n1)
	rm -rf "$work/$target/merged"
	mkdir "$work/$target/merged"
	nice -n 19 "$build/tests/fuzz_$target" -merge=1 -timeout=900 -rss_limit_mb=3000 "${wanted[@]}" \
		-artifact_prefix="$work/$target/findings/" "$work/$target/merged" "tests/fuzz/corpus/$target" \
		"$work/$target/corpus" >"$work/$target/merge.log" 2>&1 || die "$target: merging failed: $work/$target/merge.log"
	old=$work/$target/corpus.old
	mv "$work/$target/corpus" "$old"
	mv "$work/$target/merged" "$work/$target/corpus"
	rm -rf "$old"
	# What the corpus reaches: counted anew, so that it is the same for any number of runs.
	nice -n 19 "$build/tests/fuzz_$target" -runs=0 -rss_limit_mb=3000 "${wanted[@]}" "$work/$target/corpus" \
		>"$work/$target/count.log" 2>&1 || die "$target: its own corpus fails: $work/$target/count.log"
}

# keep_corpus TARGET: what was written by hand stays; of what was found, the smallest inputs, as many as may be.
keep_corpus() {
	local folder=tests/fuzz/corpus/$1 size path name total written n=0
	find "$folder" -type f -name 'found-*' -delete
	written=$(find "$folder" -type f -exec sha1sum {} +)
	total=$(find "$folder" -type f -exec cat {} + | wc -c)
	while read -r size path; do
		if [ "$n" -eq "$tree_files" ] || [ "$size" -gt "$tree_file_bytes" ] || [ $((total + size)) -gt "$tree_bytes" ]; then
			break
		fi
		# libFuzzer names an input by its SHA-1.
		name=${path##*/}
		[[ $written != *"$name"* ]] || continue
		cp "$path" "$folder/found-${name:0:16}"
		total=$((total + size))
		n=$((n + 1))
	done < <(find "$work/$1/corpus" -type f -printf '%s %p\n' | sort -n)
}

heading() {
	echo "# target cpu_minutes executions executions_per_cpu_second edges corpus_files corpus_bytes findings"
}

# A line of the table. Findings are the inputs kept in the work folder; what was mended stays counted.
line() {
	local target=$1 edges files bytes
	read_counts "$target"
	edges=$(number "$work/$target/count.log" ' cov: ([0-9]+)')
	files=$(find "$work/$target/corpus" -type f | wc -l)
	bytes=$(find "$work/$target/corpus" -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }')
	awk -v ticks="$ticks_spent" -v hz="$ticks" -v n="$executed" -v rest="$edges $files $bytes $findings" \
		-v name="$target" 'BEGIN {
			s = ticks / hz
			printf "%s %.1f %d %d %s\n", name, s / 60, n, (s > 0 ? n / s : 0), rest
		}'
}

# keep_table TABLE: its lines take the place of those of the same targets in the record, and the record's lines that of
# the table in docs/security.md.
keep_table() {
	local record=tests/fuzz/record.txt page=docs/security.md
	touch "$record"
	{
		heading
		awk '/^#/ { next } !($1 in line) { order[++n] = $1 } { line[$1] = $0 }
			END { for (i = 1; i <= n; i++) print line[order[i]] }' "$record" "$1"
	} >"$record.new"
	mv "$record.new" "$record"
	awk -v record="$record" '
		/^<!-- end of the table -->$/ { inside = 0 }
		!inside { print }
		/^<!-- from tests\/fuzz\/record.txt -->$/ {
			inside = 1
			print "\n| target | processor minutes | inputs tried | a second | edges | corpus | bytes | open findings |"
			print "|---|--:|--:|--:|--:|--:|--:|--:|"
			while ((getline text < record) > 0)
				if (text !~ /^#/) {
					split(text, f, " ")
					printf "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8]
				}
			print ""
		}' "$page" >"$page.new"
	mv "$page.new" "$page"
}

for target in "${targets[@]}"; do
	mkdir -p "$work/$target/corpus" "$work/$target/findings" "tests/fuzz/corpus/$target"
done
touch "$work/.began"
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}

if [ "$share" -gt 0 ]; then
	for target in "${targets[@]}"; do
		while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
			wait -n || true
		done
		fuzz "$target" &
	done
	wait
fi

if [ "$merge" = yes ]; then
	table=$work/table.txt
	heading >"$table.new"
	for target in "${targets[@]}"; do
		minimise "$target"
		[ "$keep" = no ] || keep_corpus "$target"
		line "$target" >>"$table.new"
	done
	mv "$table.new" "$table"
	[ "$keep" = no ] || keep_table "$table"
	column -t "$table"
fi

new=$(find "$work"/*/findings -type f -newer "$work/.began")
if [ -n "$new" ]; then
	printf 'fuzz: found, and kept:\n%s\n' "$new" >&2
	exit 1
fi
