#!/usr/bin/env bash
# explain: the page for people, as text and as one file of HTML that needs nothing else. Where chromium is installed the
# page is looked at: the screenshot is explain.png among the tests' programs.
# ctest: timeout=240
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"

store=$scratch/toy.mdb
toy_store "$store"

cat >"$scratch/request.json" <<'JSON'
{
  "as_of": "2026-06-01",
  "transaction_type": "export",
  "destination": "FAR",
  "item": { "lines": [{ "eccn": "machine", "value_usd": 500 }, { "eccn": "bread", "value_usd": 5 }, { "eccn": "wine.a.1" }] },
  "parties": [
    { "role": "end_user", "name": "<b>R&D \"Müller\" & 'Söhne'</b><script>alert(1)</script>\u202e\u0007" },
    { "role": "buyer", "military_end_user": false }
  ],
  "profile": "peaceful"
}
JSON

# ---- text ----

exits 0 "$PRATIQUE" explain --store "$store" "$scratch/request.json"
says "LICENSE_REQUIRED"
says "The facts as they were given"
says "parties[0].role: end_user"
says "profile peaceful"
says "party.military_end_user: false"
says "lines[0]: LICENSE_REQUIRED"
says "lines[1]: NO_LICENSE_REQUIRED"
says "lines[2]: refused"
says 'lines[2].item.eccn: "wine.a.1" is not a known item'
says "What would change the answer"
says "if value_usd were 100 instead of 500: a licence exception would be available"
says "(Law 3)"
says "toy/rules/law.yaml:"
while IFS= read -r line; do
	[ "${#line}" -le 80 ] || note "a line of ${#line} columns: $line"
done <<<"$out"
[[ $out != *$'\a'* ]] || note "a control character reached the terminal"

# Near misses are looked for unless the request says how many.
exits 0 "$PRATIQUE" explain --store "$store" "$scratch/request.json" --near-misses=0
lacks "What would change the answer"

# ---- HTML ----

# well_formed FILE: every element is ended where it began, but those that cannot have an end.
well_formed() {
	grep -o '<[^>]*>' "$1" | awk '
		/^<!DOCTYPE/ { next }
		{ name = $0; gsub(/^<\/?|[ >].*$/, "", name) }
		name ~ /^(meta|br)$/ { next }
		/^<\// { if (stack[n] != name) { print "</" name "> ends <" stack[n] ">"; exit 1 } n--; next }
		{ stack[++n] = name }
		END { if (n > 0) { print "<" stack[n] "> does not end"; exit 1 } }
	' || note "$1 is not well formed"
}

# holds TEXT and hides TEXT: what the last page has and has not.
holds() {
	grep -qF -e "$1" "$page" || note "no \"$1\" in $page"
}
hides() {
	! grep -qiF -e "$1" "$page" || note "\"$1\" in $page"
}

page=$scratch/page.html
exits 0 "$PRATIQUE" explain --store "$store" "$scratch/request.json" --html "$page"
says "LICENSE_REQUIRED"
well_formed "$page"
[ "$(head -1 "$page")" = "<!DOCTYPE html>" ] || note "the page does not begin as HTML"
holds "A licence is required"
holds "Law 2"
holds "toy/rules/law.yaml:"
holds "Joined from"
holds "Line 1: <bdi>machine</bdi>"
holds "Refused: something in it is wrong"
holds "What would change the answer"
holds "by the profile peaceful"
holds "&lt;b&gt;R&amp;D &quot;Müller&quot; &amp; &#39;Söhne&#39;&lt;/b&gt;&lt;script&gt;alert(1)&lt;/script&gt;"
holds "$(sed -n 's/^.*sha256  *//p' "$scratch/.compile")"
for word in http "<script" "<link" "<img" "url(" "@import" "javascript:" "onclick" $'\a'; do
	hides "$word"
done
[ "$(stat -c %a "$page")" = "$(printf '%o' $((0666 & ~$(umask))))" ] || note "the page has a mode of its own"
ls "$scratch"/page.html.* >/dev/null 2>&1 && note "something was left beside the page"

# The page goes to standard output alone, the same from the same question.
exits 0 "$PRATIQUE" explain --store "$store" "$scratch/request.json" --html -
printf '%s\n' "$out" | cmp -s - "$page" || note "the page on standard output is another"

# One page of each outcome.
base=(--as-of 2026-06-01 --type export --item machine)
party=(--party role=end_user,military_end_user=false)
for question in "--to NEAR" "--to FAR --value 50" "--to FAR --value 5000" "--to FOE --value 5000" "--to FAR" "--to null"; do
	# shellcheck disable=SC2086
	exits 0 "$PRATIQUE" explain --store "$store" "${base[@]}" $question "${party[@]}" --html "$page"
	well_formed "$page"
	hides "<script"
done
holds "Where does it go?"
holds "What must be known first"

# ---- what goes wrong ----

exits 1 "$PRATIQUE" explain --store "$store" "${base[@]}" --to NEAR --html "$scratch/nowhere/page.html"
complains "nowhere"
exits 3 "$PRATIQUE" explain --store "$store" "${base[@]}" --to ATLANTIS --html "$scratch/refused.html"
complains destination
[ ! -e "$scratch/refused.html" ] || note "a page was written of a request that was refused"
exits 2 "$PRATIQUE" explain --store "$store" "${base[@]}" --to NEAR --json
exits 2 "$PRATIQUE" explain "${base[@]}" --to NEAR

# ---- in a browser ----

if ! command -v chromium >/dev/null; then
	echo "chromium is not installed: the page was not looked at (./dev test --browser installs it)"
	finish
	exit
fi
"$PRATIQUE" explain --store "$store" "$scratch/request.json" --html "$scratch/look.html" >/dev/null
picture=${PRATIQUE%/*}/tests/explain.png
rm -f "$picture"
timeout 120 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
	--disable-background-networking --disable-component-update --disable-sync --user-data-dir="$scratch/browser" \
	--screenshot="$picture" --window-size=900,1600 "file://$scratch/look.html" >"$scratch/browser.log" 2>&1 ||
	note "chromium failed: $(tail -3 "$scratch/browser.log")"
if [ ! -s "$picture" ] || [ "$(head -c 8 "$picture" | od -An -tx1 | tr -d ' \n')" != 89504e470d0a1a0a ]; then
	note "there is no screenshot"
elif [ "$(stat -c %s "$picture")" -lt 20000 ]; then
	note "the screenshot is nearly empty"
else
	echo "screenshot: $picture"
fi
finish
