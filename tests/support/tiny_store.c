#include "tests/support/tiny_store.h"

#include "policy/compile.h"
#include "policy/pack.h"
#include "storage/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char head[] = "pack: tiny\n"
						   "title: A law for tests";

static const char pack[] =
	"\n"
	"edition: 2026-01-01\n"
	"covers: { from: 2020-01-01, to: 2026-12-31, grace_days: 30 }\n"
	"time_zone: UTC\n"
	"jurisdiction: LAW\n"
	"domains:\n"
	"  jurisdiction: { symbols: [LAW] }\n"
	"  authority: { symbols: [OFFICE] }\n"
	"  reason: { symbols: [ANY] }\n"
	"  exception: { symbols: [SMALL] }\n"
	"  country: { symbols: [AA, BB, CC] }\n"
	"  role: { symbols: [end_user, purchaser] }\n"
	"  list: { symbols: [BLACK] }\n"
	"  kind: { symbols: [commodity, software] }\n"
	"  transaction_type: { symbols: [export, deemed_export] }\n"
	"facts:\n"
	"  - { name: transaction_type, type: symbol, domain: transaction_type, required: true }\n"
	"  - { name: destination, type: symbol, domain: country, ask: 'To which country does it go?' }\n"
	"  - { name: origin, type: symbol, domain: country, silence: none }\n"
	"  - { name: value_usd, type: number, min: 0, ask: 'What is it worth?' }\n"
	"  - { name: item.kind, type: symbol, domain: kind, silence: commodity }\n"
	"  - { name: party.role, type: symbol, domain: role, required: true }\n"
	"  - { name: party.name, type: text }\n"
	"  - { name: party.country, type: symbol, domain: country }\n"
	"  - { name: party.lists, type: symbols, domain: list, silence: none }\n"
	"  - { name: person.citizenship, type: symbols, domain: country }\n"
	"jurisdictions:\n"
	"  - { name: LAW, available: LICENSE_EXCEPTION_AVAILABLE, release_by: person.citizenship }\n"
	"release: { fact: transaction_type, values: [deemed_export], replaces: destination }\n";

/* With the edition, in the law and in the citation of what it requires, and the review. */
static const char rules[] =
	"- { id: tiny.law, kind: jurisdiction, cite: Law 1%s, jurisdiction: LAW }\n"
	"- { id: tiny.bb, kind: requirement, cite: Law 2%s, authority: OFFICE, reason: ANY, label: ANY to BB,\n"
	"    when: { destination: BB }, review: %s }\n"
	"- { id: tiny.small, kind: exception, cite: Law 3, exception: SMALL, overcomes: [ANY], considered: always,\n"
	"    when: { value_usd: '<= 100' } }\n"
	"- { id: tiny.black, kind: prohibition, cite: Law 4, text: A party is listed.,\n"
	"    when: { any_party: { lists: [BLACK] } } }\n"
	"- { id: tiny.report, kind: obligation, cite: Law 5, obligation: REPORT, label: REPORT(5),\n"
	"    when: { destination: [BB, CC] } }\n";

void
tiny_store_seal(const char *path)
{
	tiny_store_seal_edition(path, 0);
}

void
tiny_store_seal_edition(const char *path, unsigned n)
{
	char head_pack[sizeof(head) + sizeof(pack) + 16], rules_of[sizeof(rules) + 80];
	char number[16] = "", edition[24] = "";

	if (n > 0) {
		snprintf(number, sizeof(number), ", %u", n);
		snprintf(edition, sizeof(edition), " of %u", n);
	}
	snprintf(head_pack, sizeof(head_pack), "%s%s%s", head, number, pack);
	snprintf(rules_of, sizeof(rules_of), rules, edition, edition, n % 2 == 0 ? "CASE_BY_CASE" : "POLICY_OF_DENIAL");
	const struct pq_pack_file files[] = {
		{"tiny/pack.yaml", head_pack, strlen(head_pack)},
		{"tiny/rules/rules.yaml", rules_of, strlen(rules_of)},
	};
	struct pq_arena arena;
	struct pq_model *model;
	struct pq_findings findings;
	const struct pq_blob *blobs;
	size_t n_blobs;
	struct pq_err err = {0};
	char text[PQ_ERR_WHERE_MAX + PQ_ERR_MSG_MAX + 32];

	pq_arena_init(&arena, (size_t)256 << 20);
	enum pq_status status = pq_model_load(files, 2, &arena, &model, &findings, &err);
	if (status == PQ_OK)
		status = pq_compile(model, &arena, &blobs, &n_blobs, &err);
	if (status == PQ_OK)
		status = pq_store_seal(path, blobs, n_blobs, NULL, &err);
	pq_arena_release(&arena);
	if (status == PQ_OK)
		return;
	pq_err_format(&err, text, sizeof(text));
	fprintf(stderr, "the store for tests cannot be made: %s\n", text);
	abort();
}
