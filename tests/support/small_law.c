#include "tests/support/small_law.h"

#include "policy/compile.h"
#include "policy/pack.h"
#include "tests/support/load_packs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const char pack[] =
	"pack: small\n"
	"title: A small law\n"
	"edition: 2026-01-01\n"
	"jurisdiction: LAW\n"
	"domains:\n"
	"  jurisdiction: { symbols: [LAW] }\n"
	"  authority: { symbols: [OFFICE] }\n"
	"  reason: { symbols: [LIST, USE] }\n"
	"  exception: { symbols: [SMALL] }\n"
	"  country: { symbols: [NEAR, FAR, FOE] }\n"
	"  item: { symbols: [machine, bread] }\n"
	"  role: { symbols: [end_user, buyer] }\n"
	"  list: { symbols: [DPL, EL] }\n"
	"  use: { symbols: [civil, military, nuclear] }\n"
	"  transaction_type: { symbols: [export] }\n"
	"facts:\n"
	"  - { name: transaction_type, type: symbol, domain: transaction_type, required: true, fixed: true }\n"
	"  - { name: destination, type: symbol, domain: country, fixed: true, ask: Where to? }\n"
	"  - { name: item.eccn, type: code, domain: item, separator: \".\", path: item.paragraph, fixed: true }\n"
	"  - { name: value_usd, type: number, min: 0 }\n"
	"  - { name: order_date, type: date, silence: none }\n"
	"  - { name: end_use, type: symbol, domain: use }\n"
	"  - { name: party.role, type: symbol, domain: role, required: true, fixed: true }\n"
	"  - { name: party.name, type: text }\n"
	"  - { name: party.lists, type: symbols, domain: list, report_as: screening }\n"
	"  - { name: party.military_end_user, type: bool }\n"
	"jurisdictions:\n"
	"  - { name: LAW, available: LICENSE_EXCEPTION_AVAILABLE }\n"
	"profiles:\n"
	"  - { name: peaceful, title: Nobody is military, assume: { party.military_end_user: false } }\n"
	"  - { name: warlike, title: Everybody is military, assume: { party.military_end_user: true } }\n"
	"  - { name: quiet, title: Small and civil, assume: { party.lists: [], value_usd: 50, end_use: civil } }\n";

static const char rules[] =
	"- { id: s.law, kind: jurisdiction, cite: Law 0, jurisdiction: LAW }\n"
	"- { id: s.machine, kind: requirement, cite: Law 1, authority: OFFICE, reason: LIST,\n"
	"    when: { item.eccn: machine, destination: [FAR, FOE] } }\n"
	"- { id: s.military, kind: requirement, cite: Law 2, authority: OFFICE, reason: USE, when: { end_use: military } }\n"
	"- { id: s.old, kind: exclusion, cite: Law 3, excludes: { reasons: [LIST] }, when: { order_date: \"< 2026-01-01\" } }\n"
	"- { id: s.small, kind: exception, cite: Law 4, exception: SMALL, overcomes: [LIST], considered: always,\n"
	"    when: { destination: FAR, value_usd: \"<= 100\" } }\n"
	"- { id: s.small.military, kind: restriction, cite: Law 5, bars: [SMALL],\n"
	"    when: { any_party: { military_end_user: true } } }\n"
	"- { id: s.denied, kind: prohibition, cite: Law 6, text: A party is denied.,\n"
	"    when: { any_party: { lists: [DPL] } } }\n"
	"- { id: s.nuclear, kind: refer, cite: Law 7, text: Ask the office., when: { end_use: nuclear } }\n";
/* clang-format on */

static _Noreturn void
give_up(const struct pq_err *err)
{
	char text[PQ_ERR_WHERE_MAX + PQ_ERR_MSG_MAX + 32];

	pq_err_format(err, text, sizeof(text));
	fprintf(stderr, "the small law cannot be used: %s\n", text);
	abort();
}

struct pq_image *
small_law_open(struct pq_arena *arena)
{
	const struct pq_pack_file files[] = {
		{"small/pack.yaml", pack, sizeof(pack) - 1},
		{"small/rules/rules.yaml", rules, sizeof(rules) - 1},
	};
	struct pq_model *model;
	struct pq_findings findings = {0};
	const struct pq_blob *blobs;
	struct pq_image *image;
	size_t n_blobs;
	struct pq_err err = {0};

	if (pq_model_load(files, 2, arena, &model, &findings, &err) != PQ_OK) {
		pq_test_print_findings(&findings);
		give_up(&err);
	}
	if (pq_compile(model, arena, &blobs, &n_blobs, &err) != PQ_OK ||
	    pq_image_open(blobs, n_blobs, &image, &err) != PQ_OK)
		give_up(&err);
	return image;
}

enum pq_status
small_law_decide(const struct pq_image *image, const char *json, struct pq_arena *arena,
                 struct pq_decision *ret_decision, const struct pq_violation **ret_violations, size_t *ret_n_violations)
{
	struct pq_request request;
	struct pq_err err = {0};

	if (pq_request_from_json(json, strlen(json), arena, &request, &err) != PQ_OK)
		give_up(&err);
	*ret_violations = NULL;
	*ret_n_violations = 0;
	return pq_decide(image, &request, arena, ret_decision, ret_violations, ret_n_violations, &err);
}
