#!/usr/bin/env bash
# Warnings and labels of the US packs, which the packs' own cases do not compare: each where it belongs, and not beside.
# ctest: timeout=120
set -uo pipefail
# shellcheck source=tests/e2e/lib_cli.sh
source "$SRC/tests/e2e/lib_cli.sh"

if [ -z "${STORE:-}" ]; then
	echo "there are no US packs"
	exit 77
fi

# asks DAY TO USML FLAGS...: a USML article that is in no way special, to an end user who was screened, and is $as.
as=
asks() {
	local day=$1 to=$2 usml=$3
	shift 3
	exits 0 "$PRATIQUE" decide --store "$STORE" --json --as-of "$day" --type export --to "$to" --usml "$usml" --screened \
		--fact item.sme=false --fact item.mt=false --fact item.classified=false --value 20000 --end-use civil \
		--party "role=end_user,country=$to,lists=$as" "$@"
}

# The filing hangs on the carrier.
asks 2026-03-02 BR "XI(c)(6)" --kind commodity --fact conveyance.type=aircraft
says "EEI(123.22, 8 hours before departure)"
asks 2026-03-02 BR "XI(c)(6)" --kind commodity --fact conveyance.type=truck
says "EEI(123.22, 8 hours before departure)"
asks 2026-03-02 BR "XI(c)(6)" --kind commodity --fact conveyance.type=vessel
says "EEI(123.22, 24 hours before departure)"
asks 2026-03-02 BR "XI(c)(6)" --kind commodity --fact conveyance.type=rail
says "EEI(123.22, 24 hours before departure)"
asks 2026-03-02 BR "XI(c)(6)" --kind commodity
says '"EEI(123.22)"'
lacks "licence is said to be held"

# A licence that is held, data that is published, significant military equipment to Canada.
asks 2026-03-02 BR "XI(c)(6)" --kind commodity --fact dsp5=true
says "licence is said to be held"
asks 2026-03-02 BR "XI(d)" --kind technical_data --fact published=true
says "is no technical data"
asks 2026-03-02 BR "XI(d)" --kind technical_data
lacks "is no technical data"
canada=(--kind commodity --fact in_supp1_126=false --fact exporter_registered=true)
as=,canadian_registered=true
asks 2026-03-02 CA "XI(c)(6)" "${canada[@]}"
says '"126.5(b)"'
lacks "the Canadian recipient's assurance"
asks 2026-03-02 CA "XI(c)(6)" "${canada[@]}" --fact item.sme=true --fact item.mde=false
says "the Canadian recipient's assurance"
as=

# Data that was cleared for release: two sections differ.
cleared=(--kind technical_data --fact "claimed_authorization=125.4(b)(13)," --fact exemption.cleared_for_release=true)
asks 2026-03-02 CN "XI(d)" "${cleared[@]}"
says "125.4(a) lets the exemption reach countries of 126.1"
asks 2026-03-02 DE "XI(d)" "${cleared[@]}"
lacks "125.4(a) lets the exemption reach countries of 126.1"

# What was not read says so, from its day on.
asks 2026-09-17 ET "XI(c)(6)" --kind commodity
lacks "still proscribed"
asks 2026-09-18 ET "XI(c)(6)" --kind commodity
says "still proscribed"
asks 2026-09-17 SO "XI(c)(6)" --kind commodity
lacks "changed on 2026-09-18"
asks 2026-09-18 SO "XI(c)(6)" --kind commodity
says "changed on 2026-09-18"
asks 2026-09-30 CY "XI(c)(6)" --kind commodity
lacks "renewed beyond"
asks 2026-10-01 CY "XI(c)(6)" --kind commodity
says "renewed beyond"
asks 2025-07-06 LY "XI(c)(6)" --kind commodity
lacks "changed on 2025-07-07"
asks 2025-07-07 LY "XI(c)(6)" --kind commodity
says "changed on 2025-07-07"

# hit LIST ADDRESS SAME: a request with one hit that somebody looked into.
hit() {
	printf '%s' '{"as_of":"2026-03-02","transaction_type":"export","item":{"eccn":"EAR99","kind":"commodity"},
		"destination":"FR","parties":[{"role":"end_user","country":"FR","lists":[]}],"end_use":"civil","value_usd":900,
		"screening":{"screened":true,"red_flags":[],"hits":[{"party":"end_user","list":"'"$1"'","name_match":"exact",
		"address_match":'"$2"',"adjudicated":true,"same_party":'"$3"'}]}}' >"$scratch/hit.json"
	exits 0 "$PRATIQUE" decide --store "$STORE" --json "$scratch/hit.json"
}

hit DPL true false
says "name and address agree"
lacks "Some entries are addresses"
hit DPL false false
lacks "name and address agree"
hit EL true false
says "Some entries are addresses"
hit EL true true
lacks "name and address agree"
says "NEEDS_INFORMATION"
finish
